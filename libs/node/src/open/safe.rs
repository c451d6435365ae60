//! A store of which something was lost is read and no more, until a person has said what is to
//! become of it. One that has little room left takes no new job, so that those that run can end.
//! Looks at no server: whoever does sets what was seen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use fleet::Job;
use ledger::Placed;
use store::{Cursor, Expect, Full, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};
use tokio::sync::Notify;

/// What was seen of a store since it was opened.
#[derive(Clone, Debug, Default)]
pub struct Notice(Arc<Mutex<Option<Arc<str>>>>);

impl Notice {
    /// Nothing, or all of it in words.
    #[must_use]
    pub fn told(&self) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says whether that is news.
    pub fn set(&self, seen: Option<&str>) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.as_deref() != seen;
        *told = seen.map(Arc::from);
        is_news
    }
}

/// How little room there is, as far as was seen, and how much was taken since.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Nothing, or which part of the store is nearly full.
    pub scarce: Notice,
    taken: Arc<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: AtomicUsize,
    much: Notify,
}

/// So many bytes of new jobs, and it is time to look again: a small part of what is kept free.
const MUCH: usize = 256 << 10;

impl Room {
    fn take(&self, bytes: usize) {
        let before = self.taken.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= MUCH {
            self.taken.bytes.store(0, Ordering::Relaxed);
            self.taken.much.notify_one();
        }
    }

    /// Resolves once so much was taken that what was seen before may no longer be so.
    pub async fn taken(&self) {
        self.taken.much.notified().await;
    }
}

/// Nothing is written: what the write would be judged by may be gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store is read only: {0}. Restore it, or type `gigamesh admin init --new-generation` if it \
     is gone for good, and start the services again"
)]
pub struct ReadOnly(Arc<str>);

/// Round any store; writes pass only while nothing is lost, new jobs only while there is room.
#[derive(Debug)]
pub struct Safe {
    store: Arc<dyn Store>,
    losses: Notice,
    room: Room,
}

impl Safe {
    #[must_use]
    pub fn over(store: Arc<dyn Store>, losses: Notice, room: Room) -> Self {
        Self { store, losses, room }
    }

    fn whole(&self) -> Result<(), StoreError> {
        let lost = self.losses.told();
        lost.map_or(Ok(()), |lost| Err(StoreError::Unavailable(Box::new(ReadOnly(lost)))))
    }

    /// What is left is kept for what has begun.
    fn roomy(&self, key: &Key, (bytes, expect): (usize, &Expect)) -> Result<(), StoreError> {
        if key.kind() != Job::KIND || *expect != Expect::Absent {
            return Ok(());
        }
        let Some(scarce) = self.room.scarce.told() else {
            self.room.take(bytes);
            return Ok(());
        };
        let told = format!("{scarce}; the rest is kept for jobs that run. Give it more room");
        Err(Full(told.into()).into())
    }
}

#[async_trait]
impl Store for Safe {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.whole()?;
        self.roomy(key, (value.len(), expect))?;
        self.store.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.whole()?;
        self.store.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.store.scan(scope, from, limit).await
    }
}

#[cfg(test)]
mod tests {
    use fleet::Run;

    use super::*;

    #[tokio::test]
    async fn a_store_that_lost_something_is_read_and_takes_no_write_until_it_is_whole_again() {
        let losses = Notice::default();
        let memory = Arc::new(store::Memory::new());
        let store = Safe::over(memory, losses.clone(), Room::default());
        let key = Key::new(Job::KIND, "p", "j").unwrap();
        let put = || store.put(&key, "one".into(), &Expect::Absent);
        let Ok(Put::Written(at)) = put().await else { panic!("it is whole") };
        assert!(losses.set(Some("a bucket")));
        assert!(!losses.set(Some("a bucket")), "told once");
        for refused in [put().await, store.remove(&key, &at).await] {
            let error = refused.unwrap_err();
            assert!(error.is_for::<ReadOnly>(), "{error:?}");
        }
        assert!(store.get(&key).await.unwrap().is_some(), "what is there is still read");
        losses.set(None);
        assert!(matches!(store.remove(&key, &at).await, Ok(Put::Written(_))));
    }

    #[tokio::test]
    async fn what_room_is_left_is_for_jobs_that_run() {
        let room = Room::default();
        let memory = Arc::new(store::Memory::new());
        let store = Safe::over(memory, Notice::default(), room.clone());
        let put = async |kind, id: &str, expect: &Expect| {
            store.put(&Key::new(kind, "p", id).unwrap(), "one".into(), expect).await
        };
        let Ok(Put::Written(at)) = put(Job::KIND, "first", &Expect::Absent).await else {
            panic!("there is room")
        };
        room.scarce.set(Some("the bucket x holds 15 of 16 MiB"));
        let refused = put(Job::KIND, "second", &Expect::Absent).await.unwrap_err();
        assert!(refused.is_for::<Full>(), "{refused:?}");
        assert!(matches!(put(Job::KIND, "first", &Expect::At(at)).await, Ok(Put::Written(_))));
        assert!(matches!(put(Run::KIND, "run", &Expect::Absent).await, Ok(Put::Written(_))));
        room.scarce.set(None);
        let taken = put(Job::KIND, "second", &Expect::Absent).await;
        assert!(matches!(taken, Ok(Put::Written(_))), "{taken:?}");
        let large = Bytes::from(vec![0; MUCH]);
        let key = Key::new(Job::KIND, "p", "third").unwrap();
        assert!(matches!(store.put(&key, large, &Expect::Absent).await, Ok(Put::Written(_))));
        room.taken().await;
    }

    #[test]
    fn another_trouble_of_the_store_is_not_taken_for_a_loss() {
        assert!(!StoreError::Unavailable("away".into()).is_for::<ReadOnly>());
        assert!(!StoreError::Unknown("who knows".into()).is_for::<ReadOnly>());
    }
}
