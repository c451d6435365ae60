//! Time that a test can hold still. Never touches the machine's own wall clock.

use std::time::Duration;

use fleet::Timestamp;
use tokio::time::Instant;

use crate::Clock;

/// A chosen epoch plus the runtime's pausable instant: where the runtime's time is paused, sleeps
/// and timestamps move together. To be asked inside one runtime only.
#[derive(Debug)]
pub struct Virtual {
    epoch: Timestamp,
    started: Instant,
}

impl Virtual {
    /// A clock that shows `epoch` now.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads this clock")]
        let started = Instant::now();
        Self { epoch, started }
    }
}

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.epoch.plus(self.uptime()).millis())
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}
