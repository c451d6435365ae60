//! Waiting for others: to be admitted, for dependencies and children, for a person.

use std::time::Duration;

use super::{Blocker, Cause, Truths, WhyCode, ended, words};
use crate::dependency::satisfies;
use crate::event::EventType;
use crate::id::{JobId, Key};
use crate::job::Job;
use crate::stage::{Stage, StageName};
use crate::time::Timestamp;

/// After so long the sweep does what a submitter or a finisher left undone.
const SWEEP: Duration = Duration::from_secs(30);

pub(super) fn not_admitted(truths: &Truths) -> Cause {
    let kinds = [EventType::Submitted, EventType::Superseded, EventType::ChildrenAdded];
    let since = truths.last(&kinds).unwrap_or(truths.job.head.created_at);
    let by = since.plus(SWEEP);
    let sentence = format!(
        "Its dependencies have not been checked since {}; the sweep does it after {}.",
        truths.ago(since),
        truths.ahead_of_now(by),
    );
    let cause = Cause::new(WhyCode::NotAdmitted, since, sentence).until(by);
    cause.blocking().then(truths.command("get"))
}

pub(super) fn cycle(truths: &Truths) -> Option<Cause> {
    if truths.cycle.is_empty() {
        return None;
    }
    let way = ended::way(&truths.cycle);
    let sentence = format!("Its dependencies lead back to it: {way}; none of these can ever run.");
    let cause = Cause::new(WhyCode::DependencyCycle, blocked_since(truths), sentence);
    Some(cause.blocking().then(truths.command("get")).then(truths.command("cancel")))
}

pub(super) fn causes(truths: &Truths) -> Vec<Cause> {
    let unmet: Vec<Dep<'_>> = unmet(truths);
    let (children, others): (Vec<_>, Vec<_>) = unmet.into_iter().partition(|dep| dep.is_child);
    let mut causes: Vec<Cause> = cycle(truths).into_iter().collect();
    causes.extend(on_deps(truths, &others));
    causes.extend(on_children(truths, &children));
    causes
}

/// Blocked, and nothing is open any more.
pub(super) fn about_to_move(truths: &Truths) -> Cause {
    let since = truths.last(&[EventType::DepSatisfied]).unwrap_or_else(|| blocked_since(truths));
    let sentence = "All that it waited for is done; it moves on at the next look, within 30 s.";
    Cause::new(WhyCode::DepsUnmet, since, sentence)
        .until(truths.now.plus(SWEEP))
        .blocking()
        .then(truths.command("watch"))
}

pub(super) fn parked(truths: &Truths) -> Cause {
    let job = &truths.job;
    let since = truths.last(&[EventType::Parked]).unwrap_or(job.head.updated_at);
    let when = truths.ago(since);
    if job.stage.name() == StageName::Review {
        let sentence = format!("Parked for review since {when}: it waits for a person to approve.");
        let cause = Cause::new(WhyCode::ParkedReview, since, sentence).blocking();
        return cause.then(truths.command("approve")).then(truths.command("send-back"));
    }
    let sentence = format!("Parked for acceptance since {when}: it waits for a person to ship it.");
    let cause = Cause::new(WhyCode::ParkedTesting, since, sentence).blocking();
    cause.then(truths.command("ship")).then(truths.command("send-back"))
}

/// A dependency that is not satisfied.
struct Dep<'a> {
    id: JobId,
    job: Option<&'a Job>,
    is_child: bool,
}

