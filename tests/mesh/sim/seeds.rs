//! The seeds: the design as it is over two thousand of them, each twice; every wrong design caught
//! within its number of them.

use std::collections::BTreeSet;
use std::thread;

use fleet::StageName;

use super::check::Check;
use super::directed::{MOMENTS, SCENES, Scene};
use super::history::{Line, Op, Phase};
use super::mutant::{Mutant, WANTED};
use super::plan::Plan;
use super::run::run;

const SEEDS: u64 = 2_000;
/// Findings printed; one of them is enough to begin with.
const SHOWN: usize = 40;

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
    let reports = each(seeds, |seed| {
        let first = run(Plan::of(seed, Mutant::Right));
        let second = run(Plan::of(seed, Mutant::Right));
        let mut said: Vec<String> = first.found.iter().map(ToString::to_string).collect();
        if first.lines != second.lines {
            said.push("the second run is another one".to_owned());
        }
        (first.lines.len(), went_far(&first.lines), said)
    });
    let far = reports.iter().filter(|(_, far, _)| *far).count();
    let lines: usize = reports.iter().map(|(lines, ..)| lines).sum();
    let said = reports.iter().enumerate();
    let said = said.flat_map(|(seed, (.., said))| said.iter().map(move |said| (seed, said)));
    let said: Vec<String> = said.map(|(seed, said)| format!("seed {seed}: {said}")).collect();
    println!(
        "\nthe design as it is: {seeds} seeds, each twice; {lines} lines, {} findings; in {far} \
         seeds a job was taken back, a late word refused, and the job shipped all the same\n{}",
        said.len(),
        said.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(said.is_empty(), "{} findings", said.len());
    assert!(far > 0, "seeds in which nothing happens prove nothing");
}

/// Taken back, claimed again, shipped; and somebody was told that its word came too late.
fn went_far(lines: &[Line]) -> bool {
    let of_job = |line: &Line| line.op == Op::Job;
    let taken = |line: &Line| {
        of_job(line) && line.args.word.as_ref().is_some_and(|word| word.contains("LeaseExpired"))
    };
    let back = lines.iter().find(|line| taken(line)).and_then(|line| line.key);
    let shipped = lines.iter().any(|line| {
        of_job(line) && line.key == back && line.result.stage == Some(StageName::Shipped)
    });
    let late = lines
        .iter()
        .any(|line| line.phase == Phase::No && line.result.word.as_deref() == Some("Fenced"));
    back.is_some() && shipped && late
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
    let head = format!("\n{:<46} {:>18}  {:>5}  said", "wrong design", "caught in", "first");
    let lines = [head].into_iter().chain(rows.iter().map(Row::shown));
    println!("{}", lines.collect::<Vec<_>>().join("\n"));
    let missed = rows.iter().filter(|row| row.said.iter().all(Option::is_none));
    let missed: Vec<_> = missed.map(|row| row.name).collect();
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

impl Row {
    fn shown(&self) -> String {
        let Self { name, of, said } = self;
        let caught = said.iter().flatten().count();
        let first = said.iter().position(Option::is_some);
        let first = first.map_or_else(|| "-".to_owned(), |first| first.to_string());
        let words: BTreeSet<&str> = said.iter().flatten().map(|check| check.words()).collect();
        let words: Vec<&str> = words.into_iter().collect();
        let share = format!("{caught} of {} {of}", said.len());
        format!("{name:<46} {share:>18}  {first:>5}  {}", words.join(", "))
    }
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
    assert!(mutant != Mutant::Right || report.found.is_empty(), "{} findings", report.found.len());
}

fn told(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a test has no arguments but these")]
    std::env::var(name).ok()
}
