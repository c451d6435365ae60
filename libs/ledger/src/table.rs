//! One kind of record over the store: bytes to records and back. Knows no rule and retries
//! nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::Clock;
use fleet::SCHEMA_VERSION;
use store::{Cursor, Expect, Key, Put, Revision, Scope, Store, StoreError, Versioned};
use tracing::warn;

use crate::kinds::Placed;
use crate::memo::Memo;
use crate::outcome::LedgerError;

pub struct Table<R> {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    memo: Arc<Memo<R>>,
}

/// A record as it was read, with what a write may depend on.
#[derive(Clone, Debug)]
pub struct Found<R> {
    pub record: R,
    pub revision: Revision,
}

impl<R> Found<R> {
    /// The revision as people and other programs hand it back.
    #[must_use]
    pub fn etag(&self) -> String {
        self.revision.to_string()
    }
}

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Written {
    /// The record now stands at this revision.
    Yes(Revision),
    /// The record moved on, or is gone: look again.
    No,
    /// It may have happened: look for our own mark.
    Perhaps,
}

impl<R: Placed> Table<R> {
    pub(crate) fn over(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Self {
        Self { store: Arc::clone(store), clock: Arc::clone(clock), memo: Arc::default() }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    /// The record as of every write completed before this call.
    ///
    /// # Errors
    /// The store is away, or the stored bytes are no such record.
    pub async fn get(
        &self,
        partition: impl fmt::Display,
        id: impl fmt::Display,
    ) -> Result<Option<Found<R>>, LedgerError> {
        let key = key_of::<R>(&partition.to_string(), &id.to_string());
        let found = self.store.get(&key).await.map_err(read_failed)?;
        found.map(|found| self.read(&key, &found)).transpose()
    }

    /// The version that this process saw last, if that was lately. Others may have written since, so
    /// that it is good for a write that depends on it and for beliefs; whatever else is decided by it
    /// is to be decided again by [`Table::get`].
    pub fn last_seen(
        &self,
        partition: impl fmt::Display,
        id: impl fmt::Display,
    ) -> Option<Found<R>> {
        let key = key_of::<R>(&partition.to_string(), &id.to_string());
        self.memo.last(&key, self.uptime())
    }

    /// Writes a record that nothing was read for.
    pub(crate) async fn create(&self, record: &R) -> Result<Written, LedgerError> {
        self.put(record, &Expect::Absent).await
    }

    pub(crate) async fn replace(&self, record: &R, at: &Revision) -> Result<Written, LedgerError> {
        self.put(record, &Expect::At(at.clone())).await
    }

    async fn put(&self, record: &R, expect: &Expect) -> Result<Written, LedgerError> {
        let (partition, id) = record.place();
        let key = key_of::<R>(&partition, &id);
        let bytes = record.encode().expect("string keys and finite numbers always encode");
        if bytes.len() > R::LARGEST {
            let (what, limit, actual) = (R::KIND.name, R::LARGEST, bytes.len());
            return Err(LedgerError::TooLarge { what, limit, actual });
        }
        let value = Bytes::from(bytes);
        let put = self.store.put(&key, value.clone(), expect).await;
        if let Ok(Put::Written(revision)) = put {
            let written = Versioned { value, revision: revision.clone() };
            self.memo.keep_written(&key, written, record, self.uptime());
            return Ok(Written::Yes(revision));
        }
        self.memo.doubt(&key);
        became::<R>(put)
    }

    /// Removes a record at the revision it was read at.
    pub(crate) async fn remove(&self, found: &Found<R>) -> Result<Written, LedgerError> {
        let (partition, id) = found.record.place();
        let key = key_of::<R>(&partition, &id);
        let removed = self.store.remove(&key, &found.revision).await;
        self.memo.doubt(&key);
        became::<R>(removed)
    }

    /// One page of a partition, in key order, without what cannot be read.
    ///
    /// # Errors
    /// The store is away.
    pub async fn page(
        &self,
        partition: impl fmt::Display,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Vec<Found<R>>, Option<Cursor>), LedgerError> {
        self.scan(&Scope::Partition(R::KIND, partition.to_string().into()), from, limit).await
    }

    /// One page of everything of this kind that can be read, in any order; each record at least
    /// once.
    ///
    /// # Errors
    /// The store is away.
    pub async fn page_of_all(
        &self,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Vec<Found<R>>, Option<Cursor>), LedgerError> {
        self.scan(&Scope::Kind(R::KIND), from, limit).await
    }

    /// A whole partition, as far as it can be read; for those that are small by their limits.
    ///
    /// # Errors
    /// The store is away.
    pub async fn all_of(&self, partition: impl fmt::Display) -> Result<Vec<Found<R>>, LedgerError> {
        let scope = Scope::Partition(R::KIND, partition.to_string().into());
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let (items, next) = self.scan(&scope, cursor.as_ref(), PAGE).await?;
            all.extend(items);
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// How many records of a partition are there, readable or not, counted no further than just
    /// above `most`.
    pub(crate) async fn count_of(
        &self,
        partition: impl fmt::Display,
        most: usize,
    ) -> Result<usize, LedgerError> {
        let scope = Scope::Partition(R::KIND, partition.to_string().into());
        let (mut seen, mut cursor) = (0, None);
        loop {
            let left = (most + 1).saturating_sub(seen);
            let page = self.store.scan(&scope, cursor.as_ref(), left).await.map_err(read_failed)?;
            seen += page.items.len();
            match page.next {
                Some(next) if seen <= most => cursor = Some(next),
                Some(_) | None => return Ok(seen),
            }
        }
    }

    /// The last records of a small partition whose ids are before this one, the last first: so many
    /// of those that are wanted, and what comes before them is not even decoded.
    ///
    /// # Errors
    /// The store is away.
    pub async fn last_of(
        &self,
        partition: impl fmt::Display,
        before: Option<&str>,
        (enough, wanted): (usize, impl Fn(&R) -> bool),
    ) -> Result<Vec<Found<R>>, LedgerError> {
        let scope = Scope::Partition(R::KIND, partition.to_string().into());
        let (mut ahead, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.scan(&scope, cursor.as_ref(), PARTITION).await;
            let page = page.map_err(read_failed)?;
            // In key order, so that the first that is not before it ends the looking.
            let fits = |key: &Key| before.is_none_or(|before| key.id() < before);
            let goes_on = page.items.last().is_none_or(|(key, _)| fits(key));
            ahead.extend(page.items.into_iter().take_while(|(key, _)| fits(key)));
            match page.next.filter(|_| goes_on) {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        ahead.dedup_by(|(key, _), (before, _)| key == before);
        let read = ahead.iter().rev().filter_map(|(key, found)| self.readable(key, found));
        Ok(read.filter(|found| wanted(&found.record)).take(enough).collect())
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Vec<Found<R>>, Option<Cursor>), LedgerError> {
        let page = self.store.scan(scope, from, limit).await.map_err(read_failed)?;
        Ok((self.readable_of(&page.items), page.next))
    }

    pub(crate) fn readable_of(&self, items: &[(Key, Versioned)]) -> Vec<Found<R>> {
        items.iter().filter_map(|(key, found)| self.readable(key, found)).collect()
    }

    /// One record that cannot be read must not hide all others from a sweep; whoever asks for it
    /// by its key is told.
    fn readable(&self, key: &Key, found: &Versioned) -> Option<Found<R>> {
        let known = self.memo.of(key, found, self.uptime());
        let read = known.map_or_else(|| decode(key, &found.value), Ok);
        match read {
            Ok(record) => Some(Found { record, revision: found.revision.clone() }),
            Err(error) => {
                warn!(partition = key.partition(), %error, "record passed over");
                None
            }
        }
    }

    fn read(&self, key: &Key, found: &Versioned) -> Result<Found<R>, LedgerError> {
        let (revision, uptime) = (found.revision.clone(), self.uptime());
        if let Some(record) = self.memo.of(key, found, uptime) {
            return Ok(Found { record, revision });
        }
        let record = decode::<R>(key, &found.value)?;
        self.memo.keep(key, found.clone(), &record, uptime);
        Ok(Found { record, revision })
    }
}

/// Records read at once by a sweep.
pub(crate) const PAGE: usize = 256;

/// Records of a small partition read at once: all of them, in most stores.
const PARTITION: usize = 1024;

fn key_of<R: Placed>(partition: &str, id: &str) -> Key {
    Key::new(R::KIND, partition, id).expect("names and ids are made of the store's alphabet")
}

fn decode<R: Placed>(key: &Key, bytes: &Bytes) -> Result<R, LedgerError> {
    let id = || key.id().to_owned();
    match R::decode(bytes) {
        Ok(record) if record.head().schema_version <= SCHEMA_VERSION => Ok(record),
        Ok(_) => Err(LedgerError::SchemaTooNew { what: R::KIND.name, id: id() }),
        Err(_) if is_too_new(bytes) => {
            Err(LedgerError::SchemaTooNew { what: R::KIND.name, id: id() })
        }
        Err(why) => {
            Err(LedgerError::Corrupt { what: R::KIND.name, id: id(), why: why.to_string() })
        }
    }
}

/// A version that this code does not know may have any form; only its number is asked for.
fn is_too_new(bytes: &[u8]) -> bool {
    fleet::schema_version_of(bytes).is_some_and(|version| version > SCHEMA_VERSION)
}

fn became<R: Placed>(put: Result<Put, StoreError>) -> Result<Written, LedgerError> {
    match put {
        Ok(Put::Written(revision)) => Ok(Written::Yes(revision)),
        Ok(Put::Conflict | Put::Missing) => Ok(Written::No),
        Err(StoreError::Unknown(_)) => Ok(Written::Perhaps),
        Err(error) => Err(write_failed::<R>(error)),
    }
}

fn read_failed(error: StoreError) -> LedgerError {
    LedgerError::Unavailable(error)
}

fn write_failed<R: Placed>(error: StoreError) -> LedgerError {
    match error {
        StoreError::TooLarge { limit, actual } => {
            LedgerError::TooLarge { what: R::KIND.name, limit, actual }
        }
        StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Corrupt(_) => {
            LedgerError::Unavailable(error)
        }
    }
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        Self { store, clock, memo: Arc::clone(&self.memo) }
    }
}

impl<R> fmt::Debug for Table<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Table").field("store", &self.store).finish()
    }
}
