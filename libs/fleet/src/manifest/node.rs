//! The one tree that front matter and JSON are both read into, with the lines where they are known.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// A value and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: Option<usize>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Flag(bool),
    Whole(i128),
    Decimal(f64),
    Text(String),
    List(Vec<Node>),
    Map(Entries),
}

/// Keys in the order they were written, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entries {
    written: Vec<(String, Node)>,
    places: BTreeMap<String, usize>,
}

impl Entries {
    pub(crate) fn of(fields: &Map<String, Json>) -> Self {
        let mut entries = Self::default();
        for (key, value) in fields {
            entries.add(key.clone(), Node::of(value));
        }
        entries
    }

    /// `false`, and nothing changed, when the key is already there.
    pub(crate) fn add(&mut self, key: String, node: Node) -> bool {
        if self.places.contains_key(&key) {
            return false;
        }
        self.places.insert(key.clone(), self.written.len());
        self.written.push((key, node));
        true
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.places.get(key).and_then(|place| self.written.get(*place)).map(|(_, node)| node)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.written.iter().map(|(key, node)| (key.as_str(), node))
    }
}

impl Node {
    pub(crate) fn new(line: Option<usize>, value: Value) -> Self {
        Self { line, value }
    }

    /// An object that was read before: a product's defaults, or a request's submission.
    pub(crate) fn of(json: &Json) -> Self {
        let value = match json {
            Json::Null => Value::Nothing,
            Json::Bool(flag) => Value::Flag(*flag),
            Json::Number(number) => match number.as_i128() {
                Some(whole) => Value::Whole(whole),
                None => Value::Decimal(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(Self::of).collect()),
            Json::Object(fields) => Value::Map(Entries::of(fields)),
        };
        Self::new(None, value)
    }

    /// What it is, for people.
    pub(crate) fn what(&self) -> &'static str {
        match &self.value {
            Value::Nothing => "nothing",
            Value::Flag(_) => "true or false",
            Value::Whole(_) => "a number",
            Value::Decimal(_) => "a decimal number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
