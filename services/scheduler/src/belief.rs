//! The board and those who wait at it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleet::{Bidder, Board, Candidate, Job, JobId, ProductId, Timestamp};
use tokio::sync::{Notify, SetOnce};

/// What this scheduler believes, and a bell for parked claims.
#[derive(Debug, Default)]
pub(crate) struct Belief {
    board: Mutex<Board>,
    bell: Notify,
    /// Jobs that there was news of and that were not read since, each once.
    unread: Mutex<BTreeSet<(ProductId, JobId)>>,
    told: Notify,
    read: SetOnce<()>,
}

/// Jobs that may wait to be read; the reading of all finds the rest.
const UNREAD_LIMIT: usize = 1 << 16;

impl Belief {
    /// Whoever is parked hears of jobs that might be had, and of holders who left what others need;
    /// what holders do meanwhile is no business of theirs.
    pub(crate) fn learn(&self, job: &Job) {
        self.board().upsert(job);
        if job.holder().is_none() {
            self.bell.notify_waiters();
        }
    }

    /// There is news of a job; several pieces of it before the job is read are as good as one.
    pub(crate) fn hear(&self, product: ProductId, job: JobId) {
        let mut unread = self.unread();
        if unread.len() < UNREAD_LIMIT {
            unread.insert((product, job));
        }
        drop(unread);
        self.told.notify_one();
    }

    /// The jobs that there was news of; waits for the first.
    pub(crate) async fn heard(&self) -> BTreeSet<(ProductId, JobId)> {
        loop {
            let heard = std::mem::take(&mut *self.unread());
            if !heard.is_empty() {
                return heard;
            }
            self.told.notified().await;
        }
    }

    fn unread(&self) -> MutexGuard<'_, BTreeSet<(ProductId, JobId)>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
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
