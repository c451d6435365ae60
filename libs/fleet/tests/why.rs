//! A corpus of jobs that do not move, or do, and what each is told about itself. Every state is
//! come by through the rules.
#![cfg(test)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "each target tells other stories")]
mod world;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use cases::{
    Case, MINUTE, after, beat_of, composite, draining, locked, with_progress, without_money,
};
use expect_test::expect_file;
use fleet::{
    Action, Actor, Admission, Disposition, FactoryCommand, Health, ProductCommand, RunResult,
    StageName, Why, WhyCode, Wish, touched,
};
use serde_json::json;
use world::{bidder, content, job_id, op_by, product, release};

fn ends() -> Vec<(&'static str, Case)> {
    let retry = json!({"retry": {"max": 2, "backoff": 30, "on": ["crash"]}});
    vec![
        ("shipped", Case::of(&json!({})).with(|case| case.ended(Disposition::Ship, None))),
        (
            "cancelled by a person",
            Case::of(&json!({})).with(|case| {
                case.operate("j", Action::CancelNow);
                case.pass(2 * MINUTE);
            }),
        ),
        (
            "failed for good",
            Case::of(&json!({}))
                .with(|case| case.ended(Disposition::Fail, Some(RunResult::NoEngine))),
        ),
        (
            "given up after its retries",
            Case::of(&retry).with(|case| {
                case.ended(Disposition::Fail, Some(RunResult::Crash));
                case.ended(Disposition::Fail, Some(RunResult::Crash));
            }),
        ),
        (
            "given up by a person",
            Case::of(&json!({})).with(|case| case.operate("j", Action::Reject)),
        ),
        (
            "purged",
            Case::of(&json!({})).with(|case| {
                case.operate("j", Action::CancelNow);
                case.world.relay(job_id("j"));
                case.world.ask(job_id("j"), Actor::service("sweep"), Wish::Purge).unwrap();
            }),
        ),
        (
            "refused for a cycle",
            Case::empty().with(|case| {
                case.world.submit(content("a", &json!({"deps": ["j"]}))).unwrap();
                case.world.submit(content("j", &json!({"deps": ["a"]}))).unwrap();
                case.pass(MINUTE);
            }),
        ),
    ]
}

fn waits() -> Vec<(&'static str, Case)> {
    let waiting = || Case::of(&json!({"deps": ["a", "b"]}));
    vec![
        (
            "its submitter died before the check",
            Case::empty().with(|case| {
                let by = Actor::user("ci");
                let with = content("j", &json!({"deps": ["a"]}));
                let first = fleet::submit(None, &with, &product(), &by, case.world.now).unwrap();
                let fleet::Submitted::Create(job) = first else { panic!("a first submission") };
                case.world.jobs.insert(job.id, touched(*job, case.world.now));
                case.pass(Duration::from_secs(12));
            }),
        ),
        ("never submitted", waiting()),
        (
            "dependencies under way",
            waiting().with(|case| {
                case.world.submit(content("a", &json!({}))).unwrap();
                case.world.submit(content("b", &json!({}))).unwrap();
                case.world.claim(job_id("b"), &bidder("f1")).unwrap();
            }),
        ),
        (
            "a dependency ended badly",
            waiting().with(|case| {
                case.world.submit(content("a", &json!({}))).unwrap();
                case.world.submit(content("b", &json!({}))).unwrap();
                case.operate("b", Action::CancelNow);
                case.pass(3 * MINUTE);
            }),
        ),
        (
            "a cycle that slipped in",
            waiting().with(|case| {
                let by = Actor::service("submit");
                let with = content("a", &json!({"deps": ["j"]}));
                let first = fleet::submit(None, &with, &product(), &by, case.world.now).unwrap();
                let fleet::Submitted::Create(job) = first else { panic!("a first submission") };
                case.world.jobs.insert(job.id, touched(*job, case.world.now));
                let slip = Wish::Admit(Admission::Acyclic);
                case.world.ask(job_id("a"), by, slip).unwrap();
            }),
        ),
        ("open children", composite()),
        ("a child ended badly", composite().with(|case| case.operate("c3", Action::CancelNow))),
        (
            "parked for review",
            Case::of(&json!({"reviewPolicy": "manual"}))
                .with(|case| case.ended(Disposition::Park, None)),
        ),
        (
            "parked for acceptance",
            Case::of(&json!({})).with(|case| {
                let holding = case.building();
                case.moved(&holding, StageName::Review);
                case.moved(&holding, StageName::Testing);
                case.let_go(&holding, Disposition::Park, None);
            }),
        ),
    ]
}

