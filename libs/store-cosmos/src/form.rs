//! How a document lies in its container: what is a JSON object stays one, so that people can ask
//! for its fields; everything else is text of its bytes. Either way the same bytes come back.
//!
//! The service keeps values, not texts: fields may come back in another order, and large or broken
//! numbers as others. So the order of the fields is kept beside the object, and what would not come
//! back byte by byte is kept as its bytes. Large fields that never change may lie apart: then they
//! are the bulk, and the record names it by its digest.

mod order;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use store::Key;

use crate::containers::Container;

pub(crate) use order::Node;

pub(crate) const RECORD: &str = "record";
pub(crate) const ORDER: &str = "fieldOrder";
pub(crate) const BYTES: &str = "bytes";
pub(crate) const BULK: &str = "bulk";
pub(crate) const BULK_AT: &str = "bulkAt";

/// By the service's own list a write of 8 KB is hardly dearer than one of 2 KB: only above that do
/// the later writes of a record save what a further document costs.
const BULKY: usize = 8 << 10;
/// Between the id of a record and the digest of its bulk: no key has it, and nothing that one may
/// have comes before it, so that a bulk stands right behind its record.
pub(crate) const BEHIND: char = '!';
/// Comes next.
pub(crate) const AFTER: char = '"';

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
    /// Without its bulk.
    Parted(Box<RawValue>, String, String),
    Bytes(String),
}

/// What lies apart of a record, for as long as that names it.
#[derive(Debug)]
pub(crate) struct Bulk {
    /// Of its text: the same bulk is the same document.
    pub(crate) digest: String,
    pub(crate) fields: Node,
    pub(crate) length: usize,
}

/// What is sent of a bulk.
#[derive(Debug)]
pub(crate) struct BulkItem<'a> {
    pub(crate) key: &'a Key,
    pub(crate) partitioned_by: &'static str,
    pub(crate) bulk: &'a Bulk,
}

impl<'a> Item<'a> {
    /// The document of a record, and what is to lie apart from it.
    pub(crate) fn new(
        key: &'a Key,
        container: &Container,
        value: &'a [u8],
    ) -> (Self, Option<Bulk>) {
        let (body, bulk) = match readable(value) {
            Some((raw, node, order)) => parted(raw, node, order, container.apart),
            None => (Body::Bytes(STANDARD.encode(value)), None),
        };
        (Self { key, partitioned_by: container.partitioned_by, body }, bulk)
    }
}

fn parted<'a>(
    raw: &'a RawValue,
    node: Node,
    order: String,
    apart: &[&str],
) -> (Body<'a>, Option<Bulk>) {
    if apart.is_empty() || raw.get().len() < BULKY {
        return (Body::Record(raw, order), None);
    }
    let (record, fields) = node.parted(apart);
    let text = fields.text();
    if text.len() < BULKY {
        return (Body::Record(raw, order), None);
    }
    let digest = digest(&text);
    let record = RawValue::from_string(record.text()).expect("what was read can be read again");
    let body = Body::Parted(record, order, digest.clone());
    (body, Some(Bulk { digest, fields, length: text.len() }))
}

/// Half of it is more than enough for the few that one record ever has.
fn digest(text: &str) -> String {
    let whole = Sha256::digest(text.as_bytes());
    whole.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether it is a record without any of these fields.
pub(crate) fn lacks(value: &[u8], apart: &[&str]) -> bool {
    let node = serde_json::from_slice::<Node>(value);
    node.is_ok_and(|node| matches!(node, Node::Object(_)) && node.parted(apart).1.is_empty())
}

/// The id of the document that a record's bulk is.
pub(crate) fn bulk_id(id: &str, digest: &str) -> String {
    format!("{id}{BEHIND}{digest}")
}

impl Serialize for BulkItem<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("id", &bulk_id(self.key.id(), &self.bulk.digest))?;
        map.serialize_entry(self.partitioned_by, self.key.partition())?;
        let text = RawValue::from_string(self.bulk.fields.text());
        map.serialize_entry(BULK, &text.map_err(serde::ser::Error::custom)?)?;
        map.end()
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
            Body::Parted(record, order, digest) => {
                map.serialize_entry(RECORD, record)?;
                map.serialize_entry(ORDER, order)?;
                map.serialize_entry(BULK_AT, digest)?;
            }
            Body::Bytes(bytes) => map.serialize_entry(BYTES, bytes)?,
        }
        map.end()
    }
}

