//! How much the buckets may hold and how much they do. A bucket at its bound refuses what is new and
//! whatever grows; it never makes room by forgetting. Judges nothing.

use std::collections::BTreeSet;
use std::fmt;

use async_nats::jetstream::stream::Config;
use futures_util::TryStreamExt;
use store::Kind;

use crate::buckets::{Bucket, Buckets, names};
use crate::init::Plan;
use crate::link::Link;
use crate::trouble::Trouble;
use crate::verify;

/// A tenth of it must take the largest record as it is rewritten, old and new side by side.
const LEAST: u64 = 16 << 20;

/// The bucket that is nearest to its bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fullest {
    pub bucket: String,
    pub used: u64,
    pub most: u64,
}

impl fmt::Display for Fullest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, used, most } = self;
        write!(out, "the bucket {bucket} holds {} of {} MiB", used >> 20, most >> 20)
    }
}

impl Fullest {
    /// Of a thousand parts, those that are taken.
    #[must_use]
    pub fn permille(&self) -> u64 {
        self.used.saturating_mul(1000) / self.most.max(1)
    }
}

/// Nothing where no bucket has a bound. One question, however many buckets there are.
pub(crate) async fn fullest(link: &Link, buckets: &Buckets) -> Result<Option<Fullest>, Trouble> {
    let ours: BTreeSet<&str> = buckets.all().map(|bucket| &*bucket.stream).collect();
    let mut listed = link.streams.streams();
    let mut fullest: Option<Fullest> = None;
    while let Some(info) = next(link, &mut listed).await? {
        let bound = u64::try_from(info.config.max_bytes).ok().filter(|most| *most > 0);
        let Some(most) = bound.filter(|_| ours.contains(&*info.config.name)) else { continue };
        let bucket = info.config.name.trim_start_matches("KV_").to_owned();
        let one = Fullest { bucket, used: info.state.bytes, most };
        if fullest.as_ref().is_none_or(|other| other.permille() < one.permille()) {
            fullest = Some(one);
        }
    }
    Ok(fullest)
}

async fn next(
    link: &Link,
    listed: &mut async_nats::jetstream::context::Streams,
) -> Result<Option<async_nats::jetstream::stream::Info>, Trouble> {
    listed.try_next().await.map_err(|error| verify::unreachable(link, error))
}

/// Whether every bucket gets enough of what its kind may have.
pub(crate) fn check(plan: Plan) -> Result<(), Trouble> {
    let Some(most) = plan.most_bytes.filter(|most| *most > 0) else { return Ok(()) };
    if share(most, plan.partitions) >= LEAST {
        return Ok(());
    }
    let why = format!("each of its {} buckets needs 16 MiB", plan.partitions);
    Err(bad(most, why))
}

/// Sets the bounds of all buckets of these kinds; zero takes them away. A bucket that holds more
/// already keeps it.
pub(crate) async fn bound(link: &Link, kinds: &[Kind], plan: Plan) -> Result<(), Trouble> {
    let Some(most) = plan.most_bytes else { return Ok(()) };
    for kind in kinds {
        let names = names(*kind, plan.partitions);
        let each = share(most, names.len());
        for name in names {
            set(link, &Bucket::new(name, plan.replicas), (each, most)).await?;
        }
    }
    Ok(())
}

async fn set(link: &Link, bucket: &Bucket, (each, most): (u64, u64)) -> Result<(), Trouble> {
    let Some(info) = verify::info(link, bucket).await? else { return Ok(()) };
    let max_bytes = if each == 0 { -1 } else { i64::try_from(each).unwrap_or(i64::MAX) };
    if info.config.max_bytes == max_bytes {
        return Ok(());
    }
    let config = Config { max_bytes, ..info.config };
    // A server promises no more than it has.
    let set = link.streams.update_stream(config).await;
    set.map(drop).map_err(|error| bad(most, format!("{}: {error}", bucket.name)))
}

fn share(most: u64, among: usize) -> u64 {
    most / u64::try_from(among).unwrap_or(u64::MAX).max(1)
}

fn bad(most: u64, why: String) -> Trouble {
    let wanted = usize::try_from(most).unwrap_or(usize::MAX);
    Trouble::BadPlan { what: "bytes of each kind", wanted, why }
}