fn gates() -> Vec<(&'static str, Case)> {
    let retry = json!({"retry": {"max": 3, "backoff": "exp", "on": ["timeout"]}});
    vec![
        (
            "paused, and nobody there either",
            Case::of(&json!({})).with(|case| {
                let reason = Some(String::from("release day"));
                let pause = ProductCommand::Pause { by: op_by("olga"), reason };
                case.product = after(case.product.clone(), &pause, case.world.now);
                case.pass(7 * MINUTE);
                case.factories.clear();
            }),
        ),
        ("not before", Case::of(&json!({"notBefore": "2026-01-01T02:00:00.000Z"}))),
        (
            "between two attempts",
            Case::of(&retry).with(|case| {
                let holding = case.building();
                let op = case.world.op();
                let mut failed = release(&holding, op, Some(Disposition::Fail));
                failed.result = Some(RunResult::Timeout);
                case.world.release(job_id("j"), failed).unwrap();
                case.pass(Duration::from_secs(5));
            }),
        ),
        ("a lock in other hands", locked()),
        (
            "a lock that is kept for its fenced holder",
            locked().with(|case| {
                let lapse = fleet::Cause::NoLease;
                let fenced_at = case.world.now;
                case.world.take_back(job_id("other"), lapse);
                assert_eq!(case.world.job(job_id("other")).fenced_at, Some(fenced_at));
                case.locks[0].holder = Some(case.world.job(job_id("other")).clone());
            }),
        ),
        ("a budget that is spent", without_money()),
    ]
}

fn hosts() -> Vec<(&'static str, Case)> {
    let gpu = json!({"capabilities": ["gpu:a100", "node>=20"]});
    vec![
        ("nobody enrolled", Case::of(&json!({})).with(|case| case.factories.clear())),
        (
            "all away",
            Case::of(&json!({})).with(|case| {
                case.hosts(&[("f1", |_| {}), ("f2", |_| {})]);
                case.pass(MINUTE);
                draining(case);
                case.factories[1] = {
                    let mut silent = case.factories[1].clone();
                    silent.factory.last_heartbeat_at = case.world.now;
                    silent
                };
                case.world.pass(Duration::from_secs(40));
                let beat = FactoryCommand::Heartbeat(Box::new(beat_of(&case.factories[0].factory)));
                let first = case.factories[0].factory.clone();
                case.factories[0].factory = after(first, &beat, case.world.now);
            }),
        ),
        (
            "nobody offers it",
            Case::of(&gpu).with(|case| {
                case.hosts(&[
                    ("f1", |_| {}),
                    ("f2", |beat| beat.capabilities.push("node=22".parse().unwrap())),
                ]);
            }),
        ),
        (
            "nobody offers all of it",
            Case::of(&gpu).with(|case| {
                case.hosts(&[
                    ("f1", |beat| beat.capabilities.push("gpu:a100".parse().unwrap())),
                    ("f2", |beat| beat.capabilities.push("node=22".parse().unwrap())),
                ]);
            }),
        ),
        (
            "outside of its credential",
            Case::of(&json!({"capabilities": ["git"]})).with(|case| {
                case.factories[0].scope = Some(vec!["os:linux".parse().unwrap()]);
            }),
        ),
    ]
}

fn busy() -> Vec<(&'static str, Case)> {
    vec![
        ("no such engine", Case::of(&json!({"engine": "coder"}))),
        (
            "all seats taken",
            Case::of(&json!({})).with(|case| {
                case.hosts(&[("f1", |_| {}), ("f2", |beat| beat.seat_limit = 0)]);
                case.factories[0].held = vec![job_id("a"), job_id("b")];
                case.ahead = Some(3);
            }),
        ),
        (
            "only a degraded factory, for a while",
            Case::empty().with(|case| {
                case.hosts(&[("f1", |beat| beat.health = Health::Degraded)]);
                let urgent = json!({"priority": "high", "priorityRank": 1});
                case.world.submit(content("j", &urgent)).unwrap();
                case.pass(Duration::from_secs(2));
            }),
        ),
        (
            "only a degraded factory, for good",
            Case::of(&json!({})).with(|case| {
                case.hosts(&[("f1", |beat| beat.health = Health::Degraded)]);
            }),
        ),
        (
            "in the queue",
            Case::of(&json!({})).with(|case| {
                case.hosts(&[("f1", |_| {}), ("f2", |_| {})]);
                case.ahead = Some(4);
            }),
        ),
        ("first in the queue", Case::of(&json!({}))),
    ]
}

