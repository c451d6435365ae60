//! The file: opening and replaying it, appending to it, syncing it, reading one entry.
//! It never decides whether a write may happen.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use store::{Revision, StoreError, Versioned};

use crate::damage::{damaged, unavailable};
use crate::frame::{self, BATCH_HEAD, BATCH_MAGIC, Entry, HEADER, HEADER_LEN, MARKS};
use crate::index::{Index, Name, Place};

pub(crate) const NAME: &str = "store.log";
pub(crate) const NEW_NAME: &str = "store.log.new";

/// One log file. Only its writer appends; anyone may read what was acknowledged.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) file: Arc<File>,
    pub(crate) path: PathBuf,
    /// Where the next batch begins.
    pub(crate) end: u64,
    marks: usize,
}

impl Log {
    /// Opens the log of a directory, or begins one, and replays it.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Index), StoreError> {
        let path = directory.join(NAME);
        // † an unfinished compaction, or a first start cut short: nothing in it was acknowledged.
        remove_if_there(&directory.join(NEW_NAME))?;
        if !path.try_exists().map_err(unavailable("look for", &path))? {
            let mut new = Self::create(directory, 0)?;
            new.take_the_place(directory).map_err(unavailable("begin", &path))?;
            sync_directory(directory).map_err(unavailable("sync", directory))?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(unavailable("open", &path))?;
        let mut log = Self { file: Arc::new(file), path, end: HEADER, marks: 0 };
        let index = log.replay()?;
        Ok((log, index))
    }

    /// A new log beside the one in use; it becomes the log by [`Self::take_the_place`].
    pub(crate) fn create(directory: &Path, base: u64) -> Result<Self, StoreError> {
        let path = directory.join(NEW_NAME);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(unavailable("create", &path))?;
        let header = frame::header(base);
        file.write_all_at(&header, 0).map_err(unavailable("write", &path))?;
        Ok(Self { file: Arc::new(file), path, end: HEADER, marks: 0 })
    }

    /// Syncs the new log and gives it the old one's name, which [`sync_directory`] makes durable.
    pub(crate) fn take_the_place(&mut self, directory: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        let path = directory.join(NAME);
        rename(&self.path, &path)?;
        self.path = path;
        Ok(())
    }

    /// The same file for reading; never appended to.
    pub(crate) fn reader(&self) -> Self {
        Self { file: Arc::clone(&self.file), path: self.path.clone(), ..*self }
    }

    /// Appends one sealed batch. After an error none of it counts.
    pub(crate) fn append(&mut self, batch: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(batch, self.end) {
            // An unfinished batch is no batch, so a failure to cut it off loses nothing.
            let _cut = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += batch.len() as u64;
        Ok(())
    }

    /// Notes that everything so far was synced; the note itself becomes durable with the next
    /// sync. It tells a torn tail, which nobody was promised, from a lost one.
    pub(crate) fn mark(&mut self) -> io::Result<()> {
        self.marks += 1;
        self.file.write_all_at(&frame::mark(self.end), MARKS[self.marks % 2])
    }

    fn replay(&mut self) -> Result<Index, StoreError> {
        let length = self.file.metadata().map_err(unavailable("measure", &self.path))?.len();
        let mut header = [0; HEADER_LEN];
        match self.file.read_exact_at(&mut header, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(damaged(&self.path, length, "it ends within its header"));
            }
            Err(error) => return Err(unavailable("read", &self.path)(error)),
        }
        let Some((base, promised)) = frame::read_header(&header) else {
            return Err(damaged(&self.path, 0, "the header is not that of a store"));
        };
        let mut index = Index::after(base);
        let mut batch = Vec::new();
        while self.end < length && self.read_batch(self.end, length, &mut batch)? {
            let Some(entries) = frame::entries(&batch) else { break };
            for (at, entry) in entries {
                let offset = self.end + (BATCH_HEAD + at) as u64;
                index.last = index.last.max(entry.revision);
                index.set(entry.key.into(), place(&entry, offset));
            }
            self.end += (BATCH_HEAD + batch.len()) as u64;
        }
        self.settle_tail(length, promised)?;
        Ok(index)
    }

