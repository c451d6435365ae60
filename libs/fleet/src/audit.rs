//! Holds a job's records against the invariants: what the log, the runs and the lease tell must
//! agree with each other and with the rules. Reads only; never repairs, never guesses.

mod follow;
mod replay;

use std::collections::BTreeMap;
use std::fmt;

use crate::content::DepsMode;
use crate::dependency::satisfies;
use crate::event::{Entry, EventRecord, EventType};
use crate::id::JobId;
use crate::job::Job;
use crate::lease::Lease;
use crate::run::Run;
use crate::stage::StageName;

use follow::{check_lease, check_runs};
use replay::Replay;

/// One thing that must never be so, and is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub job: JobId,
    /// The numbers of the events that show it.
    pub events: Vec<u64>,
    pub what: String,
}

/// The invariants that records can tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// One holder for each epoch.
    I1,
    /// The job leads, the lease follows.
    I2,
    /// An epoch never falls and is granted once.
    I3,
    /// Only the holder's word counts.
    I4,
    /// Holder and nonce come and go together.
    I5,
    /// One job for each product and key.
    I7,
    /// Only a job that may be claimed is.
    I9,
    /// Shipped is final; as many runs as attempts.
    I12,
    /// One result for each run.
    I13,
    /// Only a supersede drops the checkpoint.
    I15,
    /// Transitions are numbered without gap, do not change, and their time never falls.
    I17,
    /// Everything names its product.
    I18,
    /// The bytes of every ready pointer are there.
    I19,
    /// No more failures than the policy allows.
    I20,
    /// Content changes only while nobody works on it.
    I21,
    /// The transition table knows no such step.
    Table,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, job, events, what } = self;
        write!(out, "{invariant:?} {job}: {what}")?;
        if !events.is_empty() {
            write!(out, " (events {events:?})")?;
        }
        Ok(())
    }
}

/// Everything about one job that contradicts the invariants, in the order of the log. Followers
/// that merely lag behind the job are no violation. Safe on a live system if a suspicion is read
/// again before it is reported.
#[must_use]
pub fn audit(
    job: &Job,
    events: &[EventRecord],
    runs: &[Run],
    lease: Option<&Lease>,
) -> Vec<Violation> {
    let mut findings = Findings::of(job);
    check_identity(job, events, runs, lease, &mut findings);
    // A stone keeps no history, and what is left of it is on its way out.
    if !job.purged {
        let log = log_of(job, events, &mut findings);
        let told = Replay::over(&log, job, &mut findings);
        check_job(job, &log, &told, &mut findings);
        check_runs(job, &log, runs, &mut findings);
        check_lease(job, &log, lease, &mut findings);
    }
    findings.found
}

/// Whether a job that was claimed had what it waits for. Judges hard dependencies, whose
/// satisfaction is for ever; a soft one may have gone back since.
pub fn audit_dependencies<'a>(
    job: &Job,
    events: &[EventRecord],
    find: impl Fn(&JobId) -> Option<&'a Job>,
) -> Vec<Violation> {
    let mut findings = Findings::of(job);
    let last = |kinds: &[EventType]| {
        let of_kind = events.iter().filter(|event| kinds.contains(&event.kind));
        of_kind.filter_map(|event| event.seq).max()
    };
    let claimed = last(&[EventType::Claimed]);
    let changed = last(&[EventType::Submitted, EventType::Superseded, EventType::ChildrenAdded]);
    match job.content.deps_mode {
        DepsMode::Hard if claimed > changed => {}
        DepsMode::Hard | DepsMode::Soft => return Vec::new(),
    }
    for id in &job.content.dep_ids {
        let stage = find(id).map(|dep| dep.stage.name());
        if !stage.is_some_and(|stage| satisfies(stage, DepsMode::Hard)) {
            let what = format!("claimed while {id} stands at {stage:?}");
            findings.add(Invariant::I9, claimed, what);
        }
    }
    findings.found
}

/// What was found so far of one job.
struct Findings {
    job: JobId,
    found: Vec<Violation>,
}

impl Findings {
    fn of(job: &Job) -> Self {
        Self { job: job.id, found: Vec::new() }
    }

    fn add(
        &mut self,
        invariant: Invariant,
        events: impl IntoIterator<Item = u64>,
        what: impl Into<String>,
    ) {
        let events = events.into_iter().collect();
        self.found.push(Violation { invariant, job: self.job, events, what: what.into() });
    }

    fn require(&mut self, holds: bool, invariant: Invariant, seq: Option<u64>, what: &str) {
        if !holds {
            self.add(invariant, seq, what);
        }
    }
}

