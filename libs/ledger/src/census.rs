//! One reading of a product's jobs for what no record of its own says: who holds what, and who
//! waits for which lock.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{FactoryId, Host, Job, JobId, Key, LockName, ProductId, Rank, Stage, Timestamp};

use crate::Ledger;
use crate::outcome::LedgerError;
use crate::table::Found;

/// A job by both of its names.
pub type Called = (JobId, Key);

/// Who is busy and who waits, as the jobs themselves tell.
#[derive(Clone, Debug, Default)]
pub struct Census {
    pub held: BTreeMap<FactoryId, Vec<Called>>,
    /// Queued jobs by each lock that they name, first come first.
    pub waiting: BTreeMap<LockName, Vec<(Rank, Key)>>,
}

impl Ledger {
    /// # Errors
    /// The store is away.
    pub async fn census(&self, product: &ProductId) -> Result<Census, LedgerError> {
        self.census_with(product, |_| {}).await
    }

    /// The same reading, with each job shown to `look` too.
    ///
    /// # Errors
    /// The store is away.
    pub async fn census_with(
        &self,
        product: &ProductId,
        mut look: impl FnMut(&Job) + Send,
    ) -> Result<Census, LedgerError> {
        let ageing = self.settings(product).await?.ageing();
        let now = self.clock.now();
        let mut census = Census::default();
        let count = |found: Found<Job>| {
            census.count(&found.record, ageing, now);
            look(&found.record);
        };
        self.each_job(product, count).await?;
        census.in_order();
        Ok(census)
    }

    /// Every factory of the product with what it holds.
    ///
    /// # Errors
    /// The store is away.
    pub async fn hosts(
        &self,
        product: &ProductId,
        census: &Census,
    ) -> Result<Vec<Host>, LedgerError> {
        let mut hosts = Vec::new();
        for factory in self.factories_of(product).await? {
            let called = census.held.get(&factory.factory_id).map(Vec::as_slice);
            let held: Vec<JobId> = called.unwrap_or_default().iter().map(|(id, _)| *id).collect();
            // A renewal matters only where no heartbeat came.
            let last_renewal = match factory.is_stale(None, self.clock.now()) {
                true => self.last_renewal(&factory.factory_id, &held).await?,
                false => None,
            };
            hosts.push(Host { factory, held, last_renewal, scope: None });
        }
        Ok(hosts)
    }
}

impl Census {
    fn count(&mut self, job: &Job, ageing: Duration, now: Timestamp) {
        let key = &job.content.idempotency_key;
        if let Some(holder) = job.holder() {
            let held = self.held.entry(holder.factory.clone()).or_default();
            held.push((job.id, key.clone()));
        }
        if job.stage == Stage::Queued && job.admitted && !job.purged {
            let rank = Rank::of(job, ageing, now);
            for lock in &job.content.locks {
                self.waiting.entry(lock.clone()).or_default().push((rank, key.clone()));
            }
        }
    }

    /// A scan may show a job twice, and in any order.
    fn in_order(&mut self) {
        for held in self.held.values_mut() {
            held.sort();
            held.dedup();
        }
        for waiting in self.waiting.values_mut() {
            waiting.sort();
            waiting.dedup_by(|one, other| one.0.job == other.0.job);
        }
    }
}
