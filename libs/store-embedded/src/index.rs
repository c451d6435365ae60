//! Where each document stands in the log: keys, places and revisions, in key order.
//! It never holds a value.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

use store::{Cursor, Key, Scope};

use crate::frame::ENTRY_HEAD;

/// A key as it stands in the log: kind, partition and id, a zero byte between them.
/// Zero is below the whole alphabet, so the bytes order as keys do.
pub(crate) type Name = Box<[u8]>;

/// Where the entry of a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) revision: u64,
    pub(crate) value_length: u32,
}

impl Place {
    pub(crate) fn entry_length(&self, name: &[u8]) -> usize {
        ENTRY_HEAD + name.len() + self.value_length as usize
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    places: BTreeMap<Name, Place>,
    /// Bytes of all entries that count.
    live: u64,
    /// The highest revision ever given.
    pub(crate) last: u64,
}

impl Index {
    /// An empty one that never gives a revision up to `base`.
    pub(crate) fn after(base: u64) -> Self {
        Self { last: base, ..Self::default() }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<Place> {
        self.places.get(name).copied()
    }

    /// `None` removes.
    pub(crate) fn set(&mut self, name: Name, place: Option<Place>) {
        let length = place.map_or(0, |place| place.entry_length(&name) as u64);
        let gone = match place {
            Some(place) => {
                let freed = self.places.get(&name).map(|old| old.entry_length(&name));
                self.places.insert(name, place);
                freed
            }
            None => self.places.remove(&name).map(|old| old.entry_length(&name)),
        };
        self.live = self.live + length - gone.unwrap_or(0) as u64;
    }

    pub(crate) fn live(&self) -> u64 {
        self.live
    }

    pub(crate) fn is_at(&self, name: &[u8], offset: u64) -> bool {
        self.places.get(name).is_some_and(|place| place.offset == offset)
    }

    /// Whether `moved`, sorted by the old offset, has a new one for every place.
    pub(crate) fn all_in(&self, moved: &[(u64, u64)]) -> bool {
        self.places.values().all(|place| new_offset(moved, place.offset).is_some())
    }

    /// Moves every place that `moved` names.
    pub(crate) fn relocate(&mut self, moved: &[(u64, u64)]) {
        for place in self.places.values_mut() {
            place.offset = new_offset(moved, place.offset).unwrap_or(place.offset);
        }
    }

    /// Up to `limit` places of a scope after a cursor, and whether more follow. A page also ends
    /// once its values pass `bytes`.
    pub(crate) fn page(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
        bytes: u64,
    ) -> (Vec<(Name, Place)>, bool) {
        let prefix = match scope {
            Scope::Kind(kind) => [kind.name.as_bytes(), b"\0"].concat(),
            Scope::Partition(kind, partition) => {
                [kind.name.as_bytes(), b"\0", partition.as_bytes(), b"\0"].concat()
            }
        };
        let seen = from.and_then(|cursor| cursor.position().split_once('.'));
        let start = match seen {
            Some((partition, id)) => Excluded(name(scope.kind().name, partition, id)),
            None => Included(prefix.clone().into()),
        };
        let mut ahead =
            self.places.range((start, Unbounded)).take_while(|(name, _)| name.starts_with(&prefix));
        let (mut found, mut total) = (Vec::new(), 0);
        while found.len() < limit && total < bytes {
            let Some((name, place)) = ahead.next() else { return (found, false) };
            total += u64::from(place.value_length);
            found.push((name.clone(), *place));
        }
        (found, ahead.next().is_some())
    }
}

fn new_offset(moved: &[(u64, u64)], old: u64) -> Option<u64> {
    let at = moved.binary_search_by_key(&old, |(old, _)| *old).ok()?;
    moved.get(at).map(|(_, new)| *new)
}

pub(crate) fn name_of(key: &Key) -> Name {
    name(key.kind().name, key.partition(), key.id())
}

/// Partition and id of a name.
pub(crate) fn parts(name: &[u8]) -> Option<(&str, &str)> {
    let mut parts = std::str::from_utf8(name).ok()?.split('\0').skip(1);
    Some((parts.next()?, parts.next()?))
}

fn name(kind: &str, partition: &str, id: &str) -> Name {
    let mut name = Vec::with_capacity(kind.len() + partition.len() + id.len() + 2);
    name.extend_from_slice(kind.as_bytes());
    name.push(0);
    name.extend_from_slice(partition.as_bytes());
    name.push(0);
    name.extend_from_slice(id.as_bytes());
    name.into_boxed_slice()
}
