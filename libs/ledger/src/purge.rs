//! Clearing away an ended job: everything it brought about first, the job itself last and only
//! down to its stone, so that its key stays taken.

use fleet::{Actor, Job, JobId, ProductId, Wish};

use crate::Ledger;
use crate::commit::Patience;
use crate::job::Ask;
use crate::kinds::Placed;
use crate::outcome::{LedgerError, Outcome, not_found};
use crate::table::{Table, Written};

impl Ledger {
    /// † half purged: repeated, since the job is the last to go.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known.
    pub async fn purge(
        &self,
        product: &ProductId,
        id: JobId,
        by: &Actor,
    ) -> Result<Outcome<Job>, LedgerError> {
        let Some(found) = self.jobs.get(product, id).await? else { return Ok(not_found()) };
        if found.record.purged {
            return Ok(Outcome::Done(found.record));
        }
        self.follow(product, id).await?;
        let found = self.jobs.get(product, id).await?;
        let ended = found.is_some_and(|found| found.record.stage.has_ended());
        if ended {
            // Bytes that nobody points to any more are for the sweep of whoever keeps them.
            self.clear(&self.artifacts, id).await?;
            self.clear(&self.events, id).await?;
            self.clear(&self.runs, id).await?;
            self.clear(&self.leases, id).await?;
        }
        let outcome = self
            .change(&Ask { product, job: id, by, wish: &Wish::Purge }, Patience::short())
            .await?;
        Ok(outcome.map(|done| done.record))
    }

    async fn clear<R: Placed>(&self, table: &Table<R>, job: JobId) -> Result<(), LedgerError> {
        for found in table.all_of(job).await? {
            match table.remove(&found).await? {
                Written::Yes(_) | Written::No => {}
                Written::Perhaps => return Err(LedgerError::CommitUnknown),
            }
        }
        Ok(())
    }
}
