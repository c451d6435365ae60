//! Chance that repeats itself: one seed, one sequence. Never for a fleet that others can reach.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use uuid::Uuid;

use crate::mint::{self, Noise, Rising};
use crate::{Clock, Ids};

/// Ids and jitter from a seed; the moments in the ids come from the given clock. The same seed, the
/// same clock and the same order of questions give the same answers.
#[derive(Debug)]
pub struct Seeded {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    chance: ChaCha8Rng,
    rising: Rising,
}

impl Seeded {
    #[must_use]
    pub fn new(seed: u64, clock: Arc<dyn Clock>) -> Self {
        let chance = ChaCha8Rng::seed_from_u64(seed);
        Self { clock, state: Mutex::new(State { chance, rising: Rising::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ids for Seeded {
    fn mint(&self) -> Uuid {
        let millis = self.clock.now().millis();
        let mut state = self.state();
        let mut noise = Noise::default();
        state.chance.fill_bytes(&mut noise);
        state.rising.mint(millis, noise)
    }

    fn entropy(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.state().chance.fill_bytes(&mut bytes);
        bytes
    }

    fn jitter(&self, most: Duration) -> Duration {
        mint::share(most, self.state().chance.next_u64())
    }
}
