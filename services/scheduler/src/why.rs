//! Explains one job. Everything is read from the records when it is asked; the board is believed
//! for nothing but the place in the queue.

use fleet::{Budget, Job, LockSeen, Product, Run, Stage, Truths, Why};
use ledger::{Census, LedgerError};
use node::{Asked, Served, problem_of};
use protocol::{AboutJob, Code, Found, OfJob, Problem};

use crate::Scheduler;

impl Scheduler {
    pub(crate) async fn why(self, asked: Asked<OfJob>) -> Served<OfJob> {
        match asked.ask.query {
            AboutJob::Why => {}
            AboutJob::Get | AboutJob::Runs | AboutJob::Events | AboutJob::Lease => {
                return Err(Box::new(Problem::new(Code::UnknownAction, asked.request_id)));
            }
        }
        let job = asked.job(&self.ledger, &asked.ask.job).await?.record;
        let truths = self.truths(job).await;
        let truths = truths.map_err(|error| problem_of(&error, asked.request_id))?;
        let why = serde_json::to_value(Why::of(&truths));
        Ok(Found { items: vec![why.expect("string keys and finite numbers encode")] })
    }

    async fn truths(&self, job: Job) -> Result<Truths, LedgerError> {
        let product_id = job.product().clone();
        let (now, terms) = (self.node.clock.now(), self.ledger.terms());
        let product = self.ledger.settings_now(&product_id).await?;
        // Only what waits for a factory is worth looking through the product for.
        let waits = matches!(job.stage, Stage::Queued | Stage::Blocked);
        let (census, factories) = if waits {
            let census = self.ledger.census(&product_id).await?;
            let factories = self.ledger.hosts(&product_id, &census).await?;
            (census, factories)
        } else {
            (Census::default(), Vec::new())
        };
        Ok(Truths {
            deps: if waits { self.deps(&job).await? } else { Vec::new() },
            cycle: self.cycle(&job).await?,
            locks: self.locks(&job, &product, &census).await?,
            budgets: self.budgets(&job).await?,
            lease: self.ledger.leases.get(job.id, job.id).await?.map(|found| found.record),
            run: self.run(&job).await?,
            log: self.ledger.events_of(job.id).await?,
            ahead: self.belief.board().ahead_of(job.id, now),
            ttl: terms.ttl,
            allowance: terms.reap_allowance,
            product,
            factories,
            now,
            job,
        })
    }

    async fn deps(&self, job: &Job) -> Result<Vec<Job>, LedgerError> {
        let mut deps = Vec::new();
        for id in &job.content.dep_ids {
            deps.extend(self.ledger.jobs.get(job.product(), id).await?.map(|found| found.record));
        }
        Ok(deps)
    }

    /// Only what waits for others can wait for itself, and only once that failed it is it told.
    async fn cycle(&self, job: &Job) -> Result<Vec<fleet::Key>, LedgerError> {
        match job.stage {
            Stage::Blocked | Stage::Failed(fleet::FailureReason::DependencyCycle) => {
                self.ledger.cycle_of(job).await
            }
            Stage::Queued
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(_)
            | Stage::Testing(_)
            | Stage::Shipped
            | Stage::Failed(_)
            | Stage::DeadLetter(_) => Ok(Vec::new()),
        }
    }

    async fn locks(
        &self,
        job: &Job,
        product: &Product,
        census: &Census,
    ) -> Result<Vec<LockSeen>, LedgerError> {
        let mut seen = Vec::new();
        if job.stage != Stage::Queued {
            return Ok(seen);
        }
        let own = fleet::Rank::of(job, product.ageing(), self.node.clock.now());
        for name in &job.content.locks {
            let lock = self.ledger.lock(job.product(), name).await?;
            let holder = match lock.as_ref().and_then(fleet::Lock::slot) {
                Some(slot) => self.ledger.jobs.get(job.product(), slot.job_id).await?,
                None => None,
            };
            let waiting = census.waiting.get(name).into_iter().flatten();
            let ahead = waiting.filter(|(rank, _)| *rank < own).count();
            let holder = holder.map(|found| found.record);
            seen.push(LockSeen { name: name.clone(), lock, holder, ahead });
        }
        Ok(seen)
    }

    async fn budgets(&self, job: &Job) -> Result<Vec<Budget>, LedgerError> {
        if job.stage != Stage::Queued {
            return Ok(Vec::new());
        }
        let mut budgets = self.ledger.budgets_of(job.product()).await?;
        budgets.retain(|budget| budget.covers(job));
        Ok(budgets)
    }

    async fn run(&self, job: &Job) -> Result<Option<Run>, LedgerError> {
        let newest = Run::id_of(job.id, job.attempts);
        Ok(self.ledger.runs.get(job.id, newest).await?.map(|found| found.record))
    }
}
