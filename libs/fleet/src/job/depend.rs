//! What a job waits for, and how that stands.

use std::collections::BTreeSet;

use crate::dependency::{DepsView, satisfies};
use crate::id::JobId;
use crate::job::Job;
use crate::stage::Stage;

impl DepsView {
    /// Looks at `job`'s dependencies through `find`.
    pub fn of<'a>(job: &Job, find: impl Fn(&JobId) -> Option<&'a Job>) -> Self {
        let mut view = Self::default();
        for id in &job.content.dep_ids {
            view.add(job, *id, find(id));
        }
        view
    }

    fn add(&mut self, job: &Job, id: JobId, dep: Option<&Job>) {
        let Some(dep) = dep else {
            self.unmet.push(id);
            self.absent.push(id);
            return;
        };
        if satisfies(dep.stage.name(), job.content.deps_mode) {
            return;
        }
        self.unmet.push(id);
        if matches!(dep.stage, Stage::Failed(_) | Stage::DeadLetter(_)) {
            let child = dep.content.parent_id == Some(job.id);
            if child { self.bad_children.push(id) } else { self.bad.push(id) }
        }
    }
}

/// What `job` waits for: its dependencies and, since a composite ends after its children, the
/// children that are among them.
#[must_use]
pub fn waits_for(job: &Job) -> Vec<JobId> {
    let distinct: BTreeSet<JobId> = job.content.dep_ids.iter().copied().collect();
    distinct.into_iter().collect()
}
