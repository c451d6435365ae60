//! A product as it stands, for those who look at it: its factories, locks, budgets and every job.
//! Reads only, in pages.

use fleet::{Budget, Factory, FactoryId, Job, JobId, Lock, LockName, Product, ProductId};

use crate::Ledger;
use crate::outcome::LedgerError;
use crate::settings::Terms;
use crate::table::{Found, PAGE};

impl Ledger {
    /// Shows every job of the product to `look`, a page at a time; a scan may show one twice.
    ///
    /// # Errors
    /// The store is away.
    pub async fn each_job(
        &self,
        product: &ProductId,
        mut look: impl FnMut(Found<Job>) + Send,
    ) -> Result<(), LedgerError> {
        let mut cursor = None;
        loop {
            let (jobs, next) = self.jobs.page(product, cursor.as_ref(), PAGE).await?;
            jobs.into_iter().for_each(&mut look);
            let Some(next) = next else { return Ok(()) };
            cursor = Some(next);
        }
    }

    /// Every factory of the product, by name.
    ///
    /// # Errors
    /// The store is away.
    pub async fn factories_of(&self, product: &ProductId) -> Result<Vec<Factory>, LedgerError> {
        let mut all = plain(self.factories.all_of(product).await?);
        all.sort_by(|one, other| one.factory_id.cmp(&other.factory_id));
        all.dedup_by(|one, other| one.factory_id == other.factory_id);
        Ok(all)
    }

    /// Every lock that was ever taken in the product, by name.
    ///
    /// # Errors
    /// The store is away.
    pub async fn locks_of(&self, product: &ProductId) -> Result<Vec<Lock>, LedgerError> {
        let mut all = plain(self.gates.locks.all_of(product).await?);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all.dedup_by(|one, other| one.name == other.name);
        Ok(all)
    }

    /// # Errors
    /// The store is away.
    pub async fn lock(
        &self,
        product: &ProductId,
        name: &LockName,
    ) -> Result<Option<Lock>, LedgerError> {
        Ok(self.gates.locks.get(product, name).await?.map(|found| found.record))
    }

    /// Every budget of the product as stored, by id.
    ///
    /// # Errors
    /// The store is away.
    pub async fn budgets_of(&self, product: &ProductId) -> Result<Vec<Budget>, LedgerError> {
        let mut all = plain(self.gates.budgets.all_of(product).await?);
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all.dedup_by(|one, other| one.id == other.id);
        Ok(all)
    }

    /// What the product has set for itself, as stored and no older.
    ///
    /// # Errors
    /// The store is away.
    pub async fn settings_now(&self, product: &ProductId) -> Result<Product, LedgerError> {
        let stored = self.products.get(product, product).await?.map(|found| found.record);
        Ok(stored.unwrap_or_else(|| Product::absent(product.clone(), self.clock.now())))
    }

    /// The newest sign of life of a factory in the leases of these jobs.
    ///
    /// # Errors
    /// The store is away.
    pub async fn last_renewal(
        &self,
        factory: &FactoryId,
        held: &[JobId],
    ) -> Result<Option<fleet::Timestamp>, LedgerError> {
        let mut newest = None;
        for job in held {
            let Some(found) = self.leases.get(job, job).await? else { continue };
            let lease = found.record;
            if lease.is_held() && lease.holder_factory_id.as_ref() == Some(factory) {
                newest = newest.max(lease.renewed_at).max(lease.acquired_at);
            }
        }
        Ok(newest)
    }

    /// The keys of these jobs; an id stands for a job that is not there.
    ///
    /// # Errors
    /// The store is away.
    pub async fn keys_of(
        &self,
        product: &ProductId,
        jobs: &[JobId],
    ) -> Result<Vec<String>, LedgerError> {
        let mut keys = Vec::with_capacity(jobs.len());
        for id in jobs {
            let found = self.jobs.get(product, id).await?;
            let key = |found: Found<Job>| found.record.content.idempotency_key.to_string();
            keys.push(found.map_or_else(|| id.to_string(), key));
        }
        Ok(keys)
    }

    /// The spans that this ledger runs by.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.terms
    }
}

fn plain<R>(found: Vec<Found<R>>) -> Vec<R> {
    found.into_iter().map(|found| found.record).collect()
}
