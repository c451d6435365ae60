//! Names of documents: kind, partition and id, each of a small alphabet by construction.
//! It never knows what a partition stands for; callers put a product's or a job's id there.

/// The longest partition or id, in bytes.
pub const LONGEST_PART: usize = 128;

/// A sort of document. Two kinds are the same when their names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub name: &'static str,
    pub spread: Spread,
}

/// How a provider with several places may divide a kind among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spread {
    /// All in one place.
    Whole,
    /// By the id, so that one partition uses all places.
    ById,
    /// By the partition, so that what belongs together lies together.
    ByPartition,
}

/// The name of one document. In order: kind, partition, id, each byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub(crate) kind: Kind,
    pub(crate) partition: Box<str>,
    pub(crate) id: Box<str>,
}

impl Key {
    /// # Errors
    /// Names the part that is not 1 to 128 of `A-Z a-z 0-9 _ -`.
    pub fn new(
        kind: Kind,
        partition: impl Into<Box<str>>,
        id: impl Into<Box<str>>,
    ) -> Result<Self, BadKey> {
        let (partition, id) = (partition.into(), id.into());
        check_part("kind", kind.name)?;
        check_part("partition", &partition)?;
        check_part("id", &id)?;
        Ok(Self { kind, partition, id })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn partition(&self) -> &str {
        &self.partition
    }

    pub fn id(&self) -> &str {
        &self.id
    }
}

/// What a scan covers. A partition that no key can have is an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every document of a kind.
    Kind(Kind),
    /// The documents of a kind in one partition.
    Partition(Kind, Box<str>),
}

impl Scope {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Kind(kind) => *kind,
            Self::Partition(kind, _) => *kind,
        }
    }
}

/// A part of a key that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} {shown:?} is not 1 to 128 of A-Z a-z 0-9 _ -")]
pub struct BadKey {
    /// `kind`, `partition` or `id`.
    pub part: &'static str,
    /// The offending text, cut to what a log line bears.
    pub shown: Box<str>,
}

/// Whether `text` may be a part of a key; `part` is its name in the error.
///
/// # Errors
/// When it is empty, too long, or outside the alphabet.
pub fn check_part(part: &'static str, text: &str) -> Result<(), BadKey> {
    let fits = (1..=LONGEST_PART).contains(&text.len());
    if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Ok(());
    }
    Err(BadKey { part, shown: text.chars().take(LONGEST_PART + 1).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { name: "jobs", spread: Spread::ById };

    #[test]
    fn a_key_outside_the_alphabet_names_its_part() {
        let long = "x".repeat(LONGEST_PART + 1);
        for bad in ["", "a.b", "a*", ">", "a/b", "a b", "a\n", "a\0", "é", &long] {
            assert_eq!(Key::new(KIND, bad, "id").unwrap_err().part, "partition");
            assert_eq!(Key::new(KIND, "p", bad).unwrap_err().part, "id");
        }
        let kind = Kind { name: "a.b", spread: Spread::Whole };
        assert_eq!(Key::new(kind, "p", "id").unwrap_err().part, "kind");
    }

    #[test]
    fn keys_order_by_kind_then_partition_then_id() {
        let key = |partition, id| Key::new(KIND, partition, id).unwrap();
        assert!(key("a", "z") < key("a-", "a"));
        assert!(key("a", "-") < key("a", "0"));
        assert!(key("a", "Z") < key("a", "_"));
    }
}
