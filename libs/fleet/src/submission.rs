//! A submission on its way to a job: what was sent, the terms it is taken on, and the content that
//! comes of both. Knows nothing of what is stored: existing jobs, cycles beyond the submission
//! itself and unknown dependencies are the ledger's.

mod defaults;
mod record;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::capability::Capability;
use crate::content::{CommandLine, Content, ProfileRef};
use crate::id::{EngineName, JobId, Key, ProductId};
use crate::manifest::{
    Entries, Faults, Fields, Invalid, MAX_BODY, MAX_MANIFEST, Node, Place, Reason, Spot, Value,
    read_json, read_object, read_yaml, split, take_object,
};
use crate::time::Timestamp;

/// A job as it was sent, read and not yet judged: `normalise` reports every fault at once.
#[derive(Clone, Debug)]
pub struct Submission {
    entries: Entries,
    /// Of a file; a JSON submission has it among its keys.
    body: String,
    whole: Spot,
    place: Place,
    faults: Faults,
}

/// Whose submission it is and what holds where it says nothing.
#[derive(Clone, Debug)]
pub struct Terms {
    pub product: ProductId,
    pub submitted_by: String,
    pub now: Timestamp,
    /// For the key of a submission that brings none.
    pub auto_key: Uuid,
    /// The product's manifest defaults.
    pub defaults: Map<String, Json>,
    /// The profiles that `profiles_named` asked for, as far as they exist.
    pub profiles: BTreeMap<String, ProfileTerms>,
    /// Whether the submitter holds the grant.
    pub allow_yolo: bool,
    /// What runs a job that names nothing at all; only a development fleet has one.
    pub dev_engine: Option<EngineName>,
}

/// What a profile says for the jobs that name it.
#[derive(Clone, Debug)]
pub struct ProfileTerms {
    pub engine: EngineName,
    pub timeout_sec: Option<u64>,
    pub verify: Option<CommandLine>,
    pub capabilities: Vec<Capability>,
    pub takes_command: bool,
}

/// A submission without fault, ready to become a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub job: JobId,
    pub content: Content,
    /// In the order they were given; `content.dep_ids` holds their ids too.
    pub children: Vec<Accepted>,
    /// Refuse when a dependency was never submitted.
    pub require_deps_exist: bool,
    /// What was taken otherwise than it may have been meant.
    pub warnings: Vec<String>,
}

impl Submission {
    /// Reads a job file: front matter, if any, and body.
    ///
    /// # Errors
    /// The file is not UTF-8, the front matter is not closed or cannot be read to its end.
    pub fn from_markdown(file: &[u8]) -> Result<Self, Invalid> {
        let text = std::str::from_utf8(file).map_err(|error| {
            let before = file.get(..error.valid_up_to()).unwrap_or(file);
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let spot = Spot::new("", Some(line));
            let fault = spot.fault(Reason::Malformed, "the file is not UTF-8 from this line on");
            Invalid::one(fault.hint("save it as UTF-8"))
        })?;
        let parts = split(text)?;
        let mut faults = Faults::default();
        if parts.body.len() > MAX_BODY {
            faults.push(Spot::new("bodyMd", None).too_large(MAX_BODY, parts.body.len()));
        }
        let front = parts.front.unwrap_or("");
        if front.len() > MAX_MANIFEST {
            let spot = Spot::new("manifest", Some(1));
            return Err(Invalid::one(spot.too_large(MAX_MANIFEST, front.len())));
        }
        let entries = read_yaml(front, 1, &mut faults)?;
        let whole = Spot::new("", parts.front.map(|_| 1));
        Ok(Self { entries, body: parts.body.into(), whole, place: Place::FrontMatter, faults })
    }

