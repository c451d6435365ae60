//! Jobs come in, and are listed.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use bytes::Bytes;
use fleet::Submission;
use protocol::{AddChildren, Code, ListJobs, PlanJob, Problem, SubmitJob};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::heard::{Heard, Media};
use crate::problem::{Answer, Refusal};
use crate::routes::{json, ok};

const LARGEST_PAGE: usize = 500;
const LONGEST_TEXT: usize = 512;
/// What a list may be asked for.
pub(crate) const LIST: [&str; 11] = [
    "admitted",
    "createdAfter",
    "createdBefore",
    "cursor",
    "factoryId",
    "idempotencyKey",
    "limit",
    "parentId",
    "priority",
    "q",
    "stage",
];
pub(crate) const SUBMIT: [&str; 1] = ["expect"];

/// A job file, or the keys of one.
type Sent = (Option<String>, Option<Map<String, Value>>);

pub(crate) async fn submit(heard: Heard) -> Answer {
    let mut expect = None;
    for (name, value) in heard.pairs(&SUBMIT)? {
        expect = Some(text(&heard, &name, &value)?);
    }
    let (file, submission) = submission(&heard)?;
    let yolo = heard.standing()?.yolo;
    let text = text_of(submission.as_ref());
    let receipt = heard.ask(&SubmitJob { file, submission, expect, yolo }).await;
    let receipt = receipt.map_err(|refusal| by_its_text(refusal, text))?;
    let made = receipt.outcome == "created";
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &receipt))
}

pub(crate) async fn plan(heard: Heard) -> Answer {
    let (file, submission) = submission(&heard)?;
    let yolo = heard.standing()?.yolo;
    let text = text_of(submission.as_ref());
    let planned = heard.ask(&PlanJob { file, submission, yolo }).await;
    Ok(ok(&planned.map_err(|refusal| by_its_text(refusal, text))?))
}

pub(crate) async fn add_children(heard: Heard) -> Answer {
    let job = heard.job_meant().await?;
    let yolo = heard.standing()?.yolo;
    let given = [("jobId", job.to_string().into()), ("yolo", yolo.into())];
    let ask: AddChildren = heard.typed_with(job, &given).await?;
    Ok(json(StatusCode::CREATED, &heard.ask(&ask).await?))
}

/// Read here as the service will read it, so that what is no submission is refused with the lines
/// and words of what was sent.
fn submission(heard: &Heard) -> Result<Sent, Refusal> {
    let empty = Bytes::new();
    let bytes = heard.body()?.unwrap_or(&empty);
    let invalid = |invalid| Refusal::from(Box::new(Problem::invalid(&invalid, heard.request_id)));
    match heard.media()? {
        Media::Markdown => {
            Submission::from_markdown(bytes).map_err(invalid)?;
            let file = String::from_utf8_lossy(bytes).into_owned();
            Ok((Some(file), None))
        }
        Media::Json => {
            Submission::from_json(bytes).map_err(invalid)?;
            Ok((None, Some(heard.object()?)))
        }
    }
}

/// Where the text stands that has no bound of its own on its way to the services.
fn text_of(submission: Option<&Map<String, Value>>) -> &'static str {
    let family = submission.is_some_and(|keys| keys.contains_key("children"));
    if family { "children" } else { "bodyMd" }
}

/// What no message can carry is too large by its text, since all else is bounded before.
fn by_its_text(mut refusal: Refusal, text: &str) -> Refusal {
    if refusal.0.code == Code::TooLarge && refusal.0.field.is_none() {
        refusal.0.field = Some(text.to_owned());
    }
    refusal
}

pub(crate) async fn list(heard: Heard) -> Answer {
    let mut ask = ListJobs::default();
    let mut seen = BTreeSet::new();
    for (name, value) in heard.pairs(&LIST)? {
        let several = ["stage", "priority"].contains(&name.as_str());
        if !several && !seen.insert(name.clone()) {
            return Err(wrong(&heard, &name, "duplicate", "it stands there twice"));
        }
        filter(&heard, &mut ask, (&name, &value))?;
    }
    Ok(ok(&heard.ask(&ask).await?))
}

fn filter(heard: &Heard, ask: &mut ListJobs, (name, value): (&str, &str)) -> Result<(), Refusal> {
    match name {
        "stage" => ask.stage.push(read(heard, name, value)?),
        "priority" => ask.priority.push(read(heard, name, value)?),
        "idempotencyKey" => ask.idempotency_key = Some(read(heard, name, value)?),
        "parentId" => ask.parent_id = Some(read(heard, name, value)?),
        "factoryId" => ask.factory_id = Some(read(heard, name, value)?),
        "createdAfter" => ask.created_after = Some(read(heard, name, value)?),
        "createdBefore" => ask.created_before = Some(read(heard, name, value)?),
        "q" => ask.q = Some(text(heard, name, value)?),
        "cursor" => ask.cursor = Some(text(heard, name, value)?),
        "limit" => ask.limit = Some(limit(heard, value)?),
        _ => {
            ask.unadmitted = match value {
                "true" => false,
                "any" => true,
                _ => return Err(wrong(heard, name, "bad_enum", "admitted is true or any")),
            }
        }
    }
    Ok(())
}

pub(crate) fn limit(heard: &Heard, value: &str) -> Result<usize, Refusal> {
    let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
    let why = format!("limit is 1 to {LARGEST_PAGE}");
    limit.ok_or_else(|| wrong(heard, "limit", "out_of_range", &why))
}

/// A value of the query, read as it would be read in a body.
pub(crate) fn read<T: DeserializeOwned>(
    heard: &Heard,
    name: &str,
    value: &str,
) -> Result<T, Refusal> {
    node::shape::typed(Value::from(value), heard.request_id).map_err(|mut fault| {
        fault.field = Some(name.to_owned());
        fault.details.iter_mut().for_each(|detail| name.clone_into(&mut detail.field));
        Refusal::from(fault)
    })
}

pub(crate) fn text(heard: &Heard, name: &str, value: &str) -> Result<String, Refusal> {
    if (1..=LONGEST_TEXT).contains(&value.len()) && !value.chars().any(char::is_control) {
        return Ok(value.to_owned());
    }
    let why = format!("{name} is 1 to {LONGEST_TEXT} bytes without control characters");
    Err(wrong(heard, name, "bad_value", &why))
}

fn wrong(heard: &Heard, name: &str, reason: &str, message: &str) -> Refusal {
    heard.refused(Code::Validation).at(name, reason, message.to_owned())
}
