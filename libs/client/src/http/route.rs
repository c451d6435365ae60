//! Which address of the door each request is said at. Sends nothing.

use bytes::Bytes;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use protocol::{Code, Custody, Operation, Problem, Query, Row, Word};
use serde_json::Value;
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
        Row::Submit | Row::SubmitYolo => submission("/fleet/jobs", &said),
        Row::Query(query) => read(query, &said),
        Row::Operate(operation) => Ok(operate(operation, said)),
        Row::Spoken(word) => spoken(word, said),
        Row::Plan => submission("/fleet/jobs/plan", &said),
        Row::Children | Row::ChildrenYolo => Ok(children(said)),
        Row::Custody(custody) => of_artifacts(custody, said),
        Row::PutProfile => Ok(put_profile(said)),
        Row::Intake
        | Row::Offer
        | Row::OfferAny
        | Row::Log
        | Row::Command
        | Row::Event
        | Row::Kick
        | Row::DeadLetter => Err(Unsaid::NoRoute),
    }
}

fn children(mut said: Value) -> Call {
    let parent = taken(&mut said, "jobId");
    said_to(Method::POST, format!("/fleet/jobs/{}/children", encoded(&parent)), &said)
}

fn submission(path: &str, said: &Value) -> Result<Call, Unsaid> {
    let expect = said.get("expect").and_then(Value::as_str);
    let path = expect
        .map_or_else(|| path.to_owned(), |expect| format!("{path}?expect={}", encoded(expect)));
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
        Query::Why => (format!("/fleet/jobs/{}/why", job()), Shape::First),
        Query::Stats => (String::from("/fleet/stats"), Shape::First),
        Query::Factories => match said["named"].as_str() {
            Some(factory) => (format!("/fleet/factories/{}", encoded(factory)), Shape::First),
            None => (String::from("/fleet/factories"), Shape::Whole),
        },
        Query::Locks => (String::from("/fleet/locks"), Shape::Whole),
        Query::Budgets => (String::from("/fleet/budgets"), Shape::Whole),
        Query::Profiles => match said["named"].as_str() {
            Some(named) => (profile(named), Shape::First),
            None => (String::from("/fleet/profiles"), Shape::Whole),
        },
        Query::List => (format!("/fleet/jobs?{}", filters(said, &[])), Shape::Whole),
        Query::Artifacts => {
            let filters = filters(said, &["job"]);
            (format!("/fleet/jobs/{}/artifacts?{filters}", job()), Shape::Whole)
        }
        Query::Dag | Query::DeadLetters => {
            return Err(Unsaid::NoRoute);
        }
    };
    Ok(Call { method: Method::GET, path, media: None, body: None, shape })
}

/// A name alone, or with a version.
fn profile(named: &str) -> String {
    match named.split_once('@') {
        Some((name, version)) => version_of(name, version),
        None => format!("/fleet/profiles/{}", encoded(named)),
    }
}

fn version_of(name: &str, version: &str) -> String {
    format!("/fleet/profiles/{}/versions/{}", encoded(name), encoded(version))
}

fn put_profile(mut said: Value) -> Call {
    let version = said["version"].to_string();
    let path = version_of(&taken(&mut said, "name"), &version);
    taken(&mut said, "version");
    said_to(Method::PUT, path, &said)
}

/// Every filter of the list as the address writes it, but for what its path says.
fn filters(said: &Value, in_path: &[&str]) -> String {
    let mut pairs = Vec::new();
    let members = said.as_object().into_iter().flatten();
    for (name, value) in members.filter(|(name, _)| !in_path.contains(&name.as_str())) {
        match value {
            Value::Array(several) => {
                let each = several.iter().filter_map(Value::as_str);
                pairs.extend(each.map(|one| format!("{name}={}", encoded(one))));
            }
            Value::String(text) => pairs.push(format!("{name}={}", encoded(text))),
            Value::Number(count) => pairs.push(format!("{name}={count}")),
            Value::Bool(true) if name == "unadmitted" => pairs.push("admitted=any".to_owned()),
            Value::Bool(_) | Value::Null | Value::Object(_) => {}
        }
    }
    pairs.join("&")
}

fn operate(operation: Operation, mut said: Value) -> Call {
    let path = match operation {
        Operation::Approve
        | Operation::SendBack
        | Operation::Ship
        | Operation::Requeue
        | Operation::Redrive
        | Operation::Cancel
        | Operation::Reject => {
            let job = taken(&mut said, "jobId");
            format!("/fleet/jobs/{}/actions/{}", encoded(&job), operation.as_str())
        }
        Operation::Drain => format!("/fleet/factories/{}/drain", of_factory(&mut said)),
        Operation::Undrain => format!("/fleet/factories/{}/resume", of_factory(&mut said)),
        Operation::Pause => String::from("/fleet/pause"),
        Operation::Resume => String::from("/fleet/resume"),
        Operation::Verify => String::from("/fleet/verify"),
    };
    taken(&mut said, "action");
    said_to(Method::POST, path, &said)
}

fn of_factory(said: &mut Value) -> String {
    encoded(&taken(said, "factoryId"))
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
        Word::Renew => Ok(said_to(Method::POST, "/fleet/leases/renew".to_owned(), &said)),
        Word::Deregister => {
            let path = format!("/fleet/factories/{}/deregister", of_factory(&mut said));
            Ok(said_to(Method::POST, path, &said))
        }
        Word::Get => Err(Unsaid::NoRoute),
        Word::ArtifactBegin => of_artifacts(Custody::Begin, said),
        Word::ArtifactCommit => of_artifacts(Custody::Commit, said),
        Word::ArtifactLink => of_artifacts(Custody::Link, said),
        Word::Log => Ok(of_job(Method::POST, "/log")),
    }
}

fn of_artifacts(custody: Custody, mut said: Value) -> Result<Call, Unsaid> {
    let artifact =
        |said: &mut Value| format!("/fleet/artifacts/{}", encoded(&taken(said, "artifactId")));
    match custody {
        Custody::Begin => {
            let job = encoded(&taken(&mut said, "jobId"));
            taken(&mut said, "direct");
            Ok(said_to(Method::POST, format!("/fleet/jobs/{job}/artifacts/begin"), &said))
        }
        Custody::Commit => {
            let path = artifact(&mut said) + "/commit";
            Ok(said_to(Method::POST, path, &said))
        }
        Custody::Link => {
            let (path, shape) = (artifact(&mut said), Shape::Whole);
            Ok(Call { method: Method::GET, path, media: None, body: None, shape })
        }
        Custody::Remove => {
            let path = artifact(&mut said);
            Ok(said_to(Method::DELETE, path, &said))
        }
        Custody::Keep | Custody::Audit | Custody::Sweep => Err(Unsaid::NoRoute),
    }
}

pub(crate) fn said_to(method: Method, path: String, body: &Value) -> Call {
    let body = Some(body.to_string().into());
    Call { method, path, media: Some("application/json"), body, shape: Shape::Whole }
}

/// Takes out what the path says already.
fn taken(said: &mut Value, name: &str) -> String {
    let taken = said.as_object_mut().and_then(|members| members.remove(name));
    taken.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
