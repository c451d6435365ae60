//! The one place that makes buckets, for an operator's explicit word and for `dev`. It never
//! fills a gap by itself: what was there and is not is data loss until somebody says otherwise.

use async_nats::HeaderMap;
use async_nats::jetstream::stream::Info;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use store::Kind;

use crate::buckets::{Bucket, Buckets, CONTROL, CONTROL_SUBJECT, Control, MOST_PARTITIONS, names};
use crate::link::{Link, Options};
use crate::trouble::{Fault, Trouble};
use crate::{room, verify};

/// The server allows no more.
const MOST_REPLICAS: usize = 5;
const AT_ONCE: usize = 8;

/// What is fixed when a store is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Buckets of each kind that is spread.
    pub partitions: usize,
    /// 1, or 3 in a cluster on three failure domains.
    pub replicas: usize,
    /// Says that whatever is missing is gone for good.
    pub new_generation: bool,
    /// The most that the records of each kind may take, evenly over its buckets; zero is without
    /// bound. Nothing said: as it was, and on new servers without bound.
    pub most_bytes: Option<u64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { partitions: 8, replicas: 1, new_generation: false, most_bytes: None }
    }
}

/// Makes what is missing on a new server, and the buckets of kinds that are new on one that is in
/// use; repeated, it changes nothing. `generation` is any text that no store had before.
///
/// # Errors
/// When a bucket that was made before is gone, one is set otherwise, or the store was made with
/// other numbers.
pub async fn init(
    options: &Options,
    plan: Plan,
    kinds: &[Kind],
    generation: &str,
) -> Result<(), Trouble> {
    check(plan)?;
    let link = Link::connect(options).await?;
    let (before, sequence) = match verify::stored_control(&link).await {
        Ok(found) => found,
        Err(Trouble::NotMade { .. }) => (None, 0),
        Err(other) => return Err(other),
    };
    if let Some(before) = &before {
        fixed("partitions", before.partitions, plan.partitions)?;
        fixed("replicas", before.replicas, plan.replicas)?;
    }
    let all = all_names(kinds, plan.partitions);
    let (there, missing) = sorted(&link, &all, plan.replicas).await?;
    let lost = lost(before.as_ref(), &missing, &there);
    if !lost.is_empty() && !plan.new_generation {
        return Err(Trouble::Faults(lost));
    }
    make(&link, &missing, plan.replicas).await?;
    room::bound(&link, kinds, plan).await?;
    let known = before.as_ref().map(|b| (b.generation.clone(), b.buckets.clone()));
    let (old, mut made) = known.unwrap_or_default();
    made.extend(all);
    made.sort();
    made.dedup();
    let keeps = before.is_some() && !plan.new_generation;
    let generation = if keeps { old } else { generation.to_owned() };
    let (partitions, replicas) = (plan.partitions, plan.replicas);
    let control = Control { generation, partitions, replicas, buckets: made };
    let faults = verify::faults(&link, &Buckets::new(kinds, &control), &control).await?;
    if !faults.is_empty() {
        return Err(Trouble::Faults(faults));
    }
    // † buckets made, no record: the next init finds them empty and goes on.
    if before.as_ref() == Some(&control) { Ok(()) } else { write(&link, &control, sequence).await }
}

fn check(plan: Plan) -> Result<(), Trouble> {
    let most = usize::try_from(MOST_PARTITIONS).unwrap_or(usize::MAX);
    within("partitions", plan.partitions, most)?;
    within("replicas", plan.replicas, MOST_REPLICAS)?;
    room::check(plan)
}

fn within(what: &'static str, wanted: usize, most: usize) -> Result<(), Trouble> {
    if (1..=most).contains(&wanted) {
        return Ok(());
    }
    Err(Trouble::BadPlan { what, wanted, why: format!("from 1 to {most} are possible") })
}

fn fixed(what: &'static str, found: usize, wanted: usize) -> Result<(), Trouble> {
    if found == wanted {
        return Ok(());
    }
    let why = format!("the store was made with {found}, which stays");
    Err(Trouble::BadPlan { what, wanted, why })
}

/// Of every bucket, the control record's first.
pub(crate) fn all_names(kinds: &[Kind], partitions: usize) -> Vec<String> {
    let mut all = vec![CONTROL.to_owned()];
    let others = kinds.iter().flat_map(|kind| names(*kind, partitions));
    all.extend(others.filter(|name| name != CONTROL));
    all
}

/// Those that are there, each with whether it holds anything, and those that are not.
async fn sorted(
    link: &Link,
    names: &[String],
    replicas: usize,
) -> Result<(Vec<(String, bool)>, Vec<Bucket>), Trouble> {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    let buckets = names.iter().map(|name| Bucket::new(name.clone(), replicas));
    let looks: Vec<_> = buckets.map(|bucket| look(link, bucket)).collect();
    let mut looks = stream::iter(looks).buffered(AT_ONCE);
    while let Some((info, bucket)) = looks.try_next().await? {
        match info {
            Some(info) => there.push((bucket.name, info.state.last_sequence > 0)),
            None => missing.push(bucket),
        }
    }
    Ok((there, missing))
}

async fn look(link: &Link, bucket: Bucket) -> Result<(Option<Info>, Bucket), Trouble> {
    Ok((verify::info(link, &bucket).await?, bucket))
}

/// What was made before and is gone; the control record too, where documents are without it.
fn lost(before: Option<&Control>, missing: &[Bucket], there: &[(String, bool)]) -> Vec<Fault> {
    let Some(before) = before else {
        let documents = there.iter().any(|(_, holds)| *holds);
        return documents.then(|| Fault::missing(CONTROL)).into_iter().collect();
    };
    let made = missing.iter().filter(|bucket| before.buckets.contains(&bucket.name));
    made.map(|bucket| Fault::missing(&bucket.name)).collect()
}

async fn make(link: &Link, missing: &[Bucket], replicas: usize) -> Result<(), Trouble> {
    let made = missing.iter().map(|bucket| bucket.make(&link.streams, replicas));
    let made: Vec<_> = made.collect();
    let mut made = stream::iter(made).buffer_unordered(AT_ONCE);
    while let Some(one) = made.next().await {
        one.map_err(|error| verify::unreachable(link, error))?;
    }
    Ok(())
}

/// Only if nobody else wrote it meanwhile.
async fn write(link: &Link, control: &Control, sequence: u64) -> Result<(), Trouble> {
    let text = serde_json::to_vec(control).map_err(|error| Trouble::BadControl(error.into()))?;
    write_at(link, CONTROL_SUBJECT, (Bytes::from(text), sequence)).await.map(drop)
}

/// Answers the sequence of the new message.
pub(crate) async fn write_at(
    link: &Link,
    subject: &'static str,
    (body, sequence): (Bytes, u64),
) -> Result<u64, Trouble> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", sequence.to_string());
    let sent = link.streams.publish_with_headers(subject, headers, body).await;
    let sent = sent.map_err(|error| verify::unreachable(link, error))?;
    let stored = sent.await.map_err(|error| verify::unreachable(link, error))?;
    Ok(stored.sequence)
}
