//! How a job changes: the facts, and what each makes of the record. Total; no fact is refused.

use crate::content::Content;
use crate::event::{Actor, Mention};
use crate::id::{JobId, OpId};
use crate::job::wish::Claim;
use crate::job::{CancelRequest, Claimed, DoneOp, FencedBy, Job, OPS_KEPT, Used};
use crate::report::{Checkpoint, Exit, Insights, RunResult, VerifyResult};
use crate::stage::{DeadReason, FailureReason, Holder, Stage, StageName};
use crate::time::Timestamp;

/// A fact, with when, by whom and in answer to what.
#[derive(Clone, Debug)]
pub struct Event {
    pub at: Timestamp,
    pub by: Actor,
    pub op: Option<OpId>,
    pub change: Change,
}

#[derive(Clone, Debug)]
pub enum Change {
    Admitted { rest: Rest },
    CycleFound { path: Vec<JobId> },
    Superseded { content: Box<Content>, old_hash: String, admitted: bool, rest: Rest },
    DepsSatisfied { rest: Rest },
    DepsRegressed { jobs: Vec<JobId>, rest: Option<Rest> },
    DepsFailed { deps: Vec<JobId>, children: Vec<JobId>, rest: Option<Rest> },
    Claimed(Box<Claim>),
    Patched(Box<Report>, Option<StageName>),
    Parked(Box<Report>),
    Left(Box<Left>),
    Approved,
    CancelRequested { reason: Option<String> },
    ChildrenAdded { children: Vec<JobId> },
    Added(Mention),
    Deleted(Mention, Option<String>),
    Trimmed { through: u64 },
    Purged,
}

/// Where a job without holder rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    Queued { not_before: Option<Timestamp> },
    Blocked { not_before: Option<Timestamp> },
    Shipped,
    Failed(FailureReason),
    DeadLetter(DeadReason),
}

/// What a holder said of its run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub checkpoint: Option<Checkpoint>,
    pub verify: Option<VerifyResult>,
    pub insights: Option<Insights>,
    pub exit: Option<Exit>,
    pub note: Option<String>,
}

/// A hold, a park or a wait ended and the job went to rest.
#[derive(Clone, Debug)]
pub struct Left {
    pub how: Leaving,
    /// Present when the former holder's word is worthless from now on.
    pub fence: Option<FencedBy>,
    pub rest: Rest,
    /// Of the run, where one was open.
    pub result: Option<RunResult>,
    pub tally: Tally,
    pub report: Report,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    Shipped,
    Failed,
    Retried,
    Yielded,
    TakenBack,
    BudgetSpent,
    SentBack,
    Requeued,
    Redriven,
    Cancelled,
    Rejected,
}

/// Which counter a leaving moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    Nothing,
    Failure,
    Reap,
    Anew,
}

impl Left {
    pub(crate) fn new(how: Leaving, rest: Rest) -> Self {
        Self {
            how,
            fence: None,
            rest,
            result: None,
            tally: Tally::Nothing,
            report: Report::default(),
            reason: None,
        }
    }
}

impl Job {
    pub(crate) fn after(mut self, event: &Event) -> Self {
        let at = event.at;
        match &event.change {
            Change::Admitted { rest } => {
                self.admitted = true;
                self.come_to(*rest, at);
            }
            Change::CycleFound { .. } => {
                self.come_to(Rest::Failed(FailureReason::DependencyCycle), at);
            }
            Change::Superseded { content, admitted, rest, .. } => {
                self.take_content(content, *admitted);
                self.come_to(*rest, at);
            }
            Change::DepsSatisfied { rest } => {
                self.troubled_deps.clear();
                self.come_to(*rest, at);
            }
            Change::DepsRegressed { jobs, rest } => {
                self.remember_trouble(jobs);
                self.come_to_if(*rest, at);
            }
            Change::DepsFailed { deps, children, rest } => {
                self.remember_trouble(deps);
                self.remember_trouble(children);
                self.come_to_if(*rest, at);
            }
            Change::Claimed(claim) => self.be_claimed(claim, at),
            Change::Patched(report, to) => {
                self.note(report);
                self.move_to(*to, at);
            }
            Change::Parked(report) => {
                self.note(report);
                self.used = self.used_by(at);
                self.drop_holder();
            }
            Change::Left(left) => self.leave(left, at),
            Change::Approved => self.stage = Stage::Testing(None),
            Change::CancelRequested { reason } => {
                self.cancel_requested =
                    Some(CancelRequest { at, by: event.by.clone(), reason: reason.clone() });
            }
            Change::ChildrenAdded { children } => {
                self.content = self.content.amended(|content| content.dep_ids.extend(children));
                self.admitted = false;
            }
            // An artifact changes no job; its pointer follows what is told of it.
            Change::Added(_) | Change::Deleted(..) => {}
            Change::Trimmed { through } => self.outbox.retain(|entry| entry.seq > *through),
            // A stone has no log to tell it in.
            Change::Purged => return self.buried(),
        }
        self.chronicle(event);
        self.remember_answer(event);
        self
    }

