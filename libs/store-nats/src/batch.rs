//! The next messages of a stream in one answer, removals too, as one replica has them at one moment.

use std::collections::VecDeque;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use store::StoreError;
use tokio::time::timeout;

use crate::buckets::Bucket;
use crate::link::Link;
use crate::read::{is_marker, unavailable, unread};

/// Bounds of one batch.
const MOST: usize = 16 * 1_024;
const MOST_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) messages: VecDeque<Stored>,
    /// How many follow.
    pub(crate) pending: u64,
}

impl Batch {
    /// The sequence of the last message.
    pub(crate) fn last(&self) -> Option<u64> {
        self.messages.back().map(|message| message.sequence)
    }

    /// What is left of it behind so many messages.
    pub(crate) fn split_off(&mut self, limit: usize) -> Option<Self> {
        let messages = self.messages.split_off(limit.min(self.messages.len()));
        if messages.is_empty() {
            return None;
        }
        let pending = self.pending;
        self.pending += u64::try_from(messages.len()).unwrap_or(u64::MAX);
        Some(Self { messages, pending })
    }
}

/// A message as it lies in its stream.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    pub(crate) value: Bytes,
    pub(crate) is_marker: bool,
}

impl Stored {
    /// Nothing if the server left out what it is known by.
    fn read(message: Message) -> Option<Self> {
        let headers = message.headers.as_ref()?;
        Some(Self {
            subject: headers.get("Nats-Subject")?.as_str().to_owned(),
            sequence: headers.get("Nats-Sequence")?.as_str().parse().ok()?,
            is_marker: is_marker(headers),
            value: message.payload,
        })
    }
}

#[derive(Serialize)]
struct Ask {
    seq: u64,
    batch: usize,
    max_bytes: usize,
    next_by_subj: &'static str,
}

/// As many as one answer holds, from `next` on.
pub(crate) async fn direct(link: &Link, bucket: &Bucket, next: u64) -> Result<Batch, StoreError> {
    link.check().map_err(unavailable)?;
    let unread = |cause: store::Cause| unread(&bucket.name, cause);
    // Whatever is in the stream is of this bucket; without a filter the count is cheaper.
    let ask = Ask { seq: next, batch: MOST, max_bytes: MOST_BYTES, next_by_subj: ">" };
    let ask = serde_json::to_vec(&ask).map_err(|error| unread(error.into()))?;
    let inbox = link.client.new_inbox();
    let mut answers =
        link.client.subscribe(inbox.clone()).await.map_err(|error| unread(error.into()))?;
    let subject = format!("$JS.API.DIRECT.GET.{}", bucket.stream);
    let asked = link.client.publish_with_reply(subject, inbox, ask.into()).await;
    asked.map_err(|error| unread(error.into()))?;
    let mut batch = Batch::default();
    loop {
        let message = answer(link, &mut answers).await.map_err(unread)?;
        match message.status {
            None => {
                let stored = Stored::read(message);
                let stored = stored.ok_or_else(|| unread("a message without a place".into()))?;
                batch.messages.push_back(stored);
            }
            Some(StatusCode::NOT_FOUND) => return Ok(batch),
            Some(status) if status.as_u16() == 204 => {
                let pending = message.headers.as_ref().and_then(|all| all.get("Nats-Num-Pending"));
                batch.pending = pending.and_then(|many| many.as_str().parse().ok()).unwrap_or(1);
                return Ok(batch);
            }
            Some(status) => return Err(unread(format!("status {status}").into())),
        }
    }
}

async fn answer(link: &Link, answers: &mut Subscriber) -> Result<Message, store::Cause> {
    let answer = timeout(link.timeout, answers.next()).await?;
    answer.ok_or_else(|| "the connection was closed".into())
}
