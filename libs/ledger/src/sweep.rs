//! The net under everything: a paged look at every job that finds what a lost message, a lost
//! follower or a crash left undone, and finishes it. Slow and sure; nothing depends on its speed.

use fleet::{Action, Actor, Cause, Job, Operation, Stage, Timestamp, Walk, waits_for};
use tracing::warn;

use crate::Ledger;
use crate::outcome::LedgerError;
use crate::reap::Reaped;
use crate::table::PAGE;

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub seen: u32,
    pub reaped: Reaped,
}

impl Ledger {
    /// One pass over all jobs of all products, at leisure. A job that shows nothing to be done costs
    /// no look of its own.
    ///
    /// # Errors
    /// The store is away; what was not reached is seen in the next pass.
    pub async fn sweep(&self) -> Result<Swept, LedgerError> {
        let mut swept = Swept::default();
        let mut pages = self.jobs.pages(PAGE);
        while let Some(jobs) = pages.next().await? {
            for found in jobs {
                swept.seen += 1;
                self.mend_or_pass(&found.record, &mut swept.reaped).await?;
            }
        }
        self.sweep_budgets().await?;
        self.sweep_profiles().await?;
        Ok(swept)
    }

    /// One record's trouble is no reason to leave the others as they are.
    async fn mend_or_pass(&self, job: &Job, reaped: &mut Reaped) -> Result<(), LedgerError> {
        match Box::pin(self.mend(job, reaped)).await {
            Err(error) if error.is_of_the_record() => {
                warn!(job = %job.id, %error, "job passed over");
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn mend(&self, job: &Job, reaped: &mut Reaped) -> Result<(), LedgerError> {
        if job.purged {
            return Ok(());
        }
        let now = self.clock.now();
        match job.stage {
            Stage::Blocked if !job.admitted => self.finish_admission(job, now).await?,
            Stage::Blocked | Stage::Queued => self.mend_waiting(job, reaped).await?,
            Stage::Assigned(_) | Stage::Building(_) => self.mend_held(job, reaped).await?,
            Stage::Review(_) | Stage::Testing(_) => self.mend_held(job, reaped).await?,
            Stage::Shipped | Stage::Failed(_) | Stage::DeadLetter(_) => {}
        }
        let mended = self.jobs.last_seen(job.product(), job.id);
        if mended.as_ref().map_or(job, |found| &found.record).outbox.is_empty() {
            return Ok(());
        }
        self.follow(job.product(), job.id).await
    }

    /// A submitter that did not come back within the span is not coming.
    async fn finish_admission(&self, job: &Job, now: Timestamp) -> Result<(), LedgerError> {
        if now.since(job.head.updated_at) < self.terms.admission {
            return Ok(());
        }
        let by = Actor::service("scheduler");
        if let Some(parent) = job.content.parent_id {
            // A parent that never came, or has gone on, does not keep its child from working.
            self.attach(job.product(), parent, job.id, &by).await?;
        }
        self.admit(job.product(), job.id, &by).await?;
        Ok(())
    }

    async fn mend_waiting(&self, job: &Job, reaped: &mut Reaped) -> Result<(), LedgerError> {
        self.settle(job).await?;
        let budget = job.content.budget.unwrap_or_default();
        if job.used.exhausts(&budget) {
            self.overrule(job, Cause::BudgetSpent, reaped).await?;
        }
        if job.stage == Stage::Blocked && self.waits_for_itself(job).await? {
            let operation =
                Operation { action: Action::Reject, op: None, reason: Some("cycle".to_owned()) };
            let by = Actor::service("scheduler");
            self.operate(job.product(), job.id, &by, operation).await?;
        }
        Ok(())
    }

    async fn settle(&self, job: &Job) -> Result<(), LedgerError> {
        if !job.content.dep_ids.is_empty() {
            self.settle_one(job.product(), job.id).await?;
        }
        Ok(())
    }

    /// A cycle that slipped in can never end by itself.
    async fn waits_for_itself(&self, job: &Job) -> Result<bool, LedgerError> {
        let mut walk = Walk::from(job.id);
        while let Some(at) = walk.next() {
            let node = self.jobs.get(job.product(), at).await?.map(|found| found.record);
            let open = node.filter(|node| !node.stage.has_ended());
            let edges = open.map_or_else(Vec::new, |node| waits_for(&node));
            if walk.visit(at, &edges).is_err() {
                return Ok(false);
            }
        }
        Ok(walk.cycle().is_some())
    }

    async fn mend_held(&self, job: &Job, reaped: &mut Reaped) -> Result<(), LedgerError> {
        self.settle(job).await?;
        self.keep_an_eye_on(job);
        if let Some(cause) = self.overstays(job) {
            self.overrule(job, cause, reaped).await
        } else if self.lacks_lease(job).await? {
            self.repair(job, reaped).await
        } else {
            Ok(())
        }
    }
}
