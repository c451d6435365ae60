//! How much one principal may ask: so often, and so many streams at once. Kept by this door alone
//! and only for a while; nobody's use of it is anybody else's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth::{Standing, Who};
use protocol::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Streams of events that one principal may hold open.
const MOST_STREAMS: usize = 16;
/// Logs that one principal may follow at once.
const MOST_TAILS: usize = 128;
/// Principals that are remembered; beyond them those are forgotten who use nothing.
const MOST_KNOWN: usize = 10_000;

/// Requests a second that go on for ever, and as many seconds' worth at once.
const BURST: Duration = Duration::from_secs(2);

/// What one principal has left.
#[derive(Debug)]
struct Quota {
    /// When it could be full again, by the door's own clock.
    full_at: Duration,
    streams: Arc<Semaphore>,
    tails: Arc<Semaphore>,
}

#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<BTreeMap<Who, Quota>>);

impl Quotas {
    /// Counts one request; a refusal says after how long to come again.
    pub(crate) fn count(&self, standing: &Standing, now: Duration) -> Result<(), Duration> {
        let each = Duration::from_secs(1) / rate(standing);
        let mut known = self.known();
        forget(&mut known, now);
        let quota = known.entry(standing.who.clone()).or_insert_with(|| Quota::full(now));
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
        Self { full_at: now, streams: Arc::new(streams), tails: Arc::new(tails) }
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
fn rate(standing: &Standing) -> u32 {
    match (&standing.who, standing.role) {
        (Who::Owner, _) | (_, Role::Factory) => 1000,
        (Who::User(_) | Who::Token(_) | Who::Factory(_), _) => 200,
    }
}

#[cfg(test)]
mod tests {
    use auth::{Binding, Principal};

    use super::*;

    fn user(name: &str) -> Standing {
        let binding = Binding { role: Role::Viewer, yolo: false };
        let bindings = BTreeMap::from([("shop".parse().unwrap(), binding)]);
        let who = Who::User(name.into());
        Principal { who, bindings, scope: None }.within(None).unwrap()
    }

    fn asked(quotas: &Quotas, who: &Standing, now: Duration) -> usize {
        (0..10_000).take_while(|_| quotas.count(who, now).is_ok()).count()
    }

    #[test]
    fn a_burst_is_taken_and_then_so_many_a_second_and_others_are_not_touched() {
        let (quotas, ada, bob) = (Quotas::default(), user("ada"), user("bob"));
        let mut now = Duration::from_secs(100);
        assert_eq!(asked(&quotas, &ada, now), 400);
        let wait = quotas.count(&ada, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(5));
        now += wait;
        assert_eq!(asked(&quotas, &ada, now), 1);
        assert_eq!(asked(&quotas, &bob, now), 400);
        now += Duration::from_secs(1);
        assert_eq!(asked(&quotas, &ada, now), 200);
        let owner = Principal::owner(&"shop".parse().unwrap()).within(None).unwrap();
        assert_eq!(asked(&quotas, &owner, now), 2000);
    }

    #[test]
    fn streams_are_counted_for_each_and_given_back() {
        let (quotas, ada, bob) = (Quotas::default(), user("ada"), user("bob"));
        for one in [&ada, &bob] {
            quotas.count(one, Duration::ZERO).unwrap();
        }
        let held: Vec<_> = (0..MOST_STREAMS).map(|_| quotas.stream(&ada.who).unwrap()).collect();
        assert!(quotas.stream(&ada.who).is_none());
        assert!(quotas.stream(&bob.who).is_some());
        assert_eq!(quotas.open(), MOST_STREAMS);
        drop(held);
        assert!(quotas.stream(&ada.who).is_some());
    }

    #[test]
    fn those_who_use_nothing_are_forgotten_and_no_others() {
        let quotas = Quotas::default();
        let busy = user("busy");
        quotas.count(&busy, Duration::ZERO).unwrap();
        let held = quotas.stream(&busy.who).unwrap();
        for one in 0..MOST_KNOWN {
            quotas.count(&user(&one.to_string()), Duration::ZERO).unwrap();
        }
        quotas.count(&user("late"), Duration::from_secs(60)).unwrap();
        assert_eq!(quotas.known().len(), 2);
        drop(held);
    }
}
