//! What a person decides about a job.

use axum::http::HeaderValue;
use axum::http::header::IF_MATCH;
use fleet::{JobId, StageName};
use protocol::{AboutJob, Code, JobAction, OfJob, Operate, Role};
use serde_json::Value;

use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::routes::{ok, read};

pub(crate) async fn act(heard: Heard) -> Answer {
    let job = heard.job_meant().await?;
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
    operated(&heard, heard.job_meant().await?, JobAction::Cancel).await
}

pub(crate) async fn retry(heard: Heard) -> Answer {
    operated(&heard, heard.job_meant().await?, JobAction::Redrive).await
}

async fn operated(heard: &Heard, job: JobId, action: JobAction) -> Answer {
    may(heard, job, action).await?;
    let (ask, expect) = heard.or_missing(job, asked(heard, job, action)).await?;
    as_expected(heard, job, expect).await?;
    Ok(ok(&heard.ask(&ask).await?))
}

/// An operator may all; who submitted a job may cancel it.
async fn may(heard: &Heard, job: JobId, action: JobAction) -> Result<(), Refusal> {
    let standing = heard.standing()?;
    let Err(denied) = standing.needs(&[Role::Operator]) else { return Ok(()) };
    if action != JobAction::Cancel {
        return Err(heard.denied(denied));
    }
    let get = OfJob { query: AboutJob::Get, job: job.to_string() };
    let found = heard.look_up(&get).await?.items.into_iter().next().unwrap_or_default();
    let theirs = found["submittedBy"].as_str() == Some(standing.actor().id.as_str());
    if theirs { Ok(()) } else { Err(heard.denied(denied)) }
}

/// The action, and the revision of the job that it is meant for.
fn asked(
    heard: &Heard,
    job: JobId,
    action: JobAction,
) -> Result<(Operate, Option<String>), Refusal> {
    let mut object = heard.object()?;
    let bad = |field: &str, message: &str| {
        heard.refused(Code::Validation).at(field, "bad_value", message.to_owned())
    };
    let expect = match object.remove("expect") {
        None => None,
        Some(Value::String(etag)) => Some(etag),
        Some(_) => return Err(bad("expect", "expect is the etag of the job, a text")),
    };
    if let Some(mode) = object.remove("mode") {
        let now = match mode.as_str() {
            Some("now") => true,
            Some("graceful") => false,
            Some(_) | None => return Err(bad("mode", "mode is graceful or now")),
        };
        object.insert(String::from("now"), now.into());
    }
    if let Some(cascade) = object.remove("cascade") {
        let cascade =
            cascade.as_bool().ok_or_else(|| bad("cascade", "cascade is true or false"))?;
        object.insert(String::from("alone"), (!cascade).into());
    }
    let given = [("jobId", job.to_string().into()), ("action", Value::from(word(action)))];
    Ok((heard.completed_from(object, &given)?, expect))
}

/// Spares a person an action on what they have not seen. Judged before the action, not with it:
/// the action's own rules are what two people at once are kept apart by.
async fn as_expected(heard: &Heard, job: JobId, expect: Option<String>) -> Result<(), Refusal> {
    let matched = heard.headers.get(IF_MATCH);
    if matched.is_none() && expect.is_none() {
        return Ok(());
    }
    let get = OfJob { query: AboutJob::Get, job: job.to_string() };
    let found = heard.ask(&get).await?.items.into_iter().next().unwrap_or_default();
    let etag = read::etag_of(&found);
    let same = |known: &HeaderValue| known == "*" || etag.as_ref() == Some(known);
    let reason = if !matched.is_none_or(same) {
        "etag_mismatch"
    } else if expect.is_some_and(|expect| found["etag"] != expect) {
        "changed_since_plan"
    } else {
        return Ok(());
    };
    let mut refusal = heard.refused(Code::Conflict).because(reason);
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
