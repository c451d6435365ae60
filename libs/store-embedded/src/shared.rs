//! What the writer shows and everyone reads: the index and the file its places are in.
//! It never shows what is not yet durable.

use std::fs::File;
#[cfg(test)]
use std::io;
use std::path::PathBuf;
#[cfg(test)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::index::Index;
use crate::log::Log;
use crate::recent::Recent;

#[derive(Debug)]
pub(crate) struct Shared {
    view: Mutex<View>,
    pub(crate) path: PathBuf,
    #[cfg(test)]
    pub(crate) append_fails: AtomicBool,
    #[cfg(test)]
    pub(crate) sync_fails: AtomicBool,
}

/// The index and the file it speaks of change together.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) index: Index,
    pub(crate) file: Arc<File>,
    /// Where the acknowledged part of that file ends.
    pub(crate) end: u64,
    pub(crate) recent: Recent,
}

impl Shared {
    pub(crate) fn new(index: Index, log: &Log) -> Self {
        Self {
            view: Mutex::new(View {
                index,
                file: Arc::clone(&log.file),
                end: log.end,
                recent: Recent::default(),
            }),
            path: log.path.clone(),
            #[cfg(test)]
            append_fails: AtomicBool::new(false),
            #[cfg(test)]
            sync_fails: AtomicBool::new(false),
        }
    }

    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn fail_append(&self) -> io::Result<()> {
        fail_if(&self.append_fails)
    }

    #[cfg(test)]
    pub(crate) fn fail_sync(&self) -> io::Result<()> {
        fail_if(&self.sync_fails)
    }
}

#[cfg(test)]
fn fail_if(set: &AtomicBool) -> io::Result<()> {
    if set.load(Ordering::SeqCst) {
        return Err(io::Error::from(io::ErrorKind::StorageFull));
    }
    Ok(())
}
