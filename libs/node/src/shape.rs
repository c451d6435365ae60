//! The shape of what is asked, judged once for every door: no key twice, no nest too deep, no
//! field that nobody knows, every value of its type. Knows no meaning; that is the rules'.

use std::fmt;

use protocol::{Code, Detail, Problem};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Levels of lists and objects in one request.
pub const MAX_DEPTH: usize = 32;
/// Faults that one answer tells of.
const MOST_FAULTS: usize = 32;

/// The JSON in these bytes.
///
/// # Errors
/// `VALIDATION` with reason `malformed`: no JSON, not UTF-8, a key twice, nested too deep.
pub fn document(bytes: &[u8], request_id: Uuid) -> Result<Value, Box<Problem>> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { depth: 0 }.deserialize(&mut input);
    read.and_then(|value| input.end().map(|()| value)).map_err(|why| {
        let mut problem = Box::new(Problem::new(Code::Validation, request_id));
        problem.reason = Some("malformed".to_owned());
        problem.message = format!("the body cannot be read: {why}");
        problem
    })
}

/// A document as the type that was asked for.
///
/// # Errors
/// `VALIDATION` with a detail for each fault; the first one leads.
pub fn typed<A: DeserializeOwned>(
    mut document: Value,
    request_id: Uuid,
) -> Result<A, Box<Problem>> {
    let mut faults = Vec::new();
    loop {
        let fault = match serde_path_to_error::deserialize::<_, A>(&document) {
            Ok(ask) if faults.is_empty() => return Ok(ask),
            Ok(_) => return Err(told(faults, request_id)),
            Err(error) => Fault::of(&error.path().to_string(), &error.inner().to_string()),
        };
        // What was found wrong is taken out, so that what lies behind it is found as well; that
        // it is then missing is no fault of the caller's.
        let taken = fault.reason != "missing" && take_out(&mut document, &fault.field);
        let echo = fault.reason == "missing" && faults.iter().any(|at: &Fault| at.hides(&fault));
        if !echo {
            faults.push(fault);
        }
        if !taken || faults.len() == MOST_FAULTS {
            return Err(told(faults, request_id));
        }
    }
}

fn told(faults: Vec<Fault>, request_id: Uuid) -> Box<Problem> {
    let mut problem = Box::new(Problem::new(Code::Validation, request_id));
    if let Some(first) = faults.first() {
        problem.message.clone_from(&first.message);
        problem.field = Some(first.field.clone());
        problem.reason = Some(first.reason.to_owned());
        problem.hint.clone_from(&first.hint);
    }
    let detail = |fault: Fault| Detail { field: fault.field, message: fault.message, line: None };
    problem.details = faults.into_iter().map(detail).collect();
    problem
}

/// One thing that is wrong, read from the parser's own words.
struct Fault {
    field: String,
    reason: &'static str,
    message: String,
    hint: Option<String>,
}

impl Fault {
    fn of(path: &str, said: &str) -> Self {
        let path = if path == "." { "" } else { path };
        let field = path.to_owned();
        let named = quoted(said).next().unwrap_or_default();
        if said.starts_with("unknown field") {
            let known: Vec<&str> = quoted(said).skip(1).collect();
            let hint = nearest(named, &known);
            let message = match &hint {
                Some(known) => format!("unknown field {named:?}; did you mean {known:?}?"),
                None => format!("unknown field {named:?}"),
            };
            let hint = hint.or_else(|| Some(format!("known fields: {}", known.join(" "))));
            return Self { field: below(path, named), reason: "unknown_key", message, hint };
        }
        if said.starts_with("missing field") {
            let message = format!("{named} is missing");
            return Self { field: below(path, named), reason: "missing", message, hint: None };
        }
        if said.starts_with("unknown variant") {
            let known: Vec<&str> = quoted(said).skip(1).collect();
            let hint = Some(format!("one of {}", known.join(" ")));
            let message = format!("{named:?} is not one of {}", known.join(" "));
            return Self { field, reason: "bad_enum", message, hint };
        }
        let reason = if said.starts_with("invalid type") { "bad_type" } else { "bad_value" };
        Self { field, reason, message: said.to_owned(), hint: None }
    }

    fn hides(&self, other: &Self) -> bool {
        self.field.starts_with(&other.field)
    }
}

/// What stands between backticks.
fn quoted(said: &str) -> impl Iterator<Item = &str> {
    said.split('`').skip(1).step_by(2)
}

