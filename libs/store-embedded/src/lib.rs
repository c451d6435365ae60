//! The embedded provider: one log file, group commit, a sync before every answer.
//! It never runs in two processes on one directory, and never waits for the disk to write on a
//! thread of the runtime.

mod compact;
mod damage;
mod frame;
mod index;
mod log;
mod recent;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{File, OpenOptions, TryLockError, create_dir_all};
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use async_trait::async_trait;
use bytes::Bytes;
use store::{Cursor, Expect, Key, MAX_VALUE, Page, Put, Revision, Scope, Store};
use store::{StoreError, Versioned};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use damage::{Trouble, unavailable};
use index::{Name, Place};
use log::Log;
use shared::Shared;
use writer::{Request, Want, Writer};

/// Writes that may wait for the writer thread; further ones wait for a place.
const WAITING: usize = 2 * writer::LARGEST_GROUP;
/// Bounds of one page, whatever was asked for.
const MOST_ITEMS: usize = 1_024;
const MOST_BYTES: u64 = 4 << 20;
/// A scan lets others run after so many reads.
const READS_IN_A_ROW: usize = 32;

/// What may be set; the defaults are good.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The log is rewritten when it is longer than twice what is alive in it, plus this.
    pub compact_above: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { compact_above: 64 << 20 }
    }
}

/// Documents in one file of a directory. Dropping it waits for the writes under way, for at most
/// one group of them.
#[derive(Debug)]
pub struct Embedded {
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// Held as long as the store is open.
    _lock: File,
}

impl Embedded {
    /// Opens the store of a directory, or begins one. Reads the whole file once, on the caller's
    /// thread.
    ///
    /// # Errors
    /// `Unavailable` if another process has it or the disk fails, `Corrupt` if what was
    /// acknowledged is no longer there as it was written.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(directory, Options::default())
    }

    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(directory: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        let directory = directory.as_ref();
        create_dir_all(directory).map_err(unavailable("create", directory))?;
        let lock = lock(directory)?;
        let (log, index) = Log::open(directory)?;
        let shared = Arc::new(Shared::new(index, &log));
        let (sender, requests) = mpsc::channel(WAITING);
        let writer = Writer {
            shared: Arc::clone(&shared),
            log,
            directory: directory.into(),
            requests,
            compact_above: options.compact_above,
            compaction: None,
            stopped: None,
        };
        let thread = Builder::new().name("store-writer".into()).spawn(|| writer.run());
        let thread = thread.map_err(unavailable("start the writer of", directory))?;
        Ok(Self { requests: Some(sender), writer: Some(thread), shared, _lock: lock })
    }

    async fn write(&self, name: Name, want: Want, value: Option<Bytes>) -> Result<Put, StoreError> {
        let closing = || Box::new(Trouble::Closing { path: self.shared.path.clone() });
        let (answer, verdict) = oneshot::channel();
        let request = Request { name, want, value, answer };
        let Some(requests) = &self.requests else {
            return Err(StoreError::Unavailable(closing()));
        };
        if requests.send(request).await.is_err() {
            return Err(StoreError::Unavailable(closing()));
        }
        verdict.await.unwrap_or_else(|_| Err(StoreError::Unknown(closing())))
    }

    /// A bounded read of what is acknowledged; from the system's cache as a rule.
    fn read(&self, file: &File, name: &Name, place: Place) -> Result<Versioned, StoreError> {
        log::read_at(file, &self.shared.path, name, place)
    }
}

#[async_trait]
impl Store for Embedded {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let name = index::name_of(key);
        let (place, file) = {
            let view = self.shared.view();
            let Some(place) = view.index.get(&name) else { return Ok(None) };
            if let Some(value) = view.recent.get(place.revision) {
                return Ok(Some(Versioned { value, revision: Revision::number(place.revision) }));
            }
            (place, Arc::clone(&view.file))
        };
        self.read(&file, &name, place).map(Some)
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        if value.len() > MAX_VALUE {
            return Err(StoreError::TooLarge { limit: MAX_VALUE, actual: value.len() });
        }
        let want = match expect {
            Expect::Absent => Want::Absent,
            Expect::At(revision) => at(revision),
        };
        self.write(index::name_of(key), want, Some(value)).await
    }

    async fn remove(&self, key: &Key, revision: &Revision) -> Result<Put, StoreError> {
        self.write(index::name_of(key), at(revision), None).await
    }

    /// A page shows its documents as they were at one moment.
    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, MOST_ITEMS);
        let ((places, more), file) = {
            let view = self.shared.view();
            (view.index.page(scope, from, limit, MOST_BYTES), Arc::clone(&view.file))
        };
        let mut page = Page::default();
        for (n, (name, place)) in places.iter().enumerate() {
            if n % READS_IN_A_ROW == READS_IN_A_ROW - 1 {
                yield_now().await;
            }
            let Some(key) = key_of(scope, name) else {
                let what = "a document's name cannot be read";
                return Err(damage::damaged(&self.shared.path, place.offset, what));
            };
            page.items.push((key, self.read(&file, name, *place)?));
        }
        let last = page.items.last().filter(|_| more);
        page.next = last.map(|(key, _)| Cursor::new(format!("{}.{}", key.partition(), key.id())));
        Ok(page)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.requests.take());
        // Its panic, if any, was told to whoever waited for an answer.
        let _ended = self.writer.take().map(JoinHandle::join);
    }
}

/// A revision that no write of this store gave is one that nothing is at.
fn at(revision: &Revision) -> Want {
    Want::At(revision.as_number().unwrap_or(0))
}

fn key_of(scope: &Scope, name: &[u8]) -> Option<Key> {
    let (partition, id) = index::parts(name)?;
    Key::new(scope.kind(), partition, id).ok()
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("store.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(unavailable("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Unavailable(Box::new(Trouble::InUse { path: directory.into() })))
        }
        Err(TryLockError::Error(error)) => Err(unavailable("lock", &path)(error)),
    }
}
