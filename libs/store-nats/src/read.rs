//! The last message of a key, as of every write completed before: from the leader, or from the
//! only replica there is.

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{DirectGetErrorKind, LastRawMessageErrorKind};
use store::{StoreError, Versioned};

use crate::buckets::Bucket;
use crate::link::Link;
use crate::trouble::Reason;

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Last {
    Alive(Versioned),
    /// Removed; the marker's sequence.
    Gone(u64),
    Never,
}

impl Last {
    pub(crate) fn alive(self) -> Option<Versioned> {
        match self {
            Self::Alive(document) => Some(document),
            Self::Gone(_) => None,
            Self::Never => None,
        }
    }
}

pub(crate) async fn last(
    link: &Link,
    bucket: &Bucket,
    subject: String,
) -> Result<Last, StoreError> {
    link.check().map_err(unavailable)?;
    let stream = link.streams.get_stream_no_info(&bucket.stream).await;
    let stream = stream.map_err(|error| unread(&subject, error))?;
    if bucket.is_single {
        return match stream.direct_get_last_for_subject(subject.as_str()).await {
            Ok(message) => Ok(known(bucket, message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(Last::Never),
            Err(error) => Err(unread(&subject, error)),
        };
    }
    match stream.get_last_raw_message_by_subject(&subject).await {
        Ok(message) => Ok(known(bucket, message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Last::Never),
        Err(error) => Err(unread(&subject, error)),
    }
}

fn known(bucket: &Bucket, message: StreamMessage) -> Last {
    if is_marker(&message.headers) {
        return Last::Gone(message.sequence);
    }
    let revision = bucket.revision(message.sequence);
    Last::Alive(Versioned { value: message.payload, revision })
}

/// Whether a message stands for a removal, ours or that of any other tool for buckets.
pub(crate) fn is_marker(headers: &HeaderMap) -> bool {
    headers.get("KV-Operation").is_some_and(|word| matches!(word.as_str(), "DEL" | "PURGE"))
}

pub(crate) fn unavailable(reason: Reason) -> StoreError {
    StoreError::Unavailable(Box::new(reason))
}

pub(crate) fn unread(what: &str, cause: impl Into<store::Cause>) -> StoreError {
    unavailable(Reason::NoRead(what.to_owned(), cause.into()))
}
