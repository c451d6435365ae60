//! What was read of a stream beyond the page that asked for it. At each direct read the server counts
//! what follows, which takes it as long as the stream has keys: so much is read at once, the next
//! pages are cut from it, and what comes behind it is on its way meanwhile. Nothing depends on it:
//! whoever finds nothing here reads anew.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use store::StoreError;

use crate::batch::{Batch, direct};
use crate::buckets::Bucket;
use crate::link::Link;

/// Scans that are between two pages; of further ones the oldest read anew.
const MOST_WAITING: usize = 4;

pub(crate) struct Ahead {
    /// Of its own: while the server builds a batch it hears nothing else on the same connection.
    link: Link,
    waiting: Mutex<VecDeque<Rest>>,
}

struct Rest {
    stream: String,
    /// Where the scan goes on that it is kept for.
    next: u64,
    batch: Batch,
    following: Option<Reading>,
}

type Reading = MaybeDone<BoxFuture<'static, Result<Batch, StoreError>>>;

impl Ahead {
    pub(crate) fn over(link: Link) -> Self {
        Self { link, waiting: Mutex::default() }
    }

    /// At most so many messages of a bucket from `next` on, at least one unless it ends.
    pub(crate) async fn batch(
        &self,
        bucket: &Bucket,
        next: u64,
        limit: usize,
    ) -> Result<Batch, StoreError> {
        let (mut batch, mut following) = match self.take(&bucket.stream, next) {
            Some(Rest { batch, following: Some(reading), .. }) if batch.messages.is_empty() => {
                (ended(reading).await?, None)
            }
            Some(rest) => (rest.batch, rest.following),
            None => (direct(&self.link, bucket, next).await?, None),
        };
        let last = batch.last().filter(|_| batch.pending > 0);
        if let (Some(last), None) = (last, &following) {
            following = Some(begun(self.link.clone(), bucket.clone(), last + 1));
        }
        let rest = batch.split_off(limit);
        if rest.is_some() || following.is_some() {
            let next = batch.last().map_or(next, |last| last + 1);
            let (stream, batch) = (bucket.stream.clone(), rest.unwrap_or_default());
            self.keep(Rest { stream, next, batch, following });
        }
        Ok(batch)
    }

    fn take(&self, stream: &str, next: u64) -> Option<Rest> {
        let mut waiting = self.waiting();
        let at = waiting.iter().position(|rest| rest.stream == stream && rest.next == next)?;
        waiting.remove(at)
    }

    fn keep(&self, rest: Rest) {
        let mut waiting = self.waiting();
        if waiting.len() == MOST_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(rest);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Rest>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ahead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ahead").field("waiting", &self.waiting().len()).finish()
    }
}

/// The server is asked; its answer waits until it is looked for.
fn begun(link: Link, bucket: Bucket, next: u64) -> Reading {
    let read = async move { direct(&link, &bucket, next).await };
    let mut reading = maybe_done(Box::pin(read) as BoxFuture<'static, _>);
    let _asked = (&mut reading).now_or_never();
    reading
}

async fn ended(mut reading: Reading) -> Result<Batch, StoreError> {
    let mut reading = Pin::new(&mut reading);
    reading.as_mut().await;
    reading.take_output().expect("it is taken once")
}
