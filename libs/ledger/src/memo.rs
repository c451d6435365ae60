//! Records seen lately, for two uses. The same bytes are not taken apart again: reading is a pure
//! function of the bytes, and is remembered by its whole argument, compared byte by byte. And a write
//! may be tried on the version that was seen last, which may be out of date: only a write that
//! succeeds at its revision shows that it was not. Nothing here is ever an answer by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use store::{Key, Revision, Versioned};

use crate::kinds::Placed;
use crate::table::Found;

/// Bytes remembered of one kind, in each of two generations; the records take a few times as much.
const GENERATION: usize = 4 << 20;
/// Above this a record is rare, and would push out many others.
const LARGEST: usize = 64 << 10;
/// For so long a version is good for trying a write on it. Whoever writes again does so soon, and a
/// server that comes back from an older copy of its disk, with its revisions, takes longer.
const LATELY: Duration = Duration::from_secs(5);

/// Two generations: once the younger is full it becomes the older, and the older is forgotten.
#[derive(Debug)]
pub(crate) struct Memo<R>(Mutex<Generations<R>>);

#[derive(Debug)]
struct Generations<R> {
    young: BTreeMap<Key, Seen<R>>,
    old: BTreeMap<Key, Seen<R>>,
    weight: usize,
}

#[derive(Debug)]
struct Seen<R> {
    bytes: Bytes,
    record: R,
    /// Where it stood, and when; none once something happened that leaves it in doubt.
    stood: Option<(Revision, Duration)>,
}

impl<R> Default for Memo<R> {
    fn default() -> Self {
        let (young, old) = (BTreeMap::new(), BTreeMap::new());
        Self(Mutex::new(Generations { young, old, weight: 0 }))
    }
}

impl<R: Placed> Memo<R> {
    /// The record that these very bytes were read as.
    pub(crate) fn of(&self, key: &Key, found: &Versioned, uptime: Duration) -> Option<R> {
        let mut known = self.lock();
        let seen = known.seen(key)?;
        if seen.bytes != found.value {
            return None;
        }
        seen.stood = Some((found.revision.clone(), uptime));
        Some(seen.record.clone())
    }

    /// The version that was seen last, if that was lately and nothing has put it in doubt.
    pub(crate) fn last(&self, key: &Key, uptime: Duration) -> Option<Found<R>> {
        let mut known = self.lock();
        let seen = known.seen(key)?;
        let (revision, at) = seen.stood.as_ref()?;
        let lately = uptime.saturating_sub(*at) < LATELY;
        lately.then(|| Found { record: seen.record.clone(), revision: revision.clone() })
    }

    /// Whatever was seen here last may have changed.
    pub(crate) fn doubt(&self, key: &Key) {
        if let Some(seen) = self.lock().seen(key) {
            seen.stood = None;
        }
    }

    /// These bytes were read as that record.
    pub(crate) fn keep(&self, key: &Key, found: Versioned, record: &R, uptime: Duration) {
        let Versioned { value: bytes, revision } = found;
        if bytes.len() > LARGEST {
            return self.doubt(key);
        }
        let (weight, record) = (bytes.len(), record.clone());
        let seen = Seen { bytes, record, stood: Some((revision, uptime)) };
        let mut known = self.lock();
        known.weight += weight;
        known.young.insert(key.clone(), seen);
        let forgotten = (known.weight > GENERATION).then(|| known.grow_old());
        drop(known);
        drop(forgotten);
    }

    /// These bytes were written from that record.
    pub(crate) fn keep_written(&self, key: &Key, written: Versioned, record: &R, uptime: Duration) {
        if record.is_reread() {
            let reads_back = || R::decode(&written.value).is_ok_and(|read| read == *record);
            debug_assert!(reads_back(), "{record:?} is read as it was written");
            self.keep(key, written, record, uptime);
        } else {
            self.doubt(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Generations<R> {
    fn seen(&mut self, key: &Key) -> Option<&mut Seen<R>> {
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    fn grow_old(&mut self) -> BTreeMap<Key, Seen<R>> {
        self.weight = 0;
        let young = std::mem::take(&mut self.young);
        std::mem::replace(&mut self.old, young)
    }
}

#[cfg(test)]
mod tests {
    use fleet::{Job, JobId, Lease, Timestamp};

    use super::*;

    fn lease(product: &str) -> Lease {
        let product = product.parse().unwrap();
        let job = JobId::of(&product, &"k".parse().unwrap());
        Lease::absent(job, product, Timestamp::from_millis(1))
    }

    fn key(id: &str) -> Key {
        Key::new(Job::KIND, "p", id).unwrap()
    }

    fn found(bytes: &Bytes, revision: u64) -> Versioned {
        Versioned { value: bytes.clone(), revision: Revision::number(revision) }
    }

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn only_the_very_bytes_are_remembered() {
        let memo = Memo::default();
        let one = found(&Bytes::from_static(b"one"), 1);
        let two = found(&Bytes::from_static(b"two"), 1);
        memo.keep(&key("a"), one.clone(), &lease("one"), NOW);
        assert_eq!(memo.of(&key("a"), &one, NOW), Some(lease("one")));
        assert_eq!(memo.of(&key("a"), &two, NOW), None);
        assert_eq!(memo.of(&key("b"), &one, NOW), None);
        memo.keep(&key("a"), two.clone(), &lease("two"), NOW);
        assert_eq!(memo.of(&key("a"), &two, NOW), Some(lease("two")));
    }

    #[test]
    fn what_was_not_read_for_long_is_forgotten() {
        let memo = Memo::default();
        let bytes = Bytes::from(vec![0; LARGEST]);
        for n in 0..=3 * GENERATION / LARGEST {
            memo.keep(&key(&n.to_string()), found(&bytes, 1), &lease("one"), NOW);
        }
        assert_eq!(memo.of(&key("0"), &found(&bytes, 1), NOW), None);
        let known = memo.lock();
        assert!((known.young.len() + known.old.len()) * LARGEST <= 2 * GENERATION + LARGEST);
    }

    fn last(memo: &Memo<Lease>, at: Duration) -> Option<Revision> {
        memo.last(&key("a"), at).map(|found| found.revision)
    }

    #[test]
    fn a_version_is_good_for_a_try_lately_and_while_nothing_puts_it_in_doubt() {
        let memo = Memo::default();
        let bytes = Bytes::from_static(b"one");
        memo.keep(&key("a"), found(&bytes, 1), &lease("one"), NOW);
        assert_eq!(last(&memo, NOW), Some(Revision::number(1)));
        assert_eq!(last(&memo, NOW + LATELY), None);
        assert!(memo.of(&key("a"), &found(&bytes, 2), NOW + LATELY).is_some());
        assert_eq!(last(&memo, NOW + LATELY), Some(Revision::number(2)));
        memo.doubt(&key("a"));
        assert_eq!(last(&memo, NOW + LATELY), None);
        assert!(memo.of(&key("a"), &found(&bytes, 2), NOW).is_some());
        let large = Bytes::from(vec![0; LARGEST + 1]);
        memo.keep(&key("a"), found(&large, 3), &lease("one"), NOW);
        assert_eq!(last(&memo, NOW), None, "it is no longer what was kept");
    }
}
