//! Digests as text: hex for content hashes, base32 for ids; and the one spelling of a JSON value
//! that a digest may be taken of.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// The value without spaces and with sorted keys: equal values give equal bytes.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut out = Vec::new();
    write_canonical(value, &mut out);
    String::from_utf8(out).expect("JSON is written in UTF-8")
}

/// The same of an object's fields, or of those of them that count.
pub(crate) fn canonical_object<'a>(
    fields: impl IntoIterator<Item = (&'a String, &'a Value)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    write_object(fields, &mut out);
    out
}

// Callers bound the depth: what the readers let in nests 32 levels at most.
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => write_object(fields, out),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => write(value, out),
    }
}

fn write_object<'a>(fields: impl IntoIterator<Item = (&'a String, &'a Value)>, out: &mut Vec<u8>) {
    // Sorted here: whether the map is depends on a feature that any crate may turn on.
    let sorted: BTreeMap<&String, &Value> = fields.into_iter().collect();
    out.push(b'{');
    for (at, (key, field)) in sorted.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(key, out);
        out.push(b':');
        write_canonical(field, out);
    }
    out.push(b'}');
}

fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("string keys and finite numbers encode");
}

/// The first `N` letters of the digest in RFC 4648 base32, lower case, without padding.
pub(crate) fn base32<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    std::array::from_fn(|letter| {
        let bit = letter * 5;
        let high = u16::from(bytes.get(bit / 8).copied().unwrap_or(0)) << 8;
        let low = u16::from(bytes.get(bit / 8 + 1).copied().unwrap_or(0));
        LETTERS[usize::from((high | low) >> (11 - bit % 8) & 31)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn canonical_json_is_sorted_and_tight() {
        let value = json!({"b": [1, {"z": null, "y": 0.5}], "a": "x\n\"", "B": true});
        assert_eq!(canonical_json(&value), r#"{"B":true,"a":"x\n\"","b":[1,{"y":0.5,"z":null}]}"#);
    }

    fn fields() -> impl Strategy<Value = Vec<(String, Value)>> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map(".{0,4}", value, 0..6).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn canonical_json_does_not_depend_on_the_order_of_keys(fields in fields()) {
            let forward = Value::Object(fields.iter().cloned().collect());
            let backward = Value::Object(fields.into_iter().rev().collect());
            let text = canonical_json(&forward);
            prop_assert_eq!(&text, &canonical_json(&backward));
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), forward);
        }
    }

    #[test]
    fn hex_and_base32_match_their_standards() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(&base32::<10>(b"foobar"), b"mzxw6ytboi");
    }
}