fn below(path: &str, name: &str) -> String {
    let last = path.rsplit('.').next().unwrap_or_default();
    if last == name || path.is_empty() {
        return if path.is_empty() { name.to_owned() } else { path.to_owned() };
    }
    format!("{path}.{name}")
}

/// Removes the member at `path`; lists are left alone, since their other places would shift.
fn take_out(document: &mut Value, path: &str) -> bool {
    let Some(names) = (!path.contains('[')).then(|| path.split('.').collect::<Vec<_>>()) else {
        return false;
    };
    let Some((last, parents)) = names.split_last() else { return false };
    let mut at = document;
    for name in parents {
        let Some(below) = at.get_mut(name) else { return false };
        at = below;
    }
    at.as_object_mut().is_some_and(|members| members.remove(*last).is_some())
}

/// The known name that `written` most likely meant: within three edits and the nearest.
#[must_use]
pub fn nearest(written: &str, known: &[&str]) -> Option<String> {
    const FARTHEST: usize = 3;
    let written = written.to_lowercase();
    let ranked = known.iter().map(|name| (edits(&written, &name.to_lowercase()), *name));
    let (_, name) = ranked.filter(|(edits, name)| *edits <= FARTHEST.min(name.len() / 2)).min()?;
    Some(name.to_owned())
}

/// Letters to add, drop or replace until one is the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().take(64).enumerate() {
        let mut corner = at;
        let mut left = at + 1;
        for (place, other) in row.iter_mut().zip(std::iter::once(None).chain(to.iter().map(Some))) {
            let above = *place;
            *place = match other {
                None => left,
                Some(other) => {
                    (corner + usize::from(*other != letter)).min(above + 1).min(left + 1)
                }
            };
            (corner, left) = (above, *place);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Reads any value, but no key twice and nothing too deep.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(inside)?;
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("the key {name:?} stands there twice")));
            }
            members.insert(name, value);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use protocol::PatchJob;

    use super::*;

    fn parsed<A: DeserializeOwned>(bytes: &[u8]) -> Result<A, Box<Problem>> {
        typed(document(bytes, Uuid::nil())?, Uuid::nil())
    }

    fn faults(body: &str) -> Vec<(String, Option<String>)> {
        let problem = parsed::<PatchJob>(body.as_bytes()).unwrap_err();
        let rest = problem.details.iter().map(|detail| (detail.field.clone(), None));
        let mut all: Vec<_> = rest.collect();
        if let Some(first) = all.first_mut() {
            first.1.clone_from(&problem.reason);
        }
        all
    }

    #[test]
    fn every_fault_that_can_be_found_is_told() {
        let told = faults(
            r#"{"jobId":"j_aaaaaaaaaaaaaaaaaaaaaaaaaa","factoryId":"f","leaseEpoch":1,
                "stgae":"building","note":7,"stage":"flying"}"#,
        );
        let fields: Vec<&str> = told.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["note", "stage", "stgae", "claimNonce"]);
    }

    #[test]
    fn an_unknown_field_is_told_with_the_nearest_known_one() {
        let body = br#"{"leaseEpohc":1}"#;
        let problem = parsed::<PatchJob>(body).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("leaseEpohc"));
        assert_eq!(problem.hint.as_deref(), Some("leaseEpoch"));
        assert_eq!(problem.reason.as_deref(), Some("unknown_key"));
    }

    #[test]
    fn what_is_no_document_is_malformed() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for bad in ["", "{", r#"{"a":1,"a":2}"#, "{} {}", "\u{feff}{}", &deep(33), "1e400"] {
            let problem = document(bad.as_bytes(), Uuid::nil()).unwrap_err();
            assert_eq!(problem.reason.as_deref(), Some("malformed"), "{bad}");
        }
        assert!(document(b"{\"a\":\"\xff\"}", Uuid::nil()).is_err());
        assert!(document(deep(32).as_bytes(), Uuid::nil()).is_ok());
    }

    #[test]
    fn a_name_far_from_all_known_ones_is_near_to_none() {
        assert_eq!(nearest("priorty", &["priority", "deps"]).as_deref(), Some("priority"));
        assert_eq!(nearest("zzzzzz", &["priority", "deps"]), None);
        assert_eq!((edits("kitten", "sitting"), edits("", "abc"), edits("abc", "")), (3, 3, 3));
    }
}
