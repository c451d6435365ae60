//! Which job goes first. Never depends on the order of its input.

use std::time::Duration;

use crate::id::JobId;
use crate::job::Job;
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

impl Job {
    /// Since when it could have been claimed, for ageing: a requeue keeps its age.
    pub(crate) fn waiting_since(&self) -> Timestamp {
        let queued = self.first_queued_at.unwrap_or(self.head.created_at);
        self.content.not_before.map_or(queued, |start| start.max(queued))
    }
}
