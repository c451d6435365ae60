//! The board and those who wait at it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fleet::{Bidder, Board, Candidate, Job, JobId, ProductId, Timestamp};
use tokio::sync::{Notify, SetOnce};

/// What this scheduler believes, and a bell for parked claims.
#[derive(Debug, Default)]
pub(crate) struct Belief {
    board: Mutex<Board>,
    bell: Notify,
    read: SetOnce<()>,
}

impl Belief {
    pub(crate) fn learn(&self, job: &Job) {
        self.board().upsert(job);
        self.bell.notify_waiters();
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        // A belief that a panic left half changed is only wrong, which it may be at any time.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the best job for this bidder off the board, so that no two claims of this scheduler
    /// go for the same one. Whatever comes of the claim, the job is read and learnt again.
    pub(crate) fn take(
        &self,
        product: &ProductId,
        bidder: &Bidder,
        exclude: &[JobId],
        now: Timestamp,
    ) -> Option<Candidate> {
        let mut board = self.board();
        let best = board.pick(product, bidder, exclude.len() + 1, now);
        let taken = best.into_iter().find(|candidate| !exclude.contains(&candidate.job))?;
        board.remove(taken.job, taken.rev);
        Some(taken)
    }

    /// All that stood when this scheduler started is known now.
    pub(crate) fn is_read(&self) {
        // Not the first reading: it was known before.
        let _known = self.read.set(());
    }

    /// Resolves once every job was read.
    pub(crate) async fn whole(&self) {
        self.read.wait().await;
    }

    /// Resolves at the next news.
    pub(crate) fn news(&self) -> tokio::sync::futures::Notified<'_> {
        self.bell.notified()
    }

    pub(crate) fn wake(&self) {
        self.bell.notify_waiters();
    }
}
