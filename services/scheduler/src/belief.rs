//! The board and those who wait at it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleet::{Bidder, Board, Candidate, Job, JobId, ProductId, Timestamp};
use ledger::Counted;
use tokio::sync::{Notify, SetOnce};

/// What this scheduler believes, and a bell for parked claims.
#[derive(Debug, Default)]
pub(crate) struct Belief {
    board: Mutex<Board>,
    bell: Notify,
    /// Jobs that there was news of and that were not read since, each once, with the newest event
    /// that was told of it.
    unread: Mutex<BTreeMap<(ProductId, JobId), u64>>,
    told: Notify,
    read: SetOnce<()>,
    parked: AtomicU64,
}

/// What there was news of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) job: JobId,
    /// The event that was told: a version with it has all the news.
    pub(crate) through: u64,
}

/// A claim that waits at the board, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Parked<'a>(&'a AtomicU64);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// By rank, as the board orders: 0 is the most urgent.
const AGES: [&str; 4] = [
    "queue_age_seconds{rank=\"0\"}",
    "queue_age_seconds{rank=\"1\"}",
    "queue_age_seconds{rank=\"2\"}",
    "queue_age_seconds{rank=\"3\"}",
];

/// What a claim looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) product: &'a ProductId,
    pub(crate) bidder: &'a Bidder,
    /// What the request was refused already.
    pub(crate) exclude: &'a [JobId],
    pub(crate) now: Timestamp,
}

/// Of so many that are equally urgent a claim that lost to another scheduler takes any, so that the
/// two do not meet again at the next.
const EQUALS: usize = 8;
/// Jobs that may wait to be read; the reading of all finds the rest.
const UNREAD_LIMIT: usize = 1 << 16;

impl Belief {
    pub(crate) fn learn(&self, job: &Job) {
        self.learn_all([job]);
    }

    /// Whoever is parked hears once of all the jobs that might be had, and of holders who left what
    /// others need; what holders do meanwhile is no business of theirs.
    pub(crate) fn learn_all<'a>(&self, jobs: impl IntoIterator<Item = &'a Job>) {
        let mut concerned = false;
        for job in jobs {
            concerned |= self.board().upsert(job) && job.holder().is_none();
        }
        if concerned {
            self.bell.notify_waiters();
        }
    }

    /// There is news of a job; several pieces of it before the job is read are as good as one.
    pub(crate) fn hear(&self, product: ProductId, news: Told) {
        let mut unread = self.unread();
        if unread.len() < UNREAD_LIMIT {
            let newest = unread.entry((product, news.job)).or_default();
            *newest = news.through.max(*newest);
        }
        drop(unread);
        self.told.notify_one();
    }

    /// A job that there was news of; waits for one.
    pub(crate) async fn heard(&self) -> (ProductId, Told) {
        loop {
            let heard = self.unread().pop_first();
            match heard {
                Some(((product, job), through)) => return (product, Told { job, through }),
                None => self.told.notified().await,
            }
        }
    }

    fn unread(&self) -> MutexGuard<'_, BTreeMap<(ProductId, JobId), u64>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        // A belief that a panic left half changed is only wrong, which it may be at any time.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the best job for this bidder off the board, so that no two claims of this scheduler
    /// go for the same one. Whatever comes of the claim, the job is read and learnt again. `among`
    /// says which of the first so many that are equally urgent.
    pub(crate) fn take(
        &self,
        wanted: &Wanted<'_>,
        among: impl FnOnce(usize) -> usize,
    ) -> Option<Candidate> {
        let Wanted { product, bidder, exclude, now } = *wanted;
        let mut board = self.board();
        let mut best = board.pick(product, bidder, exclude.len() + EQUALS, now);
        best.retain(|candidate| !exclude.contains(&candidate.job));
        let rank = best.first()?.rank;
        let equals = best.iter().take(EQUALS).take_while(|candidate| candidate.rank == rank);
        let taken = *best.get(among(equals.count()))?;
        board.remove(taken.job, taken.rev);
        Some(taken)
    }

    /// All that stood when this scheduler started is known now; and whatever parked claims were not
    /// told of since, they see now.
    pub(crate) fn is_read(&self) {
        // Not the first reading: it was known before.
        let _known = self.read.set(());
        self.wake();
    }

    pub(crate) fn was_read(&self) -> bool {
        self.read.initialized()
    }

    /// Resolves once every job was read.
    pub(crate) async fn whole(&self) {
        self.read.wait().await;
    }

    /// Resolves at the next news.
    pub(crate) fn news(&self) -> tokio::sync::futures::Notified<'_> {
        self.bell.notified()
    }

    pub(crate) fn park(&self) -> Parked<'_> {
        self.parked.fetch_add(1, Ordering::Relaxed);
        Parked(&self.parked)
    }

    /// For people who watch.
    pub(crate) fn counted(&self, now: Timestamp) -> Vec<Counted> {
        let (jobs, oldest) = {
            let board = self.board();
            (board.len(), board.oldest())
        };
        let mut all = vec![
            ("board_jobs", "gauge", jobs as u64),
            ("board_unread", "gauge", self.unread().len() as u64),
            ("claims_parked", "gauge", self.parked.load(Ordering::Relaxed)),
        ];
        let age = |rank| oldest.get(&rank).map_or(0, |created| now.since(*created).as_secs());
        all.extend((0..).zip(AGES).map(|(rank, name)| (name, "gauge", age(rank))));
        all
    }

    pub(crate) fn wake(&self) {
        self.bell.notify_waiters();
    }
}
