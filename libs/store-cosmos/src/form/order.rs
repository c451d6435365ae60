//! An object's fields in the order of their names, and how they stood before: for each object that
//! was not in that order, one letter for each field.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

/// Fields of one object, at most as many as there are letters.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Stands for an object that was in order already.
const IN_ORDER: char = '.';
/// The service nests to 128.
const DEEPEST: usize = 64;
/// The service keeps numbers as doubles: to here each is itself.
const EXACT: u64 = (1 << 53) - 1;

/// A JSON value whose objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Plain(Value),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// How the fields stand; nothing for what is no object, or would not come back as it was.
    pub(crate) fn order(&self) -> Option<String> {
        let Self::Object(_) = self else { return None };
        let mut order = String::new();
        self.tell(&mut order, DEEPEST).then_some(order)
    }

    /// Objects are told from the outside in, their fields in the order of their names.
    fn tell(&self, order: &mut String, deeper: usize) -> bool {
        match self {
            Self::Plain(Value::Number(number)) => is_exact(number),
            Self::Plain(_) => true,
            Self::List(items) => {
                deeper > 0 && items.iter().all(|item| item.tell(order, deeper - 1))
            }
            Self::Object(fields) => {
                let by_name = by_name(fields);
                let twice = by_name.windows(2).any(|two| fields[two[0]].0 == fields[two[1]].0);
                if deeper == 0 || twice || fields.len() > LETTERS.len() {
                    return false;
                }
                if by_name.is_sorted() {
                    order.push(IN_ORDER);
                } else {
                    let places = places(&by_name);
                    order.extend(places.iter().map(|place| char::from(LETTERS[*place])));
                }
                by_name.iter().all(|at| fields[*at].1.tell(order, deeper - 1))
            }
        }
    }

    /// The fields of these names, taken out; both parts as they stood.
    pub(crate) fn parted(self, names: &[&str]) -> (Self, Self) {
        match self {
            Self::Object(fields) => {
                let is_named = |(name, _): &(String, Self)| names.contains(&name.as_str());
                let (taken, rest) = fields.into_iter().partition(is_named);
                (Self::Object(rest), Self::Object(taken))
            }
            Self::Plain(_) | Self::List(_) => (self, Self::Object(Vec::new())),
        }
    }

    /// The fields of two objects in one.
    pub(crate) fn joined_with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Object(mut fields), Self::Object(others)) => {
                fields.extend(others);
                Self::Object(fields)
            }
            (alone, _) => alone,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Object(fields) => fields.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Plain(_) => false,
        }
    }

    /// All objects in the order of their names.
    pub(crate) fn sorted(self) -> Self {
        match self {
            Self::Plain(value) => Self::Plain(value),
            Self::List(items) => Self::List(items.into_iter().map(Self::sorted).collect()),
            Self::Object(mut fields) => {
                fields.sort_by(|(one, _), (other, _)| one.cmp(other));
                let sorted = |(name, node): (String, Self)| (name, node.sorted());
                Self::Object(fields.into_iter().map(sorted).collect())
            }
        }
    }

    /// The text of a sorted value with its fields as they were told; nothing where that does not
    /// fit.
    pub(crate) fn restored(&self, order: &str) -> Option<String> {
        let mut letters = order.bytes();
        let mut out = String::new();
        self.write(&mut out, &mut Some(&mut letters))?;
        letters.next().is_none().then_some(out)
    }

    /// The text of a value as it stands.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let written = self.write(&mut out, &mut None);
        debug_assert!(written.is_some(), "only an order can fail to fit");
        out
    }

    fn write(&self, out: &mut String, order: &mut Option<&mut std::str::Bytes<'_>>) -> Option<()> {
        match self {
            Self::Plain(value) => out.push_str(&value.to_string()),
            Self::List(items) => {
                joined(out, ('[', ']'), items, |out, item| item.write(out, order))?;
            }
            Self::Object(fields) => {
                let places = match order {
                    Some(letters) => told(letters, fields.len())?,
                    None => (0..fields.len()).collect(),
                };
                // The letters go by name, the text as it was.
                let mut texts = Vec::with_capacity(fields.len());
                for (name, node) in fields {
                    let mut text = format!("{}:", Value::from(name.as_str()));
                    node.write(&mut text, order)?;
                    texts.push(text);
                }
                joined(out, ('{', '}'), &places, |out, place| {
                    out.push_str(texts.get(*place)?);
                    Some(())
                })?;
            }
        }
        Some(())
    }
}

fn is_exact(number: &Number) -> bool {
    number.as_i64().is_some_and(|number| number.unsigned_abs() <= EXACT)
}

/// The places of fields, in the order of their names.
fn by_name(fields: &[(String, Node)]) -> Vec<usize> {
    let mut by_name: Vec<usize> = (0..fields.len()).collect();
    by_name.sort_by(|one, other| fields[*one].0.cmp(&fields[*other].0));
    by_name
}

/// The other way round: for each field as it stands, its place by name.
fn places(by_name: &[usize]) -> Vec<usize> {
    let mut places = vec![0; by_name.len()];
    for (place, at) in by_name.iter().enumerate() {
        places[*at] = place;
    }
    places
}

/// For each field as it stood, its place by name.
fn told(letters: &mut std::str::Bytes<'_>, many: usize) -> Option<Vec<usize>> {
    let first = letters.next()?;
    if char::from(first) == IN_ORDER {
        return Some((0..many).collect());
    }
    let place = |letter| LETTERS.iter().position(|own| *own == letter);
    let mut places = vec![place(first)?];
    for _ in 1..many {
        places.push(place(letters.next()?)?);
    }
    let mut all = places.clone();
    all.sort_unstable();
    all.iter().copied().eq(0..many).then_some(places)
}

fn joined<T>(
    out: &mut String,
    (open, close): (char, char),
    items: &[T],
    mut write: impl FnMut(&mut String, &T) -> Option<()>,
) -> Option<()> {
    out.push(open);
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        write(out, item)?;
    }
    out.push(close);
    Some(())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        // The service may tell a whole number as a double.
        #[expect(clippy::cast_possible_truncation, reason = "a double that is a whole number")]
        let whole = (value.fract() == 0.0 && value.abs() <= 9e15).then_some(value as i64);
        Ok(Node::Plain(whole.map_or_else(|| value.into(), Value::from)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = from.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }
}
