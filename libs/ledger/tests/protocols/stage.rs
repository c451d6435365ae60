//! Stores that do what a test tells them: die after a write, lie about one, hold one back, let
//! others run in between, and count.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use store::{
    Cursor, Expect, Key, Kind, Page, Put, Revision, Scope, Spread, Store, StoreError, Versioned,
};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

/// What becomes of the next write of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    /// It is written, and the answer is a conflict: a copy of the request came first.
    ConflictAfterWrite,
    /// It is written, and the answer is lost.
    UnknownAfterWrite,
    /// The same, and the loss is noticed only when the test says so.
    UnknownWhenLetGo,
    /// It is not written, and the answer is lost.
    UnknownBeforeWrite,
    /// The store is away.
    Away,
    /// As always.
    Fair,
}

#[derive(Debug, Default)]
struct Script {
    writes: BTreeMap<&'static str, usize>,
    reads: BTreeMap<&'static str, usize>,
    scans: usize,
    /// How long each takes.
    scan_takes: Duration,
    /// A kind that cannot be read.
    unreadable: Option<&'static str>,
    lives: Option<usize>,
    dead: bool,
    twists: Vec<(&'static str, Twist)>,
    /// A kind, and how many of its writes go by before one is held.
    hold: Option<(&'static str, usize)>,
}

/// One store under direction.
#[derive(Debug)]
pub(crate) struct Staged {
    inner: Arc<dyn Store>,
    script: Mutex<Script>,
    died: Notify,
    reached: Notify,
    resume: Notify,
}

impl Staged {
    pub(crate) fn over(inner: &Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            script: Mutex::default(),
            died: Notify::new(),
            reached: Notify::new(),
            resume: Notify::new(),
        })
    }

    pub(crate) fn store(self: &Arc<Self>) -> Arc<dyn Store> {
        Arc::clone(self) as Arc<dyn Store>
    }

    /// The store as it is, for a rival's hand.
    pub(crate) fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    /// The next write of `kind` goes this way.
    pub(crate) fn twist(&self, kind: &'static str, twist: Twist) {
        self.script().twists.push((kind, twist));
    }

    /// The write after the next of `kind` goes this way.
    pub(crate) fn skip_then_twist(&self, kind: &'static str, twist: Twist) {
        self.script().twists.extend([(kind, Twist::Fair), (kind, twist)]);
    }

    /// The next write of `kind` waits until it is let go.
    pub(crate) fn hold(&self, kind: &'static str) {
        self.script().hold = Some((kind, 0));
    }

    /// The write after the next of `kind` does.
    pub(crate) fn hold_second(&self, kind: &'static str) {
        self.script().hold = Some((kind, 1));
    }

    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) fn let_go(&self) {
        self.resume.notify_one();
    }

    /// Writes that took place since the last question, by kind.
    pub(crate) fn take_writes(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut self.script().writes)
    }

    /// Point reads since the last question, by kind; scans of anything.
    pub(crate) fn take_reads(&self) -> (BTreeMap<&'static str, usize>, usize) {
        let mut script = self.script();
        (std::mem::take(&mut script.reads), std::mem::take(&mut script.scans))
    }

    /// So long takes every scan from now on.
    pub(crate) fn scans_take(&self, span: Duration) {
        self.script().scan_takes = span;
    }

    /// Whether the store is away for whoever reads this kind.
    pub(crate) fn unreadable(&self, kind: Option<&'static str>) {
        self.script().unreadable = kind;
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn dies_now(&self) -> bool {
        let mut script = self.script();
        match script.lives {
            None => false,
            Some(0) => {
                script.dead = true;
                self.died.notify_one();
                true
            }
            Some(left) => {
                script.lives = Some(left - 1);
                false
            }
        }
    }

    async fn until_dead(&self) {
        while !self.script().dead {
            self.died.notified().await;
        }
    }

    fn is_held(&self, kind: &'static str) -> bool {
        let mut script = self.script();
        match &mut script.hold {
            Some((held, 0)) if *held == kind => {
                script.hold = None;
                true
            }
            Some((held, before)) if *held == kind => {
                *before -= 1;
                false
            }
            Some(_) | None => false,
        }
    }

    fn twist_of(&self, kind: &'static str) -> Option<Twist> {
        let mut script = self.script();
        let at = script.twists.iter().position(|(of, _)| *of == kind)?;
        Some(script.twists.remove(at).1)
    }

    async fn write(&self, change: Change<'_>) -> Result<Put, StoreError> {
        let kind = change.kind();
        if self.is_held(kind) {
            self.reached.notify_one();
            self.resume.notified().await;
        }
        if self.dies_now() {
            pending::<()>().await;
        }
        let twist = self.twist_of(kind);
        let lost = || Err(StoreError::Unknown("told to".into()));
        match twist {
            Some(Twist::UnknownBeforeWrite) => return lost(),
            Some(Twist::Away) => return Err(StoreError::Unavailable("told to".into())),
            Some(
                Twist::ConflictAfterWrite
                | Twist::UnknownAfterWrite
                | Twist::UnknownWhenLetGo
                | Twist::Fair,
            )
            | None => {}
        }
        let answer = match change {
            Change::Put(key, value, expect) => self.inner.put(key, value, expect).await?,
            Change::Remove(key, at) => self.inner.remove(key, at).await?,
        };
        if matches!(answer, Put::Written(_)) {
            *self.script().writes.entry(kind).or_default() += 1;
        }
        match twist {
            Some(Twist::ConflictAfterWrite) => Ok(Put::Conflict),
            Some(Twist::UnknownAfterWrite) => lost(),
            Some(Twist::UnknownWhenLetGo) => {
                self.reached.notify_one();
                self.resume.notified().await;
                lost()
            }
            Some(Twist::UnknownBeforeWrite | Twist::Away | Twist::Fair) | None => Ok(answer),
        }
    }
}

