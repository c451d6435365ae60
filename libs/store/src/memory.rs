//! The reference store: every law in its plainest form, one mutex round each whole step.
//! It never waits inside a step and never outlives the process.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Cursor, Expect, Key, MAX_VALUE, Page, Put, Revision, Scope, Store, StoreError};
use crate::{Versioned, key::Kind};

/// The reference: compare and set under one mutex, nothing awaited inside.
#[derive(Debug, Default)]
pub struct Memory {
    shelf: Mutex<Shelf>,
}

impl Memory {
    pub fn new() -> Self {
        Self::default()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        Ok(self.shelf().get(key))
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        check_size(&value)?;
        let mut shelf = self.shelf();
        Ok(match shelf.refusal(key, expect) {
            Some(no) => no,
            None => shelf.write(key, value),
        })
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        let mut shelf = self.shelf();
        Ok(match shelf.refusal(key, &Expect::At(at.clone())) {
            Some(no) => no,
            None => shelf.erase(key),
        })
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        Ok(self.shelf().page(scope, from, limit))
    }
}

/// Refuses what is above [`MAX_VALUE`].
pub(crate) fn check_size(value: &Bytes) -> Result<(), StoreError> {
    if value.len() > MAX_VALUE {
        return Err(StoreError::TooLarge { limit: MAX_VALUE, actual: value.len() });
    }
    Ok(())
}

/// The documents and the last revision given; every method is one step.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    documents: BTreeMap<Key, Versioned>,
    last: u64,
}

impl Shelf {
    pub(crate) fn get(&self, key: &Key) -> Option<Versioned> {
        self.documents.get(key).cloned()
    }

    /// Why a write may not go ahead, if so.
    pub(crate) fn refusal(&self, key: &Key, expect: &Expect) -> Option<Put> {
        match (self.documents.get(key), expect) {
            (None, Expect::Absent) => None,
            (Some(_), Expect::Absent) => Some(Put::Conflict),
            (None, Expect::At(_)) => Some(Put::Missing),
            (Some(found), Expect::At(at)) => (found.revision != *at).then_some(Put::Conflict),
        }
    }

    pub(crate) fn write(&mut self, key: &Key, value: Bytes) -> Put {
        let revision = self.next();
        let document = Versioned { value, revision: revision.clone() };
        self.documents.insert(key.clone(), document);
        Put::Written(revision)
    }

    pub(crate) fn erase(&mut self, key: &Key) -> Put {
        self.documents.remove(key);
        Put::Written(self.next())
    }

    /// A cursor is the last key seen, as `partition.id`.
    pub(crate) fn page(&self, scope: &Scope, from: Option<&Cursor>, limit: usize) -> Page {
        let lowest = match scope {
            Scope::Kind(kind) => bare(*kind, "", ""),
            Scope::Partition(kind, partition) => bare(*kind, partition, ""),
        };
        let seen = from.and_then(|cursor| cursor.position().split_once('.'));
        let start = match seen {
            Some((partition, id)) => Excluded(bare(scope.kind(), partition, id)),
            None => Included(lowest),
        };
        let mut ahead = self
            .documents
            .range((start, Unbounded))
            .take_while(|(key, _)| covers(scope, key))
            .map(|(key, document)| (key.clone(), document.clone()));
        let items: Vec<_> = ahead.by_ref().take(limit.max(1)).collect();
        let more = ahead.next().is_some();
        let last = items.last().filter(|_| more);
        let next = last.map(|(key, _)| Cursor::new(format!("{}.{}", key.partition, key.id)));
        Page { items, next }
    }

    // A counter for the whole store: no revision is ever given twice, whatever was removed.
    fn next(&mut self) -> Revision {
        self.last += 1;
        Revision::number(self.last)
    }
}

fn bare(kind: Kind, partition: &str, id: &str) -> Key {
    Key { kind, partition: partition.into(), id: id.into() }
}

fn covers(scope: &Scope, key: &Key) -> bool {
    match scope {
        Scope::Kind(kind) => key.kind == *kind,
        Scope::Partition(kind, partition) => key.kind == *kind && key.partition == *partition,
    }
}
