//! The normalised manifest as one JSON object, kept as its text. Every step of a job carries it along,
//! and only people ever read it; so it is taken apart for them alone. Knows no key.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// What a submission became: sent again, it is the same content.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct ManifestSnapshot(Box<RawValue>);

impl ManifestSnapshot {
    /// Its keys with their values.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(self.0.get()).expect("it was an object when it was kept")
    }
}

impl From<&Map<String, Value>> for ManifestSnapshot {
    fn from(fields: &Map<String, Value>) -> Self {
        Self(
            serde_json::value::to_raw_value(fields).expect("string keys and finite numbers encode"),
        )
    }
}

impl Default for ManifestSnapshot {
    fn default() -> Self {
        Self::from(&Map::new())
    }
}

impl<'de> Deserialize<'de> for ManifestSnapshot {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(input)?;
        if text.get().starts_with('{') {
            Ok(Self(text))
        } else {
            Err(D::Error::custom("invalid type: a manifest is an object"))
        }
    }
}

/// By what it says: a store may have set it in another way.
impl PartialEq for ManifestSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get() || self.fields() == other.fields()
    }
}

impl JsonSchema for ManifestSnapshot {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ManifestSnapshot".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Map<String, Value>>()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_what_it_says_however_it_is_written() {
        let read = |text: &str| serde_json::from_str::<ManifestSnapshot>(text).unwrap();
        assert_eq!(read(r#"{"a": 1, "b":2}"#), read(r#"{"b":2,"a":1}"#));
        assert_ne!(read(r#"{"a":1}"#), read(r#"{"a":2}"#));
        assert_eq!(read("{}"), ManifestSnapshot::default());
        let fields = read(r#"{"a":[1]}"#).fields();
        assert_eq!(Value::Object(fields.clone()), json!({"a": [1]}));
        assert_eq!(ManifestSnapshot::from(&fields), read(r#"{"a":[1]}"#));
        assert_eq!(json!(read(r#"{"a":[1]}"#)), json!({"a": [1]}));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[]", "1", "null", "\"{\"", "{"] {
            assert!(serde_json::from_str::<ManifestSnapshot>(text).is_err(), "{text}");
        }
    }
}
