//! Two orders over the same handles: who is next among the claimable, and whose time comes next.

use std::collections::btree_set::Iter;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use crate::board::{Handle, ProductNumber};

/// Product, rank and capability class: within it only age counts.
type Group = (ProductNumber, u8, u32);
/// Creation, then how the id begins, so that schedulers agree on it; the handle sees to it that no two
/// are equal.
type Order = (i64, u64);
/// One of them, and where it lies.
pub(super) type Waiting = (i64, u64, Handle);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub group: Group,
    pub order: Order,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: BTreeMap<Group, BTreeSet<Waiting>>,
    due: BTreeSet<(i64, Handle)>,
}

impl Queue {
    pub(super) fn put(&mut self, handle: Handle, place: Option<Place>, due: Option<i64>) {
        if let Some(Place { group, order: (created, begins) }) = place {
            self.ready.entry(group).or_default().insert((created, begins, handle));
        }
        if let Some(due) = due {
            self.due.insert((due, handle));
        }
    }

    /// Undoes a `put`.
    pub(super) fn take(&mut self, handle: Handle, place: Option<Place>, due: Option<i64>) {
        if let Some(due) = due {
            self.due.remove(&(due, handle));
        }
        let Some(Place { group, order: (created, begins) }) = place else { return };
        if let Some(jobs) = self.ready.get_mut(&group) {
            jobs.remove(&(created, begins, handle));
            if jobs.is_empty() {
                self.ready.remove(&group);
            }
        }
    }

    /// Rank and creation of the oldest of each group.
    pub(super) fn heads(&self) -> impl Iterator<Item = (u8, i64)> + '_ {
        let head = |((_, rank, _), jobs): (&Group, &BTreeSet<_>)| {
            jobs.first().map(|(created, ..): &Waiting| (*rank, *created))
        };
        self.ready.iter().filter_map(head)
    }

    pub(super) fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// A handle whose time has come.
    pub(super) fn first_due(&self, now: i64) -> Option<Handle> {
        self.due.first().filter(|(due, _)| *due <= now).map(|(_, handle)| *handle)
    }

    /// How many claimable handles of the same product go before `place`.
    pub(super) fn before(&self, place: Place) -> usize {
        let (product, rank, _) = place.group;
        let better = self.ready.range((product, 0, 0)..(product, rank, 0));
        let equal = self.ready.range((product, rank, 0)..=(product, rank, u32::MAX));
        let older = equal.map(|(_, jobs)| {
            let (created, begins) = place.order;
            jobs.range(..(created, begins, 0)).count()
        });
        better.map(|(_, jobs)| jobs.len()).chain(older).sum()
    }

    pub(super) fn claimable(&self, product: ProductNumber) -> usize {
        let all = self.ready.range((product, 0, 0)..=(product, u8::MAX, u32::MAX));
        all.map(|(_, jobs)| jobs.len()).sum()
    }

    /// The best `most` handles of a product, by rank, then age: the heads of the fitting groups
    /// are compared, nothing is sorted.
    pub(super) fn best(
        &self,
        product: ProductNumber,
        fits: impl Fn(u32) -> bool,
        suits: impl Fn(Handle) -> bool,
        most: usize,
    ) -> Vec<Handle> {
        let group = |rank| self.ready.range((product, rank, 0)..=(product, rank, u32::MAX));
        let of_rank = |rank| {
            let fitting = group(rank).filter(|((_, _, class), _)| fits(*class));
            Merge { heads: fitting.map(|(_, jobs)| jobs.iter().peekable()).collect() }
        };
        let handles = (0..=3).flat_map(of_rank);
        handles.filter(|handle| suits(*handle)).take(most).collect()
    }
}

/// Several queues of one rank as one, oldest first.
struct Merge<'a> {
    heads: Vec<Peekable<Iter<'a, Waiting>>>,
}

impl Iterator for Merge<'_> {
    type Item = Handle;

    fn next(&mut self) -> Option<Handle> {
        let oldest = *self.heads.iter_mut().filter_map(|head| head.peek().copied()).min()?;
        for head in &mut self.heads {
            head.next_if_eq(&&oldest);
        }
        Some(oldest.2)
    }
}