    fn come_to(&mut self, rest: Rest, at: Timestamp) {
        self.stage = match rest {
            Rest::Queued { .. } => Stage::Queued,
            Rest::Blocked { .. } => Stage::Blocked,
            Rest::Shipped => Stage::Shipped,
            Rest::Failed(reason) => Stage::Failed(reason),
            Rest::DeadLetter(reason) => Stage::DeadLetter(reason),
        };
        match rest {
            Rest::Queued { not_before } => {
                self.wait(not_before);
                self.queued_at = Some(at);
                self.first_queued_at.get_or_insert(at);
            }
            Rest::Blocked { not_before } => self.wait(not_before),
            Rest::Shipped | Rest::Failed(_) | Rest::DeadLetter(_) => self.finished_at = Some(at),
        }
    }

    fn come_to_if(&mut self, rest: Option<Rest>, at: Timestamp) {
        if let Some(rest) = rest {
            self.come_to(rest, at);
        }
    }

    fn wait(&mut self, not_before: Option<Timestamp>) {
        self.retry_not_before = not_before;
        self.finished_at = None;
        self.cancel_requested = None;
    }

    fn take_content(&mut self, content: &Content, admitted: bool) {
        self.content = content.clone().into();
        self.admitted = admitted;
        self.generation += 1;
        self.checkpoint = None;
        self.troubled_deps.clear();
        self.count_anew();
    }

    fn remember_trouble(&mut self, deps: &[JobId]) {
        self.troubled_deps.extend(deps);
    }

    fn be_claimed(&mut self, claim: &Claim, at: Timestamp) {
        let factory = claim.bidder.factory.clone();
        self.stage = Stage::Assigned(Holder { factory, nonce: claim.nonce });
        self.lease_epoch = self.lease_epoch.next();
        self.attempts += 1;
        self.retry_not_before = None;
        self.cancel_requested = None;
        self.troubled_deps.clear();
        self.claim = Claimed {
            run_id: Some(claim.nonce),
            claim_request_id: Some(claim.request),
            grant_deadline: Some(claim.grant_deadline),
            assigned_at: Some(at),
            profile_version: claim.profile.as_ref().map(|chosen| chosen.version),
            ..Claimed::default()
        };
    }

    fn note(&mut self, report: &Report) {
        if let Some(checkpoint) = &report.checkpoint {
            self.checkpoint = Some(checkpoint.clone());
        }
        if let Some(verify) = &report.verify {
            self.claim.verified = verify.passed;
        }
        if let Some(insights) = &report.insights {
            self.claim.claim_usd = self.claim.claim_usd.max(insights.cost_usd.unwrap_or_default());
            self.claim.claim_tokens = self.claim.claim_tokens.max(insights.tokens());
        }
    }

    fn move_to(&mut self, to: Option<StageName>, at: Timestamp) {
        let Some(holder) = self.stage.holder().cloned() else { return };
        match to {
            Some(StageName::Building) => {
                self.claim.building_at = Some(at);
                self.stage = Stage::Building(holder);
            }
            Some(StageName::Review) => self.stage = Stage::Review(Some(holder)),
            Some(StageName::Testing) => self.stage = Stage::Testing(Some(holder)),
            // A holder moves within the held stages only; all else is leaving.
            Some(
                StageName::Queued
                | StageName::Blocked
                | StageName::Assigned
                | StageName::Shipped
                | StageName::Failed
                | StageName::DeadLetter,
            )
            | None => {}
        }
    }

    fn drop_holder(&mut self) {
        self.stage = match self.stage {
            Stage::Review(_) => Stage::Review(None),
            Stage::Testing(_) => Stage::Testing(None),
            Stage::Assigned(_) | Stage::Building(_) => Stage::Queued,
            Stage::Queued
            | Stage::Blocked
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => return,
        };
    }

    fn leave(&mut self, left: &Left, at: Timestamp) {
        self.note(&left.report);
        self.used = self.used_by(at);
        if let Some(by) = left.fence {
            self.lease_epoch = self.lease_epoch.next();
            self.fenced_at = Some(at);
            self.fenced_by = Some(by);
        }
        self.claim.last_result = left.result.or(self.claim.last_result);
        match left.tally {
            Tally::Nothing => {}
            // A requeue keeps the counters: the last failure may come more than once.
            Tally::Failure => self.failures = (self.failures + 1).min(self.most_failures()),
            Tally::Reap => self.reaps += 1,
            Tally::Anew => self.count_anew(),
        }
        self.come_to(left.rest, at);
    }

    fn most_failures(&self) -> u32 {
        self.content.retry.as_ref().map_or(u32::MAX, |policy| policy.max)
    }

    fn count_anew(&mut self) {
        self.attempts_base = self.attempts;
        self.failures = 0;
        self.reaps = 0;
        self.used = Used::default();
    }

    fn remember_answer(&mut self, event: &Event) {
        let Some(op_id) = event.op else { return };
        if self.last_ops.len() >= OPS_KEPT {
            self.last_ops.remove(0);
        }
        self.last_ops.push(DoneOp {
            op_id,
            epoch: self.lease_epoch,
            by: event.by.clone(),
            status: 200,
            code: "OK".to_owned(),
            stage: self.stage.name(),
        });
    }
}