    /// Reads the payload of the batch at `offset`; false if no batch head is there or the file
    /// ends within it.
    pub(crate) fn read_batch(
        &self,
        offset: u64,
        length: u64,
        payload: &mut Vec<u8>,
    ) -> Result<bool, StoreError> {
        let mut head = [0; BATCH_HEAD];
        if length - offset < BATCH_HEAD as u64 {
            return Ok(false);
        }
        self.file.read_exact_at(&mut head, offset).map_err(unavailable("read", &self.path))?;
        let start = offset + BATCH_HEAD as u64;
        match frame::read_head(&head, offset) {
            Some(size) if size as u64 <= length - start => {
                payload.resize(size, 0);
                let read = self.file.read_exact_at(payload, start);
                read.map_err(unavailable("read", &self.path))?;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// The replay stopped at `self.end`. A batch that was cut short before anyone was told of it
    /// is normal after a crash and dropped; anything else that stops a replay is damage.
    fn settle_tail(&mut self, length: u64, promised: u64) -> Result<(), StoreError> {
        if self.end < promised {
            let what = if length < promised {
                "its acknowledged end is missing"
            } else {
                "an acknowledged batch fails its checksum"
            };
            return Err(damaged(&self.path, self.end, what));
        }
        if self.end < length {
            if self.batch_after(length)? {
                return Err(damaged(&self.path, self.end, "a batch fails its checksum"));
            }
            self.file.set_len(self.end).map_err(unavailable("cut the tail of", &self.path))?;
        }
        // What was replayed will be read by others: it must not be lost by a later power cut.
        self.file.sync_all().map_err(unavailable("sync", &self.path))?;
        self.mark().map_err(unavailable("mark", &self.path))
    }

    /// Whether a whole batch follows the one that cannot be read. Only one batch is ever under
    /// way, so then the unreadable one had been acknowledged.
    fn batch_after(&self, length: u64) -> Result<bool, StoreError> {
        let mut at = self.end + 1;
        let mut window = vec![0; 1 << 20];
        while at < length {
            let size = window.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
            let part = &mut window[..size];
            self.file.read_exact_at(part, at).map_err(unavailable("read", &self.path))?;
            let mut heads = part.windows(4).enumerate().filter(|(_, four)| *four == BATCH_MAGIC);
            if heads.any(|(found, _)| self.is_batch(at + found as u64, length)) {
                return Ok(true);
            }
            if size < window.len() {
                break;
            }
            // The next window begins three bytes early, for a head across the border.
            at += size as u64 - 3;
        }
        Ok(false)
    }

    fn is_batch(&self, offset: u64, length: u64) -> bool {
        let mut payload = Vec::new();
        let read = self.read_batch(offset, length, &mut payload);
        read.is_ok_and(|whole| whole && frame::entries(&payload).is_some())
    }
}

/// Reads the document at a place of a log file and checks that it is that document.
pub(crate) fn read_at(
    file: &File,
    path: &Path,
    name: &Name,
    place: Place,
) -> Result<Versioned, StoreError> {
    let size = place.entry_length(name);
    let mut bytes = vec![0; size];
    match file.read_exact_at(&mut bytes, place.offset) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            return Err(damaged(path, place.offset, "the file ends within a document"));
        }
        Err(error) => return Err(unavailable("read", path)(error)),
    }
    let sound = Entry::decode(&bytes).is_some_and(|(entry, _)| {
        entry.key == &**name && entry.revision == place.revision && entry.value.is_some()
    });
    if !sound {
        return Err(damaged(path, place.offset, "a document fails its checksum"));
    }
    let value_at = size - place.value_length as usize;
    let value = Bytes::from(bytes).slice(value_at..);
    Ok(Versioned { value, revision: Revision::number(place.revision) })
}

/// The place of an entry that stands at `offset`; none if it is a removal.
pub(crate) fn place(entry: &Entry<'_>, offset: u64) -> Option<Place> {
    let value_length = u32::try_from(entry.value?.len()).expect("a value is bounded");
    Some(Place { offset, revision: entry.revision, value_length })
}

pub(crate) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unavailable("remove", path)(error)),
    }
}

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
