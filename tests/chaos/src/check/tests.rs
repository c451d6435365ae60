//! The checks themselves, on a true history that was forged in every way that they name: each
//! forgery must be told for what it is.

use std::time::Duration;

use fleet::{JobId, StageName};

use super::{Check, check, unseen};
use crate::history::{Answer, By, Done, History, Holder, Said, Version, Word};

type Forgery = fn(&mut History);

const FORGERIES: &[(&str, Forgery, Check)] = &[
    ("another factory in the same epoch", |h| thief(h).factory = "f9".into(), Check::TwoHolders),
    ("another nonce in the same epoch", |h| thief(h).nonce = "n9".into(), Check::TwoHolders),
    ("an epoch that fell", |h| version(h, 3).epoch = 1, Check::EpochFalls),
    ("a job that fell back after the end", older_end, Check::EpochFalls),
    ("a version written upon an older one", |h| version(h, 4).rev = 4, Check::LostUpdate),
    ("a write by another factory", |h| done(h).factory = Some("f9".into()), Check::StaleWrite),
    ("a write under an older epoch", |h| done(h).epoch = 1, Check::StaleWrite),
    (
        "a write with another nonce",
        |h| word(h, Word::Release).nonce = "n9".into(),
        Check::StaleWrite,
    ),
    ("a write while nobody held", nobody_held, Check::StaleWrite),
    ("a renewal after the lease was lost", late_renewal, Check::StaleRenewal),
    (
        "a word under an invented grant",
        |h| word(h, Word::Renew).nonce = "n9".into(),
        Check::Ungranted,
    ),
    ("a release that changed nothing", unreleased, Check::AcknowledgedButUndone),
    ("a shipped job that goes on", unshipped, Check::ShippedUndone),
    ("an acknowledged submission without a job", lost, Check::LostSubmission),
    ("a job whose record is gone", |h| h.at_the_end.clear(), Check::LostSubmission),
    ("a job that did not end", |h| end(h).stage = StageName::Queued, Check::NeverEnds),
    ("an event that nobody told", |h| told(h).retain(|number| *number != 2), Check::EventGap),
    ("an event that never was", |h| told(h).extend([99]), Check::EventGap),
    ("a version that nobody saw", |h| drop(versions(h).remove(2)), Check::Unwitnessed),
    ("no zombie that was refused", |h| h.words.retain(|said| !said.is_fenced()), Check::NoZombie),
];

#[test]
fn every_forged_history_is_told_from_the_true_one() {
    assert_eq!(check(&history()), []);
    for (name, forge, expected) in FORGERIES {
        let mut forged = history();
        forge(&mut forged);
        let found = check(&forged);
        assert!(found.iter().any(|finding| finding.check == *expected), "{name}: {found:?}");
    }
}

#[test]
fn what_a_killed_server_kept_from_the_witness_is_counted_and_no_violation() {
    let mut torn = history();
    torn.servers_killed = true;
    versions(&mut torn).remove(3);
    assert_eq!((check(&torn), unseen(&torn)), (Vec::new(), 1));
    assert_eq!(unseen(&history()), 0);
}

#[test]
fn a_second_word_of_the_same_holder_is_no_violation() {
    let mut repeated = history();
    let copy = Said { by: By::Copy, ..word(&mut repeated, Word::Release).clone() };
    repeated.words.push(copy);
    assert_eq!(check(&repeated), []);
}

/// A job that `f1` held and lost, whose old word was refused, and that `f2` shipped.
fn history() -> History {
    let (job, mut history) = (job(), History::default());
    let holder = |n: u64| Holder { factory: format!("f{n}"), nonce: format!("n{n}") };
    let rows = [
        (StageName::Queued, 0, None),
        (StageName::Assigned, 1, Some(holder(1))),
        (StageName::Queued, 2, None),
        (StageName::Assigned, 3, Some(holder(2))),
        (StageName::Building, 3, Some(holder(2))),
        (StageName::Shipped, 3, None),
    ];
    let ops = |n: u64| {
        let ids: &[&str] = match n {
            0..=3 => &[],
            4 => &["patched"],
            _ => &["patched", "shipped"],
        };
        let done = |id: &&str| Done { id: (*id).into(), epoch: 3, factory: Some("f2".into()) };
        ids.iter().map(done).collect()
    };
    let versions = (0..).zip(rows).map(|(n, (stage, epoch, holder))| Version {
        at: Duration::from_secs(n),
        sequence: 10 * (n + 1),
        before: 10 * n,
        rev: n + 1,
        stage,
        epoch,
        holder,
        done: ops(n),
        events: n + 1,
    });
    let versions: Vec<Version> = versions.collect();
    history.at_the_end.insert(job, versions[5].clone());
    history.versions.insert(job, versions);
    history.told.insert(job, (1..=6).collect());
    history.acknowledged.insert("a".into(), job);
    let said = |at, word, n: u64, id: Option<&str>, answer| Said {
        at: Duration::from_secs(at),
        word,
        job,
        factory: format!("f{n}"),
        epoch: 2 * n - 1,
        nonce: format!("n{n}"),
        id: id.map(str::to_owned),
        by: By::Factory,
        answer: Some(answer),
    };
    history.words = vec![
        said(1, Word::Renew, 1, None, Answer::Yes),
        said(3, Word::Patch, 1, Some("late"), Answer::No("FENCED".into())),
        said(4, Word::Patch, 2, Some("patched"), Answer::Yes),
        said(5, Word::Release, 2, Some("shipped"), Answer::Yes),
    ];
    history
}

fn job() -> JobId {
    JobId::of(&"acme".parse().unwrap(), &"a".parse().unwrap())
}

fn versions(history: &mut History) -> &mut Vec<Version> {
    history.versions.get_mut(&job()).unwrap()
}

fn version(history: &mut History, n: usize) -> &mut Version {
    &mut versions(history)[n]
}

/// The holder of the version after the second claim.
fn thief(history: &mut History) -> &mut Holder {
    version(history, 4).holder.as_mut().unwrap()
}

fn done(history: &mut History) -> &mut Done {
    &mut version(history, 4).done[0]
}

fn word(history: &mut History, word: Word) -> &mut Said {
    history.words.iter_mut().find(|said| said.word == word).unwrap()
}

fn told(history: &mut History) -> &mut std::collections::BTreeSet<u64> {
    history.told.get_mut(&job()).unwrap()
}

fn end(history: &mut History) -> &mut Version {
    history.at_the_end.get_mut(&job()).unwrap()
}

fn older_end(history: &mut History) {
    let older = Version { stage: StageName::Shipped, ..version(history, 1).clone() };
    *end(history) = older;
}

fn nobody_held(history: &mut History) {
    version(history, 4).holder = None;
}

fn late_renewal(history: &mut History) {
    word(history, Word::Renew).at = Duration::from_secs(9);
}

fn unreleased(history: &mut History) {
    let held = version(history, 4).clone();
    *end(history) = held;
}

fn unshipped(history: &mut History) {
    let last = version(history, 5).clone();
    let next = Version {
        sequence: 70,
        before: 60,
        rev: 7,
        stage: StageName::Queued,
        at: Duration::from_secs(6),
        ..last
    };
    versions(history).push(next);
}

fn lost(history: &mut History) {
    let other = JobId::of(&"acme".parse().unwrap(), &"b".parse().unwrap());
    history.acknowledged.insert("b".into(), other);
}
