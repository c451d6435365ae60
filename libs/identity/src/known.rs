//! What was read of credentials a moment ago, so that a busy client does not cost a read of the
//! store at each request. It is believed for two seconds, so that a revocation acts within those on
//! every replica; what is stored, not what was concluded, is kept, so that an expiry acts at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const GOOD_FOR: Duration = Duration::from_secs(2);
/// Credentials in each of two generations. Strangers who try many push out what is known, which
/// costs reads and nothing else.
const GENERATION: usize = 4096;

/// By digest; `None` says that there is no such credential.
#[derive(Debug)]
pub(crate) struct Known<T>(Mutex<Generations<T>>);

type Seen<T> = BTreeMap<String, (Duration, Option<T>)>;

#[derive(Debug)]
struct Generations<T> {
    young: Seen<T>,
    old: Seen<T>,
    /// How often all was forgotten: what was read before that is not kept after it.
    round: u64,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::new(Generations { young: BTreeMap::new(), old: BTreeMap::new(), round: 0 }))
    }
}

impl<T: Clone> Known<T> {
    /// What was read of it, if that is still believed.
    pub(crate) fn of(&self, digest: &str, uptime: Duration) -> Option<Option<T>> {
        let known = self.lock();
        let (read, seen) = known.young.get(digest).or_else(|| known.old.get(digest))?;
        (uptime.saturating_sub(*read) < GOOD_FOR).then(|| seen.clone())
    }

    /// To be asked before reading, and handed back with what was read.
    pub(crate) fn round(&self) -> u64 {
        self.lock().round
    }

    pub(crate) fn keep(&self, digest: &str, read: Duration, round: u64, seen: Option<T>) {
        let mut known = self.lock();
        if known.round != round {
            return;
        }
        if known.young.len() >= GENERATION {
            known.old = std::mem::take(&mut known.young);
        }
        known.young.insert(digest.to_owned(), (read, seen));
    }

    /// The same credential as it stands since, for the rest of the time that it is believed.
    pub(crate) fn amend(&self, digest: &str, now: T) {
        if let Some((_, seen)) = self.lock().young.get_mut(digest) {
            *seen = Some(now);
        }
    }

    pub(crate) fn forget(&self) {
        let mut known = self.lock();
        known.young.clear();
        known.old.clear();
        known.round += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Generations<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_was_read_is_believed_for_two_seconds_and_not_longer_for_being_asked() {
        let known = Known::default();
        known.keep("a", SECOND, 0, Some(1));
        known.keep("b", SECOND, 0, None);
        assert_eq!(known.of("a", 2 * SECOND), Some(Some(1)));
        assert_eq!(known.of("b", 2 * SECOND), Some(None));
        known.amend("a", 2);
        assert_eq!(known.of("a", 3 * SECOND - Duration::from_nanos(1)), Some(Some(2)));
        assert_eq!(known.of("a", 3 * SECOND), None);
    }

    #[test]
    fn what_was_read_before_a_forgetting_is_not_kept_after_it() {
        let known = Known::default();
        let round = known.round();
        known.forget();
        known.keep("a", SECOND, round, Some(1));
        assert_eq!(known.of("a", SECOND), None);
    }

    #[test]
    fn a_crowd_of_strangers_takes_no_more_room_than_two_generations() {
        let known = Known::<u8>::default();
        for n in 0..5 * GENERATION {
            known.keep(&n.to_string(), SECOND, 0, None);
        }
        let generations = known.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
