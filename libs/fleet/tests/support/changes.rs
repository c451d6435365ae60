//! A document in every way slightly wrong. Knows nothing of what it means.

use serde_json::{Value, json};

/// The document without each of its values, and with another value in the place of each.
pub(crate) fn of(document: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    gather(document, String::new(), &mut places);
    let mut changed = Vec::new();
    for place in places {
        changed.extend(without(document, &place).map(|less| (format!("no {place}"), less)));
        for other in [
            json!(null),
            json!(true),
            json!(-1),
            json!(0.5),
            json!(1e300),
            json!(""),
            json!("../?"),
            json!([]),
            json!([{}]),
            json!({}),
        ] {
            let what = format!("{place} = {other}");
            let mut document = document.clone();
            let there = document.pointer_mut(&place).unwrap();
            // The readers take an object's values in a row as well; nothing is written so.
            if !(there.is_object() && other.is_array()) {
                *there = other;
                changed.push((what, document));
            }
        }
    }
    changed
}

fn gather(value: &Value, place: String, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                gather(member, format!("{place}/{name}"), into);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                gather(item, format!("{place}/{index}"), into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    if !place.is_empty() {
        into.push(place);
    }
}

/// `None` where the value stands in a list, which has no names to leave out.
fn without(document: &Value, place: &str) -> Option<Value> {
    let mut document = document.clone();
    let (above, name) = place.rsplit_once('/')?;
    document.pointer_mut(above)?.as_object_mut()?.remove(name)?;
    Some(document)
}
