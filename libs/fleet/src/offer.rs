//! Which job goes first, and who hears of it first. Never depends on the order of its input.

use std::time::Duration;

use crate::factory::Health;
use crate::id::{FactoryId, JobId};
use crate::job::{Bidder, Job, unsuited};
use crate::time::Timestamp;

/// Where a job stands in the queue; smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    pub effective: u8,
    pub created_at: Timestamp,
    pub job: JobId,
}

impl Rank {
    /// Waiting raises a job by one rank for each `ageing` step; zero turns ageing off.
    #[must_use]
    pub fn of(job: &Job, ageing: Duration, now: Timestamp) -> Self {
        let rank = job.content.priority_rank;
        let steps = match ageing.as_secs() {
            0 => 0,
            step => now.since(job.waiting_since()).as_secs() / step,
        };
        let effective = u8::try_from(u64::from(rank).saturating_sub(steps)).unwrap_or(0);
        Self { effective, created_at: job.head.created_at, job: job.id }
    }
}

/// A factory as a scheduler believes it to stand.
#[derive(Clone, Debug)]
pub struct Standby {
    pub bidder: Bidder,
    pub load: f64,
    /// When it was last seen with a job, by the scheduler's own clock.
    pub worked_at: Duration,
}

/// The factories that could take the job now, the best suited first: those that have least beside
/// what it asks for, are well, carry little and have been idle longest. Never changes which job is
/// next.
#[must_use]
pub fn best_suited<'a>(job: &Job, standby: &'a [Standby], now: Timestamp) -> Vec<&'a FactoryId> {
    let fits = |one: &&Standby| unsuited(job, &one.bidder, now).is_none();
    let mut fitting: Vec<&Standby> = standby.iter().filter(fits).collect();
    fitting.sort_by(|one, other| {
        let known = |one: &Standby| {
            let unwell = one.bidder.health != Health::Ok;
            (one.bidder.capabilities.len(), unwell)
        };
        known(one)
            .cmp(&known(other))
            .then(one.load.total_cmp(&other.load))
            .then(one.worked_at.cmp(&other.worked_at))
            .then(one.bidder.factory.cmp(&other.bidder.factory))
    });
    fitting.into_iter().map(|one| &one.bidder.factory).collect()
}

impl Job {
    /// Since when it could have been claimed, for ageing: a requeue keeps its age.
    pub(crate) fn waiting_since(&self) -> Timestamp {
        let queued = self.first_queued_at.unwrap_or(self.head.created_at);
        self.content.not_before.map_or(queued, |start| start.max(queued))
    }
}
