//! The checks themselves, on a true history that was damaged in twenty ways: each damage must be
//! named for what it is.

use fleet::{JobId, Nonce, StageName};
use uuid::Uuid;

use super::check::{Check, check};
use super::history::{Line, Op, Phase};
use super::mutant::Mutant;
use super::plan::Plan;
use super::run::run;

type Damage = fn(&mut Vec<Line>);

#[test]
fn twenty_damaged_histories_are_told_from_the_true_one() {
    let whole = run(Plan { cycle: false, ..Plan::of(7, Mutant::Right) }).lines;
    assert!(check(&whole).is_empty());
    assert_eq!(DAMAGES.len(), 20);
    for (name, damage, said) in DAMAGES {
        let mut lines = whole.clone();
        damage(&mut lines);
        assert_ne!(lines, whole, "{name}: nothing was damaged");
        let found = check(&lines);
        assert!(found.iter().any(|finding| finding.check == *said), "{name}: {found:?}");
    }
}

const DAMAGES: &[(&str, Damage, Check)] = &[
    ("a version is missing", |lines| drop(lines.remove(version(lines, 1))), Check::LostUpdate),
    ("a version came twice", |lines| twice(lines, 1), Check::LostUpdate),
    ("two versions changed places", |lines| swap_versions(lines), Check::LostUpdate),
    ("the epoch of a version fell", |lines| edit(lines, last_held, epoch_falls), Check::EpochFalls),
    ("another holder in the same epoch", |lines| edit(lines, last_held, steal), Check::TwoHolders),
    ("another nonce in the same epoch", |lines| edit(lines, last_held, renonce), Check::TwoHolders),
    ("two were granted one epoch", |lines| edit(lines, grant, renamed), Check::TwoHolders),
    (
        "a grant that nobody wrote",
        |lines| edit(lines, grant, regrant),
        Check::AcknowledgedButUndone,
    ),
    ("a grant of other content", |lines| edit(lines, grant, rehash), Check::OtherContent),
    ("the holder had spoken of an older epoch", |lines| edit_said(lines, older), Check::StaleWord),
    ("the holder had spoken as another", |lines| edit_said(lines, other), Check::StaleWord),
    ("a shipped job is queued", unship, Check::ShippedUndone),
    ("a job that never ended", |lines| edit(lines, end, reopen), Check::NeverEnds),
    ("a last word without answer", |lines| edit(lines, release, unsay), Check::FinalWordLost),
    ("an applied word was refused", |lines| edit(lines, release, refuse), Check::AppliedButRefused),
    ("a ship that was not written", unwrite_ship, Check::AcknowledgedButUndone),
    ("a living holder was disowned", |lines| edit(lines, renewal, disown), Check::ToldItLost),
    ("a submission without a job", |lines| edit(lines, receipt, lose), Check::LostSubmission),
    ("a lease ended while it was renewed", end_lease, Check::LiveLeaseTaken),
    ("one host at two jobs", work_twice, Check::TooManySeats),
];

fn edit(lines: &mut [Line], which: fn(&Line) -> bool, how: fn(&mut Line)) {
    let index = lines.iter().rposition(which).expect("the history has such a line");
    how(&mut lines[index]);
}

fn is(line: &Line, op: Op, phase: Phase) -> bool {
    line.op == op && line.phase == phase
}

/// The n-th version of the first job.
fn version(lines: &[Line], n: usize) -> usize {
    let of_jobs = lines.iter().enumerate().filter(|(_, line)| line.op == Op::Job);
    let first = of_jobs.clone().next().and_then(|(_, line)| line.key);
    let mut versions = of_jobs.filter(|(_, line)| line.key == first).map(|(index, _)| index);
    versions.nth(n).expect("it has so many versions")
}

fn twice(lines: &mut Vec<Line>, n: usize) {
    let index = version(lines, n);
    lines.insert(index, lines[index].clone());
}

fn swap_versions(lines: &mut [Line]) {
    let (one, two) = (version(lines, 1), version(lines, 2));
    lines.swap(one, two);
}

/// A version in which the holder is the one before it.
fn last_held(line: &Line) -> bool {
    is(line, Op::Job, Phase::Ok)
        && line.result.nonce.is_some()
        && line.result.stage == Some(StageName::Building)
}

