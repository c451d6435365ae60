//! A job's log as it is stored: pages of numbered events, and notes beside them. A page is written
//! once and never changed, and is named by its first event; whoever comes second reads how far the
//! page goes and begins the next one behind it. So every event stands in exactly one page, however
//! many write at once and wherever one of them dies.

use fleet::{Entry, EventRecord, Job, JobId};

use crate::Ledger;
use crate::outcome::LedgerError;
use crate::table::Written;

impl Ledger {
    /// All that happened to a job, in the order in which it did.
    ///
    /// # Errors
    /// The store is away.
    pub async fn events_of(&self, job: JobId) -> Result<Vec<EventRecord>, LedgerError> {
        let pages = self.events.all_of(job).await?;
        let mut events: Vec<_> = pages.into_iter().flat_map(|page| page.record.each()).collect();
        events.sort_by_key(|event| (event.at, event.seq));
        Ok(events)
    }

    /// Where a page goes further than this outbox the job has moved on since it was read: then the
    /// trim, which is for the version that was read, fails, and all is looked at again.
    pub(crate) async fn write_down(&self, job: &Job) -> Result<(), LedgerError> {
        let mut left = job.outbox.as_slice();
        while let Some(page) = EventRecord::page(left, job.id, job.product()) {
            let through = match self.events.create(&page).await? {
                Written::Yes(_) => return Ok(()),
                Written::No => self.end_of(job.id, &page.id).await?,
                Written::Perhaps => return Err(LedgerError::CommitUnknown),
            };
            left = behind(left, through);
        }
        Ok(())
    }

    /// Where the page that stands there ends; that it is not there leaves our own write unknown.
    async fn end_of(&self, job: JobId, page: &str) -> Result<Option<u64>, LedgerError> {
        let stands = self.events.get(job, page).await?.ok_or(LedgerError::CommitUnknown)?;
        Ok(stands.record.through())
    }
}

/// What comes after a page that began with the first of these.
fn behind(entries: &[Entry], through: Option<u64>) -> &[Entry] {
    let told = entries.iter().take_while(|entry| Some(entry.seq) <= through).count();
    entries.get(told.max(1)..).unwrap_or_default()
}
