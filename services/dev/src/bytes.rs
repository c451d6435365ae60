//! Where the bytes of artifacts are, as it is said to a process that opens a fleet.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use blob::Blobs;
use clock::Ids;

/// A place for blobs, before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobsAt {
    /// They end with the process.
    Memory,
    /// In this folder, which every process that serves them reaches.
    Folder(PathBuf),
}

const MEMORY: &str = "memory";

impl BlobsAt {
    /// # Errors
    /// The folder cannot be made or written.
    pub fn open(&self, ids: Arc<dyn Ids>) -> Result<Blobs, blob::NotOpened> {
        match self {
            Self::Memory => Ok(Blobs::memory(ids)),
            Self::Folder(folder) => Blobs::disk(folder, ids),
        }
    }
}

impl FromStr for BlobsAt {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == MEMORY { Self::Memory } else { Self::Folder(text.into()) })
    }
}
