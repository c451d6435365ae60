//! Held jobs that will need a look at a known time, whatever their holders say: a cancel that is
//! not followed, a run beyond its timeout, money or time spent, a lease that never came. A hint
//! for the keeper's rounds, and the memory of how long this keeper has seen each hold; the sweep
//! finds the same jobs, so that a keeper that has just started waits the whole span again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use fleet::{Cause, Epoch, Job, JobId, ProductId, Timestamp};

use crate::Ledger;
use crate::outcome::LedgerError;
use crate::reap::Reaped;

/// Jobs kept an eye on; beyond these the sweep is left to it.
const WATCHED: usize = 1 << 16;
/// What a holder may take to stop once its job's money is spent.
const SPENT_GRACE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Watch(Mutex<BTreeMap<JobId, Watched>>);

#[derive(Debug)]
struct Watched {
    product: ProductId,
    epoch: Epoch,
    /// Since when this keeper has seen the hold of that epoch, by its own clock.
    held_since: Duration,
    /// By the job's own times.
    at: Option<Timestamp>,
    /// By this keeper's clock.
    after: Option<Duration>,
    /// Since when, by this keeper's clock, more is spent than allowed.
    spent_since: Option<Duration>,
}

impl Watch {
    fn keep(&self, job: &Job, unleased_until: Option<Duration>, uptime: Duration) {
        let mut watched = self.lock();
        if watched.len() >= WATCHED && !watched.contains_key(&job.id) {
            return;
        }
        let spent =
            job.used_by(job.head.updated_at).exhausts(&job.content.budget.unwrap_or_default());
        let before = watched.get(&job.id);
        let spent_since = before.and_then(|one| one.spent_since).unwrap_or(uptime);
        let spent_since = spent.then_some(spent_since);
        let epoch = job.lease_epoch;
        let same = before.filter(|one| one.epoch == epoch);
        let held_since = same.map_or(uptime, |one| one.held_since);
        let over = spent_since.map(|since| since + SPENT_GRACE);
        let after = [unleased_until, over].into_iter().flatten().min();
        let (product, at) = (job.product().clone(), job.next_look());
        let one = Watched { product, epoch, held_since, at, after, spent_since };
        watched.insert(job.id, one);
    }

    /// How long this keeper has seen this very hold; not at all, if it has not.
    fn held_for(&self, job: &Job, uptime: Duration) -> Duration {
        let watched = self.lock();
        let same = watched.get(&job.id).filter(|one| one.epoch == job.lease_epoch);
        same.map_or(Duration::ZERO, |one| uptime.saturating_sub(one.held_since))
    }

    fn has_overspent(&self, job: JobId, uptime: Duration) -> bool {
        let since = self.lock().get(&job).and_then(|one| one.spent_since);
        since.is_some_and(|since| uptime.saturating_sub(since) >= SPENT_GRACE)
    }

    fn forget(&self, job: JobId) {
        self.lock().remove(&job);
    }

    fn due(&self, now: Timestamp, uptime: Duration) -> Vec<(ProductId, JobId)> {
        let watched = self.lock();
        let due = |one: &Watched| {
            one.at.is_some_and(|at| at < now) || one.after.is_some_and(|after| after <= uptime)
        };
        let due = watched.iter().filter(|(_, one)| due(one));
        due.map(|(job, one)| (one.product.clone(), *job)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<JobId, Watched>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

impl Ledger {
    /// Looks at those whose time has come.
    pub(crate) async fn look_at_watched(&self, reaped: &mut Reaped) -> Result<(), LedgerError> {
        for (product, id) in self.watch.due(self.clock.now(), self.clock.uptime()) {
            match self.jobs.get(&product, id).await? {
                Some(found) => self.look_after(&found.record, reaped).await?,
                None => self.watch.forget(id),
            }
        }
        Ok(())
    }

    /// Ends a hold that has outlived its time, or keeps an eye on it.
    pub(crate) async fn look_after(
        &self,
        job: &Job,
        reaped: &mut Reaped,
    ) -> Result<(), LedgerError> {
        let overspent = self.watch.has_overspent(job.id, self.clock.uptime());
        let overspent = overspent.then_some(Cause::BudgetSpent);
        if let Some(cause) = self.overstays(job).or(overspent) {
            self.overrule(job, cause, reaped).await?;
        } else if self.lacks_lease(job).await? {
            self.repair(job, reaped).await?;
        }
        let found = self.jobs.get(job.product(), job.id).await?;
        if let Some(found) = found {
            self.keep_an_eye_on(&found.record);
        }
        Ok(())
    }

    pub(crate) fn overstays(&self, job: &Job) -> Option<Cause> {
        let watched = self.watch.held_for(job, self.clock.uptime());
        job.overstays(self.clock.now(), watched)
    }

    pub(crate) fn keep_an_eye_on(&self, job: &Job) {
        if job.holder().is_some() {
            let unleased = self.unleased.since(job.id).map(|since| since + self.terms.grant);
            self.watch.keep(job, unleased, self.clock.uptime());
        } else {
            self.watch.forget(job.id);
        }
    }
}
