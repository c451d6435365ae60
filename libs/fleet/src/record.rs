//! What every record has in common: a head, and rules that are split into deciding and evolving.

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

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
        serde_json::from_slice(bytes).map_err(|error| naming_the_field::<Self>(bytes, error))
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    #[serde(deserialize_with = "ProductId::stored")]
    #[schemars(schema_with = "ProductId::stored_schema")]
    pub product_id: ProductId,
    #[serde(deserialize_with = "known_schema")]
    #[schemars(range(min = 1, max = SCHEMA_VERSION))]
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

/// The same error, with the field in front that it is about. Costly, and only for records that
/// cannot be read.
pub(crate) fn naming_the_field<R: DeserializeOwned>(
    bytes: &[u8],
    error: serde_json::Error,
) -> serde_json::Error {
    let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return error };
    let said = error.to_string();
    let told = said.split(" at line ").next().unwrap_or(&said);
    match guilty_of::<R>(&fields, told) {
        Some(field) if !told.contains(field.as_str()) => {
            serde_json::Error::custom(format!("{field}: {told}"))
        }
        Some(_) | None => error,
    }
}

/// The field whose value the error repeats; or the one without which there is none; or, of those
/// without which it is another, the one that is looked at last, since the others are looked at
/// before the error.
fn guilty_of<'a, R: DeserializeOwned>(
    fields: &'a Map<String, Value>,
    told: &str,
) -> Option<&'a String> {
    let bad = told.split(", expected").next().unwrap_or(told);
    let quoted = |field: &&String| match &fields[*field] {
        Value::String(text) => {
            bad.contains(&format!("`{text}`")) || bad.contains(&format!("\"{text}\""))
        }
        Value::Number(number) => bad.contains(&format!("`{number}`")),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    let error_of = |fields: Map<String, Value>| {
        serde_json::from_value::<R>(Value::Object(fields)).err().map(|error| error.to_string())
    };
    let without = |guilty: &[&String]| {
        let rest = fields.iter().filter(|(field, _)| !guilty.contains(field));
        error_of(rest.map(|(field, value)| (field.clone(), value.clone())).collect())
    };
    if let Some(missing) = told.strip_prefix("missing field `").and_then(|it| it.split('`').next())
    {
        let mut whole = fields.clone();
        whole.insert(missing.to_owned(), Value::Null);
        if !error_of(whole).is_some_and(|error| error.starts_with(told)) {
            return None;
        }
    }
    let found = fields.keys().find(quoted);
    let found = found.or_else(|| fields.keys().find(|field| without(&[*field]).is_none()));
    found.or_else(|| {
        let differs = |field: &&String| without(&[*field]).is_some_and(|it| !it.starts_with(told));
        fields.keys().filter(differs).reduce(|last, field| {
            let names_last = |it: String| it.contains(&format!("`{last}`"));
            if without(&[last, field]).is_some_and(names_last) { field } else { last }
        })
    })
}

/// What a newer version wrote may mean something else by then: it is neither read nor rewritten.
pub(crate) fn known_schema<'de, D: Deserializer<'de>>(input: D) -> Result<u32, D::Error> {
    match u32::deserialize(input)? {
        version @ 1..=SCHEMA_VERSION => Ok(version),
        0 => Err(D::Error::custom("schemaVersion begins with 1")),
        version => Err(D::Error::custom(format!(
            "schema_too_new: schemaVersion {version} is newer than {SCHEMA_VERSION}"
        ))),
    }
}
