//! Pages of scans. A partition is a list of its subjects, then reads that decide; a kind is its
//! streams from end to end. A scan goes on from its cursor alone, whatever is kept between its pages.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use store::{Cursor, Key, Kind, Page, StoreError, Versioned};
use tokio::time::sleep;

use crate::ahead::Ahead;
use crate::batch::Stored;
use crate::buckets::Bucket;
use crate::link::Link;
use crate::read::{last, unavailable, unread};
use crate::trouble::Reason;

/// Bounds of one page, whatever was asked for.
const MOST_ITEMS: usize = 1_024;
const MOST_BYTES: usize = 4 << 20;
/// Reads of one page that are under way at once.
const READS: usize = 64;
/// A replica that is behind its leader is asked again so often, that long apart.
const LOOKS: u32 = 200;
const LOOK: Duration = Duration::from_millis(10);

/// The next documents of a partition in order of their ids. The cursor is the last id looked at.
pub(crate) async fn partition(
    link: &Link,
    (kind, name, buckets): (Kind, &str, &[Bucket]),
    from: Option<&Cursor>,
    limit: usize,
) -> Result<Page, StoreError> {
    let limit = limit.clamp(1, MOST_ITEMS);
    let mut ids = ids(link, name, buckets).await?;
    if let Some(seen) = from {
        ids = ids.split_off(seen.position());
        ids.remove(seen.position());
    }
    let (mut page, mut bytes) = (Page::default(), 0);
    let mut ahead = ids.into_iter().peekable();
    while page.items.len() < limit && bytes < MOST_BYTES && ahead.peek().is_some() {
        let many = READS.min(limit - page.items.len());
        let reads =
            ahead.by_ref().take(many).map(|(id, bucket)| read(link, (kind, name), id, bucket));
        let reads: Vec<_> = reads.collect();
        for (key, found) in try_join_all(reads).await? {
            page.next = Some(Cursor::new(key.id()));
            let Some(document) = found else { continue };
            bytes += document.value.len();
            page.items.push((key, document));
        }
    }
    page.next = page.next.filter(|_| ahead.peek().is_some());
    Ok(page)
}

async fn read(
    link: &Link,
    (kind, partition): (Kind, &str),
    id: String,
    bucket: &Bucket,
) -> Result<(Key, Option<Versioned>), StoreError> {
    let subject = format!("$KV.{}.{partition}.{id}", bucket.name);
    let found = last(link, bucket, subject).await?.alive();
    let key = Key::new(kind, partition, id);
    Ok((key.map_err(|error| StoreError::Corrupt(error.into()))?, found))
}

/// The next documents of a kind, bucket after bucket, each in order of its writes: one that is
/// rewritten meanwhile comes again further on. The cursor is `<bucket>.<sequence to go on at>`.
pub(crate) async fn kind(
    (link, ahead): (&Link, &Ahead),
    (kind, buckets): (Kind, &[Bucket]),
    from: Option<&Cursor>,
    limit: usize,
) -> Result<Page, StoreError> {
    let limit = limit.clamp(1, MOST_ITEMS);
    let start = from.and_then(|cursor| cursor.position().split_once('.'));
    let start =
        start.and_then(|(at, next)| Some((at.parse().ok()?, next.parse::<u64>().ok()?.max(1))));
    let (first, mut next): (usize, u64) = start.unwrap_or((0, 1));
    for (at, bucket) in buckets.iter().enumerate().skip(first) {
        let stretch = stretch((link, ahead), (kind, bucket), next, limit).await?;
        let after = match stretch.next {
            Some(next) => Some((at, next)),
            None => (at + 1 < buckets.len()).then_some((at + 1, 1)),
        };
        let after = after.map(|(bucket, next)| Cursor::new(format!("{bucket}.{next}")));
        if !stretch.items.is_empty() || after.is_none() {
            return Ok(Page { items: stretch.items, next: after });
        }
        next = 1;
    }
    Ok(Page::default())
}

#[derive(Default)]
struct Stretch {
    items: Vec<(Key, Versioned)>,
    /// Where this bucket goes on; `None` at its end.
    next: Option<u64>,
}

