//! The store seam: conditional writes of opaque documents, and the laws every provider keeps.
//! It never knows what a document means, never overwrites and never watches.

mod broken;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod faulty;
mod full;
mod key;
mod memory;
mod revision;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use broken::Broken;
pub use faulty::{Faults, Faulty, Injected};
pub use full::Full;
pub use key::{BadKey, Key, Kind, LONGEST_PART, Scope, Spread, check_part};
pub use memory::Memory;
pub use revision::{BadRevision, Revision};

/// The largest value that the memory and the embedded store take: 1 MiB.
pub const MAX_VALUE: usize = 1 << 20;

/// A place of documents, each under a key, each write conditional.
///
/// Dropping a future of `put` or `remove` before it answered leaves that write unknown.
#[async_trait]
pub trait Store: Send + Sync + Debug + 'static {
    /// The document as of every write completed before this call.
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError>;

    /// Writes only if `expect` still holds. Durable when it answers `Written`.
    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError>;

    /// Removes only at that revision; for clearing away finished records.
    /// The revision in its `Written` is one that no document has.
    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError>;

    /// One page of at most `limit` items (at least one is asked for; a provider may return fewer).
    /// A partition comes in key order; a whole kind in any order, at least once.
    /// The scan is over when `next` is `None`; a cursor stays good after removals.
    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError>;
}

/// What must hold for a put to be written. There is no "whatever".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No document is there.
    Absent,
    /// The document is there, at this revision.
    At(Revision),
}

/// What became of a conditional write. All three are normal.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// Done, and durable; the document now has this revision.
    Written(Revision),
    /// Another revision is there, or any document where none was expected. Nothing was written.
    Conflict,
    /// No document is there, though a revision was expected. Nothing was written.
    Missing,
}

/// A document with the revision of its last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    pub value: Bytes,
    pub revision: Revision,
}

/// One page of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub items: Vec<(Key, Versioned)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// Where a scan goes on. Only the provider that made it, and the same scope, can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// For providers: their own position as text.
    pub fn new(position: impl Into<Box<str>>) -> Self {
        Self(position.into())
    }

    /// For the provider that made it.
    pub fn position(&self) -> &str {
        &self.0
    }
}

/// What lies behind an error of the store; read by people, never matched on.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why the store gave no answer; one variant for each reaction.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing happened. Wait, then try again.
    #[error("the store is unavailable")]
    Unavailable(#[source] Cause),
    /// It may have happened. Read again and look for your own nonce.
    #[error("the store did not say whether the write happened")]
    Unknown(#[source] Cause),
    /// Nothing happened, and never will with this value.
    #[error("a value of {actual} bytes is above the store's limit of {limit}")]
    TooLarge { limit: usize, actual: usize },
    /// What is stored is damaged. A person must act; the cause says how.
    #[error("the store is damaged")]
    Corrupt(#[source] Cause),
}

impl StoreError {
    /// Whether nothing happened for this very cause.
    #[must_use]
    pub fn is_for<C: Error + 'static>(&self) -> bool {
        match self {
            Self::Unavailable(cause) => cause.is::<C>(),
            Self::Unknown(_) | Self::TooLarge { .. } | Self::Corrupt(_) => false,
        }
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        (**self).get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        (**self).put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        (**self).remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        (**self).scan(scope, from, limit).await
    }
}
