//! The one source of time and of chance: what tells the hour, mints ids and spreads retries.
//! Never sleeps, and never compares the clocks of two machines.

use std::fmt::Debug;
use std::time::Duration;

use fleet::Timestamp;
use uuid::Uuid;

#[cfg(test)]
mod laws;
mod mint;
mod seeded;
#[cfg(any(test, feature = "testing"))]
mod skewed;
mod system;
mod virtual_time;

pub use seeded::Seeded;
#[cfg(any(test, feature = "testing"))]
pub use skewed::Skewed;
pub use system::System;
pub use virtual_time::Virtual;

/// What time it is, twice: once for people, once for deciding.
pub trait Clock: Send + Sync + Debug + 'static {
    /// What the wall says, for records and for people. Never falls, even where the wall's clock is
    /// set back: it then stands until the wall has caught up.
    fn now(&self) -> Timestamp;

    /// How long this clock has run: rises steadily whatever happens to the wall's clock. All
    /// expiry is judged by it, and it means nothing to another process.
    fn uptime(&self) -> Duration;
}

/// Where ids and chance come from.
pub trait Ids: Send + Sync + Debug + 'static {
    /// A UUID of version 7, greater than every one minted here before.
    fn mint(&self) -> Uuid;

    /// 256 bits that nobody can guess, for a credential.
    fn entropy(&self) -> [u8; 32];

    /// A span between zero and `most`, both included, to keep many from acting at once.
    fn jitter(&self, most: Duration) -> Duration;
}
