//! Whether the followers, runs and lease, say what the job's log says. They may lag behind it,
//! never run ahead of it.

use std::collections::BTreeMap;

use crate::audit::{Findings, Invariant};
use crate::event::{Entry, EventType};
use crate::id::Epoch;
use crate::job::Job;
use crate::lease::{Lease, LeaseStatus};
use crate::report::RunResult;
use crate::run::Run;

pub(super) fn check_runs(job: &Job, log: &[Entry], runs: &[Run], findings: &mut Findings) {
    let results = results_of(log, findings);
    let mut by_attempt: BTreeMap<u32, &Run> = BTreeMap::new();
    for run in runs {
        let first = by_attempt.insert(run.attempt, run).is_none();
        findings.require(first, Invariant::I12, None, "two runs of one attempt");
        match claim_of(log, run.attempt) {
            Some(claim) => check_run(run, claim, &results, findings),
            None => findings.add(Invariant::I12, None, "a run without claim"),
        }
    }
    // A claim that is told but not yet recorded may still lack its run.
    let unpublished = |claim: &Entry| job.outbox.iter().any(|entry| entry.seq == claim.seq);
    for claim in log.iter().filter(|entry| entry.kind == EventType::Claimed) {
        let has_run = claim.data.attempt.is_some_and(|attempt| by_attempt.contains_key(&attempt));
        let seq = Some(claim.seq);
        findings.require(has_run || unpublished(claim), Invariant::I12, seq, "a claim without run");
    }
}

/// The result of each attempt, with the number of the event that told it.
fn results_of(log: &[Entry], findings: &mut Findings) -> BTreeMap<u32, (u64, RunResult)> {
    let mut results = BTreeMap::new();
    for entry in log {
        let (Some(attempt), Some(result)) = (entry.data.attempt, entry.data.result) else {
            continue;
        };
        if let Some((first, _)) = results.get(&attempt) {
            findings.add(Invariant::I13, [*first, entry.seq], "two results of one run");
        } else {
            results.insert(attempt, (entry.seq, result));
        }
    }
    results
}

fn check_run(
    run: &Run,
    claim: &Entry,
    results: &BTreeMap<u32, (u64, RunResult)>,
    findings: &mut Findings,
) {
    let seq = Some(claim.seq);
    let same = claim.data.claim_nonce == Some(run.run_id) && claim.epoch == run.lease_epoch;
    findings.require(same, Invariant::I1, seq, "the run is not that of its claim");
    let same = run.factory_id.is_none() || run.factory_id == claim.data.factory_id;
    findings.require(same, Invariant::I1, seq, "another factory ran it than claimed it");
    let told = results.get(&run.attempt);
    match (run.result, told) {
        (Some(result), Some((seq, told))) if result != *told => {
            findings.add(Invariant::I13, [*seq], "the run's result is not the one told");
        }
        (Some(_), None) => findings.add(Invariant::I13, seq, "a result that nobody told"),
        (None, Some((seq, _))) if run.told_through >= *seq => {
            findings.add(Invariant::I13, [*seq], "the run lost its result");
        }
        (Some(_) | None, Some(_)) | (None, None) => {}
    }
    let open = run.result.is_none() || run.ended_at.is_some();
    findings.require(open, Invariant::I13, seq, "a result without an end");
}

pub(super) fn check_lease(
    job: &Job,
    log: &[Entry],
    lease: Option<&Lease>,
    findings: &mut Findings,
) {
    let Some(lease) = lease else { return };
    let leads = lease.lease_epoch <= job.lease_epoch;
    findings.require(leads, Invariant::I2, None, "the lease is ahead of the job");
    if lease.status != LeaseStatus::Held || !leads {
        return;
    }
    match holder_of(log, lease.lease_epoch) {
        Some(claim) => {
            let same = claim.data.factory_id == lease.holder_factory_id
                && claim.data.claim_nonce == lease.claim_nonce;
            findings.require(same, Invariant::I1, Some(claim.seq), "the lease is another's");
        }
        None => findings.add(Invariant::I1, None, "a lease is held for an epoch nobody claimed"),
    }
}

fn claim_of(log: &[Entry], attempt: u32) -> Option<&Entry> {
    log.iter().find(|entry| entry.kind == EventType::Claimed && entry.data.attempt == Some(attempt))
}

fn holder_of(log: &[Entry], epoch: Epoch) -> Option<&Entry> {
    log.iter().find(|entry| entry.kind == EventType::Claimed && entry.epoch == epoch)
}