    /// Reads a JSON submission: the manifest's keys and `bodyMd`.
    ///
    /// # Errors
    /// The bytes are too many or no JSON object.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let entries = read_json(bytes, &mut faults)?;
        let whole = Spot::new("", None);
        Ok(Self { entries, body: String::new(), whole, place: Place::Submission, faults })
    }

    /// The same, of an object that was taken out of a message: no larger than one, and judged for
    /// repeated keys and for depth when the message was read.
    ///
    /// # Errors
    /// There are too many values.
    pub fn from_object(fields: &Map<String, Json>) -> Result<Self, Invalid> {
        let entries = take_object(fields)?;
        let (whole, faults) = (Spot::new("", None), Faults::default());
        Ok(Self { entries, body: String::new(), whole, place: Place::Submission, faults })
    }

    /// The profiles that the submission and its children name, or else the product's defaults:
    /// what `Terms::profiles` should hold.
    #[must_use]
    pub fn profiles_named(&self, defaults: &Map<String, Json>) -> Vec<String> {
        let own = defaults.get("profile").and_then(Json::as_str).and_then(full_name);
        let mut names: Vec<String> = own.into_iter().chain(profile_of(&self.entries)).collect();
        for child in self.entries.get("children").into_iter().flat_map(items) {
            if let Value::Map(entries) = &child.value {
                names.extend(profile_of(entries));
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

/// Judges the submission on its terms.
///
/// # Errors
/// Every fault of the submission, in the order of its lines.
pub fn normalise(submission: &Submission, terms: &Terms) -> Result<Accepted, Invalid> {
    let mut faults = submission.faults.clone();
    let defaults = defaults::read(&terms.defaults, &mut faults);
    let fields = read_object(&submission.entries, &submission.whole, submission.place, &mut faults);
    let body = fields.text("bodyMd").unwrap_or(&submission.body).to_owned();
    let own_key = Key::auto(terms.auto_key);
    let mut desk = rules::Desk { terms, defaults, faults };
    let accepted = desk.accept(fields, body, &rules::Kin { own_key, parent: None });
    desk.faults.verdict()?;
    accepted.ok_or_else(|| {
        let spot = Spot::new("", None);
        Invalid::one(spot.fault(Reason::Malformed, "the submission cannot be made into a job"))
    })
}

/// Whether the object may stand as a product's manifest defaults.
///
/// # Errors
/// Every fault of it.
pub fn check_defaults(defaults: &Map<String, Json>) -> Result<(), Invalid> {
    let mut faults = Faults::default();
    defaults::read(defaults, &mut faults);
    faults.verdict()
}

fn profile_of(entries: &Entries) -> Option<String> {
    match entries.get("profile").map(|node| &node.value) {
        Some(Value::Text(name)) => full_name(name),
        Some(
            Value::Nothing
            | Value::Flag(_)
            | Value::Whole(_)
            | Value::Decimal(_)
            | Value::List(_)
            | Value::Map(_),
        )
        | None => None,
    }
}

/// As it stands in a normalised manifest: `coder@03` is `coder@3`. `None`: it is a fault.
fn full_name(written: &str) -> Option<String> {
    ProfileRef::try_from(written.to_owned()).ok().map(String::from)
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Nothing
        | Value::Flag(_)
        | Value::Whole(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::Map(_) => &[],
    }
}

/// The fields of a submission with its locks in one place.
fn fold_locks(fields: &mut Fields<'_>, faults: &mut Faults) {
    let Some(lock) = fields.values.remove("lock") else {
        return;
    };
    let mut locks = match fields.values.remove("locks") {
        Some(Json::Array(locks)) => locks,
        Some(_) | None => Vec::new(),
    };
    locks.push(lock);
    let locks = crate::manifest::sorted_set(locks);
    if locks.len() > crate::manifest::MAX_LOCKS {
        let message = format!("{} locks; {} is the most", locks.len(), crate::manifest::MAX_LOCKS);
        faults.push(fields.spot("locks").fault(Reason::TooMany, message));
    }
    fields.values.insert("locks".into(), Json::Array(locks));
}
