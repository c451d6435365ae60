//! The stories of the log: whatever happens to a job is told once, in order, to events and runs.

use expect_test::expect_file;

use crate::mutant::Mutant;
use crate::relay::Relays;
use crate::search::{Outcome, search};

const CALM: Relays = Relays { changes: 4, crashes: 0, reports: 0, people: false, mutant: None };

fn run(story: &str, relays: &Relays) -> Outcome {
    let outcome = search(relays, 1_000_000);
    println!("{story}: {} states, depth {}", outcome.states, outcome.depth);
    outcome
}

fn holds(story: &str, relays: &Relays, reaches: &[&str]) {
    let outcome = run(story, relays);
    if let Some(trace) = outcome.trace {
        panic!("{trace}");
    }
    for news in reaches {
        assert!(outcome.reached.contains(news), "never: {news}; but {:?}", outcome.reached);
    }
}

fn caught(name: &str, relays: &Relays, for_what: &str) {
    let outcome = run(name, relays);
    let trace = outcome.trace.expect("the wrong design is caught");
    expect_file![format!("traces/{name}.txt")].assert_eq(&trace);
    assert!(trace.contains(for_what), "caught for another reason: {trace}");
}

#[test]
fn two_relays_tell_each_event_once_and_close_each_run_once() {
    let relays = Relays { crashes: 1, ..CALM };
    let reaches = ["two relays at once", "a run was closed by a reap", "a second run was opened"];
    holds("two relays, a crash", &relays, &reaches);
}

#[test]
fn what_operators_do_is_told_as_well() {
    let relays = Relays { people: true, ..CALM };
    holds("two relays, operators", &relays, &["two relays at once", "a second run was opened"]);
}

#[test]
fn the_progress_of_a_run_never_falls() {
    let relays = Relays { changes: 3, reports: 2, ..CALM };
    holds("two relays and reports", &relays, &["two relays at once"]);
}

#[test]
fn a_relay_that_trims_before_it_tells_is_caught() {
    let mutant = Some(Mutant::TrimBeforeTelling);
    caught("trim_before_telling", &Relays { crashes: 1, mutant, ..CALM }, "L4");
}

#[test]
fn a_run_that_follows_blindly_is_caught() {
    let mutant = Some(Mutant::RunFollowsBlindly);
    caught("run_follows_blindly", &Relays { mutant, ..CALM }, "I13");
}
