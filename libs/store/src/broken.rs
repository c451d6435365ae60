//! The mutant: it looks first and writes later, as no provider may.
//! It is never used but to show that the race laws can fail.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::yield_now;

use crate::memory::{Shelf, check_size};
use crate::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};

/// Check, yield, write: right for one caller, wrong for two.
#[derive(Debug, Default)]
pub struct Broken {
    shelf: Mutex<Shelf>,
}

impl Broken {
    pub fn new() -> Self {
        Self::default()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Broken {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        Ok(self.shelf().get(key))
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        check_size(&value)?;
        let refusal = self.shelf().refusal(key, expect);
        yield_now().await;
        Ok(refusal.unwrap_or_else(|| self.shelf().write(key, value)))
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        let refusal = self.shelf().refusal(key, &Expect::At(at.clone()));
        yield_now().await;
        Ok(refusal.unwrap_or_else(|| self.shelf().erase(key)))
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
