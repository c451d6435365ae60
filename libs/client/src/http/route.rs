//! Which address of the door each request is said at. Sends nothing.

use bytes::Bytes;
use fleet::FactoryId;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use protocol::{Code, Problem, Query, RenewOne, Row, Word};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::CallError;

/// One request, but for its headers.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) media: Option<&'static str>,
    pub(crate) body: Option<Bytes>,
    pub(crate) shape: Shape,
}

/// What the door answers with, where the bus answers with items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Whole,
    /// The one item by itself.
    First,
}

/// Why it cannot be said at this door.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unsaid {
    NoRoute,
    OneOf,
}

impl Unsaid {
    /// As the services would have refused it.
    pub(crate) fn told(self, request_id: Uuid) -> CallError {
        let (code, message) = match self {
            Self::NoRoute => (Code::NotFound, "the HTTP door has no route for this yet"),
            Self::OneOf => (Code::Validation, "exactly one of file and submission is needed"),
        };
        let mut problem = Problem::new(code, request_id);
        message.clone_into(&mut problem.message);
        CallError::Refused(Box::new(problem))
    }
}

/// The call for a request of this row of the table.
pub(crate) fn of(row: Row, said: Value) -> Result<Call, Unsaid> {
    match row {
        Row::Submit => submit(&said),
        Row::Query(query) => read(query, &said),
        Row::Operate => Ok(operate(said)),
        Row::Spoken(word) => spoken(word, said),
        Row::Plan
        | Row::Intake
        | Row::Offer
        | Row::OfferAny
        | Row::Log
        | Row::Command
        | Row::Event
        | Row::Kick
        | Row::DeadLetter => Err(Unsaid::NoRoute),
    }
}

pub(crate) fn renew(factory: &FactoryId, one: &RenewOne) -> Call {
    let mut body = json!(one);
    body["factoryId"] = json!(factory);
    let job = taken(&mut body, "jobId");
    said_to(Method::POST, format!("/fleet/jobs/{}/lease/renew", encoded(&job)), &body)
}

fn submit(said: &Value) -> Result<Call, Unsaid> {
    let path = String::from("/fleet/jobs");
    match (said.get("file").and_then(Value::as_str), said.get("submission")) {
        (Some(file), None) => Ok(Call {
            method: Method::POST,
            path,
            media: Some("text/markdown"),
            body: Some(Bytes::copy_from_slice(file.as_bytes())),
            shape: Shape::Whole,
        }),
        (None, Some(keys)) => Ok(said_to(Method::POST, path, keys)),
        (Some(_), Some(_)) | (None, None) => Err(Unsaid::OneOf),
    }
}

fn read(query: Query, said: &Value) -> Result<Call, Unsaid> {
    let job = || encoded(said["job"].as_str().unwrap_or_default());
    let (path, shape) = match query {
        Query::Get => (format!("/fleet/jobs/{}", job()), Shape::First),
        Query::Lease => (format!("/fleet/jobs/{}/lease", job()), Shape::First),
        Query::Runs => (format!("/fleet/jobs/{}/runs", job()), Shape::Whole),
        Query::Events => (format!("/fleet/jobs/{}/events", job()), Shape::Whole),
        Query::List => (format!("/fleet/jobs?{}", filters(said)), Shape::Whole),
        Query::Artifacts
        | Query::Why
        | Query::Dag
        | Query::Stats
        | Query::Factories
        | Query::Locks
        | Query::Budgets
        | Query::Profiles
        | Query::DeadLetters => return Err(Unsaid::NoRoute),
    };
    Ok(Call { method: Method::GET, path, media: None, body: None, shape })
}

fn filters(said: &Value) -> String {
    let mut pairs = Vec::new();
    for stage in said["stage"].as_array().into_iter().flatten() {
        pairs.push(format!("stage={}", encoded(stage.as_str().unwrap_or_default())));
    }
    if said["unadmitted"] == json!(true) {
        pairs.push("admitted=any".to_owned());
    }
    if let Some(limit) = said["limit"].as_u64() {
        pairs.push(format!("limit={limit}"));
    }
    if let Some(cursor) = said["cursor"].as_str() {
        pairs.push(format!("cursor={}", encoded(cursor)));
    }
    pairs.join("&")
}

fn operate(mut said: Value) -> Call {
    let (job, action) = (taken(&mut said, "jobId"), taken(&mut said, "action"));
    let path = format!("/fleet/jobs/{}/actions/{}", encoded(&job), encoded(&action));
    said_to(Method::POST, path, &said)
}

fn spoken(word: Word, mut said: Value) -> Result<Call, Unsaid> {
    let mut of_job = |method: Method, rest: &str| {
        let job = taken(&mut said, "jobId");
        said_to(method, format!("/fleet/jobs/{}{rest}", encoded(&job)), &said)
    };
    match word {
        Word::Patch => Ok(of_job(Method::PATCH, "")),
        Word::Progress => Ok(of_job(Method::POST, "/progress")),
        Word::Release => Ok(of_job(Method::POST, "/lease/release")),
        Word::Claim => Ok(said_to(Method::POST, "/fleet/claim".to_owned(), &said)),
        Word::Heartbeat => {
            Ok(said_to(Method::POST, "/fleet/factories/heartbeat".to_owned(), &said))
        }
        // A renewal names several leases; each is a call of its own.
        Word::Renew => Err(Unsaid::NoRoute),
        Word::Deregister | Word::Get => Err(Unsaid::NoRoute),
        Word::ArtifactBegin | Word::ArtifactCommit | Word::ArtifactLink => Err(Unsaid::NoRoute),
    }
}

fn said_to(method: Method, path: String, body: &Value) -> Call {
    let body = Some(body.to_string().into());
    Call { method, path, media: Some("application/json"), body, shape: Shape::Whole }
}

/// Takes out what the path says already.
fn taken(said: &mut Value, name: &str) -> String {
    let taken = said.as_object_mut().and_then(|members| members.remove(name));
    taken.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
