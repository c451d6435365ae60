//! A map of keys against the table: which are known, which stand twice, and what their values
//! normalise to.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::fault::{Fault, Faults, Reason, Spot, clipped, quoted};
use super::forms;
use super::keys::{self, Form, KEYS, Key, List, Order, RETRY_CLASSES, Reach};
use super::node::{Entries, Node, Value};

/// What the map is the content of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    FrontMatter,
    Submission,
    Child,
    Defaults,
}

/// The keys of one submission under their true names, with values in the one form that is hashed
/// and stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) values: Map<String, Json>,
    pub(crate) children: Option<&'a Node>,
    prefix: String,
    /// Where the submission begins: the line of what it does not say.
    line: Option<usize>,
    lines: BTreeMap<&'static str, Option<usize>>,
}

impl Fields<'_> {
    pub(crate) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Whether the submission says something of the key, right or wrong.
    pub(crate) fn names(&self, key: &str) -> bool {
        self.lines.contains_key(key) || self.has(key)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).and_then(Json::as_str)
    }

    /// Where the key was written, or would be.
    pub(crate) fn spot(&self, key: &str) -> Spot {
        Spot::below(&self.prefix, key, self.lines.get(key).copied().flatten().or(self.line))
    }
}

/// Every fault of the map is kept; what has none is in the fields.
pub(crate) fn read<'a>(
    entries: &'a Entries,
    whole: &Spot,
    place: Place,
    faults: &mut Faults,
) -> Fields<'a> {
    let prefix = whole.field.clone();
    let mut fields = Fields { prefix, line: whole.line, ..Fields::default() };
    for (key, node) in known(KEYS, entries, &whole.field, faults) {
        let spot = Spot::below(&whole.field, key.name, node.line);
        fields.lines.insert(key.name, node.line);
        if let Some(fault) = misplaced(key.reach, place, &spot) {
            faults.push(fault);
        } else if matches!(key.form, Form::Children) {
            fields.children = Some(node);
        } else if let Some(value) = value(&key.form, node, &spot, faults) {
            fields.values.insert(key.name.into(), value);
        }
    }
    fields
}

/// The known keys with their values; the others, and second spellings, are faults.
fn known<'a>(
    table: &'static [Key],
    entries: &'a Entries,
    prefix: &str,
    faults: &mut Faults,
) -> Vec<(&'static Key, &'a Node)> {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    let mut out = Vec::new();
    for (written, node) in entries.iter() {
        let Some(key) = keys::find(table, written) else {
            faults.push(unknown(
                table,
                written,
                &Spot::below(prefix, &clipped(written), node.line),
            ));
            continue;
        };
        if let Some(before) = found.insert(key.name, written) {
            let message = format!("{} and {} are one key", quoted(before), quoted(written));
            let spot = Spot::below(prefix, key.name, node.line);
            faults.push(spot.fault(Reason::DuplicateKey, message).hint("keep one of them"));
            continue;
        }
        out.push((key, node));
    }
    out
}

fn unknown(table: &'static [Key], written: &str, spot: &Spot) -> Fault {
    let nearest = keys::nearest(table, written);
    let fault = spot.fault(Reason::UnknownKey, keys::unknown(written, nearest));
    match nearest {
        Some(name) => fault.hint(name),
        None => {
            let names: Vec<&str> = table.iter().map(|key| key.name).collect();
            fault.hint(format!("known keys: {}", names.join(" ")))
        }
    }
}

fn misplaced(reach: Reach, place: Place, spot: &Spot) -> Option<Fault> {
    let (message, hint) = match (reach, place) {
        (Reach::Anywhere, _)
        | (Reach::OneJob, Place::FrontMatter | Place::Submission | Place::Child)
        | (Reach::Outermost, Place::FrontMatter | Place::Submission)
        | (Reach::NotInFrontMatter, Place::Submission | Place::Child) => return None,
        (Reach::Outermost, Place::Child) => {
            ("stands in a child; children nest one level", "leave it out of the child")
        }
        (Reach::NotInFrontMatter, Place::FrontMatter) => {
            ("stands in the front matter", "write the body below the second line ---")
        }
        (Reach::OneJob | Reach::Outermost | Reach::NotInFrontMatter, Place::Defaults) => {
            ("is about one job and cannot be a default", "leave it out of the defaults")
        }
    };
    let message = format!("{} {message}", spot.field);
    Some(spot.fault(Reason::Disagrees, message).hint(hint))
}

