//! Records read lately, so that the same bytes are not taken apart again. Reading is a pure function
//! of the bytes, and this remembers it by its whole argument: what the store hands out is compared
//! byte by byte, never trusted to be what it was. So nothing here can be out of date, whatever the
//! store or its revisions do; and nothing is answered without having asked the store.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use store::Key;

use crate::kinds::Placed;

/// Bytes remembered of one kind, in each of two generations; the records take a few times as much.
const GENERATION: usize = 4 << 20;
/// Above this a record is rare, and would push out many others.
const LARGEST: usize = 64 << 10;

/// Two generations: once the younger is full it becomes the older, and the older is forgotten.
#[derive(Debug)]
pub(crate) struct Memo<R>(Mutex<Generations<R>>);

#[derive(Debug)]
struct Generations<R> {
    young: BTreeMap<Key, (Bytes, R)>,
    old: BTreeMap<Key, (Bytes, R)>,
    weight: usize,
}

impl<R> Default for Memo<R> {
    fn default() -> Self {
        let (young, old) = (BTreeMap::new(), BTreeMap::new());
        Self(Mutex::new(Generations { young, old, weight: 0 }))
    }
}

impl<R: Placed> Memo<R> {
    /// The record that these very bytes were read as.
    pub(crate) fn of(&self, key: &Key, bytes: &Bytes) -> Option<R> {
        let known = self.lock();
        let (same, record) = known.young.get(key).or_else(|| known.old.get(key))?;
        (same == bytes).then(|| record.clone())
    }

    /// These bytes were read as that record.
    pub(crate) fn keep(&self, key: &Key, bytes: Bytes, record: &R) {
        if bytes.len() > LARGEST {
            return;
        }
        let record = record.clone();
        let mut known = self.lock();
        known.weight += bytes.len();
        known.young.insert(key.clone(), (bytes, record));
        let forgotten = (known.weight > GENERATION).then(|| known.grow_old());
        drop(known);
        drop(forgotten);
    }

    /// These bytes were written from that record.
    pub(crate) fn keep_written(&self, key: &Key, bytes: Bytes, record: &R) {
        if record.is_reread() {
            debug_assert_eq!(R::decode(&bytes).as_ref().ok(), Some(record), "it reads back");
            self.keep(key, bytes, record);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> Generations<R> {
    fn grow_old(&mut self) -> BTreeMap<Key, (Bytes, R)> {
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

    #[test]
    fn only_the_very_bytes_are_remembered() {
        let memo = Memo::default();
        memo.keep(&key("a"), Bytes::from_static(b"one"), &lease("one"));
        assert_eq!(memo.of(&key("a"), &Bytes::from_static(b"one")), Some(lease("one")));
        assert_eq!(memo.of(&key("a"), &Bytes::from_static(b"two")), None);
        assert_eq!(memo.of(&key("b"), &Bytes::from_static(b"one")), None);
        memo.keep(&key("a"), Bytes::from_static(b"two"), &lease("two"));
        assert_eq!(memo.of(&key("a"), &Bytes::from_static(b"two")), Some(lease("two")));
    }

    #[test]
    fn what_was_not_read_for_long_is_forgotten() {
        let memo = Memo::default();
        let bytes = Bytes::from(vec![0; LARGEST]);
        for n in 0..=3 * GENERATION / LARGEST {
            memo.keep(&key(&n.to_string()), bytes.clone(), &lease("one"));
        }
        assert_eq!(memo.of(&key("0"), &bytes), None);
        let known = memo.lock();
        assert!((known.young.len() + known.old.len()) * LARGEST <= 2 * GENERATION + LARGEST);
    }
}
