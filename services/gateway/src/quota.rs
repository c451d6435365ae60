//! How much one principal may ask: so often, and so many streams at once. Kept by this door alone
//! and only for a while; nobody's use of it is anybody else's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth::Who;
use protocol::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Streams of events that one principal may hold open.
const MOST_STREAMS: usize = 16;
/// Logs that one principal may follow at once.
const MOST_TAILS: usize = 128;
/// Principals that are remembered; beyond them those are forgotten who use nothing.
const MOST_KNOWN: usize = 10_000;

/// Between two lines of the trail about what one principal was refused.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Requests a second that go on for ever, and as many seconds' worth at once.
const BURST: Duration = Duration::from_secs(2);

/// What one principal has left.
#[derive(Debug)]
struct Quota {
    /// When it could be full again, by the door's own clock.
    full_at: Duration,
    /// When a refusal was last noted in the trail.
    noted_at: Option<Duration>,
    streams: Arc<Semaphore>,
    tails: Arc<Semaphore>,
}

#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<BTreeMap<Who, Quota>>);

impl Quotas {
    /// Counts one request; a refusal says after how long to come again.
    pub(crate) fn count(
        &self,
        who: &Who,
        role: Option<Role>,
        now: Duration,
    ) -> Result<(), Duration> {
        let each = Duration::from_secs(1) / rate(who, role);
        let mut known = self.known();
        forget(&mut known, now);
        let quota = known.entry(who.clone()).or_insert_with(|| Quota::full(now));
        let next = quota.full_at.max(now) + each;
        if let Some(wait) = next.checked_sub(now + BURST).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        quota.full_at = next;
        Ok(())
    }

    pub(crate) fn stream(&self, who: &Who) -> Option<OwnedSemaphorePermit> {
        let streams = Arc::clone(&self.known().get(who)?.streams);
        streams.try_acquire_owned().ok()
    }

    pub(crate) fn tail(&self, who: &Who) -> Option<OwnedSemaphorePermit> {
        let tails = Arc::clone(&self.known().get(who)?.tails);
        tails.try_acquire_owned().ok()
    }

    /// Whether another refusal of theirs is worth a line in the trail.
    pub(crate) fn may_note(&self, who: &Who, now: Duration) -> bool {
        let mut known = self.known();
        let Some(quota) = known.get_mut(who) else { return false };
        let due = quota.noted_at.is_none_or(|last| now.saturating_sub(last) >= NOTE_EVERY);
        if due {
            quota.noted_at = Some(now);
        }
        due
    }

    /// Streams of events that are open.
    pub(crate) fn open(&self) -> usize {
        self.known().values().map(|quota| MOST_STREAMS - quota.streams.available_permits()).sum()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Who, Quota>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quota {
    fn full(now: Duration) -> Self {
        let (streams, tails) = (Semaphore::new(MOST_STREAMS), Semaphore::new(MOST_TAILS));
        Self { full_at: now, noted_at: None, streams: Arc::new(streams), tails: Arc::new(tails) }
    }

    /// Forgetting it gives nobody anything.
    fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
            && self.streams.available_permits() == MOST_STREAMS
            && self.tails.available_permits() == MOST_TAILS
    }
}

fn forget(known: &mut BTreeMap<Who, Quota>, now: Duration) {
    if known.len() >= MOST_KNOWN {
        known.retain(|_, quota| !quota.is_full(now));
    }
}

/// Requests a second. A factory speaks for many jobs, and so does the owner of a host.
fn rate(who: &Who, role: Option<Role>) -> u32 {
    match (who, role) {
        (Who::Owner, _) | (_, Some(Role::Factory)) => 1000,
        (Who::User(_) | Who::Token(_) | Who::Factory(..), _) => 200,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Who {
        Who::User(name.into())
    }

    fn asked(quotas: &Quotas, who: &Who, now: Duration) -> usize {
        (0..10_000).take_while(|_| quotas.count(who, None, now).is_ok()).count()
    }

    #[test]
    fn a_burst_is_taken_and_then_so_many_a_second_and_others_are_not_touched() {
        let (quotas, ada, bob) = (Quotas::default(), user("ada"), user("bob"));
        let mut now = Duration::from_secs(100);
        assert_eq!(asked(&quotas, &ada, now), 400);
        let wait = quotas.count(&ada, None, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(5));
        now += wait;
        assert_eq!(asked(&quotas, &ada, now), 1);
        assert_eq!(asked(&quotas, &bob, now), 400);
        now += Duration::from_secs(1);
        assert_eq!(asked(&quotas, &ada, now), 200);
        assert_eq!(asked(&quotas, &Who::Owner, now), 2000);
    }

    #[test]
    fn streams_are_counted_for_each_and_given_back() {
        let (quotas, ada, bob) = (Quotas::default(), user("ada"), user("bob"));
        for one in [&ada, &bob] {
            quotas.count(one, None, Duration::ZERO).unwrap();
        }
        let held: Vec<_> = (0..MOST_STREAMS).map(|_| quotas.stream(&ada).unwrap()).collect();
        assert!(quotas.stream(&ada).is_none());
        assert!(quotas.stream(&bob).is_some());
        assert_eq!(quotas.open(), MOST_STREAMS);
        drop(held);
        assert!(quotas.stream(&ada).is_some());
    }

    #[test]
    fn those_who_use_nothing_are_forgotten_and_no_others() {
        let quotas = Quotas::default();
        let busy = user("busy");
        quotas.count(&busy, None, Duration::ZERO).unwrap();
        let held = quotas.stream(&busy).unwrap();
        for one in 0..MOST_KNOWN {
            quotas.count(&user(&one.to_string()), None, Duration::ZERO).unwrap();
        }
        quotas.count(&user("late"), None, Duration::from_secs(60)).unwrap();
        assert_eq!(quotas.known().len(), 2);
        drop(held);
    }
}
