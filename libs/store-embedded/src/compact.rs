//! Rewriting the log without what is dead, beside the writer, while writes go on.
//! It never changes the log in use; the new one takes its name only once it holds everything.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use store::StoreError;

use crate::damage::unavailable;
use crate::frame::{self, BATCH_HEAD, Entry, HEADER};
use crate::index::Index;
use crate::log::{Log, NEW_NAME, remove_if_there, sync_directory};
use crate::shared::Shared;

// A batch of the new log.
const BATCH: usize = 1 << 20;
// What may be left for the writer to copy while others wait for it.
const LITTLE: u64 = 1 << 20;
// If writes come faster than they can be copied, the writer copies the rest: it must end.
const MOST_PASSES: usize = 16;

/// A rewrite under way on a thread of its own.
#[derive(Debug)]
pub(crate) struct Compaction {
    thread: JoinHandle<Option<Copier>>,
    given_up: Arc<AtomicBool>,
}

impl Compaction {
    /// None if it cannot start now; nothing is lost by that.
    pub(crate) fn start(shared: &Arc<Shared>, log: &Log, directory: &Path) -> Option<Self> {
        let base = shared.view().index.last;
        let new = Log::create(directory, base).ok()?;
        let given_up = Arc::new(AtomicBool::new(false));
        let mut copier = Copier {
            old: log.reader(),
            new,
            upto: HEADER,
            // Before this nothing is alive but what the index shows from now on, so removals
            // before it have nothing left to remove; those after it may.
            removals_from: log.end,
            moved: Vec::new(),
            batch: Vec::new(),
            given_up: Arc::clone(&given_up),
        };
        let shared = Arc::clone(shared);
        let work = move || copier.catch_up(&shared).is_ok().then_some(copier);
        let thread = Builder::new().name("store-compactor".into()).spawn(work).ok()?;
        Some(Self { thread, given_up })
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Called by the writer between two groups: copies the little that is left and puts the new
    /// log in the old one's place. `None`: given up, the old log stays. An error: the new log has
    /// the name, but perhaps not durably, so no write may follow.
    pub(crate) fn finish(
        self,
        shared: &Shared,
        log: &Log,
        directory: &Path,
    ) -> io::Result<Option<Log>> {
        let new = self.thread.join().ok().flatten();
        let ready = new.filter(|_| shared.path == log.path).and_then(|mut copier| {
            copier.copy_to(log.end, shared).ok()?;
            let whole = shared.view().index.all_in(&copier.moved);
            copier.new.mark().ok().filter(|()| whole)?;
            // † new log whole but not named: the next start removes it.
            copier.new.take_the_place(directory).ok()?;
            Some(copier)
        });
        let Some(copier) = ready else {
            discard(directory);
            return Ok(None);
        };
        // † named but not durably: either log is found, and both hold all that was acknowledged.
        sync_directory(directory)?;
        let mut view = shared.view();
        view.index.relocate(&copier.moved);
        view.file = Arc::clone(&copier.new.file);
        view.end = copier.new.end;
        Ok(Some(copier.new))
    }

    /// Stops it and removes what it wrote.
    pub(crate) fn abandon(self, directory: &Path) {
        self.given_up.store(true, Ordering::Relaxed);
        let _copier = self.thread.join();
        discard(directory);
    }
}

fn discard(directory: &Path) {
    // Left behind, it would be removed by the next start.
    let _left: Result<(), StoreError> = remove_if_there(&PathBuf::from(directory).join(NEW_NAME));
}

#[derive(Debug)]
struct Copier {
    old: Log,
    new: Log,
    /// Everything before this in the old log was looked at.
    upto: u64,
    removals_from: u64,
    /// Old and new offset of each entry copied, in order.
    moved: Vec<(u64, u64)>,
    batch: Vec<u8>,
    given_up: Arc<AtomicBool>,
}

impl Copier {
    fn catch_up(&mut self, shared: &Shared) -> Result<(), StoreError> {
        for _ in 0..MOST_PASSES {
            let end = shared.view().end;
            self.copy_to(end, shared)?;
            self.new.file.sync_data().map_err(unavailable("sync", &self.new.path))?;
            if shared.view().end - end < LITTLE {
                break;
            }
        }
        Ok(())
    }

    /// Copies what is alive in `self.upto..end` of the old log.
    fn copy_to(&mut self, end: u64, shared: &Shared) -> Result<(), StoreError> {
        let mut payload = Vec::new();
        frame::begin(&mut self.batch);
        while self.upto < end {
            if self.given_up.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("the store is closing".into()));
            }
            let whole = self.old.read_batch(self.upto, end, &mut payload)?;
            let Some(entries) = frame::entries(&payload).filter(|_| whole) else {
                // Reads of what is damaged say so; this only declines to copy it.
                return Err(StoreError::Corrupt("a batch fails its checksum".into()));
            };
            self.keep_alive(&entries, &shared.view().index);
            self.upto += (BATCH_HEAD + payload.len()) as u64;
            if self.batch.len() >= BATCH {
                self.flush()?;
            }
        }
        self.flush()
    }

    /// Takes over what still counts of the batch at `self.upto`.
    fn keep_alive(&mut self, entries: &[(usize, Entry<'_>)], index: &Index) {
        for (at, entry) in entries {
            let old = self.upto + (BATCH_HEAD + at) as u64;
            let alive = match entry.value {
                Some(_) => index.is_at(entry.key, old),
                None => old >= self.removals_from,
            };
            if alive {
                self.moved.push((old, self.new.end + self.batch.len() as u64));
                entry.encode(&mut self.batch);
            }
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if self.batch.len() > BATCH_HEAD {
            frame::seal(&mut self.batch, self.new.end);
            self.new.append(&self.batch).map_err(unavailable("write", &self.new.path))?;
            frame::begin(&mut self.batch);
        }
        Ok(())
    }
}
