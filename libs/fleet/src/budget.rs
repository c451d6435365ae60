//! A ceiling on what a product spends: reserved before a claim, spent as runs report, begun anew
//! with each window.

mod standing;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{BudgetId, EngineName, JobId, Nonce, ProductId, ProfileName};
use crate::lock::RESERVATION_LIFE;
use crate::money::MicroUsd;
use crate::record::{Head, Record};
use crate::rejection::{Code, Rejection};
use crate::time::Timestamp;

pub use standing::Standing;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    pub id: BudgetId,
    #[serde(flatten)]
    pub head: Head,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_usd: Option<MicroUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_tokens: Option<u64>,
    pub window: Window,
    pub window_start: Timestamp,
    pub spent_usd: MicroUsd,
    pub spent_tokens: u64,
    pub reserved: Vec<Reservation>,
    pub soft_pct: u8,
    pub enabled: bool,
    /// Absent: every job.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<AppliesTo>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    None,
    Day,
    Month,
}

/// Room kept for one claim. What it has reported so far is spent, the rest is still kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    pub claim_nonce: Nonce,
    pub job_id: JobId,
    pub usd: MicroUsd,
    pub tokens: u64,
    #[serde(default)]
    pub told_usd: MicroUsd,
    #[serde(default)]
    pub told_tokens: u64,
    pub at: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AppliesTo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
}

#[derive(Clone, Debug)]
pub enum BudgetCommand {
    Reserve(Reservation),
    /// The run of this claim has used so much so far; a repeat adds nothing.
    Tell(Nonce, MicroUsd, u64),
    /// The run is over; what it kept and did not use is free again.
    Settle(Nonce, MicroUsd, u64),
    /// Undo a reservation that no claim followed.
    Free(Nonce),
}

#[derive(Clone, Debug)]
pub enum BudgetEvent {
    RolledOver(Timestamp),
    Reserved(Reservation),
    Told(Nonce, MicroUsd, u64),
    Freed(Nonce),
}

