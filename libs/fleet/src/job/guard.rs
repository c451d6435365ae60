//! Whose word counts: the one place where epoch, holder and nonce are compared. Nothing that a
//! holder says reaches a stage rule without passing here.

use crate::id::OpId;
use crate::job::wish::{Command, Disposition, Holding, Release, Wish};
use crate::job::{DoneOp, Job};
use crate::rejection::{Code, Rejection};
use crate::report::RunResult;
use crate::stage::StageName;

impl Job {
    /// The remembered answer to an operation that was asked before.
    #[must_use]
    pub fn remembered(&self, op: OpId, by: &crate::event::Actor) -> Option<&DoneOp> {
        self.last_ops.iter().find(|done| done.op_id == op && done.by == *by)
    }

    /// Whether the command was carried out before; an error when its sender may not speak.
    pub(crate) fn answered(&self, command: &Command) -> Result<bool, Rejection> {
        let known = command.wish.op().and_then(|op| self.remembered(op, &command.by));
        if known.is_some() {
            return Ok(true);
        }
        let Some(holding) = command.wish.holding() else { return Ok(false) };
        if self.is_over(holding) {
            return self.answer_after_the_hold(&command.wish);
        }
        self.hear(holding).map(|()| false)
    }

    /// Fencing is by equality of all three; a smaller epoch is as wrong as a greater one.
    fn hear(&self, holding: &Holding) -> Result<(), Rejection> {
        if holding.lease_epoch < self.lease_epoch {
            return Err(self.reject(Code::Fenced));
        }
        if holding.lease_epoch > self.lease_epoch {
            return Err(self.reject(Code::EpochUnknown));
        }
        let Some(holder) = self.holder() else { return Err(self.reject(Code::LeaseNotHeld)) };
        if holder.factory != holding.factory_id || holder.nonce != holding.claim_nonce {
            return Err(self.reject(Code::Fenced));
        }
        Ok(())
    }

    /// The hold of this very claim ended, and nothing has happened to the epoch since.
    fn is_over(&self, holding: &Holding) -> bool {
        holding.lease_epoch == self.lease_epoch
            && self.claim.run_id == Some(holding.claim_nonce)
            && self.holder().is_none()
    }

    fn answer_after_the_hold(&self, wish: &Wish) -> Result<bool, Rejection> {
        let Some(said) = Outcome::of(wish) else { return Err(self.reject(Code::LeaseNotHeld)) };
        let same = match said {
            Outcome::Parked => self.stage.is_parked(),
            Outcome::Ended(result) => self.claim.last_result == Some(result),
            Outcome::Whatever => {
                self.stage.is_parked() || self.claim.last_result == Some(RunResult::Yielded)
            }
        };
        let terminal = matches!(said, Outcome::Ended(result) if result != RunResult::Yielded);
        if same {
            Ok(true)
        } else if terminal && self.stage.has_ended() {
            Err(self.reject(Code::AlreadyFinished))
        } else {
            Err(self.reject(Code::LeaseNotHeld))
        }
    }
}

/// How a holder says that its hold ends.
#[derive(Clone, Copy)]
enum Outcome {
    Parked,
    Ended(RunResult),
    /// The holder left the choice to the stage it was in.
    Whatever,
}

impl Outcome {
    fn of(wish: &Wish) -> Option<Self> {
        match wish {
            Wish::Release(release) => Some(Self::of_release(release)),
            Wish::Patch(patch) => match patch.stage {
                Some(StageName::Shipped) => Some(Self::Ended(RunResult::Shipped)),
                Some(StageName::Failed) => Some(Self::Ended(RunResult::Failed)),
                Some(
                    StageName::Queued
                    | StageName::Blocked
                    | StageName::Assigned
                    | StageName::Building
                    | StageName::Review
                    | StageName::Testing
                    | StageName::DeadLetter,
                )
                | None => None,
            },
            Wish::Renew(_)
            | Wish::Admit(_)
            | Wish::Supersede(_)
            | Wish::Settle(_)
            | Wish::Claim(_)
            | Wish::TakeBack(_)
            | Wish::Operate(_)
            | Wish::AddChildren(_)
            | Wish::Keep(_)
            | Wish::Remove(_)
            | Wish::Trim { .. }
            | Wish::Purge => None,
        }
    }

    fn of_release(release: &Release) -> Self {
        match release.disposition {
            Some(Disposition::Ship) => Self::Ended(RunResult::Shipped),
            Some(Disposition::Fail) => Self::Ended(release.failure()),
            Some(Disposition::Yield) => Self::Ended(RunResult::Yielded),
            Some(Disposition::Park) => Self::Parked,
            None => Self::Whatever,
        }
    }
}