impl Dep<'_> {
    fn code(&self) -> WhyCode {
        match self.job {
            _ if self.is_child => WhyCode::ChildrenOpen,
            None => WhyCode::DepUnknown,
            Some(_) if self.ended_badly() => WhyCode::DepFailed,
            Some(_) => WhyCode::DepsUnmet,
        }
    }

    fn ended_badly(&self) -> bool {
        self.job.is_some_and(|job| matches!(job.stage, Stage::Failed(_) | Stage::DeadLetter(_)))
    }

    fn name(&self, truths: &Truths) -> String {
        match self.job {
            Some(job) => job.content.idempotency_key.to_string(),
            None => written(truths, self.id).unwrap_or_else(|| self.id.to_string()),
        }
    }

    fn phrase(&self, truths: &Truths) -> String {
        let name = self.name(truths);
        match self.job {
            None => format!("{name} (never submitted)"),
            Some(job) => match (job.finished_at, self.ended_badly()) {
                (Some(at), true) => {
                    let ago = words::span(truths.now.since(at));
                    format!("{name} ({} {ago} ago)", words::plain(job.stage.name()))
                }
                (Some(_) | None, _) => {
                    format!("{name} ({})", words::plain(job.stage.name()))
                }
            },
        }
    }

    fn blocker(&self, truths: &Truths) -> Blocker {
        let blocker = Blocker::new(self.code(), self.phrase(truths));
        match self.job {
            Some(job) => blocker.about(job),
            None => Blocker {
                job_id: Some(self.id),
                key: written(truths, self.id).and_then(|name| name.parse().ok()),
                ..blocker
            },
        }
    }

    /// What could be done about it.
    fn command(&self, truths: &Truths) -> String {
        match self.job {
            None => {
                let key = words::quoted(&self.name(truths));
                format!("gigamesh submit FILE --key {key}")
            }
            Some(job) if self.ended_badly() => format!("gigamesh redrive {}", job.id),
            Some(job) => format!("gigamesh why {}", job.id),
        }
    }
}

fn unmet(truths: &Truths) -> Vec<Dep<'_>> {
    let job = &truths.job;
    let mut unmet = Vec::new();
    for id in &job.content.dep_ids {
        let dep = truths.deps.iter().find(|dep| dep.id == *id);
        if dep.is_some_and(|dep| satisfies(dep.stage.name(), job.content.deps_mode)) {
            continue;
        }
        let is_child = dep.is_some_and(|dep| dep.content.parent_id == Some(job.id));
        unmet.push(Dep { id: *id, job: dep, is_child });
    }
    unmet
}

fn on_deps(truths: &Truths, unmet: &[Dep<'_>]) -> Option<Cause> {
    let code = unmet.iter().map(Dep::code).min()?;
    let phrases: Vec<String> = unmet.iter().map(|dep| dep.phrase(truths)).collect();
    let rest = if code == WhyCode::DepFailed {
        "; what ended badly must be redriven"
    } else if code == WhyCode::DepUnknown {
        "; what was never submitted must be"
    } else {
        ""
    };
    let sentence = format!("Waits for {}{rest}.", words::list(&phrases));
    let worst = unmet.iter().find(|dep| dep.code() == code)?;
    let cause = Cause::new(code, blocked_since(truths), sentence);
    let cause = cause.blocked_by(unmet.iter().map(|dep| dep.blocker(truths)));
    Some(cause.then(worst.command(truths)))
}

fn on_children(truths: &Truths, open: &[Dep<'_>]) -> Option<Cause> {
    let of_mine = |job: &&Job| job.content.parent_id == Some(truths.job.id);
    let all = truths.deps.iter().filter(of_mine).count();
    let first = open.iter().find(|dep| dep.ended_badly()).or_else(|| open.first())?;
    let phrases: Vec<String> = open.iter().map(|dep| dep.phrase(truths)).collect();
    let sentence =
        format!("{} of {all} children not shipped: {}.", open.len(), words::list(&phrases));
    let cause = Cause::new(WhyCode::ChildrenOpen, blocked_since(truths), sentence);
    let cause = cause.blocked_by(open.iter().map(|dep| dep.blocker(truths)));
    Some(cause.then(first.command(truths)))
}

fn blocked_since(truths: &Truths) -> Timestamp {
    let kinds = [
        EventType::Submitted,
        EventType::Superseded,
        EventType::Blocked,
        EventType::DepRegressed,
        EventType::Requeued,
    ];
    truths.last(&kinds).unwrap_or(truths.job.head.created_at)
}

/// How the submission named a dependency that nobody has submitted.
fn written(truths: &Truths, id: JobId) -> Option<String> {
    let product = truths.job.product();
    let is_it = |name: &&String| {
        let by_key = name.parse::<Key>().map(|key| JobId::of(product, &key));
        by_key.is_ok_and(|of_key| of_key == id)
    };
    truths.job.content.deps.iter().find(is_it).cloned()
}