fn held() -> Vec<(&'static str, Case)> {
    vec![
        (
            "granted and not begun",
            Case::of(&json!({})).with(|case| {
                case.claimed();
                case.pass(Duration::from_secs(4));
            }),
        ),
        ("running", with_progress()),
        (
            "running out of time",
            Case::of(&json!({"timeoutSec": 600})).with(|case| {
                let holding = case.building();
                case.pass(9 * MINUTE + Duration::from_secs(30));
                case.world.renew(job_id("j"), &holding).unwrap();
            }),
        ),
        (
            "silent",
            Case::of(&json!({})).with(|case| {
                case.building();
                case.pass(Duration::from_secs(25));
            }),
        ),
        (
            "held without a lease",
            Case::of(&json!({})).with(|case| {
                case.building();
                case.world.leases.clear();
                case.pass(MINUTE);
            }),
        ),
        (
            "asked to stop",
            Case::of(&json!({})).with(|case| {
                case.building();
                case.operate("j", Action::CancelGraceful);
                case.pass(Duration::from_secs(6));
            }),
        ),
    ]
}

fn corpus() -> Vec<(&'static str, Case)> {
    [ends(), waits(), gates(), hosts(), busy(), held()].into_iter().flatten().collect()
}

#[test]
fn every_explanation_is_the_committed_one() {
    let mut told = String::new();
    for (name, case) in corpus() {
        let why = case.why();
        writeln!(told, "# {name}").unwrap();
        writeln!(told, "{}, since {}", why.code.word(), why.since).unwrap();
        writeln!(told, "  {}", why.sentence).unwrap();
        if let Some(at) = why.next_at {
            writeln!(told, "  changes at {at}").unwrap();
        }
        for blocker in &why.blockers {
            writeln!(told, "  - {}: {}", blocker.code.word(), blocker.detail).unwrap();
        }
        for one in &why.factories {
            writeln!(told, "  | {} {}: {}", one.factory_id, fits(one.fits), one.detail).unwrap();
        }
        why.next.iter().for_each(|command| writeln!(told, "  $ {command}").unwrap());
        told.push('\n');
    }
    expect_file!["why.txt"].assert_eq(&told);
}

fn fits(fits: bool) -> &'static str {
    if fits { "fits" } else { "does not fit" }
}

#[test]
fn every_code_is_told_to_somebody() {
    let mut told = BTreeSet::new();
    for (_, case) in corpus() {
        let why = case.why();
        told.insert(why.code);
        told.extend(why.blockers.iter().map(|blocker| blocker.code));
    }
    let missing: Vec<_> = WhyCode::ALL.into_iter().filter(|code| !told.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_first_cause_in_the_order_of_the_codes_leads() {
    for (name, case) in corpus() {
        let why = case.why();
        let first = why.blockers.iter().map(|blocker| blocker.code).min();
        assert!(first.is_none_or(|first| why.code <= first), "{name}: {why:?}");
    }
}

#[test]
fn an_explanation_has_a_sentence_a_stored_form_and_no_empty_command() {
    for (name, case) in corpus() {
        let why = case.why();
        assert!(
            why.sentence.ends_with('.') && why.sentence.len() < 400,
            "{name}: {}",
            why.sentence
        );
        assert!(why.since <= case.world.now, "{name}");
        assert!(why.next.iter().all(|command| command.starts_with("gigamesh ")), "{name}");
        let stored = serde_json::to_value(&why).unwrap();
        assert_eq!(stored["code"], json!(why.code.word()));
        assert_eq!(serde_json::from_value::<Why>(stored).unwrap(), why, "{name}");
    }
}
