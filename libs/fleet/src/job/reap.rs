//! Taking a job back on the coordinator's own account. Each cause is judged again on the version
//! that is then written; what no longer holds changes nothing.

use std::time::Duration;

use crate::job::evolve::{Change, Leaving, Left, Rest, Tally};
use crate::job::retry::Verdict;
use crate::job::wish::{Cause, Circumstances, TakeBack};
use crate::job::{FencedBy, Job};
use crate::report::RunResult;
use crate::stage::{DeadReason, FailureReason, Stage};
use crate::time::Timestamp;

/// What a run may overstay its timeout before the coordinator ends it.
const OVERRUN_GRACE: Duration = Duration::from_secs(300);
/// What a holder may take to follow a graceful cancel.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_secs(60);

impl Job {
    pub(crate) fn take_back(
        &self,
        back: &TakeBack,
        given: &Circumstances,
        now: Timestamp,
    ) -> Option<Change> {
        if back.epoch != self.lease_epoch {
            return None;
        }
        let left = match back.cause {
            Cause::BudgetSpent => return self.end_for_budget(now).map(boxed),
            Cause::Silent => self.after_silence(FencedBy::Reap, given, now),
            // Seen for a whole grant's time by whoever asks; no clock is compared with another.
            Cause::NoLease => self.after_silence(FencedBy::Repair, given, now),
            Cause::Overrun if self.overruns(now) => self.after_overrun(given, now),
            Cause::LockLost => self.after_lock_loss(given),
            Cause::CancelOverdue if self.is_cancel_overdue(now) => forced_cancel(FencedBy::Cancel),
            Cause::Overrun | Cause::CancelOverdue => return None,
        };
        self.holder().is_some().then(|| boxed(left))
    }

    fn after_silence(&self, by: FencedBy, given: &Circumstances, now: Timestamp) -> Left {
        if self.cancel().is_some() {
            return forced_cancel(by);
        }
        let mut left = Left {
            fence: Some(by),
            result: Some(RunResult::LeaseExpired),
            ..Left::new(Leaving::TakenBack, self.waiting(given, None))
        };
        // Lost replies must not poison a job: only runs that began are counted.
        if matches!(self.stage, Stage::Assigned(_)) {
            return left;
        }
        if self.reaps >= given.max_reaps {
            left.rest = Rest::DeadLetter(DeadReason::Poison);
        } else {
            left.tally = Tally::Reap;
            left.rest = self.waiting(given, self.reap_backoff(now));
        }
        left
    }

    fn after_lock_loss(&self, given: &Circumstances) -> Left {
        if self.cancel().is_some() {
            return forced_cancel(FencedBy::LockLost);
        }
        Left {
            fence: Some(FencedBy::LockLost),
            result: Some(RunResult::LockLost),
            ..Left::new(Leaving::TakenBack, self.waiting(given, None))
        }
    }

    fn after_overrun(&self, given: &Circumstances, now: Timestamp) -> Left {
        if self.cancel().is_some() {
            return forced_cancel(FencedBy::Timeout);
        }
        let (how, rest) = match self.outcome(RunResult::Timeout, self.used_by(now), given, now) {
            Verdict::Again(rest) => (Leaving::Retried, rest),
            Verdict::Over(rest) => (Leaving::Failed, rest),
        };
        Left {
            fence: Some(FencedBy::Timeout),
            result: Some(RunResult::Timeout),
            tally: Tally::Failure,
            ..Left::new(how, rest)
        }
    }

    fn end_for_budget(&self, now: Timestamp) -> Option<Left> {
        let budget = self.content.budget?;
        let held = match self.stage {
            Stage::Queued | Stage::Blocked => false,
            Stage::Assigned(_) | Stage::Building(_) => true,
            Stage::Review(Some(_)) | Stage::Testing(Some(_)) => true,
            Stage::Review(None)
            | Stage::Testing(None)
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => return None,
        };
        self.used_by(now).exhausts(&budget).then(|| Left {
            fence: held.then_some(FencedBy::Budget),
            result: held.then_some(RunResult::BudgetExceeded),
            ..Left::new(Leaving::BudgetSpent, Rest::DeadLetter(DeadReason::BudgetExceeded))
        })
    }

    #[must_use]
    pub fn is_past_grant(&self, now: Timestamp) -> bool {
        self.claim.grant_deadline.is_some_and(|deadline| deadline < now)
    }

    /// When a keeper must look at the held job again, whatever its holder says by then.
    #[must_use]
    pub fn next_look(&self) -> Option<Timestamp> {
        self.holder()?;
        let cancel = self.cancel().map(|request| request.at.plus(CANCEL_GRACE));
        let overrun = self.claim.building_at.map(|since| since.plus(self.run_limit()));
        let spent = self.claim.assigned_at.zip(self.wall_left());
        let spent = spent.map(|(since, left)| since.plus(left));
        [cancel, overrun, spent].into_iter().flatten().min()
    }

    /// What its holder has exceeded at `now`. A keeper ends what nobody asked to end only if it has
    /// itself watched this hold for as long, since the record's times are of other machines'
    /// clocks.
    #[must_use]
    pub fn overstays(&self, now: Timestamp, watched: Duration) -> Option<Cause> {
        let spent = self.wall_left().filter(|left| {
            let since = self.claim.assigned_at.filter(|_| self.holder().is_some());
            since.is_some_and(|since| now.since(since) >= *left)
        });
        if self.is_cancel_overdue(now) {
            Some(Cause::CancelOverdue)
        } else if spent.is_some_and(|left| watched >= left) {
            Some(Cause::BudgetSpent)
        } else if self.overruns(now) && watched >= self.run_limit() {
            Some(Cause::Overrun)
        } else {
            None
        }
    }

    /// What this hold may still take of the job's wall budget, from its beginning.
    fn wall_left(&self) -> Option<Duration> {
        let wall = self.content.budget.and_then(|budget| budget.wall)?;
        Some(Duration::from_secs(wall - self.used.wall_used_sec.min(wall)))
    }

    fn run_limit(&self) -> Duration {
        self.content.timeout() + OVERRUN_GRACE
    }

    #[must_use]
    pub fn overruns(&self, now: Timestamp) -> bool {
        self.claim.building_at.is_some_and(|since| now.since(since) > self.run_limit())
    }

    #[must_use]
    pub fn is_cancel_overdue(&self, now: Timestamp) -> bool {
        self.cancel().is_some_and(|request| now.since(request.at) > CANCEL_GRACE)
    }
}

fn forced_cancel(by: FencedBy) -> Left {
    Left {
        fence: Some(by),
        result: Some(RunResult::Cancelled),
        ..Left::new(Leaving::Cancelled, Rest::Failed(FailureReason::Cancelled))
    }
}

fn boxed(left: Left) -> Change {
    Change::Left(Box::new(left))
}
