//! Whom a job fits, and when: the filters before a claim. They choose nobody and order nothing.

use std::time::Duration;

use crate::capability::unmet;
use crate::content::Priority;
use crate::factory::Health;
use crate::job::{Bidder, Circumstances, Job};
use crate::stage::Stage;
use crate::time::Timestamp;

/// What a degraded factory leaves to healthier ones first.
pub(crate) const DEGRADED_WAITS: Duration = Duration::from_secs(5);

/// Why a job is not this bidder's now; the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfit {
    NotAdmitted,
    NotQueued,
    DepsUnmet,
    Paused,
    NotBefore,
    RetryBackoff,
    NoFactory,
    Unroutable,
    EngineUnavailable,
    NoSeat,
    DegradedOnly,
}

impl Unfit {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAdmitted => "not_admitted",
            Self::NotQueued => "not_queued",
            Self::DepsUnmet => "deps_unmet",
            Self::Paused => "paused",
            Self::NotBefore => "not_before",
            Self::RetryBackoff => "retry_backoff",
            Self::NoFactory => "no_factory",
            Self::Unroutable => "unroutable",
            Self::EngineUnavailable => "engine_unavailable",
            Self::NoSeat => "no_seat",
            Self::DegradedOnly => "degraded_only",
        }
    }
}

/// The filters before a claim, in the order in which a person would want to hear them.
#[must_use]
pub fn unfit(job: &Job, bidder: &Bidder, given: &Circumstances, now: Timestamp) -> Option<Unfit> {
    unclaimable(job, given, now).or_else(|| unsuited(job, bidder, now))
}

/// What keeps the job from everyone.
#[must_use]
pub fn unclaimable(job: &Job, given: &Circumstances, now: Timestamp) -> Option<Unfit> {
    let content = &job.content;
    if !job.admitted {
        Some(Unfit::NotAdmitted)
    } else if job.stage != Stage::Queued {
        Some(Unfit::NotQueued)
    } else if !given.ready {
        Some(Unfit::DepsUnmet)
    } else if given.paused {
        Some(Unfit::Paused)
    } else if content.not_before.is_some_and(|start| now < start) {
        Some(Unfit::NotBefore)
    } else if job.retry_not_before.is_some_and(|start| now < start) {
        Some(Unfit::RetryBackoff)
    } else {
        None
    }
}

/// What keeps the job from this bidder.
#[must_use]
pub fn unsuited(job: &Job, bidder: &Bidder, now: Timestamp) -> Option<Unfit> {
    if bidder.health == Health::Down || bidder.stale || bidder.draining {
        Some(Unfit::NoFactory)
    } else if unmet(&job.content.capabilities, &bidder.capabilities).is_some() {
        Some(Unfit::Unroutable)
    } else if !has_engine(job, bidder) {
        Some(Unfit::EngineUnavailable)
    } else if bidder.free_seats == 0 {
        Some(Unfit::NoSeat)
    } else if bidder.health == Health::Degraded && !job.is_for_the_degraded(now) {
        Some(Unfit::DegradedOnly)
    } else {
        None
    }
}

fn has_engine(job: &Job, bidder: &Bidder) -> bool {
    job.content.engine.as_ref().is_none_or(|engine| bidder.engines.contains(engine))
}

impl Job {
    /// Since when, in its present wait, anyone could have claimed it.
    pub(crate) fn claimable_since(&self) -> Timestamp {
        let claimable = [self.queued_at, self.content.not_before, self.retry_not_before];
        claimable.into_iter().flatten().max().unwrap_or(self.head.created_at)
    }

    pub(crate) fn is_for_the_degraded(&self, now: Timestamp) -> bool {
        let urgent = match self.content.priority {
            Priority::Critical | Priority::High => true,
            Priority::Medium | Priority::Low => false,
        };
        urgent && now.since(self.claimable_since()) >= DEGRADED_WAITS
    }
}
