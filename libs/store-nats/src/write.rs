//! Conditional writes: one publish that expects the last sequence of its subject, and what its
//! answer, or none, means. It never writes without an expectation.

use async_nats::client::{Request, RequestErrorKind};
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use serde::Deserialize;
use store::{Full, MAX_VALUE, Put, Revision, StoreError};

use crate::buckets::Bucket;
use crate::link::Link;
use crate::read::{Last, last, unavailable};
use crate::trouble::Reason;

/// Kept free for headers, which the server counts into a message's length.
pub(crate) const HEADERS: usize = 1 << 10;

const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// The subject's last sequence is another; the second, while another write of it is under way.
const OTHER_SEQUENCE: [u64; 2] = [10_071, 10_164];
const NO_ROOM: [u64; 3] = [10_023, 10_047, 10_077];

/// How often a create looks again whose subject changes between a look and its write.
const MOST_LOOKS: usize = 8;

/// What the server made of a write.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Stored(u64),
    /// Another sequence was there.
    Refused,
    /// Nothing was stored, if the subject is still as expected.
    NoRoom,
}

pub(crate) fn check_size(link: &Link, value: &Bytes) -> Result<(), StoreError> {
    if value.len() > limit(link) {
        return Err(too_large(link, value.len()));
    }
    Ok(())
}

fn limit(link: &Link) -> usize {
    MAX_VALUE.min(link.client.max_payload().saturating_sub(HEADERS))
}

pub(crate) async fn create(
    link: &Link,
    bucket: &Bucket,
    subject: String,
    value: Bytes,
) -> Result<Put, StoreError> {
    let mut expected = 0;
    for _ in 0..MOST_LOOKS {
        let answer = publish(link, &subject, headers(expected), value.clone()).await?;
        if let Answer::Stored(sequence) = answer {
            return Ok(Put::Written(bucket.revision(sequence)));
        }
        let seen = last(link, bucket, subject.clone()).await?;
        let there = match seen {
            Last::Alive(_) => return Ok(Put::Conflict),
            Last::Gone(marker) => marker,
            Last::Never => 0,
        };
        if answer == Answer::NoRoom {
            return Err(no_room(bucket, &subject, there == expected));
        }
        // After a removal the marker is what must still be there.
        expected = there;
    }
    // Others create and remove it faster than we look: there is always something of theirs.
    Ok(Put::Conflict)
}

pub(crate) async fn update(
    link: &Link,
    bucket: &Bucket,
    subject: String,
    (value, at): (Bytes, &Revision),
) -> Result<Put, StoreError> {
    let Some(expected) = bucket.sequence(at) else { return refusal(link, bucket, subject).await };
    match publish(link, &subject, headers(expected), value).await? {
        Answer::Stored(sequence) => Ok(Put::Written(bucket.revision(sequence))),
        Answer::Refused => refusal(link, bucket, subject).await,
        Answer::NoRoom => Err(full(link, bucket, subject, expected).await),
    }
}

/// Leaves a marker in place of the document. Its sequence is no revision that a put may expect,
/// or a put at it would bring the document back; so it is told as a text.
pub(crate) async fn remove(
    link: &Link,
    bucket: &Bucket,
    subject: String,
    at: &Revision,
) -> Result<Put, StoreError> {
    let Some(expected) = bucket.sequence(at) else { return refusal(link, bucket, subject).await };
    let mut headers = headers(expected);
    headers.insert("KV-Operation", "PURGE");
    headers.insert("Nats-Rollup", "sub");
    match publish(link, &subject, headers, Bytes::new()).await? {
        Answer::Stored(marker) => Ok(Put::Written(Revision::text(&format!("removed-{marker}")))),
        Answer::Refused => refusal(link, bucket, subject).await,
        Answer::NoRoom => Err(full(link, bucket, subject, expected).await),
    }
}

/// Why a write at a revision did not go ahead.
async fn refusal(link: &Link, bucket: &Bucket, subject: String) -> Result<Put, StoreError> {
    Ok(match last(link, bucket, subject).await? {
        Last::Alive(_) => Put::Conflict,
        Last::Gone(_) => Put::Missing,
        Last::Never => Put::Missing,
    })
}

async fn full(link: &Link, bucket: &Bucket, subject: String, expected: u64) -> StoreError {
    match last(link, bucket, subject.clone()).await {
        Ok(Last::Alive(found)) => {
            no_room(bucket, &subject, found.revision == bucket.revision(expected))
        }
        Ok(Last::Gone(_)) => no_room(bucket, &subject, false),
        Ok(Last::Never) => no_room(bucket, &subject, false),
        Err(_) => no_room(bucket, &subject, false),
    }
}

/// A disk that fails is told by the same code as one that is full: only where the subject stands
/// as before is it certain that nothing was written.
fn no_room(bucket: &Bucket, subject: &str, stands: bool) -> StoreError {
    if stands {
        return Full(format!("the bucket {} takes no more", bucket.name).into()).into();
    }
    unknown(subject, &"storing failed")
}

fn headers(expected: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(EXPECTED, expected.to_string());
    headers
}

async fn publish(
    link: &Link,
    subject: &str,
    headers: HeaderMap,
    value: Bytes,
) -> Result<Answer, StoreError> {
    link.check().map_err(unavailable)?;
    let length = value.len();
    let request = Request::new().headers(headers).payload(value).timeout(Some(link.timeout));
    match link.client.send_request(subject.to_owned(), request).await {
        Ok(message) => judge(subject, &message),
        Err(error) => Err(match error.kind() {
            RequestErrorKind::NoResponders => unavailable(Reason::NoStream(subject.to_owned())),
            RequestErrorKind::MaxPayloadExceeded => too_large(link, length),
            RequestErrorKind::InvalidSubject => unknown(subject, &error),
            // Sent, or kept to be sent late.
            RequestErrorKind::TimedOut => unknown(subject, &error),
            RequestErrorKind::Other => unknown(subject, &error),
        }),
    }
}

#[derive(Deserialize)]
struct Said {
    seq: Option<u64>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    err_code: u64,
    #[serde(default)]
    description: String,
}

fn judge(subject: &str, message: &Message) -> Result<Answer, StoreError> {
    let said: Said =
        serde_json::from_slice(&message.payload).map_err(|error| unknown(subject, &error))?;
    match said {
        Said { error: Some(no), .. } if OTHER_SEQUENCE.contains(&no.err_code) => {
            Ok(Answer::Refused)
        }
        Said { error: Some(no), .. } if NO_ROOM.contains(&no.err_code) => Ok(Answer::NoRoom),
        Said { error: Some(no), .. } => Err(unknown(subject, &no.description)),
        Said { seq: Some(sequence), error: None } if sequence > 0 => Ok(Answer::Stored(sequence)),
        Said { seq: _, error: None } => Err(unknown(subject, &"no sequence")),
    }
}

fn too_large(link: &Link, actual: usize) -> StoreError {
    StoreError::TooLarge { limit: limit(link), actual }
}

fn unknown(subject: &str, said: &dyn std::fmt::Display) -> StoreError {
    let (subject, said) = (subject.to_owned(), said.to_string());
    StoreError::Unknown(Box::new(Reason::NoAnswer { subject, said }))
}
