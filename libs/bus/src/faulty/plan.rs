//! What shall go wrong next: drawn from a seed, counted, and ended on demand. Never touches a
//! message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::{Filter, Subject};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// How many of a thousand messages meet each fault, and how late the late ones are at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Odds {
    pub drop: u16,
    pub duplicate: u16,
    pub delay: u16,
    /// Held until the next message has overtaken it, `most` at the longest.
    pub reorder: u16,
    pub most: Duration,
}

/// How often each fault was injected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    pub dropped: u64,
    pub duplicated: u64,
    pub delayed: u64,
    pub reordered: u64,
    pub partitioned: u64,
}

/// What happens to one message; a span is how late it, or its double, comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Pass,
    Drop,
    Duplicate(Duration),
    Delay(Duration),
    Reorder(Duration),
}

/// Its clones are one plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    chance: ChaCha8Rng,
    odds: Odds,
    partitions: Vec<Filter>,
    injected: Injected,
}

impl Plan {
    pub(super) fn new(seed: u64, odds: Odds) -> Self {
        let state = State {
            chance: ChaCha8Rng::seed_from_u64(seed),
            odds,
            partitions: Vec::new(),
            injected: Injected::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(super) fn partition(&self, filter: Filter) {
        self.state().partitions.push(filter);
    }

    pub(super) fn rejoin(&self, filter: &Filter) {
        self.state().partitions.retain(|partition| partition != filter);
    }

    pub(super) fn heal(&self) {
        let mut state = self.state();
        state.partitions.clear();
        state.odds = Odds::default();
    }

    pub(super) fn injected(&self) -> Injected {
        self.state().injected
    }

    /// Whether a partition stops it; then it counts as stopped.
    pub(super) fn cuts(&self, subject: &Subject) -> bool {
        let mut state = self.state();
        let cut = state.partitions.iter().any(|partition| partition.matches(subject));
        state.injected.partitioned += u64::from(cut);
        cut
    }

    pub(super) fn fate(&self) -> Fate {
        let mut state = self.state();
        let State { chance, odds, injected, .. } = &mut *state;
        let mut draw = below(chance, 1_000);
        let mut meets = |share: u16| {
            let met = draw < u64::from(share);
            draw = if met { u64::MAX } else { draw - u64::from(share) };
            met
        };
        let hits = [odds.drop, odds.duplicate, odds.delay, odds.reorder].map(&mut meets);
        let most = u64::try_from(odds.most.as_micros()).unwrap_or(u64::MAX);
        match hits {
            [true, ..] => {
                injected.dropped += 1;
                Fate::Drop
            }
            [_, true, ..] => {
                injected.duplicated += 1;
                Fate::Duplicate(Duration::from_micros(below(chance, most)))
            }
            [_, _, true, _] => {
                injected.delayed += 1;
                Fate::Delay(Duration::from_micros(below(chance, most)))
            }
            [_, _, _, true] => {
                injected.reordered += 1;
                Fate::Reorder(odds.most)
            }
            [false, false, false, false] => Fate::Pass,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Evenly drawn from the numbers below `bound`; zero where there is none.
fn below(chance: &mut ChaCha8Rng, bound: u64) -> u64 {
    let scaled = (u128::from(chance.next_u64()) * u128::from(bound)) >> 64;
    u64::try_from(scaled).unwrap_or(0)
}