impl Budget {
    /// A budget without limits set yet.
    #[must_use]
    pub fn new(id: BudgetId, product: ProductId, window: Window, now: Timestamp) -> Self {
        Self {
            id,
            head: Head::new(product, now),
            limit_usd: None,
            limit_tokens: None,
            window,
            window_start: window.start(now),
            spent_usd: MicroUsd::ZERO,
            spent_tokens: 0,
            reserved: Vec::new(),
            soft_pct: 80,
            enabled: true,
            applies_to: None,
            unknown: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn matches(&self, profile: Option<&ProfileName>, engine: Option<&EngineName>) -> bool {
        self.enabled
            && self.applies_to.as_ref().is_none_or(|to| {
                to.profile.as_ref().is_none_or(|wanted| Some(wanted) == profile)
                    && to.engine.as_ref().is_none_or(|wanted| Some(wanted) == engine)
            })
    }

    fn reservation(&self, nonce: Nonce) -> Option<&Reservation> {
        self.reserved.iter().find(|kept| kept.claim_nonce == nonce)
    }

    /// Whether `spent + reserved + estimate` stays within the limits, and anything is left at all.
    fn has_room_for(&self, new: &Reservation) -> bool {
        let kept = |amount: fn(&Reservation) -> u64| {
            self.reserved.iter().map(amount).fold(0, u64::saturating_add)
        };
        let fits = |spent: u64, kept: u64, estimate: u64, limit: Option<u64>| {
            limit.is_none_or(|limit| {
                spent < limit && spent.saturating_add(kept).saturating_add(estimate) <= limit
            })
        };
        let usd = kept(|kept| kept.usd.minus(kept.told_usd).micros());
        let tokens = kept(|kept| kept.tokens.saturating_sub(kept.told_tokens));
        let limit_usd = self.limit_usd.map(MicroUsd::micros);
        fits(self.spent_usd.micros(), usd, new.usd.micros(), limit_usd)
            && fits(self.spent_tokens, tokens, new.tokens, self.limit_tokens)
    }

    fn told(&self, nonce: Nonce, usd: MicroUsd, tokens: u64) -> Option<BudgetEvent> {
        let kept = self.reservation(nonce)?;
        (usd > kept.told_usd || tokens > kept.told_tokens)
            .then_some(BudgetEvent::Told(nonce, usd, tokens))
    }

    fn judge(&self, command: &BudgetCommand) -> Result<Vec<BudgetEvent>, Rejection> {
        match command {
            BudgetCommand::Reserve(new) if self.reservation(new.claim_nonce).is_some() => {
                Ok(Vec::new())
            }
            BudgetCommand::Reserve(new) if self.has_room_for(new) => {
                Ok(vec![BudgetEvent::Reserved(new.clone())])
            }
            BudgetCommand::Reserve(_) => {
                Err(Rejection::new(Code::Conflict).because("budget_exhausted"))
            }
            BudgetCommand::Tell(nonce, usd, tokens) => {
                Ok(self.told(*nonce, *usd, *tokens).into_iter().collect())
            }
            BudgetCommand::Settle(nonce, usd, tokens) => {
                let free = self.reservation(*nonce).map(|_| BudgetEvent::Freed(*nonce));
                Ok(self.told(*nonce, *usd, *tokens).into_iter().chain(free).collect())
            }
            BudgetCommand::Free(nonce) => Ok(self
                .reservation(*nonce)
                .map(|_| BudgetEvent::Freed(*nonce))
                .into_iter()
                .collect()),
        }
    }

    /// Reservations old enough to be nobody's, for the sweep to hold against their jobs.
    #[must_use]
    pub fn old_reservations(&self, now: Timestamp) -> Vec<&Reservation> {
        self.reserved.iter().filter(|kept| now.since(kept.at) > RESERVATION_LIFE).collect()
    }
}

impl Window {
    fn start(self, now: Timestamp) -> Timestamp {
        match self {
            Self::None => Timestamp::EPOCH,
            Self::Day => now.day(),
            Self::Month => now.month(),
        }
    }
}

impl Record for Budget {
    type Command = BudgetCommand;
    type Event = BudgetEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: &BudgetCommand,
        now: Timestamp,
    ) -> Result<Vec<BudgetEvent>, Rejection> {
        let start = self.window.start(now);
        if start <= self.window_start {
            return self.judge(command);
        }
        let rolled = BudgetEvent::RolledOver(start);
        let events = self.clone().evolve(&rolled).judge(command)?;
        Ok(std::iter::once(rolled).chain(events).collect())
    }

    fn evolve(mut self, event: &BudgetEvent) -> Self {
        match event {
            BudgetEvent::RolledOver(start) => {
                self.window_start = *start;
                self.spent_usd = MicroUsd::ZERO;
                self.spent_tokens = 0;
            }
            BudgetEvent::Reserved(new) => self.reserved.push(new.clone()),
            BudgetEvent::Told(nonce, usd, tokens) => {
                for kept in self.reserved.iter_mut().filter(|kept| kept.claim_nonce == *nonce) {
                    self.spent_usd = self.spent_usd.plus(usd.minus(kept.told_usd));
                    self.spent_tokens += tokens.saturating_sub(kept.told_tokens);
                    kept.told_usd = kept.told_usd.max(*usd);
                    kept.told_tokens = kept.told_tokens.max(*tokens);
                }
            }
            BudgetEvent::Freed(nonce) => self.reserved.retain(|kept| kept.claim_nonce != *nonce),
        }
        self
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::EPOCH;

    fn daily(limit_usd: u64) -> Budget {
        let id = "daily".parse().unwrap();
        let mut budget = Budget::new(id, "acme".parse().unwrap(), Window::Day, START);
        budget.limit_usd = Some(usd(limit_usd));
        budget
    }

    fn usd(dollars: u64) -> MicroUsd {
        MicroUsd::from_micros(dollars * 1_000_000)
    }

    fn nonce(n: u8) -> Nonce {
        format!("01890a5d-ac96-774b-bcce-b302099a80{n:02}").parse().unwrap()
    }

    fn reserve(n: u8, dollars: u64) -> BudgetCommand {
        BudgetCommand::Reserve(Reservation {
            claim_nonce: nonce(n),
            job_id: JobId::of(&"acme".parse().unwrap(), &"k".parse().unwrap()),
            usd: usd(dollars),
            tokens: 0,
            told_usd: MicroUsd::ZERO,
            told_tokens: 0,
            at: START,
        })
    }

    fn told(budget: Budget, command: &BudgetCommand, now: Timestamp) -> Budget {
        let events = budget.decide(command, now).unwrap();
        events.iter().fold(budget, Budget::evolve)
    }

    #[test]
    fn what_is_spent_and_kept_leaves_no_room_for_more() {
        let budget = told(daily(10), &reserve(1, 6), START);
        let refused = budget.decide(&reserve(2, 5), START).unwrap_err();
        assert_eq!(refused.reason, Some("budget_exhausted"));
        let budget = told(budget, &BudgetCommand::Settle(nonce(1), usd(2), 0), START);
        let budget = told(budget, &reserve(2, 5), START);
        assert_eq!((budget.spent_usd, budget.reserved.len()), (usd(2), 1));
    }

    #[test]
    fn a_report_said_twice_is_spent_once() {
        let budget = told(daily(10), &reserve(1, 6), START);
        let tell = BudgetCommand::Tell(nonce(1), usd(4), 0);
        let budget = told(budget, &tell, START);
        assert!(budget.decide(&tell, START).unwrap().is_empty());
        assert!(budget.decide(&reserve(1, 6), START).unwrap().is_empty());
        let budget = told(budget, &BudgetCommand::Settle(nonce(1), usd(5), 0), START);
        assert_eq!((budget.spent_usd, budget.reserved.len()), (usd(5), 0));
        let again = BudgetCommand::Settle(nonce(1), usd(5), 0);
        assert!(budget.decide(&again, START).unwrap().is_empty());
    }

    #[test]
    fn a_spent_budget_takes_nothing_until_its_window_turns() {
        let budget = told(daily(5), &reserve(1, 5), START);
        let budget = told(budget, &BudgetCommand::Settle(nonce(1), usd(5), 0), START);
        assert!(budget.decide(&reserve(2, 0), START).is_err());
        let tomorrow = START.plus(Duration::from_secs(86_400));
        let budget = told(budget, &reserve(2, 1), tomorrow);
        assert_eq!((budget.spent_usd, budget.window_start), (MicroUsd::ZERO, tomorrow));
    }

    #[test]
    fn a_reservation_without_a_claim_is_found_after_its_life() {
        let budget = told(daily(5), &reserve(1, 1), START);
        let life = START.plus(RESERVATION_LIFE);
        assert!(budget.old_reservations(life).is_empty());
        let late = life.plus(Duration::from_millis(1));
        assert_eq!(budget.old_reservations(late).len(), 1);
        let budget = told(budget, &BudgetCommand::Free(nonce(1)), late);
        assert!(budget.reserved.is_empty());
    }
}