fn check_identity(
    job: &Job,
    events: &[EventRecord],
    runs: &[Run],
    lease: Option<&Lease>,
    findings: &mut Findings,
) {
    let product = &job.head.product_id;
    let own = job.id == JobId::of(product, &job.content.idempotency_key);
    findings.require(own, Invariant::I7, None, "the id is not that of its product and key");
    for event in events {
        let seq = event.seq;
        let same = event.head.product_id == *product;
        findings.require(same, Invariant::I18, seq, "an event of another product");
        findings.require(event.job_id == job.id, Invariant::I17, seq, "an event of another job");
        let named = seq.is_none_or(|seq| event.id == EventRecord::id_of(job.id, seq));
        findings.require(named, Invariant::I17, seq, "an event stored under another number");
    }
    for run in runs {
        let same = run.head.product_id == *product;
        findings.require(same, Invariant::I18, None, "a run of another product");
        findings.require(run.job_id == job.id, Invariant::I12, None, "a run of another job");
        let named = run.id == Run::id_of(job.id, run.attempt);
        findings.require(named, Invariant::I12, None, "a run stored under another attempt");
    }
    if let Some(lease) = lease {
        let same = lease.head.product_id == *product;
        findings.require(same, Invariant::I18, None, "a lease of another product");
        findings.require(lease.job_id == job.id, Invariant::I2, None, "a lease of another job");
    }
}

/// The transitions in the order of their numbers: those recorded and those that still wait in the
/// job itself.
fn log_of(job: &Job, events: &[EventRecord], findings: &mut Findings) -> Vec<Entry> {
    let mut log: BTreeMap<u64, Entry> = BTreeMap::new();
    let recorded = events.iter().filter_map(entry_of);
    for entry in recorded.chain(job.outbox.iter().cloned()) {
        let seq = entry.seq;
        let same = log.get(&seq).is_none_or(|known| *known == entry);
        findings.require(same, Invariant::I17, Some(seq), "one number, two tales");
        log.insert(seq, entry);
    }
    let log: Vec<Entry> = log.into_values().collect();
    for (expected, entry) in (1..).zip(&log) {
        if entry.seq != expected {
            let what = format!("after {} comes {}", expected - 1, entry.seq);
            findings.add(Invariant::I17, [entry.seq], what);
            break;
        }
    }
    for pair in log.windows(2) {
        if let [before, after] = pair
            && after.at < before.at
        {
            findings.add(Invariant::I17, [before.seq, after.seq], "the time falls");
        }
    }
    log
}

fn entry_of(event: &EventRecord) -> Option<Entry> {
    Some(Entry {
        seq: event.seq?,
        kind: event.kind,
        at: event.at,
        actor: event.actor.clone(),
        epoch: event.epoch,
        data: event.data.clone(),
    })
}

fn check_job(job: &Job, log: &[Entry], told: &Replay, findings: &mut Findings) {
    let last = log.last();
    let seq = last.map(|entry| entry.seq);
    let counted = job.event_seq == seq.unwrap_or(0);
    findings.require(counted, Invariant::I17, seq, "the job has given other numbers than it told");
    let agrees = last.is_none_or(|entry| entry.epoch == job.lease_epoch);
    findings.require(agrees, Invariant::I3, seq, "the job's epoch is not that of its last event");
    let claims = log.iter().filter(|entry| entry.kind == EventType::Claimed).count();
    let counted = u32::try_from(claims) == Ok(job.attempts);
    findings.require(counted, Invariant::I12, seq, "as many claims were told as attempts counted");
    let bound = job.holder().is_none_or(|holder| job.claim.run_id == Some(holder.nonce));
    findings.require(bound, Invariant::I5, seq, "the holder is not that of the newest claim");
    let holder = job.holder().map(|holder| (&holder.factory, holder.nonce));
    let known = told.holder.as_ref().map(|held| (&held.factory, held.nonce));
    findings.require(holder == known, Invariant::I1, seq, "the holder is not the one told of");
    let agrees = told.stage.is_none_or(|stage| stage == job.stage.name());
    findings.require(agrees, end_of(told), seq, "the stage is not the one told of");
    let kept = told.checkpoint == job.checkpoint;
    findings.require(kept, Invariant::I15, seq, "the checkpoint is not the last one told of");
    let most = job.content.retry.as_ref().map_or(u32::MAX, |policy| policy.max);
    findings.require(job.failures <= most, Invariant::I20, seq, "more failures than allowed");
}

fn end_of(told: &Replay) -> Invariant {
    if told.stage == Some(StageName::Shipped) { Invariant::I12 } else { Invariant::Table }
}
