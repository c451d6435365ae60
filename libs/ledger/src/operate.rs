//! What a person does to a job: one write, then the followers. Cancelling a composite reaches its
//! children.

use fleet::{Actor, Job, JobId, Kind, Operation, ProductId, Wish};

use crate::Ledger;
use crate::commit::Patience;
use crate::job::Ask;
use crate::outcome::{LedgerError, Outcome};

impl Ledger {
    /// # Errors
    /// The store is away, or the outcome cannot be known; repeat with the same operation id.
    pub async fn operate(
        &self,
        product: &ProductId,
        job: JobId,
        by: &Actor,
        operation: Operation,
    ) -> Result<Outcome<Job>, LedgerError> {
        let wish = Wish::Operate(operation);
        let outcome =
            self.change(&Ask { product, job, by, wish: &wish }, Patience::short()).await?;
        Ok(outcome.map(|done| done.record))
    }

    /// Cancels a job and, for a composite, its children that have not ended.
    ///
    /// # Errors
    /// As for [`Ledger::operate`].
    pub async fn cancel(
        &self,
        product: &ProductId,
        job: JobId,
        by: &Actor,
        operation: Operation,
    ) -> Result<Outcome<Job>, LedgerError> {
        let outcome = self.operate(product, job, by, operation.clone()).await?;
        let Outcome::Done(parent) = &outcome else { return Ok(outcome) };
        if parent.content.kind == Kind::Composite {
            for child in self.children(parent).await? {
                let operation = Operation { op: None, ..operation.clone() };
                self.operate(product, child, by, operation).await?;
            }
        }
        Ok(outcome)
    }

    async fn children(&self, parent: &Job) -> Result<Vec<JobId>, LedgerError> {
        let mut children = Vec::new();
        for id in &parent.content.dep_ids {
            let found = self.jobs.get(parent.product(), id).await?;
            let open = found.filter(|found| {
                let child = &found.record;
                child.content.parent_id == Some(parent.id) && !child.stage.has_ended()
            });
            children.extend(open.map(|found| found.record.id));
        }
        Ok(children)
    }
}
