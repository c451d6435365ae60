//! What is said when the store cannot be opened, read or written: where, and what to do.
//! It never decides which of these it is.

use std::io;
use std::path::{Path, PathBuf};

use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(
        "{path} is damaged at byte {offset}: {what}. Keep a copy of it, then restore the \
         directory from a backup; without one, export what can still be read to a new directory"
    )]
    Damaged { path: PathBuf, offset: u64, what: &'static str },
    #[error(
        "{path} is in use by another process. Stop that process, or give this one a directory \
         of its own"
    )]
    InUse { path: PathBuf },
    #[error("cannot {what} {path}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the store at {path} takes no more writes because one failed ({why}); mend the disk, \
         then open the store again"
    )]
    Stopped { path: PathBuf, why: String },
    #[error("the store at {path} is closing")]
    Closing { path: PathBuf },
}

pub(crate) fn damaged(path: &Path, offset: u64, what: &'static str) -> StoreError {
    StoreError::Corrupt(Box::new(Trouble::Damaged { path: path.into(), offset, what }))
}

/// An I/O error before which nothing was written.
pub(crate) fn unavailable(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Unavailable(Box::new(Trouble::Io { what, path: path.into(), source }))
}
