//! Jobs come in, and are listed.

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use fleet::{JobId, StageName, Submission};
use protocol::{Code, ListJobs, Problem, SubmitJob};
use serde_json::Value;

use crate::heard::{Heard, Media};
use crate::problem::{Answer, Refusal};
use crate::query;
use crate::routes::{json, ok};

const LARGEST_PAGE: usize = 500;
const FILTERS: [&str; 4] = ["admitted", "cursor", "limit", "stage"];

pub(crate) async fn submit(heard: Heard) -> Answer {
    let ask = submission(&heard)?;
    let receipt = heard.ask(&ask).await?;
    let made = receipt.outcome == "created";
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &receipt))
}

/// Read here as the service will read it, so that what is no submission is refused with the lines
/// and words of what was sent.
fn submission(heard: &Heard) -> Result<SubmitJob, Refusal> {
    let empty = Bytes::new();
    let bytes = heard.body()?.unwrap_or(&empty);
    let invalid = |invalid| Refusal::from(Box::new(Problem::invalid(&invalid, heard.request_id)));
    match heard.media()? {
        Media::Markdown => {
            Submission::from_markdown(bytes).map_err(invalid)?;
            let file = String::from_utf8_lossy(bytes).into_owned();
            Ok(SubmitJob { file: Some(file), ..SubmitJob::default() })
        }
        Media::Json => {
            Submission::from_json(bytes).map_err(invalid)?;
            Ok(SubmitJob { submission: Some(heard.object()?), ..SubmitJob::default() })
        }
    }
}

pub(crate) async fn list(heard: Heard) -> Result<Response, Refusal> {
    let mut ask = ListJobs::default();
    for (name, value) in query::pairs(&heard.query, &FILTERS, heard.request_id)? {
        let wrong = |reason: &str, message: &str| {
            heard.refused(Code::Validation).at(&name, reason, message.to_owned())
        };
        match name.as_str() {
            "stage" => ask.stage.push(stage(&heard, &value)?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                ask.limit = Some(limit.ok_or_else(|| {
                    wrong("out_of_range", &format!("limit is 1 to {LARGEST_PAGE}"))
                })?);
            }
            "cursor" => {
                let cursor = value.parse::<JobId>();
                let cursor = cursor.map_err(|_| wrong("bad_value", "not a cursor of this list"))?;
                ask.cursor = Some(cursor.to_string());
            }
            _ => {
                ask.unadmitted = match value.as_str() {
                    "true" => false,
                    "any" => true,
                    _ => return Err(wrong("bad_enum", "admitted is true or any")),
                }
            }
        }
    }
    Ok(ok(&heard.ask(&ask).await?))
}

fn stage(heard: &Heard, named: &str) -> Result<StageName, Refusal> {
    serde_json::from_value(Value::from(named))
        .map_err(|why| heard.refused(Code::Validation).at("stage", "bad_enum", why.to_string()))
}
