//! What was read of a stream beyond the page that asked for it. At each direct read the server counts
//! what follows, which takes it as long as the stream has keys: so much is read at once, and the next
//! pages are cut from it. Nothing depends on it: whoever finds nothing here reads anew.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::StoreError;

use crate::batch::{Batch, direct};
use crate::buckets::Bucket;
use crate::link::Link;

/// Scans that are between two pages; of further ones the oldest read anew.
const MOST_WAITING: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<VecDeque<Rest>>);

#[derive(Debug)]
struct Rest {
    stream: String,
    /// Where the scan goes on that it is kept for.
    next: u64,
    batch: Batch,
}

impl Ahead {
    /// At most so many messages of a bucket from `next` on, at least one unless it ends.
    pub(crate) async fn batch(
        &self,
        (link, bucket): (&Link, &Bucket),
        next: u64,
        limit: usize,
    ) -> Result<Batch, StoreError> {
        let mut batch = match self.take(&bucket.stream, next) {
            Some(known) => known,
            None => direct(link, bucket, next).await?,
        };
        if let Some(rest) = batch.split_off(limit) {
            let next = batch.last().map_or(next, |last| last + 1);
            self.keep(Rest { stream: bucket.stream.clone(), next, batch: rest });
        }
        Ok(batch)
    }

    fn take(&self, stream: &str, next: u64) -> Option<Batch> {
        let mut waiting = self.waiting();
        let at = waiting.iter().position(|rest| rest.stream == stream && rest.next == next)?;
        waiting.remove(at).map(|rest| rest.batch)
    }

    fn keep(&self, rest: Rest) {
        let mut waiting = self.waiting();
        if waiting.len() == MOST_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(rest);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
