//! The stories of submit, admission and dependency release.

use fleet::{
    Actor, Circumstances, Claim, Command, Disposition, Job, Patch, Record, StageName, Wish,
};

use crate::cast::{
    Held, bidder, content, coordinator, evolved, nonce, now, op, request, stored_job, submitted,
};
use crate::graph::{Errand, Graph};
use crate::mutant::Mutant;
use crate::search::{Outcome, search};
use crate::wishes::release;

fn run(story: &str, graph: &Graph) -> Outcome {
    let outcome = search(graph, 1_000_000);
    println!("{story}: {} states, depth {}", outcome.states, outcome.depth);
    outcome
}

fn holds(story: &str, graph: &Graph, reaches: &[&str]) {
    let outcome = run(story, graph);
    if let Some(trace) = outcome.trace {
        panic!("{trace}");
    }
    for news in reaches {
        assert!(outcome.reached.contains(news), "never: {news}; but {:?}", outcome.reached);
    }
}

fn caught(name: &str, graph: &Graph, mutant: Mutant, for_what: &str) {
    let outcome = run(name, &Graph { mutant: Some(mutant), ..graph.clone() });
    let trace = outcome.trace.expect("the wrong design is caught");
    expect_test::expect_file![format!("traces/{name}.txt")].assert_eq(&trace);
    assert!(trace.contains(for_what), "caught for another reason: {trace}");
}

fn held(job: u8) -> Held {
    Held { job, epoch: 1, factory: 1, nonce: job + 1 }
}

fn after(job: &Job, by: Actor, wish: Wish) -> Job {
    let command = Command { by, given: Circumstances::default(), wish };
    let events = job.decide(&command, now()).expect("a legal story");
    (*stored_job(evolved(job, &events, now())).record).clone()
}

/// A job that was claimed and is being built.
fn building(number: u8) -> Job {
    let claim = Claim {
        bidder: bidder(1),
        nonce: nonce(number + 1),
        request: request(number + 1),
        epoch_seen: fleet::Epoch::ZERO,
        profile: None,
        grant_deadline: now(),
    };
    let patch = Patch {
        holding: held(number).holding(),
        op: op(1),
        stage: Some(StageName::Building),
        checkpoint: None,
        note: None,
        verify: None,
        insights: None,
    };
    let job = submitted(&content(number, 1, &[]));
    let job = after(&job, coordinator(), Wish::Claim(Box::new(claim)));
    after(&job, Actor::factory(&crate::cast::factory(1)), Wish::Patch(Box::new(patch)))
}

/// A job that was claimed once and handed back.
fn yielded(number: u8) -> Job {
    let wish = release(held(number), 2, Disposition::Yield);
    let by = Actor::factory(&crate::cast::factory(1));
    after(&building(number), by, Wish::Release(Box::new(wish)))
}

fn finish(job: u8) -> Errand {
    Errand::Finish { job, held: held(job) }
}

fn submission(job: u8, version: u8, deps: &'static [u8]) -> Errand {
    Errand::Submit { job, version, deps }
}

/// Two dependencies end while the job that waits for both is being submitted.
fn two_dependencies() -> Graph {
    Graph {
        jobs: vec![Some(stored_job(building(0))), Some(stored_job(building(1))), None],
        errands: vec![finish(0), finish(1), submission(2, 1, &[0, 1])],
        crashes: 0,
        mutant: None,
    }
}

/// Two producers close a circle.
fn circle() -> Graph {
    Graph {
        jobs: vec![None, None],
        errands: vec![submission(0, 1, &[1]), submission(1, 1, &[0])],
        crashes: 0,
        mutant: None,
    }
}

/// A job that stands is given other dependencies by two producers, one of whom closes a circle.
fn rewired() -> Graph {
    Graph {
        jobs: vec![Some(stored_job(yielded(0))), Some(stored_job(waiting(1, &[0]))), None],
        errands: vec![submission(0, 2, &[1]), submission(0, 3, &[2])],
        crashes: 0,
        mutant: None,
    }
}

#[test]
fn the_last_dependency_wakes_the_one_that_waits() {
    holds("two dependencies and a submission", &two_dependencies(), &[]);
}

#[test]
fn a_wake_up_lost_in_a_crash_is_found_by_the_sweep() {
    let graph = Graph { crashes: 1, ..two_dependencies() };
    holds("the same with a crash", &graph, &[]);
}

#[test]
fn of_two_who_close_a_circle_one_is_refused() {
    holds("two close a circle", &circle(), &["a cycle was refused"]);
    let graph = Graph { crashes: 1, ..circle() };
    holds("two close a circle, with a crash", &graph, &["a cycle was refused"]);
}

#[test]
fn of_three_who_close_a_circle_one_is_refused() {
    let errands = vec![submission(0, 1, &[1]), submission(1, 1, &[2]), submission(2, 1, &[0])];
    let graph = Graph { jobs: vec![None; 3], errands, crashes: 1, ..circle() };
    holds("three close a circle, with a crash", &graph, &["a cycle was refused"]);
}

#[test]
fn a_verdict_is_written_only_on_what_was_walked() {
    let graph = Graph { crashes: 1, ..rewired() };
    holds("two rewire one job", &graph, &["a cycle was refused", "a job was superseded"]);
    let errands = vec![submission(0, 2, &[1]), submission(0, 3, &[2]), submission(2, 1, &[0])];
    let graph = Graph { errands, ..rewired() };
    holds("three rewire two jobs", &graph, &["a cycle was refused", "a job was superseded"]);
}

#[test]
fn a_rejected_job_that_is_submitted_again_keeps_its_count_of_runs() {
    let errands = vec![submission(0, 2, &[1]), submission(0, 3, &[])];
    let graph = Graph { errands, ..rewired() };
    holds("a rejected job comes again", &graph, &["a rejected job was replaced"]);
}

#[test]
fn a_walk_before_the_write_is_caught() {
    caught("walk_before_create", &circle(), Mutant::WalkBeforeCreate, "I10");
}

#[test]
fn a_verdict_written_on_a_fresh_read_is_caught() {
    caught("admit_on_fresh_read", &rewired(), Mutant::AdmitOnFreshRead, "I10");
}

#[test]
fn a_submission_that_does_not_look_again_is_caught() {
    caught("no_second_look", &two_dependencies(), Mutant::NoSecondLook, "L2");
}

/// A job that was admitted and waits.
fn waiting(number: u8, deps: &[u8]) -> Job {
    let job = submitted(&content(number, 1, deps));
    let given = Circumstances { ready: false, ..Circumstances::default() };
    let wish = Wish::Admit(fleet::Admission::Acyclic);
    let events = job.decide(&Command { by: coordinator(), given, wish }, now()).expect("admitted");
    evolved(&job, &events, now())
}

/// Two dependencies end at once.
fn two_finishers() -> Graph {
    Graph {
        jobs: vec![
            Some(stored_job(building(0))),
            Some(stored_job(building(1))),
            Some(stored_job(waiting(2, &[0, 1]))),
        ],
        errands: vec![finish(0), finish(1)],
        ..two_dependencies()
    }
}

#[test]
fn of_two_finishers_one_sees_both_ends() {
    holds("two finishers", &two_finishers(), &[]);
}

#[test]
fn two_finishers_that_look_before_they_write_are_caught() {
    caught("look_before_release", &two_finishers(), Mutant::LookBeforeRelease, "L2");
}

#[test]
fn a_dependent_that_is_read_after_its_dependencies_is_caught() {
    caught("dependent_read_last", &two_finishers(), Mutant::DependentReadLast, "L2");
}
