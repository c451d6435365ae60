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

use crate::elsewhere::Signs;
use crate::flow::{self, Counted, Flow, ReadError, Reading, WriteError};
use crate::key::BlobKey;
use crate::link::{Allowed, Deed, Grant, Key, Shown, Signed, Stale};
use crate::shown::Label;
use crate::staged;

/// A place for blobs. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    key: Key,
    ids: Arc<dyn Ids>,
    kind: Kind,
}

/// What only one kind of place can do.
#[derive(Clone)]
enum Kind {
    Memory,
    Disk(Arc<Folder>),
    /// It signs links of its own, and keeps what a blob is shown as.
    #[cfg_attr(
        not(any(feature = "azure", feature = "s3")),
        expect(dead_code, reason = "nothing elsewhere is built in")
    )]
    Elsewhere(Arc<dyn Signs>),
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
        Self { store: Arc::new(InMemory::new()), key: Key::fresh(), ids, kind: Kind::Memory }
    }

    /// In memory, behind something.
    #[cfg(test)]
    pub(crate) fn behind(store: impl ObjectStore, ids: Arc<dyn Ids>) -> Self {
        Self { store: Arc::new(store), ..Self::memory(ids) }
    }

    /// In a folder, which is made if it is missing. What was acknowledged is on the disk.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn disk(folder: &Folder, ids: Arc<dyn Ids>) -> Result<Self, NotOpened> {
        std::fs::create_dir_all(folder).map_err(NotOpened::Folder)?;
        let key = Key::kept_in(folder).map_err(NotOpened::Folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        let store = Arc::new(store.with_automatic_cleanup(true));
        Ok(Self { store, key, ids, kind: Kind::Disk(folder.into()) })
    }

    /// In a container of Azure's, which somebody else made.
    ///
    /// # Errors
    /// What was said of it contradicts itself. Nobody is asked yet: see [`Self::reach`].
    #[cfg(feature = "azure")]
    pub fn azure(azure: &crate::Azure, ids: Arc<dyn Ids>) -> Result<Self, NotOpened> {
        let store = Arc::new(azure.open()?);
        let kind = Kind::Elsewhere(Arc::<object_store::azure::MicrosoftAzure>::clone(&store));
        Ok(Self { store, key: Key::fresh(), ids, kind })
    }

    /// In a bucket of S3, which somebody else made.
    ///
    /// # Errors
    /// As [`Self::azure`].
    #[cfg(feature = "s3")]
    pub fn s3(s3: &crate::S3, ids: Arc<dyn Ids>) -> Result<Self, NotOpened> {
        let store = Arc::new(s3.open()?);
        let kind = Kind::Elsewhere(Arc::<object_store::aws::AmazonS3>::clone(&store));
        Ok(Self { store, key: Key::fresh(), ids, kind })
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
        self.write_as(key, &Label::default(), bytes, most).await
    }

    /// As [`Self::write`]. A place that signs its own links keeps the label, and shows the blob
    /// under it to whoever reads it past us; elsewhere the link itself says it.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_as(
        &self,
        key: &BlobKey,
        label: &Label,
        bytes: impl Flow,
        most: u64,
    ) -> Result<Counted, WriteError> {
        let staged = staged::on_its_way(&*self.ids);
        let label = self.is_elsewhere().then_some(label);
        let file = match &self.kind {
            Kind::Disk(folder) => Some(staged::file_of(folder, &staged)),
            Kind::Memory | Kind::Elsewhere(_) => None,
        };
        let target = flow::Target { store: &*self.store, staged, key: key.into(), label, file };
        flow::write(&target, bytes, most).await
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

    /// Reads a blob to its end and counts it. What came by a link that led past us is put in its
    /// place first, where that link reaches it no more: only what was counted here is the blob.
    ///
    /// # Errors
    /// It is not there, or the place failed.
    pub async fn count(&self, key: &BlobKey) -> Result<Counted, ReadError> {
        if self.is_elsewhere() {
            flow::settle(&*self.store, &staged::by_link(key), &key.into()).await?;
        }
        flow::count(self.read(key, None).await?).await
    }

    /// Removes a blob; one that is not there is no error.
    ///
    /// # Errors
    /// The place failed.
    pub async fn remove(&self, key: &BlobKey) -> Result<(), ReadError> {
        if self.is_elsewhere() {
            self.remove_at(&staged::by_link(key)).await?;
        }
        self.remove_at(&key.into()).await
    }

    async fn remove_at(&self, path: &Path) -> Result<(), ReadError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(ReadError::from(error)),
        }
    }

    /// Removes what crashes and broken connections left of uploads that nobody finished, if it was
    /// last written so long ago; tells how many. Blobs are never touched.
    ///
    /// # Errors
    /// The place failed.
    pub async fn sweep_staged(
        &self,
        older_than: Duration,
        now: Timestamp,
    ) -> Result<u64, ReadError> {
        let since = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(now.millis().saturating_sub(since));
        let swept = staged::sweep(&*self.store, before).await?;
        let Kind::Disk(folder) = &self.kind else { return Ok(swept) };
        let beside = staged::sweep_folder(folder, before).await.map_err(ReadError::of_folder)?;
        Ok(swept + beside)
    }

    /// Whether blobs can be written here now: a few bytes that are no blob come and go.
    ///
    /// # Errors
    /// They cannot; the cause says why.
    pub async fn reach(&self) -> Result<(), ReadError> {
        let probe = staged::on_its_way(&*self.ids);
        // What is missing then is the place itself.
        self.store.put(&probe, "reach".into()).await.map_err(ReadError::Failed)?;
        self.remove_at(&probe).await
    }

    fn is_elsewhere(&self) -> bool {
        matches!(self.kind, Kind::Elsewhere(_))
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
    pub async fn grant(
        &self,
        signed: Shown,
        life: Duration,
        now: Timestamp,
    ) -> Result<Grant, ReadError> {
        let Kind::Elsewhere(signs) = &self.kind else {
            return Ok(self.key.grant(signed, now.plus(life)));
        };
        let path = match signed.deed {
            Deed::Read => (&signed.key).into(),
            Deed::Create => staged::by_link(&signed.key),
        };
        let (url, headers) = signs.sign(&signed, &path, life).await?;
        Ok(Grant { url, headers, expires_at: now.plus(life) })
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
