//! JSON into the same tree as front matter. Stricter than its parser: a repeated key, too deep a
//! nest and too many values are refused, and a number that no double holds is named by its field.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::fault::{Fault, Invalid, Reason, Spot, clipped, quoted};
use super::node::{Entries, Node, Value};
use super::{Faults, MAX_JSON};

const MAX_DEPTH: usize = 32;
/// A submission and fifty children, with as many values each as a front matter may have.
const MAX_NODES: usize = 51 * 512;

/// # Errors
/// The bytes are too many, no UTF-8, no JSON or no object.
pub(crate) fn read(bytes: &[u8], faults: &mut Faults) -> Result<Entries, Invalid> {
    if bytes.len() > MAX_JSON {
        return Err(Invalid::one(Spot::new("submission", None).too_large(MAX_JSON, bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message = format!("the submission is not UTF-8 from byte {} on", error.valid_up_to());
        Invalid::one(Spot::new("", None).fault(Reason::Malformed, message))
    })?;
    let walk = Walk { path: RefCell::default(), nodes: Cell::new(0), faults: RefCell::default() };
    let mut input = serde_json::Deserializer::from_str(text);
    let read = Seed { walk: &walk, depth: 1 }.deserialize(&mut input);
    let whole = read.and_then(|value| input.end().map(|()| value));
    for fault in walk.faults.take() {
        faults.push(fault);
    }
    match whole {
        Ok(Value::Map(entries)) => Ok(entries),
        Ok(other) => {
            let message =
                format!("a submission is an object; this is {}", Node::new(None, other).what());
            Err(faults.end_with(Spot::new("", None).fault(Reason::Malformed, message)))
        }
        Err(error) => {
            let spot = Spot::new(walk.path.take().join("."), Some(error.line()));
            let message = format!("the submission cannot be read: {error}");
            Err(faults.end_with(spot.fault(Reason::Malformed, message)))
        }
    }
}

/// An object that was read already.
///
/// # Errors
/// There are too many values.
pub(crate) fn take(fields: &Map<String, Json>) -> Result<Entries, Invalid> {
    let nodes = 1 + fields.values().map(nodes_of).sum::<usize>();
    if nodes > MAX_NODES {
        let message = format!("the submission cannot be read: more than {MAX_NODES} values");
        return Err(Invalid::one(Spot::new("", None).fault(Reason::Malformed, message)));
    }
    Ok(Entries::of(fields))
}

// The depth is bounded where the text was read.
fn nodes_of(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(nodes_of).sum::<usize>(),
        Json::Object(fields) => 1 + fields.values().map(nodes_of).sum::<usize>(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 1,
    }
}

/// Where the parser is, so that what stops it can be named.
struct Walk {
    path: RefCell<Vec<String>>,
    nodes: Cell<usize>,
    faults: RefCell<Vec<Fault>>,
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    walk: &'a Walk,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth > MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        self.walk.nodes.set(self.walk.nodes.get() + 1);
        if self.walk.nodes.get() > MAX_NODES {
            return Err(D::Error::custom(format!("more than {MAX_NODES} values")));
        }
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Decimal(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = items.next_element_seed(seed)? {
            list.push(Node::new(None, value));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut entries = Entries::default();
        while let Some(key) = fields.next_key::<String>()? {
            self.walk.path.borrow_mut().push(clipped(&key));
            let value = fields.next_value_seed(seed)?;
            if !entries.add(key, Node::new(None, value)) {
                self.walk.repeated();
            }
            self.walk.path.borrow_mut().pop();
        }
        Ok(Value::Map(entries))
    }
}

impl Walk {
    fn repeated(&self) {
        let path = self.path.borrow();
        let named = quoted(path.last().map_or("", String::as_str));
        let message = format!("the key {named} stands here twice");
        let fault = Spot::new(path.join("."), None).fault(Reason::Malformed, message);
        self.faults.borrow_mut().push(fault.hint("keep one of them"));
    }
}