fn value(form: &Form, node: &Node, spot: &Spot, faults: &mut Faults) -> Option<Json> {
    match form {
        Form::One(leaf) => faults.keep(forms::leaf(*leaf, node, spot)),
        Form::List(list) => items(list, node, spot, faults),
        Form::Map(table) => map(table, node, spot, faults),
        Form::Retry(table) => retry(table, node, spot, faults),
        // The submission reads them: they are submissions themselves.
        Form::Children => None,
    }
}

fn items(list: &List, node: &Node, spot: &Spot, faults: &mut Faults) -> Option<Json> {
    let Value::List(nodes) = &node.value else {
        if list.alone && matches!(node.value, Value::Map(_) | Value::Nothing) {
            faults.push(forms::bad_type(node, spot, "text or a list of texts"));
            return None;
        }
        if list.alone {
            let alone = faults.keep(forms::leaf(list.of, node, spot))?;
            return Some(Json::Array(vec![alone]));
        }
        faults.push(forms::bad_type(node, spot, "a list"));
        return None;
    };
    let before = faults.count();
    let mut read = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let spot = spot.item(index, node.line);
        if index >= list.most {
            let message = format!("{} items; {} is the most", nodes.len(), list.most);
            faults.push(spot.fault(Reason::TooMany, message));
            break;
        }
        if let Some(item) = faults.keep(forms::leaf(list.of, node, &spot)) {
            read.push(item);
        }
    }
    (faults.count() == before).then(|| Json::Array(distinct(read, list.order)))
}

/// Texts whose order says nothing, each once.
pub(crate) fn sorted_set(items: Vec<Json>) -> Vec<Json> {
    distinct(items, Order::Free)
}

fn distinct(items: Vec<Json>, order: Order) -> Vec<Json> {
    let mut out: Vec<Json> = Vec::with_capacity(items.len());
    for item in items {
        // At most 256 items: the square of it is nothing.
        if !out.contains(&item) {
            out.push(item);
        }
    }
    match order {
        Order::Free => out.sort_by(|a, b| a.as_str().cmp(&b.as_str())),
        Order::AsWritten => {}
    }
    out
}

fn map(table: &'static [Key], node: &Node, spot: &Spot, faults: &mut Faults) -> Option<Json> {
    let Value::Map(entries) = &node.value else {
        faults.push(forms::bad_type(node, spot, "a map of keys"));
        return None;
    };
    let before = faults.count();
    let mut out = Map::new();
    for (key, node) in known(table, entries, &spot.field, faults) {
        let spot = Spot::below(&spot.field, key.name, node.line);
        if let Some(value) = value(&key.form, node, &spot, faults) {
            out.insert(key.name.into(), value);
        }
    }
    if out.is_empty() && faults.count() == before {
        let names: Vec<&str> = table.iter().map(|key| key.name).collect();
        let message = format!("{} names none of {}", spot.field, names.join(", "));
        faults.push(spot.fault(Reason::Missing, message));
    }
    (faults.count() == before).then_some(Json::Object(out))
}

/// The number alone is the whole policy.
fn retry(table: &'static [Key], node: &Node, spot: &Spot, faults: &mut Faults) -> Option<Json> {
    let mut policy = match &node.value {
        Value::Map(_) => map(table, node, spot, faults)?,
        Value::Whole(_) => {
            let most = Spot::new(format!("{}.max", spot.field), spot.line);
            let max = faults.keep(forms::leaf(keys::Leaf::Attempts, node, &most))?;
            Json::Object(Map::from_iter([("max".to_owned(), max)]))
        }
        Value::Nothing | Value::Flag(_) | Value::Decimal(_) | Value::Text(_) | Value::List(_) => {
            faults.push(forms::bad_type(node, spot, "a number of attempts or {max, backoff, on}"));
            return None;
        }
    };
    let fields = policy.as_object_mut()?;
    if !fields.contains_key("max") {
        let most = Spot::new(format!("{}.max", spot.field), spot.line);
        let fault = most.fault(Reason::Missing, "retry.max is missing");
        faults.push(fault.hint("write how many attempts there are in all, the first included"));
        return None;
    }
    fields.entry("backoff").or_insert_with(|| "exp".into());
    let every = || RETRY_CLASSES.iter().map(|class| Json::from(*class)).collect();
    let on = fields.entry("on").or_insert_with(|| Json::Array(every())).take();
    if let Json::Array(classes) = on {
        fields.insert("on".into(), Json::Array(distinct(classes, Order::Free)));
    }
    Some(policy)
}
