//! What goes wrong between a client and its account, repeatably from a seed: thrown for each
//! request as it arrives. Nothing here breaks a promise of the service.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// How often each fault strikes, in requests of a thousand. The default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A write is done and the connection ends without a reply.
    pub lost_replies: u16,
    /// The connection ends before a write is looked at.
    pub lost_writes: u16,
    /// A request is refused with 429 and told to come again after `retry_after`.
    pub throttled: u16,
    pub retry_after: Duration,
}

/// How many faults struck so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    pub lost_replies: u64,
    pub lost_writes: u64,
    pub throttled: u64,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Fair,
    LostReply,
    LostWrite,
    Throttled(Duration),
}

#[derive(Debug)]
pub(crate) struct Dice {
    chance: ChaCha8Rng,
    faults: Faults,
    injected: Injected,
    /// Replies still to be lost, whatever the dice say.
    owed: u32,
    /// Faults from the last of those on.
    after: Option<Faults>,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let chance = ChaCha8Rng::seed_from_u64(seed);
        Self {
            chance,
            faults: Faults::default(),
            injected: Injected::default(),
            owed: 0,
            after: None,
        }
    }

    pub(crate) fn set(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// And with the last of them, other faults.
    pub(crate) fn owe(&mut self, lost_replies: u32, after: Option<Faults>) {
        self.owed = lost_replies;
        self.after = after;
    }

    pub(crate) fn injected(&self) -> Injected {
        self.injected
    }

    pub(crate) fn throw(&mut self, is_write: bool) -> Fate {
        let faults = self.faults;
        if self.strikes(faults.throttled) {
            self.injected.throttled += 1;
            return Fate::Throttled(faults.retry_after);
        }
        if !is_write {
            return Fate::Fair;
        }
        let owed = self.owed > 0;
        self.owed = self.owed.saturating_sub(1);
        if let Some(after) = self.after.take_if(|_| owed && self.owed == 0) {
            self.faults = after;
        }
        if owed || self.strikes(faults.lost_replies) {
            self.injected.lost_replies += 1;
            return Fate::LostReply;
        }
        if self.strikes(faults.lost_writes) {
            self.injected.lost_writes += 1;
            return Fate::LostWrite;
        }
        Fate::Fair
    }

    fn strikes(&mut self, of_thousand: u16) -> bool {
        of_thousand > 0 && self.chance.next_u32() % 1000 < u32::from(of_thousand)
    }
}
