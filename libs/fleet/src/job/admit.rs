//! Waiting: admission, supersede, and dependencies that come good, go back or end badly.

use crate::content::{Content, OnDepFailure};
use crate::dependency::DepsView;
use crate::id::JobId;
use crate::job::evolve::{Change, Rest};
use crate::job::wish::{Admission, Circumstances};
use crate::job::{CancelRequest, Job};
use crate::rejection::{Code, Rejection};
use crate::stage::{FailureReason, Stage, StageName};
use crate::time::Timestamp;

impl Job {
    /// Where this job waits: for its turn, or for its dependencies. Without admission nobody has
    /// looked at them yet. A composite without work of its own is never anyone's turn: it ships
    /// from blocked.
    pub(crate) fn waiting(&self, given: &Circumstances, not_before: Option<Timestamp>) -> Rest {
        if given.ready && self.admitted && !self.content.ships_with_its_children() {
            Rest::Queued { not_before }
        } else {
            Rest::Blocked { not_before }
        }
    }

    pub(crate) fn admit(&self, admission: &Admission, given: &Circumstances) -> Option<Change> {
        if self.admitted || self.stage != Stage::Blocked {
            return None;
        }
        Some(match admission {
            Admission::Acyclic if given.ready => Change::Admitted { rest: self.when_satisfied() },
            Admission::Acyclic => Change::Admitted { rest: Rest::Blocked { not_before: None } },
            Admission::Cycle(path) => Change::CycleFound { path: path.clone() },
        })
    }

    /// A composite without work of its own is done when its children are.
    fn when_satisfied(&self) -> Rest {
        if self.content.ships_with_its_children() {
            Rest::Shipped
        } else {
            Rest::Queued { not_before: self.retry_not_before }
        }
    }

    pub(crate) fn supersede(
        &self,
        content: &Content,
        given: &Circumstances,
    ) -> Result<Option<Change>, Rejection> {
        if content.content_hash == self.content.content_hash {
            return Ok(None);
        }
        match self.stage.name() {
            StageName::Queued | StageName::Blocked => {}
            StageName::Assigned
            | StageName::Building
            | StageName::Review
            | StageName::Testing
            | StageName::Shipped
            | StageName::Failed
            | StageName::DeadLetter => return Err(self.reject(Code::IdempotencyConflict)),
        }
        let admitted = self.admitted && content.dep_ids == self.content.dep_ids;
        let rest = if admitted && given.ready && !content.ships_with_its_children() {
            Rest::Queued { not_before: None }
        } else {
            Rest::Blocked { not_before: None }
        };
        Ok(Some(Change::Superseded {
            content: Box::new(content.clone()),
            old_hash: self.content.content_hash.clone(),
            admitted,
            rest,
        }))
    }

    /// Agrees with the dependencies as they stand. Each trouble is told once.
    pub(crate) fn settle(&self, deps: &DepsView, given: &Circumstances) -> Option<Change> {
        if !self.admitted {
            return None;
        }
        match self.stage {
            Stage::Blocked if given.ready => {
                Some(Change::DepsSatisfied { rest: self.when_satisfied() })
            }
            Stage::Blocked | Stage::Queued => self.settle_waiting(deps, given),
            Stage::Assigned(_) | Stage::Building(_) | Stage::Review(_) | Stage::Testing(_) => {
                let jobs = self.untold(&deps.unmet);
                (!jobs.is_empty()).then_some(Change::DepsRegressed { jobs, rest: None })
            }
            Stage::Shipped | Stage::Failed(_) | Stage::DeadLetter(_) => None,
        }
    }

    fn settle_waiting(&self, deps: &DepsView, given: &Circumstances) -> Option<Change> {
        let fails = self.content.on_dep_failure == OnDepFailure::Fail;
        let bad = self.untold(&deps.bad);
        let children = self.untold(&deps.bad_children);
        let ended_badly = !deps.bad.is_empty() || !deps.bad_children.is_empty();
        if ended_badly && fails {
            let rest = Some(Rest::Failed(FailureReason::DependencyFailed));
            return Some(Change::DepsFailed { deps: bad, children, rest });
        }
        let back = (self.stage == Stage::Queued && !given.ready)
            .then_some(Rest::Blocked { not_before: self.retry_not_before });
        if !bad.is_empty() || !children.is_empty() {
            return Some(Change::DepsFailed { deps: bad, children, rest: back });
        }
        back.map(|rest| Change::DepsRegressed { jobs: deps.unmet.clone(), rest: Some(rest) })
    }

    fn untold(&self, jobs: &[JobId]) -> Vec<JobId> {
        jobs.iter().filter(|job| !self.troubled_deps.contains(job)).copied().collect()
    }

    pub(crate) fn add_children(&self, children: &[JobId]) -> Result<Option<Change>, Rejection> {
        if self.stage != Stage::Blocked {
            return Err(self.no_transition("not_blocked"));
        }
        if self.content.kind != crate::content::Kind::Composite {
            return Err(self.no_transition("not_composite"));
        }
        let known = &self.content.dep_ids;
        let new: Vec<JobId> = children.iter().filter(|job| !known.contains(job)).copied().collect();
        Ok((!new.is_empty()).then_some(Change::ChildrenAdded { children: new }))
    }

    /// A graceful cancel that is still waited for.
    pub(crate) fn cancel(&self) -> Option<&CancelRequest> {
        self.cancel_requested.as_ref().filter(|_| self.holder().is_some())
    }
}
