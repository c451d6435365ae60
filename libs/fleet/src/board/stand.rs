//! Where a job stands on the board, for people: how many go before it, and how many wait in all.

use super::{Board, Known};
use crate::id::{JobId, ProductId};
use crate::time::Timestamp;

impl Board {
    /// How many claimable jobs of its product go before this one; nothing for a job that the board
    /// does not believe to be claimable.
    pub fn ahead_of(&mut self, job: JobId, now: Timestamp) -> Option<usize> {
        self.advance(now);
        let entry = self.slab[*self.by_job.get(&job)? as usize];
        entry.place().map(|place| self.queue.before(place))
    }

    /// What it knows of a product.
    pub fn known_of(&mut self, product: &ProductId, now: Timestamp) -> Known {
        self.advance(now);
        let Some(number) = self.numbers.get(product).copied() else { return Known::default() };
        let handles = self.by_job.values();
        let of_product = |handle: &&u32| self.slab[**handle as usize].product == number;
        let queued = handles.filter(of_product).count();
        Known { queued, claimable: self.queue.claimable(number) }
    }
}