fn epoch_falls(line: &mut Line) {
    line.result.epoch = Some(0);
}

fn steal(line: &mut Line) {
    line.result.factory = Some("thief".to_owned());
}

fn foreign() -> Nonce {
    Nonce::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
}

fn renonce(line: &mut Line) {
    line.result.nonce = Some(foreign());
}

fn grant(line: &Line) -> bool {
    matches!(line.op, Op::Claim | Op::ClaimNext) && line.phase == Phase::Ok
}

fn renamed(line: &mut Line) {
    line.result.factory = Some("thief".to_owned());
}

fn regrant(line: &mut Line) {
    line.result.nonce = Some(foreign());
}

fn rehash(line: &mut Line) {
    line.result.hash = Some("other".to_owned());
}

/// Every copy of the word with which a holder confirmed its grant.
fn edit_said(lines: &mut [Line], how: fn(&mut Line)) {
    let confirmed = |line: &Line| line.args.word.as_deref() == Some("Building");
    let index = lines.iter().rposition(confirmed).expect("somebody confirms");
    let id = lines[index].args.id;
    let copies = lines.iter_mut().filter(|line| line.phase == Phase::Call && line.args.id == id);
    copies.for_each(how);
}

fn older(line: &mut Line) {
    line.args.epoch = line.args.epoch.map(|epoch| epoch - 1);
}

fn other(line: &mut Line) {
    line.args.factory = Some("thief".to_owned());
}

fn unship(lines: &mut Vec<Line>) {
    let shipped = |line: &Line| line.result.stage == Some(StageName::Shipped);
    let index = lines.iter().position(shipped).expect("something ships");
    let mut line = lines[index].clone();
    line.result.stage = Some(StageName::Queued);
    line.result.number = line.result.number.map(|number| number + 1);
    lines.insert(index + 1, line);
}

fn end(line: &Line) -> bool {
    is(line, Op::Job, Phase::Ok) && line.result.stage == Some(StageName::Shipped)
}

fn reopen(line: &mut Line) {
    line.result.stage = Some(StageName::Queued);
}

fn release(line: &Line) -> bool {
    is(line, Op::Release, Phase::Ok) && line.args.word.as_deref() == Some("Ship")
}

fn unsay(line: &mut Line) {
    line.phase = Phase::Unknown;
}

fn refuse(line: &mut Line) {
    line.phase = Phase::No;
    line.result.word = Some("LeaseNotHeld".to_owned());
}

fn unwrite_ship(lines: &mut Vec<Line>) {
    let index = lines.iter().rposition(release).expect("something ships");
    let (key, id): (Option<JobId>, _) = (lines[index].key, lines[index].args.id);
    lines.retain(|line| {
        line.op != Op::Job
            || line.key != key
            || (line.args.id != id && line.result.stage != Some(StageName::Shipped))
    });
}

fn renewal(line: &Line) -> bool {
    is(line, Op::Renew, Phase::Ok)
}

fn disown(line: &mut Line) {
    line.phase = Phase::No;
    line.result.word = Some("Fenced".to_owned());
}

fn receipt(line: &Line) -> bool {
    is(line, Op::Submit, Phase::Ok)
}

fn lose(line: &mut Line) {
    let (product, key) = ("acme".parse().expect("a name"), "nowhere".parse().expect("a key"));
    line.key = Some(JobId::of(&product, &key));
}

fn end_lease(lines: &mut Vec<Line>) {
    let index = lines
        .iter()
        .rposition(|line| line.op == Op::Lease && line.result.word.as_deref() == Some("Held"));
    let index = index.expect("somebody holds a lease");
    let mut line = lines[index].clone();
    line.result.word = Some("Expired".to_owned());
    lines.insert(index + 1, line);
}

fn work_twice(lines: &mut Vec<Line>) {
    let index = lines.iter().rposition(|line| is(line, Op::Work, Phase::Call));
    let index = index.expect("somebody works");
    let mut line = lines[index].clone();
    line.args.nonce = Some(foreign());
    lines.insert(index + 1, line);
}
