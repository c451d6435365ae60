//! A product's factories, locks and budgets, each with what only the jobs know of it.

use fleet::{Job, Lock, Owner, Slot};
use ledger::{Census, LedgerError};
use node::{Asked, Served, problem_of};
use protocol::{
    AboutProduct, BudgetView, Code, FactoryView, Found, JobName, LockHolder, LockView, OfProduct,
    Problem,
};
use serde_json::Value;

use crate::Submit;

impl Submit {
    pub(crate) async fn survey(self, asked: Asked<OfProduct>) -> Served<OfProduct> {
        let views = match asked.ask.query {
            AboutProduct::Factories => self.factories(&asked).await,
            AboutProduct::Locks => self.locks(&asked).await,
            AboutProduct::Budgets => self.budgets(&asked).await,
            // Looked up by their names, not among all of them.
            AboutProduct::Profiles => return self.profiles(&asked).await,
            // The scheduler's to say.
            AboutProduct::Stats => Ok(Vec::new()),
        };
        let views = views.map_err(|error| problem_of(&error, asked.request_id))?;
        let wanted = |name: &str| asked.ask.named.as_deref().is_none_or(|named| named == name);
        let items: Vec<Value> =
            views.into_iter().filter(|(name, _)| wanted(name)).map(|(_, view)| view).collect();
        if items.is_empty() && asked.ask.named.is_some() {
            return Err(Box::new(Problem::new(Code::NotFound, asked.request_id)));
        }
        Ok(Found { items })
    }

    async fn factories(&self, asked: &Asked<OfProduct>) -> Result<Vec<Named>, LedgerError> {
        let census = self.ledger.census(&asked.product).await?;
        let now = self.node.clock.now();
        let hosts = self.ledger.hosts(&asked.product, &census).await?;
        let view = |host: fleet::Host| {
            let jobs = jobs_of(&census, &host);
            let stale = host.factory.is_stale(host.last_renewal, now);
            let name = host.factory.factory_id.to_string();
            let view = FactoryView { seats_used: jobs.len(), stale, jobs, factory: host.factory };
            (name, value(&view))
        };
        Ok(hosts.into_iter().map(view).collect())
    }

    async fn locks(&self, asked: &Asked<OfProduct>) -> Result<Vec<Named>, LedgerError> {
        let census = self.ledger.census(&asked.product).await?;
        let mut views = Vec::new();
        for lock in self.ledger.locks_of(&asked.product).await? {
            let waiting = census.waiting.get(&lock.name).into_iter().flatten();
            let waiters = waiting.map(|(rank, key)| JobName { job_id: rank.job, key: key.clone() });
            let view = LockView {
                name: lock.name.clone(),
                waiters: waiters.collect(),
                holders: self.holders(asked, &lock).await?,
            };
            views.push((lock.name.to_string(), value(&view)));
        }
        Ok(views)
    }

    /// A slot whose job let go counts for nobody.
    async fn holders(
        &self,
        asked: &Asked<OfProduct>,
        lock: &Lock,
    ) -> Result<Vec<LockHolder>, LedgerError> {
        let mut holders = Vec::new();
        for slot in &lock.slots {
            let job = self.ledger.jobs.get(&asked.product, slot.job_id).await?;
            let job = job.map(|found| found.record);
            match Owner::of(job.as_ref(), slot) {
                Owner::Holds | Owner::FencedAt(_) => holders.push(holder(slot, job.as_ref())),
                Owner::Gone => {}
            }
        }
        Ok(holders)
    }

    async fn budgets(&self, asked: &Asked<OfProduct>) -> Result<Vec<Named>, LedgerError> {
        let now = self.node.clock.now();
        let budgets = self.ledger.budgets_of(&asked.product).await?;
        let view = |budget: fleet::Budget| {
            let view = BudgetView { now: budget.standing(now), budget };
            (view.budget.id.to_string(), value(&view))
        };
        Ok(budgets.into_iter().map(view).collect())
    }
}

/// A view under the name that it is asked for by.
type Named = (String, Value);

fn jobs_of(census: &Census, host: &fleet::Host) -> Vec<JobName> {
    let held = census.held.get(&host.factory.factory_id).into_iter().flatten();
    held.map(|(job_id, key)| JobName { job_id: *job_id, key: key.clone() }).collect()
}

fn holder(slot: &Slot, job: Option<&Job>) -> LockHolder {
    LockHolder {
        job_id: slot.job_id,
        key: job.map(|job| job.content.idempotency_key.clone()),
        factory_id: slot.factory_id.clone(),
        epoch: slot.epoch,
        state: slot.state,
        since: slot.at,
    }
}

fn value(view: &impl serde::Serialize) -> Value {
    serde_json::to_value(view).expect("string keys and finite numbers encode")
}
