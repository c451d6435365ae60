//! What a person may do to a job, at every stage.

use crate::job::evolve::{Change, Leaving, Left, Rest, Tally};
use crate::job::wish::{Action, Circumstances, Operation};
use crate::job::{FencedBy, Job};
use crate::rejection::Rejection;
use crate::report::RunResult;
use crate::stage::{DeadReason, FailureReason, Stage};

type Answer = Result<Option<Change>, Rejection>;

impl Job {
    pub(crate) fn operate(&self, operation: &Operation, given: &Circumstances) -> Answer {
        let reason = operation.reason.clone();
        match operation.action {
            Action::Approve => self.approve(),
            Action::SendBack => self.send_back(reason, given),
            Action::Ship { force } => self.ship_by_hand(force, reason),
            Action::Requeue => self.requeue(reason, given),
            Action::Redrive => self.redrive(reason, given),
            Action::CancelNow => self.cancel_now(reason),
            Action::CancelGraceful => self.cancel_gracefully(reason),
            Action::Reject => self.give_up(reason),
        }
    }

    fn approve(&self) -> Answer {
        match self.stage {
            Stage::Review(None) => Ok(Some(Change::Approved)),
            Stage::Testing(None) => Ok(None),
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(Some(_))
            | Stage::Testing(Some(_)) => Err(self.no_transition("not_parked")),
            Stage::Shipped | Stage::Failed(_) | Stage::DeadLetter(_) => {
                Err(self.no_transition("terminal"))
            }
        }
    }

    fn send_back(&self, reason: Option<String>, given: &Circumstances) -> Answer {
        match self.stage {
            Stage::Review(None) | Stage::Testing(None) => {
                let left = Left::new(Leaving::SentBack, self.waiting(given, None));
                Ok(Some(self.by_hand(left, FencedBy::Requeue, RunResult::SentBack, reason)))
            }
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(Some(_))
            | Stage::Testing(Some(_)) => Err(self.no_transition("not_parked")),
            Stage::Shipped | Stage::Failed(_) | Stage::DeadLetter(_) => {
                Err(self.no_transition("terminal"))
            }
        }
    }

    fn ship_by_hand(&self, force: bool, reason: Option<String>) -> Answer {
        match self.stage {
            Stage::Testing(_) => {}
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(_)
                if force && self.admitted => {}
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(_) => return Err(self.no_transition("force_required")),
            Stage::Shipped => return Ok(None),
            Stage::Failed(_) | Stage::DeadLetter(_) => return Err(self.no_transition("terminal")),
        }
        let left = Left::new(Leaving::Shipped, Rest::Shipped);
        Ok(Some(self.by_hand(left, FencedBy::Ship, RunResult::Shipped, reason)))
    }

    fn requeue(&self, reason: Option<String>, given: &Circumstances) -> Answer {
        match self.stage {
            Stage::Queued => return Ok(None),
            Stage::Blocked if self.admitted => return Ok(None),
            Stage::Blocked => return Err(self.no_transition("not_admitted")),
            Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(_)
            | Stage::Testing(_)
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => {}
            Stage::Shipped => return Err(self.no_transition("terminal")),
        }
        let left = Left::new(Leaving::Requeued, self.waiting(given, None));
        Ok(Some(self.by_hand(left, FencedBy::Requeue, RunResult::Requeued, reason)))
    }

    fn redrive(&self, reason: Option<String>, given: &Circumstances) -> Answer {
        match self.stage {
            Stage::Failed(_) | Stage::DeadLetter(_) => {}
            Stage::Shipped => return Err(self.no_transition("terminal")),
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(_)
            | Stage::Testing(_) => return Err(self.no_transition("not_ended")),
        }
        let mut left = Left::new(Leaving::Redriven, self.waiting(given, None));
        left.tally = Tally::Anew;
        left.reason = reason;
        Ok(Some(Change::Left(Box::new(left))))
    }

    fn cancel_now(&self, reason: Option<String>) -> Answer {
        match self.stage {
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(_)
            | Stage::Testing(_) => {}
            Stage::Failed(FailureReason::Cancelled) => return Ok(None),
            Stage::Shipped | Stage::Failed(_) | Stage::DeadLetter(_) => {
                return Err(self.no_transition("terminal"));
            }
        }
        let left = Left::new(Leaving::Cancelled, Rest::Failed(FailureReason::Cancelled));
        Ok(Some(self.by_hand(left, FencedBy::Cancel, RunResult::Cancelled, reason)))
    }

    fn cancel_gracefully(&self, reason: Option<String>) -> Answer {
        if self.cancel().is_some() {
            return Ok(None);
        }
        if self.holder().is_some() {
            return Ok(Some(Change::CancelRequested { reason }));
        }
        self.cancel_now(reason)
    }

    fn give_up(&self, reason: Option<String>) -> Answer {
        match self.stage {
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(_)
            | Stage::Testing(_)
            | Stage::Failed(_) => {}
            Stage::DeadLetter(_) => return Ok(None),
            Stage::Shipped => return Err(self.no_transition("terminal")),
        }
        let left = Left::new(Leaving::Rejected, Rest::DeadLetter(DeadReason::Rejected));
        Ok(Some(self.by_hand(left, FencedBy::Reject, RunResult::Rejected, reason)))
    }

    /// A holder is fenced; the run that was open, held or parked, gets its result.
    fn by_hand(
        &self,
        mut left: Left,
        fence: FencedBy,
        result: RunResult,
        reason: Option<String>,
    ) -> Change {
        left.fence = self.holder().map(|_| fence);
        left.result = (left.fence.is_some() || self.stage.is_parked()).then_some(result);
        left.reason = reason;
        Change::Left(Box::new(left))
    }
}
