//! Time and chance from the operating system: the one place that asks for either.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fleet::Timestamp;
use uuid::Uuid;

use crate::mint::{self, Noise, Rising};
use crate::{Clock, Ids};

/// The machine's own clocks and its random numbers.
#[derive(Debug)]
pub struct System {
    started: Instant,
    latest: AtomicI64,
    rising: Mutex<Rising>,
}

impl System {
    /// `uptime` counts from here.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads this clock")]
        let started = Instant::now();
        Self { started, latest: AtomicI64::new(0), rising: Mutex::default() }
    }
}

impl Clock for System {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads this clock")]
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.latest.fetch_max(millis, Ordering::Relaxed).max(millis))
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Ids for System {
    fn mint(&self) -> Uuid {
        let noise = entropy::<{ size_of::<Noise>() }>();
        let millis = self.now().millis();
        self.rising.lock().unwrap_or_else(PoisonError::into_inner).mint(millis, noise)
    }

    fn entropy(&self) -> [u8; 32] {
        entropy()
    }

    fn jitter(&self, most: Duration) -> Duration {
        mint::share(most, u64::from_le_bytes(entropy()))
    }
}

fn entropy<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("a running system has random numbers");
    bytes
}
