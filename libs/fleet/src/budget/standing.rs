//! How a budget stands: what is spent, kept and left in the present window, and what a claim would
//! keep of it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Budget, BudgetEvent, Reservation, Window};
use crate::id::Nonce;
use crate::job::Job;
use crate::money::MicroUsd;
use crate::product::Product;
use crate::profile::Snapshot;
use crate::record::Record;
use crate::time::Timestamp;

/// Longer than any month, and shorter than any two.
const INTO_THE_NEXT_MONTH: Duration = Duration::from_secs(32 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    pub spent_usd: MicroUsd,
    pub spent_tokens: u64,
    pub reserved_usd: MicroUsd,
    pub reserved_tokens: u64,
    /// Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_usd: Option<MicroUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_tokens: Option<u64>,
    /// When the window begins anew; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
}

impl Budget {
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let present = self.as_of(now);
        let kept_usd = present.reserved.iter().map(|kept| kept.usd.minus(kept.told_usd));
        let kept_tokens =
            present.reserved.iter().map(|kept| kept.tokens.saturating_sub(kept.told_tokens));
        let reserved_usd = kept_usd.fold(MicroUsd::ZERO, MicroUsd::plus);
        let reserved_tokens = kept_tokens.fold(0, u64::saturating_add);
        let used_usd = present.spent_usd.plus(reserved_usd);
        let used_tokens = present.spent_tokens.saturating_add(reserved_tokens);
        Standing {
            spent_usd: present.spent_usd,
            spent_tokens: present.spent_tokens,
            reserved_usd,
            reserved_tokens,
            remaining_usd: self.limit_usd.map(|limit| limit.minus(used_usd)),
            remaining_tokens: self.limit_tokens.map(|limit| limit.saturating_sub(used_tokens)),
            resets_at: self.window.next(now),
        }
    }

    /// Whether this budget counts what the job spends.
    #[must_use]
    pub fn covers(&self, job: &Job) -> bool {
        let profile = job.content.profile.as_ref().map(|profile| &profile.name);
        self.matches(profile, job.content.engine.as_ref())
    }

    /// Whether a claim of the job would be refused for this budget.
    #[must_use]
    pub fn refuses(&self, job: &Job, product: &Product, now: Timestamp) -> bool {
        let (usd, tokens) = job.estimate(product, None);
        let wished = Reservation {
            claim_nonce: Nonce::from_uuid(uuid::Uuid::nil()),
            job_id: job.id,
            usd,
            tokens,
            told_usd: MicroUsd::ZERO,
            told_tokens: 0,
            at: now,
        };
        self.covers(job) && !self.as_of(now).has_room_for(&wished)
    }

    /// In the window of `now`.
    fn as_of(&self, now: Timestamp) -> Self {
        let start = self.window.start(now);
        let present = self.clone();
        if start > self.window_start {
            return present.evolve(&BudgetEvent::RolledOver(start));
        }
        present
    }
}

impl Window {
    fn next(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::None => None,
            Self::Day => Some(now.day().plus(DAY)),
            Self::Month => Some(now.month().plus(INTO_THE_NEXT_MONTH).month()),
        }
    }
}

impl Job {
    /// What a claim keeps for itself: what is left of the job's own budget, or the guess of its
    /// profile, or else the product's.
    #[must_use]
    pub fn estimate(&self, product: &Product, profile: Option<&Snapshot>) -> (MicroUsd, u64) {
        let usd = profile.and_then(|profile| profile.estimate_usd);
        let tokens = profile.and_then(|profile| profile.estimate_tokens);
        let guess = (
            usd.unwrap_or(product.default_estimate_usd),
            tokens.unwrap_or(product.default_estimate_tokens),
        );
        let own = self.content.budget.unwrap_or_default();
        let usd = own.usd.map_or(guess.0, |limit| limit.minus(self.used.usd_used).min(guess.0));
        let tokens = own
            .tokens
            .map_or(guess.1, |limit| limit.saturating_sub(self.used.tokens_used).min(guess.1));
        (usd, tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_over_counts_for_nothing() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let noon = at("2026-01-31T12:00:00Z");
        let (id, product) = ("b".parse().unwrap(), "acme".parse().unwrap());
        let mut budget = Budget::new(id, product, Window::Month, noon);
        budget.limit_usd = Some(MicroUsd::from_micros(10));
        budget.spent_usd = MicroUsd::from_micros(7);
        let now = budget.standing(noon);
        assert_eq!(now.remaining_usd, Some(MicroUsd::from_micros(3)));
        assert_eq!(now.resets_at, Some(at("2026-02-01T00:00:00Z")));
        let later = budget.standing(at("2026-02-01T00:00:00Z"));
        assert_eq!(later.remaining_usd, Some(MicroUsd::from_micros(10)));
        assert_eq!(later.resets_at, Some(at("2026-03-01T00:00:00Z")));
    }
}
