//! Jobs in somebody's hands: granted, running, silent or on their way to a stop.

use super::{Blocker, Cause, Truths, WhyCode};
use crate::job::CANCEL_GRACE;
use crate::lease::Lease;
use crate::stage::{Holder, Stage};
use crate::time::Timestamp;

/// A holder that has missed two of the three renewals of a term is called silent.
const QUIET_THIRDS: u32 = 2;
/// The share of a timeout that is left when it is called near: one in so many.
const LAST_PART: u64 = 10;

pub(super) fn causes(truths: &Truths, holder: &Holder) -> Vec<Cause> {
    let assigned = matches!(truths.job.stage, Stage::Assigned(_));
    let mut causes: Vec<Cause> =
        assigned.then(|| unconfirmed(truths, holder)).into_iter().collect();
    let silent = silent(truths, holder);
    let stopping = stopping(truths, holder);
    if !assigned && silent.is_none() && stopping.is_none() {
        causes.push(running(truths, holder));
    }
    causes.extend(silent.filter(|_| !assigned).into_iter().chain(stopping));
    causes
}

fn unconfirmed(truths: &Truths, holder: &Holder) -> Cause {
    let since = assigned_at(truths);
    let lease = lease_of(truths).filter(|lease| lease.renewals > 0);
    let renewed = lease.and_then(|lease| lease.expires_at).map(|end| end.plus(truths.allowance));
    let back = renewed.or(truths.job.claim.grant_deadline).unwrap_or(since);
    let sentence = format!(
        "Assigned to {} at {} and not confirmed; taken back at {}.",
        holder.factory,
        truths.ago(since),
        truths.ahead_of_now(back),
    );
    let blocker = of_factory(WhyCode::Unconfirmed, "has not said that it began", holder);
    Cause::new(WhyCode::Unconfirmed, since, sentence)
        .until(back)
        .blocked_by([blocker])
        .then(truths.command("lease"))
}

fn running(truths: &Truths, holder: &Holder) -> Cause {
    let job = &truths.job;
    let since = job.claim.building_at.unwrap_or_else(|| assigned_at(truths));
    let what = match &job.stage {
        Stage::Review(_) => "In review",
        Stage::Testing(_) => "In testing",
        Stage::Queued
        | Stage::Blocked
        | Stage::Assigned(_)
        | Stage::Building(_)
        | Stage::Shipped
        | Stage::Failed(_)
        | Stage::DeadLetter(_) => "Running",
    };
    let renewed = heard(truths).map(|at| format!(", last renewed {}", truths.ago(at)));
    let ends = job.claim.building_at.map(|began| began.plus(job.content.timeout()));
    let near = ends.filter(|ends| ends.since(truths.now).as_secs() <= last_part(truths));
    let told = near.map(|ends| format!("; its timeout ends it at {}", truths.ahead_of_now(ends)));
    let sentence = format!(
        "{what} on {} since {}, epoch {}{}{}{}.",
        holder.factory,
        truths.ago(since),
        job.lease_epoch,
        renewed.unwrap_or_default(),
        progress(truths),
        told.unwrap_or_default(),
    );
    let timeout = near.map(|ends| Blocker {
        until: Some(ends),
        ..of_factory(WhyCode::TimeoutNear, "has little time left", holder)
    });
    Cause::new(WhyCode::Running, since, sentence)
        .until(ends)
        .blocked_by(timeout)
        .then(truths.command("watch"))
}

fn silent(truths: &Truths, holder: &Holder) -> Option<Cause> {
    let heard = heard(truths).unwrap_or_else(|| assigned_at(truths));
    let quiet = truths.ttl / 3 * QUIET_THIRDS;
    if truths.now.since(heard) <= quiet {
        return None;
    }
    let ends = lease_of(truths).and_then(|lease| lease.expires_at);
    let back = ends.unwrap_or_else(|| heard.plus(truths.ttl)).plus(truths.allowance);
    let sentence = format!(
        "{} has been silent since {}; the job is taken back at {}.",
        holder.factory,
        truths.ago(heard),
        truths.ahead_of_now(back),
    );
    let blocker = of_factory(WhyCode::Silent, "does not renew its lease", holder);
    let cause = Cause::new(WhyCode::Silent, heard, sentence).until(back).blocked_by([blocker]);
    Some(cause.then(truths.command("lease")).then("gigamesh factories"))
}

fn stopping(truths: &Truths, holder: &Holder) -> Option<Cause> {
    let request = truths.job.cancel()?;
    let forced = request.at.plus(CANCEL_GRACE);
    let sentence = format!(
        "Cancel was requested by {} at {}; {} is stopping it, and it is forced at {}.",
        request.by.id,
        truths.ago(request.at),
        holder.factory,
        truths.ahead_of_now(forced),
    );
    let blocker = of_factory(WhyCode::Stopping, "is asked to stop", holder);
    let cause = Cause::new(WhyCode::Stopping, request.at, sentence).until(forced);
    Some(cause.blocked_by([blocker]).then(format!("{} --now", truths.command("cancel"))))
}

fn progress(truths: &Truths) -> String {
    let of_this = |run: &&crate::run::Run| run.attempt == truths.job.attempts;
    let Some(progress) = truths.run.as_ref().filter(of_this).and_then(|run| run.progress.as_ref())
    else {
        return String::new();
    };
    let step = progress.step.as_ref().map(|step| format!(" ({step})")).unwrap_or_default();
    format!(", progress {} %{step}", progress.percent)
}

/// The last sign of life in this epoch.
fn heard(truths: &Truths) -> Option<Timestamp> {
    let lease = lease_of(truths)?;
    lease.renewed_at.max(lease.acquired_at)
}

fn lease_of(truths: &Truths) -> Option<&Lease> {
    truths.lease.as_ref().filter(|lease| lease.is_held_for(truths.job.lease_epoch))
}

fn assigned_at(truths: &Truths) -> Timestamp {
    truths.job.claim.assigned_at.unwrap_or(truths.job.head.updated_at)
}

fn last_part(truths: &Truths) -> u64 {
    truths.job.content.timeout_sec / LAST_PART
}

fn of_factory(code: WhyCode, detail: &str, holder: &Holder) -> Blocker {
    let detail = format!("{} {detail}", holder.factory);
    Blocker { factory_id: Some(holder.factory.clone()), ..Blocker::new(code, detail) }
}
