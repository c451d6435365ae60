//! Artifacts: their pointers are asked for and told; the bytes of an upload are brought to the blob
//! store on the way. What counts as an artifact, the artifact service alone decides.

mod bring;
mod form;
mod inline;

use std::convert::Infallible;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use fleet::{ArtifactId, JobId};
use protocol::{
    BeginArtifact, Code, CommitArtifact, LinkArtifact, ListArtifacts, RemoveArtifact, Role,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::flowing::Flowing;
use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::routes::{jobs, json as answered, ok, written};

pub(crate) use bring::refused;
pub(crate) use form::Form;
pub(crate) use inline::Inline;

pub(crate) const LIST: [&str; 3] = ["cursor", "kind", "limit"];
pub(crate) const UPLOAD: [&str; 1] = ["quarantine"];
/// For a blob to be read again and counted.
const COUNTED_WITHIN: Duration = Duration::from_secs(300);

pub(crate) async fn list(heard: Heard) -> Answer {
    let mut ask =
        ListArtifacts { job: heard.named(0).to_owned(), kind: None, limit: None, cursor: None };
    let mut seen = std::collections::BTreeSet::new();
    for (name, value) in heard.pairs(&LIST)? {
        if !seen.insert(name.clone()) {
            let refusal = heard.refused(Code::Validation);
            return Err(refusal.at(&name, "duplicate", "it stands there twice"));
        }
        match name.as_str() {
            "kind" => ask.kind = Some(jobs::read(&heard, &name, &value)?),
            "limit" => ask.limit = Some(jobs::limit(&heard, &value)?),
            _ => ask.cursor = Some(jobs::text(&heard, &name, &value)?),
        }
    }
    Ok(written(StatusCode::OK, heard.ask_to_pass_on(&ask).await?))
}

/// The link is made for this answer and kept nowhere.
pub(crate) async fn one(heard: Heard) -> Answer {
    let artifact_id = artifact(&heard)?;
    heard.pairs(&[])?;
    Ok(ok(&heard.ask(&LinkArtifact { artifact_id, factory_id: None }).await?))
}

pub(crate) async fn remove(heard: Heard) -> Answer {
    let id = artifact(&heard)?;
    let ask: RemoveArtifact = completed(&heard, id).await?;
    let standing = heard.standing()?;
    let may = match &ask.hold {
        Some(hold) => standing.speaks_as(&hold.factory_id),
        None => standing.needs(&[Role::Operator]),
    };
    may.map_err(|denied| heard.denied(denied))?;
    heard.look_up(&ask).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn begin(heard: Heard) -> Answer {
    let job = heard.job_meant().await?;
    let given = [("jobId", job.to_string().into()), ("direct", true.into())];
    let ask: BeginArtifact = heard.typed_with(job, &given).await?;
    Ok(answered(StatusCode::CREATED, &heard.ask(&ask).await?))
}

pub(crate) async fn commit(heard: Heard) -> Answer {
    let id = artifact(&heard)?;
    let ask: CommitArtifact = completed(&heard, id).await?;
    Ok(ok(&heard.ask_within(&ask, COUNTED_WITHIN).await?))
}

/// Brings an artifact. A task of its own, so that whoever goes away in the middle leaves nothing
/// half-done: it then hears that the bytes broke off, and takes back what it had begun.
pub(crate) async fn upload(flowing: Flowing) -> Answer {
    let (tasks, request_id) = (flowing.heard.door.node.tasks.clone(), flowing.heard.request_id);
    let (done, told) = oneshot::channel();
    tasks.spawn("upload", async move {
        drop(done.send(Box::pin(taken_in(flowing)).await));
        Ok::<(), Infallible>(())
    });
    told.await.unwrap_or_else(|_| Err(Refusal::new(Code::Internal, request_id)))
}

async fn taken_in(flowing: Flowing) -> Answer {
    let Flowing { heard, body } = flowing;
    let job = heard.job_meant().await?;
    let quarantine = heard.or_missing(job, quarantine(&heard)).await?;
    let room = heard.door.room().await;
    let _room = room.ok_or_else(|| heard.refused(Code::Throttled).because("uploads"))?;
    let media = heard.headers.get(CONTENT_TYPE).and_then(|named| named.to_str().ok());
    let linked = match media.map(multer::parse_boundary) {
        Some(Ok(boundary)) => form::taken_in((&heard, job, quarantine), body, boundary).await?,
        Some(Err(multer::Error::NoBoundary)) => {
            let refusal = heard.refused(Code::Validation);
            let refusal = refusal.at("Content-Type", "malformed", "the form has no boundary");
            heard.or_missing(job, Err(refusal)).await?
        }
        Some(Err(_)) | None => inline::taken_in(heard, (job, quarantine), body).await?,
    };
    Ok(answered(StatusCode::CREATED, &linked))
}

fn quarantine(heard: &Heard) -> Result<bool, Refusal> {
    let mut asked = false;
    for (name, value) in heard.pairs(&UPLOAD)? {
        asked = match value.as_str() {
            "1" | "true" => true,
            "0" | "false" => false,
            _ => {
                let refusal = heard.refused(Code::Validation);
                return Err(refusal.at(&name, "bad_enum", "quarantine is 0 or 1"));
            }
        };
    }
    Ok(asked)
}

/// The artifact whose id stands in the path.
fn artifact(heard: &Heard) -> Result<ArtifactId, Refusal> {
    heard.named(0).parse().map_err(|_| heard.refused(Code::NotFound))
}

/// The body with the artifact of the path. One that cannot be read is told so only if the job is
/// there.
async fn completed<A: serde::de::DeserializeOwned>(
    heard: &Heard,
    id: ArtifactId,
) -> Result<A, Refusal> {
    heard.pairs(&[])?;
    let given = [("artifactId", Value::from(id.to_string()))];
    heard.or_missing(id.job(), heard.completed(&given)).await
}

/// What is begun for a door that brings the bytes itself.
fn begun(job: JobId, quarantine: bool) -> [(&'static str, Value); 3] {
    [("jobId", json!(job)), ("quarantine", json!(quarantine)), ("direct", json!(false))]
}
