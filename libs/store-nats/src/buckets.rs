//! Which bucket a document lies in and what its subject is: fixed for as long as a store lives.

use std::collections::BTreeMap;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use serde::{Deserialize, Serialize};
use store::{Key, Kind, Revision, Spread, StoreError, check_part};

use crate::trouble::Reason;

/// The bucket of what is fixed when a store is made.
pub(crate) const CONTROL: &str = "fleet_control";
pub(crate) const CONTROL_SUBJECT: &str = "$KV.fleet_control.meta.meta";

/// What `doctor` writes to measure; nobody reads it.
pub(crate) const PROBE_SUBJECT: &str = "$KV.fleet_control.meta.doctor";

/// Part of the stored form: revisions are counted in it.
pub(crate) const MOST_PARTITIONS: u64 = 64;

/// What `init` wrote down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Control {
    pub(crate) generation: String,
    pub(crate) partitions: usize,
    pub(crate) replicas: usize,
    /// Every bucket that was made: one that is not here is new, one that is here and not there
    /// is lost.
    pub(crate) buckets: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Buckets {
    by_kind: BTreeMap<&'static str, Vec<Bucket>>,
    control: Control,
}

#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    /// `KV_` and the name.
    pub(crate) stream: String,
    /// Among the buckets of its kind.
    index: u64,
    /// With one replica any answer is the only one there can be.
    pub(crate) is_single: bool,
}

impl Bucket {
    /// The only one of its kind.
    pub(crate) fn new(name: String, replicas: usize) -> Self {
        let stream = format!("KV_{name}");
        Self { name, stream, index: 0, is_single: replicas == 1 }
    }

    /// The revision of the message with this sequence. It names the bucket as well, since each
    /// stream counts for itself: no two writes of a kind have one revision, and one that was
    /// given in another bucket is at nothing here.
    pub(crate) fn revision(&self, sequence: u64) -> Revision {
        Revision::number(sequence * MOST_PARTITIONS + self.index)
    }

    /// The sequence that a document at this revision has. Never zero, which to the server means
    /// "nothing is there", so that a put which expects it would create.
    pub(crate) fn sequence(&self, revision: &Revision) -> Option<u64> {
        let number = revision.as_number()?;
        let sequence = number / MOST_PARTITIONS;
        (number % MOST_PARTITIONS == self.index && sequence > 0).then_some(sequence)
    }

    /// Of all its keys.
    pub(crate) fn subjects(&self) -> String {
        format!("$KV.{}.>", self.name)
    }

    /// How its stream must be set.
    pub(crate) fn config(&self, replicas: usize) -> Config {
        Config {
            name: self.stream.clone(),
            subjects: vec![self.subjects()],
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: replicas,
            deny_delete: true,
            allow_rollup: true,
            // Scans read by it, and reads where there is one replica.
            allow_direct: true,
            ..Config::default()
        }
    }

    pub(crate) async fn make(
        &self,
        context: &Context,
        replicas: usize,
    ) -> Result<(), store::Cause> {
        Box::pin(context.create_stream(self.config(replicas))).await?;
        Ok(())
    }
}

impl Buckets {
    pub(crate) fn new(kinds: &[Kind], control: &Control) -> Self {
        let of = |kind: &Kind| {
            let names = (0..).zip(names(*kind, control.partitions));
            let bucket = |(index, name)| Bucket { index, ..Bucket::new(name, control.replicas) };
            (kind.name, names.map(bucket).collect())
        };
        Self { by_kind: kinds.iter().map(of).collect(), control: control.clone() }
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Bucket> {
        self.by_kind.values().flatten()
    }

    /// The bucket of a key, and its subject.
    pub(crate) fn place(&self, key: &Key) -> Result<(&Bucket, String), StoreError> {
        let buckets = self.of(key.kind())?;
        let bucket = match key.kind().spread {
            Spread::Whole => &buckets[0],
            Spread::ById => one_of(buckets, key.id()),
            Spread::ByPartition => one_of(buckets, key.partition()),
        };
        let subject = format!("$KV.{}.{}.{}", bucket.name, key.partition(), key.id());
        Ok((bucket, subject))
    }

    /// All buckets of a kind, at least one.
    pub(crate) fn of(&self, kind: Kind) -> Result<&[Bucket], StoreError> {
        match self.by_kind.get(kind.name) {
            Some(buckets) => Ok(buckets),
            None => Err(StoreError::Unavailable(Box::new(Reason::NotOpened(kind.name)))),
        }
    }

    /// Those that may have documents of a partition; none where no key can have it.
    pub(crate) fn of_partition(&self, kind: Kind, name: &str) -> Result<&[Bucket], StoreError> {
        let buckets = self.of(kind)?;
        if check_part("partition", name).is_err() {
            return Ok(&[]);
        }
        Ok(match kind.spread {
            Spread::Whole | Spread::ById => buckets,
            Spread::ByPartition => std::slice::from_ref(one_of(buckets, name)),
        })
    }
}

pub(crate) fn names(kind: Kind, partitions: usize) -> Vec<String> {
    match kind.spread {
        Spread::Whole => vec![kind.name.to_owned()],
        Spread::ById | Spread::ByPartition => {
            (0..partitions).map(|n| format!("{}_{n}", kind.name)).collect()
        }
    }
}

fn one_of<'a>(buckets: &'a [Bucket], text: &str) -> &'a Bucket {
    let many = u64::try_from(buckets.len()).unwrap_or(1);
    let at = hash(text) % many;
    usize::try_from(at).ok().and_then(|at| buckets.get(at)).expect("a remainder is within")
}

/// FNV-1a. Part of the stored form: another hash would look for documents where they are not.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one_for_ever() {
        assert_eq!(hash(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_spread_kind_uses_all_its_buckets_and_a_partition_one_or_all() {
        let by_id = Kind { name: "jobs", spread: Spread::ById };
        let by_partition = Kind { name: "runs", spread: Spread::ByPartition };
        let whole = Kind { name: "locks", spread: Spread::Whole };
        let control =
            Control { generation: "g".into(), partitions: 8, replicas: 1, buckets: Vec::new() };
        let buckets = Buckets::new(&[by_id, by_partition, whole], &control);
        let many = |kind, name: &str| buckets.of_partition(kind, name).unwrap().len();
        assert_eq!((many(by_id, "p"), many(by_partition, "p"), many(whole, "p")), (8, 1, 1));
        assert_eq!(many(by_id, ">"), 0);
        let used = |kind, partition: fn(u32) -> String| {
            let key = |n: u32| Key::new(kind, partition(n), format!("j{n}")).unwrap();
            let places = (0..200).map(|n| buckets.place(&key(n)).unwrap().0.name.clone());
            places.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(used(by_id, |_| "p".into()), 8);
        assert_eq!(used(by_partition, |_| "p".into()), 1);
        assert_eq!(used(by_partition, |n| format!("p{n}")), 8);
        let [first, second] = [0, 1].map(|n| &buckets.of(by_id).unwrap()[n]);
        assert_eq!(first.sequence(&first.revision(7)), Some(7));
        assert_eq!(second.sequence(&first.revision(7)), None, "another bucket's revision");
        assert_eq!(second.sequence(&Revision::number(1)), None, "a sequence of zero");
        let key = Key::new(whole, "p", "i").unwrap();
        assert_eq!(buckets.place(&key).unwrap().1, "$KV.locks.p.i");
    }
}
