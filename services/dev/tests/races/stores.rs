//! Stores that watch, forget, or answer no more, round another store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future;
use serde_json::Value;
use store::{
    Cursor, Expect, Faults, Faulty, Key, Memory, Page, Put, Revision, Scope, Store, StoreError,
    Versioned,
};

/// Where a scenario is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// The design as it is.
    Memory,
    /// Looks first and writes later.
    Broken,
}

/// Compares, waits, and then writes over whatever came between: [`store::Broken`] with a window as
/// wide as a slow disk's.
#[derive(Debug)]
struct Late {
    inner: Memory,
}

const WINDOW: Duration = Duration::from_millis(3);

impl Late {
    async fn refusal(&self, key: &Key, expect: &Expect) -> Result<Option<Put>, StoreError> {
        let seen = self.inner.get(key).await?;
        let refusal = match (expect, seen) {
            (Expect::Absent, None) => None,
            (Expect::Absent, Some(_)) => Some(Put::Conflict),
            (Expect::At(_), None) => Some(Put::Missing),
            (Expect::At(revision), Some(seen)) => {
                (seen.revision != *revision).then_some(Put::Conflict)
            }
        };
        tokio::time::sleep(WINDOW).await;
        Ok(refusal)
    }
}

#[async_trait]
impl Store for Late {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        if let Some(refusal) = self.refusal(key, expect).await? {
            return Ok(refusal);
        }
        let now = self.inner.get(key).await?;
        let now = now.map_or(Expect::Absent, |now| Expect::At(now.revision));
        self.inner.put(key, value, &now).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.inner.scan(scope, from, limit).await
    }
}

/// A store on which every operation takes its own while, so that all that can overtake does, and
/// the witness of everything that was written.
pub(crate) fn shuffled(on: On, seed: u64) -> (Arc<dyn Store>, Arc<Witness>) {
    let witness = Arc::new(Witness::of(on));
    let slow = Faults { delay: 600, longest_delay: Duration::from_millis(4), ..Faults::default() };
    (Arc::new(Faulty::new(Arc::clone(&witness), seed, slow)), witness)
}

/// A long queue: to look at all jobs takes so long.
#[derive(Debug)]
pub(crate) struct Long {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) takes: Duration,
}

#[async_trait]
impl Store for Long {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.inner.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        if matches!(scope, Scope::Kind(kind) if kind.name == "fleet_jobs") {
            tokio::time::sleep(self.takes).await;
        }
        self.inner.scan(scope, from, limit).await
    }
}

/// Sees every write of a job, in order.
#[derive(Debug)]
pub(crate) struct Witness {
    inner: Arc<dyn Store>,
    jobs: Mutex<BTreeMap<String, Vec<Value>>>,
    pub(crate) gets: AtomicU64,
    pub(crate) puts: AtomicU64,
    pub(crate) conflicts: AtomicU64,
}

impl Witness {
    pub(crate) fn of(on: On) -> Self {
        let inner: Arc<dyn Store> = match on {
            On::Memory => Arc::new(Memory::new()),
            On::Broken => Arc::new(Late { inner: Memory::new() }),
        };
        let [gets, puts, conflicts] = [0; 3].map(AtomicU64::new);
        Self { inner, jobs: Mutex::default(), gets, puts, conflicts }
    }

    /// Every version of a job that was written.
    pub(crate) fn versions(&self, job: &str) -> Vec<Value> {
        self.jobs.lock().unwrap().get(job).cloned().unwrap_or_default()
    }

    /// What must never be in the history of any job: a version that is written over, an epoch
    /// that falls or is given to two claims, a stage that follows a final one.
    pub(crate) fn violations(&self) -> Vec<String> {
        let jobs = self.jobs.lock().unwrap();
        jobs.iter().flat_map(|(job, versions)| judged(job, versions)).collect()
    }

    /// How often a job was written into `stage` out of another one.
    pub(crate) fn entries(&self, job: &str, stage: &str) -> usize {
        let versions = self.versions(job);
        let stages: Vec<&str> = versions.iter().filter_map(|one| one["stage"].as_str()).collect();
        let moves = stages.windows(2).filter(|pair| pair[0] != stage && pair[1] == stage);
        moves.count() + usize::from(stages.first() == Some(&stage))
    }

    fn saw(&self, key: &Key, value: &Bytes, put: &Put) {
        match put {
            Put::Written(_) => self.puts.fetch_add(1, Ordering::Relaxed),
            Put::Conflict | Put::Missing => self.conflicts.fetch_add(1, Ordering::Relaxed),
        };
        if key.kind().name == "fleet_jobs" && matches!(put, Put::Written(_)) {
            let version = serde_json::from_slice(value).unwrap();
            self.jobs.lock().unwrap().entry(key.id().to_owned()).or_default().push(version);
        }
    }
}

fn judged(job: &str, versions: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let mut granted: BTreeMap<u64, &str> = BTreeMap::new();
    for (before, version) in std::iter::once(&Value::Null).chain(versions).zip(versions) {
        let (old, new) = (before["rev"].as_u64().unwrap_or(0), version["rev"].as_u64().unwrap());
        if new != old + 1 {
            found.push(format!("{job}: version {new} over version {old}"));
        }
        let epoch = version["leaseEpoch"].as_u64().unwrap();
        if epoch < before["leaseEpoch"].as_u64().unwrap_or(0) {
            found.push(format!("{job}: epoch fell to {epoch}"));
        }
        if let Some(nonce) = version["claimNonce"].as_str()
            && granted.insert(epoch, nonce).is_some_and(|other| other != nonce)
        {
            found.push(format!("{job}: epoch {epoch} has two holders"));
        }
        if before["stage"] == "shipped" && version["stage"] != "shipped" {
            found.push(format!("{job}: shipped, then {}", version["stage"]));
        }
    }
    found
}

#[async_trait]
impl Store for Witness {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        let put = self.inner.put(key, value.clone(), expect).await?;
        self.saw(key, &value, &put);
        Ok(put)
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.inner.scan(scope, from, limit).await
    }
}

/// Writes every record without one of its fields: a design that keeps it in memory, or not at all.
#[derive(Debug)]
pub(crate) struct Without {
    pub(crate) field: &'static str,
    pub(crate) inner: Arc<dyn Store>,
}

#[async_trait]
impl Store for Without {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        let mut record: Value = serde_json::from_slice(&value).unwrap();
        record.as_object_mut().unwrap().remove(self.field);
        self.inner.put(key, record.to_string().into(), expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.inner.scan(scope, from, limit).await
    }
}

/// One host's way to the store. After so many more writes it is cut: the host hears nothing any
/// more, as if it had died right behind that write.
#[derive(Debug)]
pub(crate) struct Fuse {
    inner: Arc<dyn Store>,
    left: AtomicI64,
}

impl Fuse {
    pub(crate) fn on(inner: Arc<dyn Store>) -> Self {
        Self { inner, left: AtomicI64::new(i64::MAX) }
    }

    pub(crate) fn blow_after(&self, writes: u32) {
        self.left.store(i64::from(writes), Ordering::Relaxed);
    }

    async fn alive(&self, cost: i64) {
        if self.left.fetch_sub(cost, Ordering::Relaxed) <= 0 {
            future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Store for Fuse {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.alive(0).await;
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.alive(1).await;
        self.inner.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.alive(1).await;
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.alive(0).await;
        self.inner.scan(scope, from, limit).await
    }
}
