//! How a holder lets go: shipped, failed, handed back, or parked for a person.

use crate::job::evolve::{Change, Leaving, Left, Report, Rest, Tally};
use crate::job::retry::Verdict;
use crate::job::wish::{Circumstances, Disposition, Pointer, Release};
use crate::job::{Job, Used};
use crate::rejection::{Code, Rejection};
use crate::report::RunResult;
use crate::stage::{FailureReason, Stage};
use crate::time::Timestamp;

impl Job {
    pub(crate) fn release(
        &self,
        release: &Release,
        given: &Circumstances,
        now: Timestamp,
    ) -> Result<Option<Change>, Rejection> {
        self.check_checkpoint(release.checkpoint.as_ref())?;
        if given.pointer != Pointer::Ready {
            return Err(self.no_transition("artifacts_pending"));
        }
        let disposition = release.disposition.unwrap_or_else(|| self.disposition_by_stage());
        if disposition == Disposition::Ship {
            return self.ship(release).map(|left| Some(Change::Left(Box::new(left))));
        }
        if disposition == Disposition::Park {
            self.may_park()?;
        }
        // Whoever lets go of a job that is being cancelled, lets it end.
        if self.cancel().is_some() {
            return Ok(Some(Change::Left(Box::new(cancelled(release)))));
        }
        Ok(Some(match disposition {
            Disposition::Park => Change::Parked(Box::new(release.report())),
            Disposition::Yield => {
                let mut left = Left::new(Leaving::Yielded, self.waiting(given, None));
                left.result = Some(RunResult::Yielded);
                left.report = release.report();
                left.reason.clone_from(&release.reason);
                Change::Left(Box::new(left))
            }
            Disposition::Fail | Disposition::Ship => {
                Change::Left(Box::new(self.fail(release, given, now)?))
            }
        }))
    }

    fn disposition_by_stage(&self) -> Disposition {
        match self.stage {
            Stage::Review(_) | Stage::Testing(_) => Disposition::Park,
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => Disposition::Yield,
        }
    }

    fn ship(&self, release: &Release) -> Result<Left, Rejection> {
        match self.stage {
            // The short way is open only where nothing has to be verified.
            Stage::Building(_) | Stage::Review(_) => {
                self.needs_no_person()?;
                if self.content.verify.is_some() {
                    return Err(self.no_transition("verify_required"));
                }
            }
            Stage::Testing(_) => {
                self.needs_no_person()?;
                self.is_verified(release.verify.as_ref())?;
            }
            Stage::Assigned(_) => return Err(self.no_transition("not_confirmed")),
            Stage::Queued
            | Stage::Blocked
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => return Err(self.no_transition("terminal")),
        }
        let mut left = Left::new(Leaving::Shipped, Rest::Shipped);
        left.result = Some(RunResult::Shipped);
        left.report = release.report();
        left.reason.clone_from(&release.reason);
        Ok(left)
    }

    fn may_park(&self) -> Result<(), Rejection> {
        match self.stage {
            Stage::Review(_) | Stage::Testing(_) => Ok(()),
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => Err(self.no_transition("nothing_to_review")),
        }
    }

    fn fail(
        &self,
        release: &Release,
        given: &Circumstances,
        now: Timestamp,
    ) -> Result<Left, Rejection> {
        let result = release.failure();
        if result.failure().is_none() && result != RunResult::BudgetExceeded {
            return Err(self.reject(Code::Validation).because("result"));
        }
        let used = self.used_with(release, now);
        let (how, rest) = match self.outcome(result, used, given, now) {
            Verdict::Again(rest) => (Leaving::Retried, rest),
            Verdict::Over(rest) => (Leaving::Failed, rest),
        };
        let mut left = Left::new(how, rest);
        left.result = Some(result);
        left.tally = Tally::Failure;
        left.report = release.report();
        left.reason.clone_from(&release.reason);
        Ok(left)
    }

    /// What will have been used once this last report is counted in.
    fn used_with(&self, release: &Release, now: Timestamp) -> Used {
        let mut used = self.used_by(now);
        if let Some(insights) = &release.insights {
            let usd = insights.cost_usd.unwrap_or_default().minus(self.claim.claim_usd);
            used.usd_used = used.usd_used.plus(usd);
            used.tokens_used += insights.tokens().saturating_sub(self.claim.claim_tokens);
        }
        used
    }
}

fn cancelled(release: &Release) -> Left {
    let mut left = Left::new(Leaving::Cancelled, Rest::Failed(FailureReason::Cancelled));
    left.result = Some(RunResult::Cancelled);
    left.report = release.report();
    left.reason.clone_from(&release.reason);
    left
}

impl Release {
    /// The end that a failing holder reports; a verdict that did not pass says it too.
    pub(crate) fn failure(&self) -> RunResult {
        let unverified = self.verify.as_ref().is_some_and(|verify| !verify.passed);
        self.result.unwrap_or(if unverified { RunResult::VerifyFailed } else { RunResult::Failed })
    }

    fn report(&self) -> Report {
        Report {
            checkpoint: self.checkpoint.clone(),
            verify: self.verify.clone(),
            insights: self.insights.clone(),
            exit: self.exit.clone(),
            note: None,
        }
    }
}
