//! A text that nobody reads by accident: it says nothing of itself in a log, and goes over a wire
//! only where a field says so. Never checks whether it is right.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serializer};

/// A password, a token or a code. It has no `Serialize`: each field that may leave names
/// `Secret::sent`, so that a struct which merely holds one does not compile to JSON.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(Box<str>);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever compares, digests or shows it once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// For a field that carries it to the one who is meant to have it.
    ///
    /// # Errors
    /// Those of what it is written to.
    pub fn sent<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.0)
    }

    /// The same, for a field that may be absent.
    ///
    /// # Errors
    /// Those of what it is written to.
    pub fn sent_if_any<S: Serializer>(secret: &Option<Self>, out: S) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => secret.sent(out),
            None => out.serialize_none(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_says_nothing_of_itself() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(secret.reveal(), "hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "Secret Some(\n    Secret,\n)");
    }
}