/// Nothing where the bytes would not come back from an object.
fn readable(value: &[u8]) -> Option<(&RawValue, Node, String)> {
    let raw: &RawValue = serde_json::from_slice(value).ok()?;
    let node: Node = serde_json::from_slice(value).ok()?;
    let order = node.order()?;
    let back = node.clone().sorted().restored(&order);
    back.is_some_and(|text| text.as_bytes() == value).then_some((raw, node, order))
}

/// What comes back of a document.
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    pub(crate) id: Option<String>,
    #[serde(rename = "_etag")]
    pub(crate) etag: Option<String>,
    record: Option<Node>,
    #[serde(rename = "fieldOrder")]
    order: Option<String>,
    bytes: Option<String>,
    /// The digest of what lies apart of it.
    #[serde(rename = "bulkAt")]
    pub(crate) bulk_at: Option<String>,
    /// Of a document that is no record.
    bulk: Option<Node>,
    /// What it is partitioned by, and what the service adds.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl Stored {
    /// By the property of this name.
    pub(crate) fn partition(&mut self, partitioned_by: &str) -> Option<String> {
        match self.others.remove(partitioned_by)? {
            Value::String(partition) => Some(partition),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }

    /// What lies apart of a record, where this document is that, by its digest.
    pub(crate) fn bulk(&mut self) -> Option<(&str, &str, Node)> {
        let (id, digest) = self.id.as_deref()?.split_once(BEHIND)?;
        Some((id, digest, self.bulk.take()?))
    }

    /// The bytes that were put, with what lies apart. A record that a person changed by hand since
    /// has another shape: of that, its fields in the order of their names. Nothing where it is no
    /// document of ours.
    pub(crate) fn value(&mut self, bulk: Option<&Node>) -> Option<Bytes> {
        if let Some(bytes) = &self.bytes {
            return STANDARD.decode(bytes).ok().map(Bytes::from);
        }
        let record = self.record.take()?;
        let record = match bulk {
            Some(bulk) => record.joined_with(bulk.clone()).sorted(),
            None => record.sorted(),
        };
        let as_put = self.order.as_deref().and_then(|order| record.restored(order));
        Some(as_put.unwrap_or_else(|| record.text()).into())
    }
}

#[cfg(test)]
mod tests {
    use store::conformance::BY_ID;

    use super::*;

    const PLACE: Container =
        Container { kind: BY_ID, partitioned_by: "productId", apart: &["body", "first"] };

    fn sent(value: &[u8]) -> Value {
        let key = Key::new(BY_ID, "p", "i").unwrap();
        let (item, bulk) = Item::new(&key, &PLACE, value);
        assert!(bulk.is_none(), "it is small");
        serde_json::to_value(item).unwrap()
    }

    fn back(item: Value) -> Bytes {
        serde_json::from_value::<Stored>(item).unwrap().value(None).unwrap()
    }

    #[test]
    fn large_fields_lie_apart_and_come_back_where_they_were() {
        let key = Key::new(BY_ID, "p", "i").unwrap();
        let body = "é\\n".repeat(BULKY / 2);
        let text = format!(r#"{{"z":1,"first":{{"b":[],"a":2}},"y":[],"body":"{body}","a":{{}}}}"#);
        let (item, bulk) = Item::new(&key, &PLACE, text.as_bytes());
        let (item, bulk) = (serde_json::to_value(item).unwrap(), bulk.unwrap());
        assert_eq!(item[RECORD], serde_json::json!({ "z": 1, "y": [], "a": {} }));
        assert_eq!(item[BULK_AT], bulk.digest.as_str());
        let apart = BulkItem { key: &key, partitioned_by: "productId", bulk: &bulk };
        let mut apart: Stored =
            serde_json::from_value(serde_json::to_value(apart).unwrap()).unwrap();
        let (id, digest, fields) = apart.bulk().unwrap();
        assert_eq!((id, digest), ("i", bulk.digest.as_str()));
        let mut stored: Stored = serde_json::from_value(item).unwrap();
        assert_eq!(stored.value(Some(&fields)).unwrap(), text);
        assert!(!lacks(text.as_bytes(), PLACE.apart) && lacks(br#"{"z":1}"#, PLACE.apart));
        assert!(!lacks(b"no record", PLACE.apart));
    }

    #[test]
    fn a_bulk_stands_right_behind_its_record_and_before_every_other() {
        let bulk = bulk_id("k1", "0123");
        for other in ["k1-", "k10", "k1A", "k1_", "k1a"] {
            assert!("k1" < bulk.as_str() && bulk.as_str() < other, "{other}");
        }
        assert!(bulk.as_str() < format!("k1{AFTER}").as_str());
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
        assert_eq!(serde_json::from_value::<Stored>(stranger).unwrap().value(None), None);
    }
}
