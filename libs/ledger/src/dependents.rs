//! Who waits for whom. The index is a hint that makes release quick; the sweep finds everyone
//! without it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use fleet::{Actor, DepsMode, Job, JobId, ProductId, Stage, Wish};

use crate::Ledger;
use crate::commit::{Patience, Turn};
use crate::outcome::{LedgerError, Outcome};

/// Dependencies known to be waited for; beyond these the sweep is left to it.
const INDEX_LIMIT: usize = 1 << 20;

/// From a dependency to the jobs that wait for it.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<BTreeMap<JobId, BTreeSet<JobId>>>);

impl Waiting {
    /// Says whether anything of it was not known here before.
    pub(crate) fn note(&self, job: &Job) -> bool {
        if !is_concerned(job) {
            return false;
        }
        let mut index = self.lock();
        let mut new = false;
        for dep in &job.content.dep_ids {
            if index.len() < INDEX_LIMIT || index.contains_key(dep) {
                new |= index.entry(*dep).or_default().insert(job.id);
            }
        }
        new
    }

    fn on(&self, dep: JobId) -> BTreeSet<JobId> {
        self.lock().get(&dep).cloned().unwrap_or_default()
    }

    fn forget(&self, dep: JobId, job: JobId) {
        let mut index = self.lock();
        if let Some(waiting) = index.get_mut(&dep) {
            waiting.remove(&job);
            if waiting.is_empty() {
                index.remove(&dep);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<JobId, BTreeSet<JobId>>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

/// Whether news of a dependency may still move the job: it waits, or a soft dependency that goes
/// back takes it back too.
fn is_concerned(job: &Job) -> bool {
    let soft = job.content.deps_mode == DepsMode::Soft;
    job.stage == Stage::Blocked || (soft && job.stage == Stage::Queued)
}

impl Ledger {
    /// Remembers whom `job` waits for, without a look at them.
    pub fn note_waiting(&self, job: &Job) {
        self.waiting.note(job);
    }

    /// For whoever hears of `job`, which somebody else wrote: those who wait for it look again, and
    /// it looks again itself if nobody here knew that it waits. Its dependency may have ended before
    /// there was anybody to tell.
    ///
    /// # Errors
    /// The store is away.
    pub async fn hear_of(&self, job: &Job) -> Result<(), LedgerError> {
        if self.waiting.note(job) {
            self.settle_one(job.product(), job.id).await?;
        }
        self.pass_on(job).await
    }

    /// Tells those who wait for `job`, where its stage may concern them.
    pub(crate) async fn pass_on(&self, job: &Job) -> Result<(), LedgerError> {
        match job.stage {
            // Back from testing: what depends on it softly goes back too.
            Stage::Blocked | Stage::Queued => self.settle_dependents(job).await,
            Stage::Testing(_) | Stage::Shipped | Stage::Failed(_) | Stage::DeadLetter(_) => {
                self.settle_dependents(job).await
            }
            Stage::Assigned(_) | Stage::Building(_) | Stage::Review(_) => Ok(()),
        }
    }

    /// Those who wait for `job` look again. It was written before, so of two last dependencies
    /// that end together the later one sees both.
    async fn settle_dependents(&self, job: &Job) -> Result<(), LedgerError> {
        for dependent in self.waiting.on(job.id) {
            let concerned = self.settle_one(job.product(), dependent).await?;
            if !concerned {
                self.waiting.forget(job.id, dependent);
            }
        }
        Ok(())
    }

    /// One job agrees with its dependencies as they stand; says whether they still concern it.
    pub(crate) async fn settle_one(
        &self,
        product: &ProductId,
        id: JobId,
    ) -> Result<bool, LedgerError> {
        let by = Actor::service("scheduler");
        let mut patience = Patience::short();
        loop {
            let found = Box::pin(self.roomy_job(product, id)).await?;
            let Some(found) = found else { return Ok(false) };
            let job = &found.record;
            if job.content.dep_ids.is_empty() || job.stage.has_ended() {
                return Ok(false);
            }
            self.waiting.note(job);
            // Anew for each version: what was seen of other content must not release this one.
            let wish = Wish::Settle(self.deps(job).await?);
            match Box::pin(self.turn_on_job(&found, &by, &wish)).await? {
                Turn::Settled(Outcome::Done(done)) => return Ok(is_concerned(&done.record)),
                Turn::Settled(Outcome::Rejected(_)) => return Ok(true),
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => return Ok(true),
            }
        }
    }
}
