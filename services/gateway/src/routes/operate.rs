//! What a person decides about a job.

use axum::http::header::IF_MATCH;
use fleet::{JobId, StageName};
use protocol::{AboutJob, Code, JobAction, OfJob, Operate};
use serde_json::Value;

use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::routes::{ok, read};

pub(crate) async fn act(heard: Heard) -> Answer {
    let job = heard.job()?;
    let named = heard.named(1);
    let Some(action) = JobAction::ALL.into_iter().find(|action| word(*action) == named) else {
        heard.exists(job).await?;
        let known = JobAction::ALL.map(word);
        let near = node::shape::nearest(named, &known);
        let hint = near.unwrap_or_else(|| format!("one of {}", known.join(" ")));
        return Err(heard.refused(Code::UnknownAction).hint(hint));
    };
    operated(&heard, job, action).await
}

pub(crate) async fn cancel(heard: Heard) -> Answer {
    operated(&heard, heard.job()?, JobAction::Cancel).await
}

pub(crate) async fn retry(heard: Heard) -> Answer {
    operated(&heard, heard.job()?, JobAction::Redrive).await
}

async fn operated(heard: &Heard, job: JobId, action: JobAction) -> Answer {
    let given = [("jobId", job.to_string().into()), ("action", Value::from(word(action)))];
    let ask: Operate = heard.typed_with(job, &given).await?;
    as_expected(heard, job).await?;
    Ok(ok(&heard.ask(&ask).await?))
}

/// Spares a person an action on what they have not seen. Judged before the action, not with it:
/// the action's own rules are what two people at once are kept apart by.
async fn as_expected(heard: &Heard, job: JobId) -> Result<(), Refusal> {
    let Some(expected) = heard.headers.get(IF_MATCH) else { return Ok(()) };
    let get = OfJob { query: AboutJob::Get, job: job.to_string() };
    let found = heard.ask(&get).await?.items.into_iter().next().unwrap_or_default();
    if expected == "*" || read::etag_of(&found).as_ref() == Some(expected) {
        return Ok(());
    }
    let mut refusal = heard.refused(Code::Conflict).because("etag_mismatch");
    refusal.0.current = current(&found);
    Err(refusal)
}

fn current(job: &Value) -> Option<fleet::Current> {
    let stage: StageName = serde_json::from_value(job.get("stage")?.clone()).ok()?;
    Some(fleet::Current {
        stage,
        lease_epoch: serde_json::from_value(job.get("leaseEpoch")?.clone()).ok()?,
        rev: job.get("rev")?.as_u64()?,
        holder_factory_id: None,
        content_hash: None,
        result: None,
    })
}

fn word(action: JobAction) -> &'static str {
    protocol::Operation::from(action).as_str()
}
