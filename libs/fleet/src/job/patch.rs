//! What a holder says while it works: the next stage, a checkpoint, a verdict, a note.

use crate::content::ReviewPolicy;
use crate::job::Job;
use crate::job::evolve::{Change, Report};
use crate::job::wish::{Circumstances, Disposition, Patch, Release};
use crate::rejection::{Code, Rejection};
use crate::report::{Checkpoint, RunResult, VerifyResult};
use crate::stage::{Stage, StageName};
use crate::time::Timestamp;

impl Job {
    pub(crate) fn patch(
        &self,
        patch: &Patch,
        given: &Circumstances,
        now: Timestamp,
    ) -> Result<Option<Change>, Rejection> {
        self.check_checkpoint(patch.checkpoint.as_ref())?;
        let Some(to) = patch.stage else {
            return Ok(patch.says_anything().then(|| patch.reported(None)));
        };
        let moves = match to {
            StageName::Building => self.may_build()?,
            StageName::Review => self.may_review()?,
            StageName::Testing => self.may_test(patch.verify.as_ref())?,
            StageName::Shipped => {
                return self.release(&patch.ending(Disposition::Ship), given, now);
            }
            StageName::Failed => return self.release(&patch.ending(Disposition::Fail), given, now),
            StageName::Queued
            | StageName::Blocked
            | StageName::Assigned
            | StageName::DeadLetter => return Err(self.no_transition("not_a_holders_stage")),
        };
        if moves {
            Ok(Some(patch.reported(Some(to))))
        } else {
            Ok(patch.says_anything().then(|| patch.reported(None)))
        }
    }

    fn may_build(&self) -> Result<bool, Rejection> {
        match self.stage {
            Stage::Assigned(_) => Ok(true),
            Stage::Building(_) => Ok(false),
            Stage::Queued
            | Stage::Blocked
            | Stage::Review(_)
            | Stage::Testing(_)
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => Err(self.no_transition("no_way_back")),
        }
    }

    fn may_review(&self) -> Result<bool, Rejection> {
        match self.stage {
            Stage::Building(_) => Ok(true),
            Stage::Review(_) => Ok(false),
            Stage::Assigned(_) => Err(self.no_transition("not_confirmed")),
            Stage::Queued
            | Stage::Blocked
            | Stage::Testing(_)
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => Err(self.no_transition("no_way_back")),
        }
    }

    fn may_test(&self, verify: Option<&VerifyResult>) -> Result<bool, Rejection> {
        match self.stage {
            // Skipping review is for those whom nobody reviews.
            Stage::Building(_) => {
                self.needs_no_person()?;
                self.is_verified(verify).map(|()| true)
            }
            Stage::Review(_) => self.is_verified(verify).map(|()| true),
            Stage::Testing(_) => Ok(false),
            Stage::Assigned(_) => Err(self.no_transition("not_confirmed")),
            Stage::Queued
            | Stage::Blocked
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => Err(self.no_transition("terminal")),
        }
    }

    pub(crate) fn needs_no_person(&self) -> Result<(), Rejection> {
        match self.content.review_policy {
            ReviewPolicy::Auto => Ok(()),
            ReviewPolicy::Manual => Err(self.no_transition("manual_review")),
        }
    }

    pub(crate) fn is_verified(&self, now_said: Option<&VerifyResult>) -> Result<(), Rejection> {
        let passed = now_said.map_or(self.claim.verified, |verify| verify.passed);
        if self.content.verify.is_none() || passed {
            Ok(())
        } else {
            Err(self.no_transition("verify_required"))
        }
    }

    /// The base is written once for each generation, so that no later attempt can rewrite what
    /// its work is compared with.
    pub(crate) fn check_checkpoint(&self, new: Option<&Checkpoint>) -> Result<(), Rejection> {
        let Some(new) = new else { return Ok(()) };
        if !new.is_complete() {
            return Err(self.reject(Code::Validation).because("checkpoint"));
        }
        let same_base = self.checkpoint.as_ref().is_none_or(|old| old.wip_base == new.wip_base);
        if same_base {
            Ok(())
        } else {
            Err(self.reject(Code::Validation).because("wip_base_fixed"))
        }
    }
}

impl Checkpoint {
    fn is_complete(&self) -> bool {
        let fits = |text: &str, most: usize| (1..=most).contains(&text.chars().count());
        fits(&self.wip_branch, 256) && fits(&self.wip_base, 64) && fits(&self.wip_commit, 64)
    }
}

impl Patch {
    fn says_anything(&self) -> bool {
        self.checkpoint.is_some()
            || self.note.is_some()
            || self.verify.is_some()
            || self.insights.is_some()
    }

    fn reported(&self, to: Option<StageName>) -> Change {
        let report = Report {
            checkpoint: self.checkpoint.clone(),
            verify: self.verify.clone(),
            insights: self.insights.clone(),
            exit: None,
            note: self.note.clone(),
        };
        Change::Patched(Box::new(report), to)
    }

    /// A patch to an end is a release in other words.
    fn ending(&self, disposition: Disposition) -> Release {
        Release {
            holding: self.holding.clone(),
            op: self.op,
            disposition: Some(disposition),
            result: (disposition == Disposition::Fail).then_some(RunResult::Failed),
            exit: None,
            verify: self.verify.clone(),
            insights: self.insights.clone(),
            checkpoint: self.checkpoint.clone(),
            reason: self.note.clone(),
            artifacts: Vec::new(),
        }
    }
}