/// The next documents of one bucket, at least one unless it ends.
///
/// It ends where a replica that has all that was written before this page has nothing further.
/// Whatever stayed was passed by then: a message moves only forward, by being rewritten.
async fn stretch(
    (link, ahead): (&Link, &Ahead),
    (kind, bucket): (Kind, &Bucket),
    mut next: u64,
    limit: usize,
) -> Result<Stretch, StoreError> {
    let written = written(link, bucket).await?;
    let mut behind = 0;
    loop {
        if next > written {
            return Ok(Stretch::default());
        }
        let batch = ahead.batch(bucket, next, limit).await?;
        let seen = batch.last().unwrap_or(next - 1);
        let items = documents(kind, bucket, batch.messages)?;
        let is_end = batch.pending == 0 && seen >= written;
        if is_end || !items.is_empty() {
            return Ok(Stretch { items, next: (!is_end).then_some(seen + 1) });
        }
        next = seen + 1;
        if batch.pending == 0 {
            behind += 1;
            if behind == LOOKS {
                return Err(unavailable(Reason::Behind(bucket.name.clone())));
            }
            sleep(LOOK).await;
        }
    }
}

fn documents(
    kind: Kind,
    bucket: &Bucket,
    messages: VecDeque<Stored>,
) -> Result<Vec<(Key, Versioned)>, StoreError> {
    let alive = messages.into_iter().filter(|message| !message.is_marker);
    let document = |Stored { subject, sequence, value, .. }: Stored| {
        let place = subject.strip_prefix("$KV.").and_then(|rest| rest.strip_prefix(&bucket.name));
        let parts = place.and_then(|rest| rest.strip_prefix('.')).and_then(|r| r.split_once('.'));
        let key = parts.and_then(|(partition, id)| Key::new(kind, partition, id).ok());
        let revision = bucket.revision(sequence);
        key.map(|key| (key, Versioned { value, revision })).ok_or_else(|| stranger(bucket, subject))
    };
    alive.map(document).collect()
}

/// A subject whose key cannot be read was written by somebody else, or is damaged.
fn stranger(bucket: &Bucket, subject: String) -> StoreError {
    let bucket = bucket.name.clone();
    StoreError::Corrupt(Box::new(Reason::Stranger { bucket, subject }))
}

#[derive(Serialize)]
struct Look {
    #[serde(skip_serializing_if = "Option::is_none")]
    subjects_filter: Option<String>,
    offset: usize,
}

#[derive(Deserialize)]
struct Looked {
    state: State,
    #[serde(default)]
    total: usize,
    #[serde(default)]
    error: Option<async_nats::jetstream::Error>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    last_seq: u64,
    subjects: BTreeMap<String, u64>,
}

/// The ids of a partition in order, removed ones too, and where each lies; told by the leaders.
async fn ids<'a>(
    link: &Link,
    name: &str,
    buckets: &'a [Bucket],
) -> Result<BTreeMap<String, &'a Bucket>, StoreError> {
    let lists: Vec<_> = buckets.iter().map(|bucket| subjects(link, bucket, name)).collect();
    let lists = try_join_all(lists).await?;
    let placed =
        |(bucket, ids): (&'a Bucket, Vec<String>)| ids.into_iter().map(move |id| (id, bucket));
    Ok(buckets.iter().zip(lists).flat_map(placed).collect())
}

/// The ids of a partition in one bucket. A list that comes in parts is sorted
/// by the server; a subject that comes in between shows one twice and hides none.
async fn subjects(
    link: &Link,
    bucket: &Bucket,
    partition: &str,
) -> Result<Vec<String>, StoreError> {
    let prefix = format!("$KV.{}.{partition}.", bucket.name);
    let mut found = Vec::new();
    let mut offset = 0;
    loop {
        let looked =
            look(link, bucket, Look { subjects_filter: Some(format!("{prefix}*")), offset });
        let Looked { state, total, .. } = looked.await?;
        let many = state.subjects.len();
        let ids = state.subjects.into_keys();
        found.extend(
            ids.filter_map(|subject| subject.strip_prefix(prefix.as_str()).map(str::to_owned)),
        );
        offset += many;
        if many == 0 || offset >= total {
            return Ok(found);
        }
    }
}

/// The sequence of the last message, as the leader has it.
async fn written(link: &Link, bucket: &Bucket) -> Result<u64, StoreError> {
    let looked = look(link, bucket, Look { subjects_filter: None, offset: 0 }).await?;
    Ok(looked.state.last_seq)
}

async fn look(link: &Link, bucket: &Bucket, ask: Look) -> Result<Looked, StoreError> {
    link.check().map_err(unavailable)?;
    let subject = format!("STREAM.INFO.{}", bucket.stream);
    let looked: Result<Looked, _> = link.streams.request(subject, &ask).await;
    let looked = looked.map_err(|error| unread(&bucket.name, error))?;
    match looked.error {
        None => Ok(looked),
        Some(error) => Err(unread(&bucket.name, error)),
    }
}
