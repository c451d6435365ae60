//! The seeds: the design as it is over two thousand of them, each twice; every wrong design caught
//! within its number of them.

use std::collections::BTreeSet;
use std::thread;

use super::check::Check;
use super::directed::{MOMENTS, SCENES, Scene};
use super::mutant::{Mutant, WANTED};
use super::plan::Plan;
use super::run::run;

const SEEDS: u64 = 2_000;

/// Two threads, each with its own worlds; the results in the order of the seeds.
fn each<T: Send>(seeds: u64, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (even, odd) = thread::scope(|scope| {
        let odd = scope.spawn(|| (0..seeds / 2).map(|n| one(2 * n + 1)).collect::<Vec<T>>());
        let even: Vec<T> = (0..seeds.div_ceil(2)).map(|n| one(2 * n)).collect();
        (even, odd.join().expect("the other thread panicked"))
    });
    let mut odd = odd.into_iter();
    even.into_iter().flat_map(|even| [Some(even), odd.next()]).flatten().collect()
}

#[test]
fn two_thousand_seeds_find_nothing_and_repeat_themselves() {
    let seeds = told("GIGAMESH_SIM_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number"));
    let failed: Vec<String> = each(seeds, |seed| {
        let first = run(Plan::of(seed, Mutant::Right));
        let second = run(Plan::of(seed, Mutant::Right));
        let mut said: Vec<String> = first.found.iter().map(ToString::to_string).collect();
        if first.lines != second.lines {
            said.push("the second run is another one".to_owned());
        }
        said.into_iter().map(|said| format!("seed {seed}: {said}")).collect::<Vec<_>>()
    })
    .into_iter()
    .flatten()
    .collect();
    println!("{}", failed.iter().take(60).cloned().collect::<Vec<_>>().join("\n"));
    assert!(failed.is_empty(), "{} findings", failed.len());
}

#[test]
fn every_wrong_design_is_caught_within_its_seeds() {
    let rows: Vec<Row> = WANTED
        .iter()
        .map(|wanted| {
            let said = each(wanted.seeds, |seed| {
                let found = run(Plan::of(seed, wanted.mutant)).found;
                let mut said = found.into_iter().map(|finding| finding.check);
                said.find(|said| wanted.said_by.contains(said))
            });
            Row { name: wanted.name, of: "seeds", said }
        })
        .collect();
    show(&rows);
}

#[test]
fn every_scene_catches_its_wrong_design_and_no_right_one() {
    let play = |scene: &Scene, mutant| {
        each(MOMENTS, |moment| {
            let found = (scene.play)(mutant, moment).found;
            let mut said = found.into_iter().map(|finding| finding.check);
            said.find(|said| *said == scene.said_by)
        })
    };
    let rows: Vec<Row> = SCENES
        .iter()
        .map(|scene| Row { name: scene.name, of: "moments", said: play(scene, scene.mutant) })
        .collect();
    show(&rows);
    for scene in SCENES {
        let said = play(scene, Mutant::Right);
        assert!(said.iter().all(Option::is_none), "{}: {said:?}", scene.name);
    }
}

/// What was said of one wrong design, seed by seed.
struct Row {
    name: &'static str,
    of: &'static str,
    said: Vec<Option<Check>>,
}

/// Prints the table; everything in it must have been caught.
fn show(rows: &[Row]) {
    println!("{:<46} {:>18}  {:>5}  said", "wrong design", "caught in", "first");
    for Row { name, of, said } in rows {
        let caught = said.iter().flatten().count();
        let first = said.iter().position(Option::is_some);
        let first = first.map_or("-".to_owned(), |first| first.to_string());
        let words: BTreeSet<&str> = said.iter().flatten().map(|check| check.words()).collect();
        let words: Vec<&str> = words.into_iter().collect();
        let share = format!("{caught} of {} {of}", said.len());
        println!("{name:<46} {share:>18}  {first:>5}  {}", words.join(", "));
    }
    let missed: Vec<_> = rows.iter().filter(|row| row.said.iter().all(Option::is_none)).collect();
    let missed: Vec<_> = missed.iter().map(|row| row.name).collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

#[test]
fn one_seed_is_replayed_with_its_transcript() {
    let Some(seed) = told("GIGAMESH_SIM_SEED") else { return };
    let mutant = told("GIGAMESH_SIM_MUTANT").map_or(Mutant::Right, |name| {
        let wanted = WANTED.iter().find(|wanted| wanted.name.contains(&name));
        wanted.expect("the name of a wrong design").mutant
    });
    let report = run(Plan::of(seed.parse().expect("a seed"), mutant));
    for line in &report.lines {
        println!("{line}");
    }
    for finding in &report.found {
        println!("{finding}");
    }
}

fn told(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test has no arguments but these")]
    std::env::var(name).ok()
}