/// Runs `work` as a process that dies when it wishes for one write more than `writes`. None: it
/// died.
pub(crate) async fn dying_after<T>(
    staged: &Staged,
    writes: usize,
    work: impl Future<Output = T>,
) -> Option<T> {
    staged.script().lives = Some(writes);
    let outcome = tokio::select! {
        biased;
        outcome = work => Some(outcome),
        () = staged.until_dead() => None,
    };
    let mut script = staged.script();
    script.lives = None;
    script.dead = false;
    outcome
}

enum Change<'a> {
    Put(&'a Key, Bytes, &'a Expect),
    Remove(&'a Key, &'a Revision),
}

impl Change<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Change::Put(key, ..) => key.kind().name,
            Change::Remove(key, _) => key.kind().name,
        }
    }
}

#[async_trait]
impl Store for Staged {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let kind = key.kind().name;
        let away = {
            let mut script = self.script();
            *script.reads.entry(kind).or_default() += 1;
            script.unreadable == Some(kind)
        };
        if away {
            return Err(StoreError::Unavailable("told to".into()));
        }
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.write(Change::Put(key, value, expect)).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.write(Change::Remove(key, at)).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let takes = {
            let mut script = self.script();
            script.scans += 1;
            script.scan_takes
        };
        sleep(takes).await;
        self.inner.scan(scope, from, limit).await
    }
}

/// Lets others run before and after every operation, in an order that a seed decides.
#[derive(Debug)]
pub(crate) struct Shuffled {
    inner: Arc<dyn Store>,
    chance: AtomicU64,
}

impl Shuffled {
    pub(crate) fn over(inner: &Arc<dyn Store>, seed: u64) -> Arc<dyn Store> {
        let chance = AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Arc::new(Self { inner: Arc::clone(inner), chance })
    }

    async fn shuffle(&self) {
        let step = |n: u64| n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        let old = self.chance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(step(n)));
        for _ in 0..(old.unwrap_or(0) >> 33) % 4 {
            yield_now().await;
        }
    }
}

#[async_trait]
impl Store for Shuffled {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.shuffle().await;
        let answer = self.inner.get(key).await;
        self.shuffle().await;
        answer
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.shuffle().await;
        let answer = self.inner.put(key, value, expect).await;
        self.shuffle().await;
        answer
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.shuffle().await;
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.shuffle().await;
        self.inner.scan(scope, from, limit).await
    }
}

fn place(kind: &'static str, partition: &str, id: &str) -> Key {
    let spread = match kind {
        "fleet_jobs" => Spread::ById,
        "fleet_locks" | "fleet_budgets" | "fleet_products" => Spread::Whole,
        _ => Spread::ByPartition,
    };
    Key::new(Kind { name: kind, spread }, partition, id).unwrap()
}

/// The stored text of one record.
pub(crate) async fn raw(
    store: &Arc<dyn Store>,
    kind: &'static str,
    partition: &str,
    id: &str,
) -> String {
    let found = store.get(&place(kind, partition, id)).await.unwrap().expect("it is stored");
    String::from_utf8(found.value.to_vec()).unwrap()
}

/// As a process of another version would write it.
pub(crate) async fn set_raw(
    store: &Arc<dyn Store>,
    kind: &'static str,
    partition: &str,
    id: &str,
    text: &str,
) {
    let key = place(kind, partition, id);
    let expect = match store.get(&key).await.unwrap() {
        Some(found) => Expect::At(found.revision),
        None => Expect::Absent,
    };
    let value = Bytes::copy_from_slice(text.as_bytes());
    assert!(matches!(store.put(&key, value, &expect).await, Ok(Put::Written(_))));
}
