//! Records straight from the store and back, for the wrong designs only: whoever goes through the
//! ledger cannot write them.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use fleet::{Record, Timestamp, touched};
use ledger::{LedgerError, Placed};
use store::{Expect, Key, Put, Revision, Scope, Store, StoreError};

#[derive(Clone, Debug)]
pub(super) struct Raw(pub(super) Arc<dyn Store>);

/// What became of a write, for one who does not look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    Yes,
    No,
    Perhaps,
}

impl Raw {
    pub(super) async fn get<R: Placed>(
        &self,
        partition: impl Display,
        id: impl Display,
    ) -> Result<Option<(R, Revision)>, LedgerError> {
        let key = Key::new(R::KIND, partition.to_string(), id.to_string()).expect("a key");
        let found = self.0.get(&key).await.map_err(LedgerError::Unavailable)?;
        Ok(found.map(|found| (R::decode(&found.value).expect("a record"), found.revision)))
    }

    pub(super) async fn put<R: Placed>(
        &self,
        record: &R,
        expect: &Expect,
    ) -> Result<Wrote, LedgerError> {
        let (partition, id) = record.place();
        let key = Key::new(R::KIND, partition, id).expect("a key");
        let bytes = Bytes::from(record.encode().expect("records encode"));
        match self.0.put(&key, bytes, expect).await {
            Ok(Put::Written(_)) => Ok(Wrote::Yes),
            Ok(Put::Conflict | Put::Missing) => Ok(Wrote::No),
            Err(StoreError::Unknown(_)) => Ok(Wrote::Perhaps),
            Err(error) => Err(LedgerError::Unavailable(error)),
        }
    }

    /// All records of a kind; the small worlds here have no second page.
    pub(super) async fn all<R: Placed>(&self) -> Result<Vec<(R, Revision)>, LedgerError> {
        let page = self.0.scan(&Scope::Kind(R::KIND), None, 1000).await;
        let items = page.map_err(LedgerError::Unavailable)?.items.into_iter();
        let read = |(_, found): (Key, store::Versioned)| {
            (R::decode(&found.value).expect("a record"), found.revision)
        };
        Ok(items.map(read).collect())
    }
}

/// The record after a command; nothing, when the rules refuse it or it is already so.
pub(super) fn after<R>(
    record: &R,
    command: &R::Command,
    now: Timestamp,
) -> Result<Option<R>, R::Rejection>
where
    R: Record + Clone,
{
    let events = record.decide(command, now)?;
    let changed = events.iter().fold(record.clone(), R::evolve);
    Ok((!events.is_empty()).then(|| touched(changed, now)))
}
