//! The content of a job from what was judged: its snapshot, its hash, its frozen fields.

use std::io::{Result as Written, Write};

use serde_json::{Map, Value as Json, json};

use super::{Accepted, Terms};
use crate::capability::Capability;
use crate::content::{Content, Priority};
use crate::digest::{canonical_object, sha256_hex};
use crate::grammar::Span;
use crate::id::{JobId, Key};
use crate::manifest::{Faults, Fields, MAX_MANIFEST, Reason};
use crate::time::Timestamp;

/// The most that one stored job may hold.
const MAX_DOCUMENT: usize = 900 << 10;

/// What names a submission or its circumstances is not its content.
const NOT_HASHED: [&str; 3] = ["idempotencyKey", "sequence", "requireDepsExist"];

/// A submission after every rule.
pub(super) struct Draft<'a> {
    pub(super) fields: Fields<'a>,
    pub(super) key: Key,
    pub(super) body: String,
    pub(super) not_before: Option<Timestamp>,
    pub(super) parent: Option<JobId>,
    pub(super) deps: Vec<(String, JobId)>,
    pub(super) children: Vec<Accepted>,
    pub(super) warnings: Vec<String>,
}

/// `None` only with a fault.
pub(super) fn accept(draft: Draft<'_>, terms: &Terms, faults: &mut Faults) -> Option<Accepted> {
    let hash = content_hash(&draft);
    let snapshot = snapshot(&draft);
    let size = canonical_object(&snapshot).len();
    if size > MAX_MANIFEST {
        faults.push(draft.fields.spot("manifest").too_large(MAX_MANIFEST, size));
        return None;
    }
    let frozen = frozen(&draft, &hash, snapshot, terms);
    let encoded = Length::of(&frozen);
    if encoded > MAX_DOCUMENT {
        // Only what a body's characters become in JSON can make a job so large.
        faults.push(draft.fields.spot("bodyMd").too_large(MAX_DOCUMENT, encoded));
        return None;
    }
    let content: Result<Content, _> = serde_json::from_value(frozen);
    let content = faults.keep(content.map_err(|error| {
        let message = format!("the manifest does not make a job: {error}");
        draft.fields.spot("manifest").fault(Reason::Malformed, message)
    }))?;
    let require_deps_exist = draft.fields.values.get("requireDepsExist") == Some(&Json::Bool(true));
    let job = JobId::of(&terms.product, &draft.key);
    let Draft { children, warnings, .. } = draft;
    Some(Accepted { job, content, children, require_deps_exist, warnings })
}

/// Children count by what they are and by the names they were given: those the parent waits for.
fn content_hash(draft: &Draft<'_>) -> String {
    let mut added = Map::new();
    added.insert("bodyMd".into(), draft.body.as_str().into());
    if !draft.children.is_empty() {
        let children = draft.children.iter().enumerate().map(|(index, child)| {
            let key = &child.content.idempotency_key;
            let given = Some(key).filter(|key| **key != draft.key.of_child(index));
            json!({"contentHash": child.content.content_hash, "idempotencyKey": given})
        });
        added.insert("children".into(), children.collect());
    }
    let counts = |(key, _): &(&String, &Json)| {
        !NOT_HASHED.contains(&key.as_str()) && !added.contains_key(*key)
    };
    sha256_hex(&canonical_object(draft.fields.values.iter().filter(counts).chain(&added)))
}

/// Reads as the same submission again; the body stands beside it, children in their own jobs.
fn snapshot(draft: &Draft<'_>) -> Map<String, Json> {
    let mut snapshot = draft.fields.values.clone();
    snapshot.insert("idempotencyKey".into(), draft.key.as_str().into());
    if !draft.children.is_empty() {
        let ids = draft.children.iter().map(|child| Json::from(child.job.to_string()));
        snapshot.insert("children".into(), ids.collect());
    }
    snapshot
}

/// The record's fields under the record's names.
fn frozen(draft: &Draft<'_>, hash: &str, snapshot: Map<String, Json>, terms: &Terms) -> Json {
    let mut out = draft.fields.values.clone();
    let text = |key: &str| draft.fields.text(key);
    let priority = text("priority").map(Json::from).unwrap_or_default();
    let rank = serde_json::from_value::<Priority>(priority).unwrap_or_default().rank();
    let timeout = text("timeout").and_then(|span| span.parse::<Span>().ok());
    let (named, ids): (Vec<&String>, Vec<&JobId>) =
        draft.deps.iter().map(|(written, job)| (written, job)).unzip();
    let artifacts = out.remove("artifacts").unwrap_or_else(|| json!([]));
    let fields = [
        ("idempotencyKey", json!(draft.key)),
        ("bodyMd", json!(draft.body)),
        ("contentHash", json!(hash)),
        ("manifestSnapshot", Json::Object(snapshot)),
        ("priorityRank", json!(rank)),
        ("capabilities", json!(required(draft))),
        ("timeoutSec", json!(timeout.and_then(Span::whole_seconds))),
        ("deps", json!(named)),
        ("depIds", json!(ids)),
        ("parentId", json!(draft.parent)),
        ("notBefore", json!(draft.not_before)),
        ("artifactGlobs", artifacts),
        ("submittedBy", json!(terms.submitted_by)),
    ];
    for (key, value) in fields {
        out.insert(key.into(), value);
    }
    Json::Object(out)
}

/// A job with `yolo` also needs a factory that allows it.
fn required(draft: &Draft<'_>) -> Vec<Json> {
    let asked = draft.fields.values.get("capabilities").and_then(Json::as_array);
    let mut tokens = asked.cloned().unwrap_or_default();
    if draft.fields.values.get("yolo") == Some(&Json::Bool(true)) {
        tokens.push(Capability::YOLO.into());
    }
    crate::manifest::sorted_set(tokens)
}

/// Counts what would be written.
struct Length(usize);

impl Length {
    fn of(value: &Json) -> usize {
        let mut length = Self(0);
        serde_json::to_writer(&mut length, value).expect("string keys and finite numbers encode");
        length.0
    }
}

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> Written<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Written<()> {
        Ok(())
    }
}
