//! Clocks that are wrong on purpose, to show that nothing depends on their being right.

use std::sync::Arc;
use std::time::Duration;

use fleet::Timestamp;

use crate::Clock;

/// A clock whose wall is off by a fixed span and which may run too fast or too slow.
#[derive(Debug)]
pub struct Skewed {
    clock: Arc<dyn Clock>,
    start: Timestamp,
    offset_millis: i64,
    speed: f64,
}

impl Skewed {
    #[must_use]
    pub fn ahead(clock: Arc<dyn Clock>, by: Duration) -> Self {
        Self::off(clock, millis(by))
    }

    #[must_use]
    pub fn behind(clock: Arc<dyn Clock>, by: Duration) -> Self {
        Self::off(clock, -millis(by))
    }

    /// Two: runs twice as fast as the clock it wraps, counted from that clock's start.
    ///
    /// # Panics
    /// A clock that stands or runs backwards is none.
    #[must_use]
    pub fn at_speed(self, speed: f64) -> Self {
        assert!(speed.is_finite() && speed > 0.0, "a clock runs forwards, not at {speed}");
        Self { speed, ..self }
    }

    fn off(clock: Arc<dyn Clock>, offset_millis: i64) -> Self {
        let (now, uptime) = (clock.now().millis(), millis(clock.uptime()));
        let start = Timestamp::from_millis(now.saturating_sub(uptime));
        Self { clock, start, offset_millis, speed: 1.0 }
    }
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        let ran = self.clock.now().since(self.start).mul_f64(self.speed);
        let shown = self.start.millis().saturating_add(millis(ran));
        Timestamp::from_millis(shown.saturating_add(self.offset_millis))
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime().mul_f64(self.speed)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
