//! What becomes of a job whose run failed: again later, failed for good, or given up.

use std::time::Duration;

use crate::content::{Backoff, RetryClass};
use crate::job::Job;
use crate::job::Used;
use crate::job::evolve::Rest;
use crate::job::wish::Circumstances;
use crate::report::RunResult;
use crate::stage::{DeadReason, FailureReason};
use crate::time::Timestamp;

const FIRST_BACKOFF: Duration = Duration::from_secs(30);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);
/// The first reap waits for nothing, the second for this, each later one twice as long.
const SECOND_REAP: Duration = Duration::from_secs(5);
const LONGEST_REAP_BACKOFF: Duration = Duration::from_secs(300);

/// Chance in thousandths of a span, from 800 to 1200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(u32);

impl Jitter {
    pub const NONE: Self = Self(1000);

    /// Spreads what `drawn` out of `most` says over ±20 %.
    #[must_use]
    pub fn of(drawn: Duration, most: Duration) -> Self {
        let share = drawn.as_secs_f64() / most.as_secs_f64().max(f64::MIN_POSITIVE);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number between 0 and 400"
        )]
        Self(800 + (share.clamp(0.0, 1.0) * 400.0) as u32)
    }

    fn spread(self, span: Duration) -> Duration {
        span * self.0 / 1000
    }
}

/// Whether the run's end is to be charged, and where the job goes.
pub(crate) enum Verdict {
    Again(Rest),
    Over(Rest),
}

impl Job {
    /// The outcome of a charged failure at `now`, with the run's own usage counted in.
    pub(crate) fn outcome(
        &self,
        result: RunResult,
        used: Used,
        given: &Circumstances,
        now: Timestamp,
    ) -> Verdict {
        let spent = self.content.budget.is_some_and(|budget| used.exhausts(&budget));
        if spent || result == RunResult::BudgetExceeded {
            return Verdict::Over(Rest::DeadLetter(DeadReason::BudgetExceeded));
        }
        let reason = result.failure().unwrap_or(FailureReason::Failed);
        let policy = self.content.retry.as_ref();
        let policy = policy
            .filter(|policy| result.retry_class().is_some_and(|class| policy.on.contains(&class)));
        let Some(policy) = policy else { return Verdict::Over(Rest::Failed(reason)) };
        let failures = self.failures + 1;
        if failures >= policy.max {
            return Verdict::Over(Rest::DeadLetter(DeadReason::RetriesExhausted));
        }
        let wait = given.jitter.spread(policy.backoff.after(failures));
        Verdict::Again(self.waiting(given, Some(now.plus(wait))))
    }

    /// Whether the next charged failure is the last.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.content.retry.as_ref().is_some_and(|policy| self.failures >= policy.max)
    }

    /// When a job that was just taken back for silence may be claimed again.
    pub(crate) fn reap_backoff(&self, now: Timestamp) -> Option<Timestamp> {
        let doublings = self.reaps.checked_sub(1)?;
        let wait = SECOND_REAP.saturating_mul(1 << doublings.min(16));
        Some(now.plus(wait.min(LONGEST_REAP_BACKOFF)))
    }
}

impl Backoff {
    fn after(self, failures: u32) -> Duration {
        match self {
            Self::Exp => {
                let doublings = failures.saturating_sub(1).min(16);
                FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF)
            }
            Self::Fixed(seconds) => Duration::from_secs(seconds),
        }
    }
}

impl RunResult {
    /// What the retry policy calls this end; an end without class is never retried.
    #[must_use]
    pub fn retry_class(self) -> Option<RetryClass> {
        match self {
            Self::Timeout => Some(RetryClass::Timeout),
            Self::VerifyFailed => Some(RetryClass::VerifyFailed),
            Self::Failed | Self::Crash => Some(RetryClass::Crash),
            Self::Shipped
            | Self::Yielded
            | Self::CapabilityMismatch
            | Self::NoEngine
            | Self::CwdRefused
            | Self::BudgetExceeded
            | Self::Cancelled
            | Self::LeaseExpired
            | Self::Requeued
            | Self::SentBack
            | Self::Rejected
            | Self::LockLost => None,
        }
    }

    /// The reason a job fails with when a holder reports this end; none for an end that is not
    /// the holder's to report.
    #[must_use]
    pub fn failure(self) -> Option<FailureReason> {
        match self {
            Self::Failed => Some(FailureReason::Failed),
            Self::Timeout => Some(FailureReason::Timeout),
            Self::VerifyFailed => Some(FailureReason::VerifyFailed),
            Self::Crash => Some(FailureReason::Crash),
            Self::CapabilityMismatch => Some(FailureReason::CapabilityMismatch),
            Self::NoEngine => Some(FailureReason::NoEngine),
            Self::CwdRefused => Some(FailureReason::CwdRefused),
            Self::Cancelled => Some(FailureReason::Cancelled),
            Self::Shipped
            | Self::Yielded
            | Self::BudgetExceeded
            | Self::LeaseExpired
            | Self::Requeued
            | Self::SentBack
            | Self::Rejected
            | Self::LockLost => None,
        }
    }
}
