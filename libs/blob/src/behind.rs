//! Brings what was written of a long blob to the disk while more of it comes, so that its end
//! waits for the rest alone. Only quicker: whether all of it is there, the end itself sees to.

use std::fs::File;
use std::path::PathBuf;

use tokio::task::JoinHandle;

/// More than this waits for the disk before it is asked to take it.
const ENOUGH: u64 = 16 << 20;

/// One file on its way.
pub(crate) struct Behind {
    file: PathBuf,
    waiting: u64,
    syncing: Option<JoinHandle<()>>,
}

impl Behind {
    pub(crate) fn of(file: PathBuf) -> Self {
        Self { file, waiting: 0, syncing: None }
    }

    /// So much was written; the disk is asked once it has done what it was asked before.
    #[expect(clippy::disallowed_methods, reason = "as any writing of a file; it ends by itself")]
    pub(crate) fn pass(&mut self, length: usize) {
        self.waiting += length as u64;
        let busy = self.syncing.as_ref().is_some_and(|syncing| !syncing.is_finished());
        if self.waiting < ENOUGH || busy {
            return;
        }
        self.waiting = 0;
        let file = self.file.clone();
        // A disk that says no says it again at the end, where it is heard.
        let sync = move || drop(File::open(file).and_then(|file| file.sync_data()));
        self.syncing = Some(tokio::task::spawn_blocking(sync));
    }
}
