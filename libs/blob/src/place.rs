//! Where blobs are, and what may be done with them there.

use std::fmt;
use std::path::Path as Folder;
use std::sync::Arc;
use std::time::Duration;

use clock::Ids;
use fleet::Timestamp;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::flow::{self, Counted, Flow, ReadError, Reading, WriteError};
use crate::key::BlobKey;
use crate::link::{Allowed, Grant, Key, Shown, Signed, Stale};

/// A place for blobs. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    key: Key,
    ids: Arc<dyn Ids>,
}

/// A blob that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub key: BlobKey,
    pub size: u64,
    pub written_at: Timestamp,
}

/// Why a place cannot be used; the cause says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    #[error("the folder of blobs cannot be used")]
    Folder(#[source] std::io::Error),
    #[error("the blob store cannot be used")]
    Store(#[from] object_store::Error),
}

impl Blobs {
    /// In memory: they end with the process.
    #[must_use]
    pub fn memory(ids: Arc<dyn Ids>) -> Self {
        Self { store: Arc::new(InMemory::new()), key: Key::fresh(), ids }
    }

    /// In a folder, which is made if it is missing. What was acknowledged is on the disk.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn disk(folder: &Folder, ids: Arc<dyn Ids>) -> Result<Self, NotOpened> {
        std::fs::create_dir_all(folder).map_err(NotOpened::Folder)?;
        let key = Key::kept_in(folder).map_err(NotOpened::Folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store.with_automatic_cleanup(true)), key, ids })
    }

    /// Writes what flows in, at most so many bytes, and tells what it was. Nothing is visible
    /// before the end, and nothing is left of what breaks off.
    ///
    /// # Errors
    /// The key is taken, the flow broke or was too long, or the place failed.
    pub async fn write(
        &self,
        key: &BlobKey,
        bytes: impl Flow,
        most: u64,
    ) -> Result<Counted, WriteError> {
        let staged = Path::from(format!("staged/{}", self.ids.mint()));
        flow::write(&*self.store, (&staged, &key.into()), bytes, most).await
    }

    /// Reads a blob, or the part of it that is asked for.
    ///
    /// # Errors
    /// It is not there, the part begins beyond its end, or the place failed.
    pub async fn read(
        &self,
        key: &BlobKey,
        part: Option<std::ops::Range<u64>>,
    ) -> Result<Reading, ReadError> {
        flow::read(&*self.store, &key.into(), part).await
    }

    /// What is there under a key.
    ///
    /// # Errors
    /// The place failed.
    pub async fn find(&self, key: &BlobKey) -> Result<Option<Stored>, ReadError> {
        match self.store.head(&key.into()).await {
            Ok(meta) => Ok(stored(&meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(ReadError::from(error)),
        }
    }

    /// Reads a blob to its end and counts it.
    ///
    /// # Errors
    /// It is not there, or the place failed.
    pub async fn count(&self, key: &BlobKey) -> Result<Counted, ReadError> {
        flow::count(self.read(key, None).await?).await
    }

    /// Removes a blob; one that is not there is no error.
    ///
    /// # Errors
    /// The place failed.
    pub async fn remove(&self, key: &BlobKey) -> Result<(), ReadError> {
        match self.store.delete(&key.into()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(ReadError::from(error)),
        }
    }

    /// Every blob whose key begins with these segments, in no order.
    pub fn list(
        &self,
        under: &BlobKey,
    ) -> impl Stream<Item = Result<Stored, ReadError>> + Send + use<> {
        let found = self.store.list(Some(&under.into()));
        found
            .map_err(ReadError::from)
            .try_filter_map(|meta| async move { Ok(stored(&meta)) })
            .boxed()
    }

    /// A grant to do one thing to one blob for so long.
    ///
    /// # Errors
    /// The place could not sign.
    #[expect(clippy::unused_async, reason = "stores elsewhere sign by asking")]
    pub async fn grant(
        &self,
        signed: Shown,
        life: Duration,
        now: Timestamp,
    ) -> Result<Grant, ReadError> {
        Ok(self.key.grant(signed, now.plus(life)))
    }

    /// What an address of our own door allows, if it was signed here and has not died.
    ///
    /// # Errors
    /// It was altered, made elsewhere, or has died.
    pub fn allowed(&self, signed: &Signed, now: Timestamp) -> Result<Allowed, Stale> {
        self.key.allowed(signed, now)
    }
}

/// What is no blob of ours is not seen.
fn stored(meta: &object_store::ObjectMeta) -> Option<Stored> {
    let key = meta.location.as_ref().parse().ok()?;
    let written_at = Timestamp::from_millis(meta.last_modified.timestamp_millis());
    Some(Stored { key, size: meta.size, written_at })
}

impl fmt::Debug for Blobs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Blobs({})", self.store)
    }
}
