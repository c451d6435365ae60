//! A store that counts its reads and writes and notes when every job was read once. Changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use fleet::Job;
use ledger::Placed;
use store::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};

#[derive(Debug)]
pub(crate) struct Counted {
    store: Arc<dyn Store>,
    reads: AtomicU64,
    writes: AtomicU64,
    jobs_read: AtomicBool,
}

impl Counted {
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let (reads, writes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { store, reads, writes, jobs_read: AtomicBool::new(false) }
    }

    /// Of single records.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Whether somebody has read all jobs from end to end.
    pub(crate) fn jobs_were_read(&self) -> bool {
        self.jobs_read.load(Ordering::Acquire)
    }
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.store.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.store.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let page = self.store.scan(scope, from, limit).await?;
        if page.next.is_none() && *scope == Scope::Kind(Job::KIND) {
            self.jobs_read.store(true, Ordering::Release);
        }
        Ok(page)
    }
}
