//! The NATS provider: one bucket for each kind or eight, each write a publish that expects the
//! last sequence of its subject. It never makes a bucket by itself, never watches, and uses no
//! TTL and no batch of writes.

mod ahead;
mod batch;
mod buckets;
mod init;
mod inner;
mod link;
mod read;
mod report;
mod room;
mod scan;
#[cfg(test)]
mod tests;
mod trouble;
mod verify;
mod write;

use async_trait::async_trait;
use bytes::Bytes;
use store::{Cursor, Expect, Key, Kind, Page, Put, Revision, Scope, Store, StoreError, Versioned};

use ahead::Ahead;
use buckets::Buckets;
use link::Link;

pub use init::{Plan, init};
pub use inner::{asked_to_make, asked_to_open, asked_to_read, asked_to_write};
pub use link::Options;
pub use report::{BucketState, Report, SyncMode, sync_modes};
pub use room::Fullest;
pub use trouble::{Fault, Trouble};

/// The largest value with a server's default settings: its longest message is 1 MiB, headers
/// included.
pub const MAX_VALUE_BY_DEFAULT: usize = store::MAX_VALUE - write::HEADERS;

/// As [`NatsKv::report`], of a store that may be unfit to be opened: its faults are in the report.
///
/// # Errors
/// When the server cannot be reached or is too old, or nothing was ever made there.
pub async fn look(options: &Options, kinds: &[Kind]) -> Result<Report, Trouble> {
    let link = Link::connect(options).await?;
    let control = verify::control(&link).await?;
    report::report(&link, &Buckets::new(kinds, &control)).await
}

/// Writes a key that no record has so often, each time at the revision of the write before it:
/// what a claim's write costs, with nothing else in it. `told` hears of every acknowledgement.
///
/// # Errors
/// When a write is not acknowledged, or another writes there at the same time.
pub async fn probe(
    options: &Options,
    times: u32,
    mut told: impl FnMut() + Send,
) -> Result<(), Trouble> {
    let link = Link::connect(options).await?;
    let mut sequence = verify::probe_sequence(&link).await?;
    for _ in 0..times {
        sequence =
            init::write_at(&link, buckets::PROBE_SUBJECT, ("probe".into(), sequence)).await?;
        told();
    }
    Ok(())
}

/// Documents in the buckets of a NATS server or cluster.
///
/// A revision is the sequence of the key's last message, with its bucket. As durable as the streams
/// are: see [`Report::sync`].
#[derive(Debug)]
pub struct NatsKv {
    link: Link,
    ahead: Ahead,
    buckets: Buckets,
}

impl NatsKv {
    /// Connects and verifies every bucket of these kinds; makes none.
    ///
    /// # Errors
    /// When the server cannot be reached or is too old, or a bucket is missing or set otherwise
    /// than [`init`] would: each is named.
    pub async fn open(options: &Options, kinds: &[Kind]) -> Result<Self, Trouble> {
        let link = Link::connect(options).await?;
        let control = verify::control(&link).await?;
        let buckets = Buckets::new(kinds, &control);
        let faults = verify::faults(&link, &buckets, &control).await?;
        if !faults.is_empty() {
            return Err(Trouble::Faults(faults));
        }
        let ahead = Ahead::over(Link::connect(options).await?);
        Ok(Self { link, ahead, buckets })
    }

    /// Changes only when [`init`] is told that what was stored is gone.
    pub fn generation(&self) -> &str {
        &self.buckets.control().generation
    }

    /// On so many servers each document is kept.
    pub fn replicas(&self) -> usize {
        self.buckets.control().replicas
    }

    /// What is missing of the store that was opened, and whether another generation took its
    /// place: nothing as long as it is the same one. Cheap enough for every second.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn losses(&self) -> Result<Vec<Fault>, Trouble> {
        verify::losses(&self.link, &self.buckets).await
    }

    /// The bucket that is nearest to its bound; nothing where none has one. Cheap enough for every
    /// second.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn fullest(&self) -> Result<Option<Fullest>, Trouble> {
        room::fullest(&self.link, &self.buckets).await
    }

    /// What `doctor` and readiness tell: server, sync mode, replicas and the state of each bucket,
    /// as they are now.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn report(&self) -> Result<Report, Trouble> {
        report::report(&self.link, &self.buckets).await
    }
}

#[async_trait]
impl Store for NatsKv {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let (bucket, subject) = self.buckets.place(key)?;
        Ok(read::last(&self.link, bucket, subject).await?.alive())
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        write::check_size(&self.link, &value)?;
        let (bucket, subject) = self.buckets.place(key)?;
        match expect {
            Expect::Absent => write::create(&self.link, bucket, subject, value).await,
            Expect::At(at) => write::update(&self.link, bucket, subject, (value, at)).await,
        }
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        let (bucket, subject) = self.buckets.place(key)?;
        write::remove(&self.link, bucket, subject, at).await
    }

    /// A document that is rewritten while its kind is scanned may come twice. One page of a kind
    /// in a cluster may be answered by a replica that is a little behind: a revision in it is a
    /// belief, as any that was read earlier.
    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let buckets = self.buckets.of(scope.kind())?;
        match scope {
            Scope::Kind(kind) => {
                scan::kind((&self.link, &self.ahead), (*kind, buckets), from, limit).await
            }
            Scope::Partition(kind, partition) => {
                let buckets = self.buckets.of_partition(*kind, partition)?;
                scan::partition(&self.link, (*kind, partition, buckets), from, limit).await
            }
        }
    }
}
