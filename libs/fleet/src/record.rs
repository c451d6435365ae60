//! What every record has in common: a head, and rules that are split into deciding and evolving.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::ProductId;
use crate::time::Timestamp;

/// The version of the stored form that this code writes.
pub const SCHEMA_VERSION: u32 = 1;

/// A document and its rules. The two halves are pure, so that a command can be judged again after
/// a lost race without any trace of the first time.
pub trait Record: Sized + Serialize + DeserializeOwned {
    /// A wish, imperative.
    type Command;
    /// A fact, past tense.
    type Event;
    /// An expected no, with the current truth in it.
    type Rejection;

    /// An empty list says "already so": replaying a command is harmless.
    ///
    /// # Errors
    /// The rules refuse the command as the record stands.
    fn decide(
        &self,
        command: &Self::Command,
        now: Timestamp,
    ) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Total: whatever `decide` emitted applies.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;

    fn head(&self) -> &Head;
    fn head_mut(&mut self) -> &mut Head;

    /// The stored bytes.
    ///
    /// # Errors
    /// None for the records of this crate: their keys are strings and their numbers finite.
    fn encode(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// # Errors
    /// The bytes are no such record; the error names the field.
    fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}

/// The record as the next write stores it.
#[must_use]
pub fn touched<R: Record>(mut record: R, now: Timestamp) -> R {
    let head = record.head_mut();
    head.rev += 1;
    head.updated_at = head.updated_at.max(now);
    record
}

/// The fields that every stored record begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    pub product_id: ProductId,
    pub schema_version: u32,
    /// One more at each write; for people. The store's own revision is what writes depend on.
    pub rev: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Head {
    /// The head of a record that has not been written yet.
    #[must_use]
    pub fn new(product: ProductId, now: Timestamp) -> Self {
        Self {
            product_id: product,
            schema_version: SCHEMA_VERSION,
            rev: 0,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The schema version that stored bytes claim to have, whatever else they hold.
#[must_use]
pub fn schema_version_of(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Claimed {
        schema_version: u32,
    }
    serde_json::from_slice::<Claimed>(bytes).ok().map(|claimed| claimed.schema_version)
}
