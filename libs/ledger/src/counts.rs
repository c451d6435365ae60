//! What a ledger has lived through since it began, for people who watch. Nothing is decided by it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Ledger;
use crate::commit::Miss;
use crate::reap::Reaped;

/// Name, kind and value of one number; a name may end with its labels.
pub type Counted = (&'static str, &'static str, u64);

#[derive(Debug, Default)]
pub(crate) struct Counts {
    conflicts: AtomicU64,
    unknowns: AtomicU64,
    refused: AtomicU64,
    expired: AtomicU64,
    repaired: AtomicU64,
    followed: AtomicU64,
    besides: Mutex<Vec<Source>>,
}

/// Numbers of whoever works with this ledger, read when they are asked for.
struct Source(Box<dyn Fn() -> Vec<Counted> + Send>);

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Source(…)")
    }
}

impl Counts {
    /// A write that did not settle it.
    pub(crate) fn miss(&self, miss: Miss) {
        match miss {
            Miss::Conflict => add(&self.conflicts, 1),
            Miss::Unknown => add(&self.unknowns, 1),
        }
    }

    /// A holder's word that was not heard.
    pub(crate) fn refusal(&self) {
        add(&self.refused, 1);
    }

    pub(crate) fn reaped(&self, reaped: &Reaped) {
        add(&self.expired, reaped.expired.into());
        add(&self.repaired, reaped.repaired.into());
    }

    fn besides(&self) -> MutexGuard<'_, Vec<Source>> {
        self.besides.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn followed(&self, jobs: usize) {
        add(&self.followed, jobs as u64);
    }
}

impl Ledger {
    /// All of it, as it stands.
    #[must_use]
    pub fn counted(&self) -> Vec<Counted> {
        let counter = |name, count: &AtomicU64| (name, "counter", count.load(Ordering::Relaxed));
        let counts = &self.counts;
        let lag = self.agenda().lag(self.clock.uptime());
        let mut all = vec![
            counter("commit_conflicts_total", &counts.conflicts),
            counter("commit_unknowns_total", &counts.unknowns),
            counter("fencing_rejections_total", &counts.refused),
            counter("lease_expired_total", &counts.expired),
            counter("lease_repaired_total", &counts.repaired),
            counter("followed_total", &counts.followed),
            ("followers_due", "gauge", self.agenda().len() as u64),
            // Events are relayed in a follower's turn, so that this is the relay's lag too.
            (
                "follower_lag_milliseconds",
                "gauge",
                u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
            ),
        ];
        for source in self.counts.besides().iter() {
            all.extend(source.0());
        }
        all
    }

    /// A service's own numbers stand beside the ledger's from now on.
    pub fn count_too(&self, source: impl Fn() -> Vec<Counted> + Send + 'static) {
        self.counts.besides().push(Source(Box::new(source)));
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}
