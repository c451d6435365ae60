//! A store between the tests and another one: it counts, makes writes meet, and can be away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use clock::Ids;
use store::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};
use tokio::sync::Barrier;
use tokio::task::yield_now;

#[derive(Debug)]
pub(crate) struct Watched {
    inner: Arc<dyn Store>,
    gets: AtomicU64,
    puts: AtomicU64,
    no_writes: AtomicBool,
    meeting: Option<Meeting>,
    shuffle: Option<Arc<dyn Ids>>,
}

/// Writes over records of one kind that wait for each other, so that all were decided on what was
/// read before any of them.
#[derive(Debug)]
struct Meeting {
    kind: &'static str,
    is_creation: bool,
    left: AtomicU64,
    barrier: Barrier,
}

impl Watched {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Self {
        let (gets, puts, no_writes) = (AtomicU64::new(0), AtomicU64::new(0), false.into());
        Self { inner, gets, puts, no_writes, meeting: None, shuffle: None }
    }

    /// The first two creations of this kind meet.
    pub(crate) fn creations_meet(self, kind: &'static str) -> Self {
        self.meets(kind, true)
    }

    /// The first two changes of this kind meet.
    pub(crate) fn changes_meet(self, kind: &'static str) -> Self {
        self.meets(kind, false)
    }

    /// Every operation gives way to others for a while, as chance will have it.
    pub(crate) fn shuffled(self, ids: Arc<dyn Ids>) -> Self {
        Self { shuffle: Some(ids), ..self }
    }

    pub(crate) fn gets(&self) -> u64 {
        self.gets.load(Ordering::Relaxed)
    }

    pub(crate) fn puts(&self) -> u64 {
        self.puts.load(Ordering::Relaxed)
    }

    pub(crate) fn take_no_writes(&self) {
        self.no_writes.store(true, Ordering::Relaxed);
    }

    fn meets(self, kind: &'static str, is_creation: bool) -> Self {
        let (left, barrier) = (AtomicU64::new(2), Barrier::new(2));
        Self { meeting: Some(Meeting { kind, is_creation, left, barrier }), ..self }
    }

    async fn give_way(&self) {
        let Some(ids) = &self.shuffle else { return };
        for _ in 0..ids.jitter(Duration::from_nanos(6)).as_nanos() {
            yield_now().await;
        }
    }

    async fn meet(&self, key: &Key, expect: &Expect) {
        let Some(meeting) = &self.meeting else { return };
        if key.kind().name != meeting.kind || (*expect == Expect::Absent) != meeting.is_creation {
            return;
        }
        let fewer = |left: u64| left.checked_sub(1);
        if meeting.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
            meeting.barrier.wait().await;
        }
    }
}

#[async_trait]
impl Store for Watched {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.give_way().await;
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        if self.no_writes.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("it takes no writes".into()));
        }
        self.meet(key, expect).await;
        self.give_way().await;
        self.inner.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.give_way().await;
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.give_way().await;
        self.inner.scan(scope, from, limit).await
    }
}
