//! A store of which something was lost is read and no more, until a person has said what is to
//! become of it. Looks at no server: whoever does sets what is lost.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use store::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};

/// What was seen to be lost since a store was opened.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<Mutex<Option<Arc<str>>>>);

impl Losses {
    /// Nothing, or all of it in words.
    #[must_use]
    pub fn told(&self) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says whether that is news.
    pub fn set(&self, lost: Option<&str>) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.as_deref() != lost;
        *told = lost.map(Arc::from);
        is_news
    }
}

/// Nothing is written: what the write would be judged by may be gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store is read only: {0}. Restore it, or type `gigamesh admin init --new-generation` if it \
     is gone for good, and start the services again"
)]
pub struct ReadOnly(Arc<str>);

impl ReadOnly {
    /// Whether a refusal of the store was this one.
    #[must_use]
    pub fn is_behind(error: &StoreError) -> bool {
        match error {
            StoreError::Unavailable(cause) => cause.is::<Self>(),
            StoreError::Unknown(_) | StoreError::TooLarge { .. } | StoreError::Corrupt(_) => false,
        }
    }
}

/// Round any store; writes pass only while nothing is lost.
#[derive(Debug)]
pub struct Safe {
    store: Arc<dyn Store>,
    losses: Losses,
}

impl Safe {
    #[must_use]
    pub fn over(store: Arc<dyn Store>, losses: Losses) -> Self {
        Self { store, losses }
    }

    fn whole(&self) -> Result<(), StoreError> {
        let lost = self.losses.told();
        lost.map_or(Ok(()), |lost| Err(StoreError::Unavailable(Box::new(ReadOnly(lost)))))
    }
}

#[async_trait]
impl Store for Safe {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.whole()?;
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
    use store::{Kind, Spread};

    use super::*;

    #[tokio::test]
    async fn a_store_that_lost_something_is_read_and_takes_no_write_until_it_is_whole_again() {
        let losses = Losses::default();
        let store = Safe::over(Arc::new(store::Memory::new()), losses.clone());
        let key = Key::new(Kind { name: "jobs", spread: Spread::Whole }, "p", "j").unwrap();
        let put = || store.put(&key, "one".into(), &Expect::Absent);
        let Ok(Put::Written(at)) = put().await else { panic!("it is whole") };
        assert!(losses.set(Some("a bucket")));
        assert!(!losses.set(Some("a bucket")), "told once");
        for refused in [put().await, store.remove(&key, &at).await] {
            let error = refused.unwrap_err();
            assert!(ReadOnly::is_behind(&error), "{error:?}");
        }
        assert!(store.get(&key).await.unwrap().is_some(), "what is there is still read");
        losses.set(None);
        assert!(matches!(store.remove(&key, &at).await, Ok(Put::Written(_))));
    }

    #[test]
    fn another_trouble_of_the_store_is_not_taken_for_a_loss() {
        assert!(!ReadOnly::is_behind(&StoreError::Unavailable("away".into())));
        assert!(!ReadOnly::is_behind(&StoreError::Unknown("who knows".into())));
    }
}
