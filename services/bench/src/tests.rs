//! Each measure in small: what it counts, never how long it takes.

use std::time::Duration;

use crate::spread::Spread;
use crate::{Measurement, Options, StoreChoice, What, run, usage};

fn small(what: What, store: StoreChoice) -> Options {
    Options {
        what: vec![what],
        store,
        in_flight: 4,
        seconds: 1,
        backlog: 40,
        jobs: 8,
        ..Options::default()
    }
}

async fn measured(options: &Options) -> Vec<Measurement> {
    let mut figures = Vec::new();
    let mut said = 0;
    run(options, |figure| figures.push(figure), |_| said += 1).await.unwrap();
    assert!(said > 0, "whoever waits is told what is being done");
    figures
}

#[test]
fn a_percentile_is_one_of_the_spans() {
    let spread = Spread::of((1..=200).rev().map(Duration::from_millis).collect());
    assert_eq!(
        (spread.at(50), spread.at(99), spread.at(100)),
        (Some(100.0), Some(198.0), Some(200.0))
    );
    assert_eq!(Spread::of(vec![Duration::from_millis(7)]).at(99), Some(7.0));
    assert_eq!(Spread::default().at(50), None);
}

#[test]
fn a_process_has_used_something() {
    assert!(usage::resident_mb() > 0.0);
    assert!(usage::processor() < Duration::from_secs(3600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_are_shipped_and_their_writes_counted() {
    for store in [StoreChoice::Memory, StoreChoice::Embedded] {
        let figures = measured(&small(What::Cycles, store)).await;
        let [figure] = &figures[..] else { panic!("{figures:?}") };
        assert!(figure.per_sec > 0.0 && figure.violations == 0, "{figure:?}");
        assert!(figure.writes_per_cycle.unwrap() >= 4.0, "{figure:?}");
        assert_eq!(figure.floor.as_ref().unwrap().name, "puts");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_in_bundles_are_the_same_cycles() {
    let figures =
        measured(&Options { words: 3, ..small(What::Bundles, StoreChoice::Memory) }).await;
    let [figure] = &figures[..] else { panic!("{figures:?}") };
    assert_eq!((figure.what, figure.words_per_message), ("bundles", Some(3)));
    assert!(figure.per_sec > 0.0 && figure.writes_per_cycle.unwrap() >= 4.0, "{figure:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dispatch_tells_of_the_idle_the_short_the_start_and_the_long() {
    let figures = measured(&small(What::Dispatch, StoreChoice::Memory)).await;
    let told: Vec<_> = figures.iter().map(|figure| (figure.what, figure.backlog)).collect();
    let long = ["first-claim", "start", "claim"].map(|what| (what, 40));
    assert_eq!(told, [&[("dispatch", 0), ("claim", 0)], &long[..]].concat());
    assert!(figures.iter().all(|figure| figure.per_sec > 0.0), "{figures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_contended_job_has_one_winner() {
    let figures = measured(&small(What::Contention, StoreChoice::Memory)).await;
    assert_eq!((figures.len(), figures[0].violations), (1, 0), "{figures:?}");
    assert!(figures[0].per_sec > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_renewal_of_a_live_lease_is_refused() {
    let figures = measured(&small(What::Renew, StoreChoice::Memory)).await;
    assert_eq!((figures.len(), figures[0].violations), (1, 0), "{figures:?}");
    assert!(figures[0].per_sec > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_silent_holders_job_is_taken_over_once() {
    let figures = measured(&small(What::Recovery, StoreChoice::Memory)).await;
    assert_eq!((figures.len(), figures[0].violations), (1, 0), "{figures:?}");
    assert!(figures[0].p99_ms.unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn artifacts_go_up_and_down_and_are_listed() {
    let figures = measured(&small(What::Artifacts, StoreChoice::Memory)).await;
    let told: Vec<_> = figures.iter().map(|figure| figure.what).collect();
    assert_eq!(told, ["upload", "download", "list"]);
    assert!(figures.iter().all(|figure| figure.per_sec > 0.0), "{figures:?}");
    assert_eq!(figures[0].floor.as_ref().unwrap().name, "MiB copied");
}

#[test]
fn a_figure_is_told_in_camel_case() {
    let figure = Options::default().figure("cycles");
    let json = serde_json::to_value(figure).unwrap();
    let fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for field in ["inFlight", "perSec", "p50Ms", "p99Ms", "writesPerCycle", "rssMb", "violations"] {
        assert!(fields.contains(&field), "{fields:?}");
    }
    assert_eq!(json["store"], "embedded");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_follow_a_log_are_told_every_line_once() {
    let options = Options { jobs: 3, ..small(What::Logs, StoreChoice::Memory) };
    let figures = measured(&options).await;
    assert_eq!((figures[0].in_flight, figures[0].violations), (3, 0));
    assert!(figures[0].per_sec > 0.0 && figures[0].p50_ms.is_some());
}
