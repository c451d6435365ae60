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

    /// The pages that hold this outbox, as they stand. Where one goes further than the outbox the
    /// job has moved on since it was read: then the trim, which is for the version that was read,
    /// fails, and all is looked at again.
    pub(crate) async fn write_down(&self, job: &Job) -> Result<Vec<EventRecord>, LedgerError> {
        let mut pages = Vec::new();
        let mut left = job.outbox.as_slice();
        while let Some(page) = EventRecord::page(left, job.id, job.product()) {
            let stands = match self.events.create(&page).await? {
                Written::Yes(_) => page,
                Written::No => self.page_there(job.id, &page.id).await?,
                Written::Perhaps => return Err(LedgerError::CommitUnknown),
            };
            left = behind(left, stands.through());
            pages.push(stands);
        }
        Ok(pages)
    }

    /// The page that stands there; that there is none leaves our own write unknown.
    async fn page_there(&self, job: JobId, page: &str) -> Result<EventRecord, LedgerError> {
        let stands = self.events.get(job, page).await?.ok_or(LedgerError::CommitUnknown)?;
        Ok(stands.record)
    }
}

/// What comes after a page that began with the first of these.
fn behind(entries: &[Entry], through: Option<u64>) -> &[Entry] {
    let told = entries.iter().take_while(|entry| Some(entry.seq) <= through).count();
    entries.get(told.max(1)..).unwrap_or_default()
}
