//! Finding a job by what people call it: its id, its key, or the beginning of its id.

use fleet::{Job, JobId, Key, ProductId};

use crate::Ledger;
use crate::outcome::LedgerError;
use crate::table::{Found, PAGE};

/// A shorter beginning of an id is no name.
const SHORTEST: usize = 6;
/// What every id begins with.
const ID: &str = "j_";

/// Whom a name names.
#[derive(Clone, Debug)]
pub enum Named {
    Nobody,
    One(Box<Found<Job>>),
    /// So many ids begin like this.
    Several(usize),
}

impl Ledger {
    /// The job of this id or key, or the only one whose id begins so. Only a beginning costs a
    /// scan.
    ///
    /// # Errors
    /// The store is away.
    pub async fn named(&self, product: &ProductId, name: &str) -> Result<Named, LedgerError> {
        if let Ok(id) = name.parse::<JobId>() {
            return Ok(self.jobs.get(product, id).await?.into());
        }
        if let Ok(key) = name.parse::<Key>() {
            let found = self.jobs.get(product, JobId::of(product, &key)).await?;
            if found.is_some() {
                return Ok(found.into());
            }
        }
        if name.len() < SHORTEST || !name.starts_with(ID) {
            return Ok(Named::Nobody);
        }
        self.beginning_with(product, name).await
    }

    async fn beginning_with(
        &self,
        product: &ProductId,
        beginning: &str,
    ) -> Result<Named, LedgerError> {
        let (mut cursor, mut matching) = (None, Vec::new());
        loop {
            let (jobs, next) = self.jobs.page(product, cursor.as_ref(), PAGE).await?;
            let begins = |job: &Found<Job>| job.record.id.to_string().starts_with(beginning);
            matching.extend(jobs.iter().filter(|job| begins(job)).map(|job| job.record.id));
            let Some(next) = next else { break };
            cursor = Some(next);
        }
        // A scan may name one twice, and may be older than a read.
        matching.sort_unstable();
        matching.dedup();
        match matching.as_slice() {
            [only] => Ok(self.jobs.get(product, only).await?.into()),
            several => {
                Ok(if several.is_empty() { Named::Nobody } else { Named::Several(several.len()) })
            }
        }
    }
}

impl From<Option<Found<Job>>> for Named {
    fn from(found: Option<Found<Job>>) -> Self {
        found.map_or(Self::Nobody, |found| Self::One(Box::new(found)))
    }
}
