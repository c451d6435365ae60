//! How a document lies in its container: what is a JSON object stays one, so that people can ask
//! for its fields; everything else is text of its bytes. Either way the same bytes come back.
//!
//! The service keeps values, not texts: fields may come back in another order, and large or broken
//! numbers as others. So the order of the fields is kept beside the object, and what would not come
//! back byte by byte is kept as its bytes.

mod order;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use store::Key;

use order::Node;

pub(crate) const RECORD: &str = "record";
pub(crate) const ORDER: &str = "fieldOrder";
pub(crate) const BYTES: &str = "bytes";

/// What is sent of a document.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    key: &'a Key,
    partitioned_by: &'static str,
    body: Body<'a>,
}

#[derive(Debug)]
enum Body<'a> {
    Record(&'a RawValue, String),
    Bytes(String),
}

impl<'a> Item<'a> {
    pub(crate) fn new(key: &'a Key, partitioned_by: &'static str, value: &'a [u8]) -> Self {
        let body = readable(value).unwrap_or_else(|| Body::Bytes(STANDARD.encode(value)));
        Self { key, partitioned_by, body }
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("id", self.key.id())?;
        map.serialize_entry(self.partitioned_by, self.key.partition())?;
        match &self.body {
            Body::Record(record, order) => {
                map.serialize_entry(RECORD, record)?;
                map.serialize_entry(ORDER, order)?;
            }
            Body::Bytes(bytes) => map.serialize_entry(BYTES, bytes)?,
        }
        map.end()
    }
}

/// Nothing where the bytes would not come back from an object.
fn readable(value: &[u8]) -> Option<Body<'_>> {
    let raw: &RawValue = serde_json::from_slice(value).ok()?;
    let node: Node = serde_json::from_slice(value).ok()?;
    let order = node.order()?;
    let same = node.sorted().restored(&order).is_some_and(|text| text.as_bytes() == value);
    same.then_some(Body::Record(raw, order))
}

/// What comes back of a document.
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    pub(crate) id: Option<String>,
    pub(crate) partition: Option<String>,
    #[serde(rename = "_etag")]
    pub(crate) etag: Option<String>,
    record: Option<Node>,
    #[serde(rename = "fieldOrder")]
    order: Option<String>,
    bytes: Option<String>,
}

impl Stored {
    /// The bytes that were put. A record that a person changed by hand since has another shape:
    /// of that, its fields in the order of their names. Nothing where it is no document of ours.
    pub(crate) fn value(&mut self) -> Option<Bytes> {
        if let Some(bytes) = &self.bytes {
            return STANDARD.decode(bytes).ok().map(Bytes::from);
        }
        let record = self.record.take()?.sorted();
        let as_put = self.order.as_deref().and_then(|order| record.restored(order));
        Some(as_put.unwrap_or_else(|| record.text()).into())
    }
}

#[cfg(test)]
mod tests {
    use store::conformance::BY_ID;

    use super::*;

    fn sent(value: &[u8]) -> serde_json::Value {
        let key = Key::new(BY_ID, "p", "i").unwrap();
        serde_json::to_value(Item::new(&key, "productId", value)).unwrap()
    }

    fn back(item: serde_json::Value) -> Bytes {
        serde_json::from_value::<Stored>(item).unwrap().value().unwrap()
    }

    #[test]
    fn an_object_is_stored_as_one_and_its_bytes_come_back_whatever_becomes_of_its_order() {
        for text in [
            r#"{}"#,
            r#"{"b":1,"a":{"d":[{"z":null,"y":true}],"c":"é\n\"\\\u0001"}}"#,
            r#"{"z":[[],[{"x":-1,"w":9007199254740991}],{}],"":0,"y":""}"#,
            r#"{"a":{"a":{"b":1,"a":2}},"0":"/"}"#,
        ] {
            // A `Value` sorts the fields, as the service may.
            let item = sent(text.as_bytes());
            assert!(item[RECORD].is_object(), "{item}");
            assert_eq!((&item["id"], &item["productId"]), (&"i".into(), &"p".into()));
            assert_eq!(back(item), text.as_bytes());
        }
    }

    #[test]
    fn what_an_object_would_not_bring_back_is_stored_as_its_bytes() {
        let wide = format!(
            "{{{}}}",
            (0..65).map(|n| format!("\"{n:02}\":0")).collect::<Vec<_>>().join(",")
        );
        let deep = format!("{}{}", "{\"a\":".repeat(90) + "0", "}".repeat(90));
        for text in [
            "",
            "x",
            "[1]",
            "7",
            "null",
            "{",
            "{ }",
            "{\"a\": 1}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1.0}",
            "{\"a\":1e3}",
            "{\"a\":0.1}",
            "{\"a\":9007199254740993}",
            "{\"a\":\"\\u0041\"}",
            &wide,
            &deep,
        ] {
            let item = sent(text.as_bytes());
            assert!(item[BYTES].is_string(), "{text}: {item}");
            assert_eq!(back(item), text.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(back(sent(&all)), all);
    }

    #[test]
    fn a_record_that_was_changed_by_hand_is_read_as_it_is_now() {
        let mut item = sent(br#"{"b":1,"a":2}"#);
        item[RECORD]["c"] = 3.into();
        assert_eq!(back(item), r#"{"a":2,"b":1,"c":3}"#);
        let stranger = serde_json::json!({ "id": "i", "productId": "p" });
        assert_eq!(serde_json::from_value::<Stored>(stranger).unwrap().value(), None);
    }
}
