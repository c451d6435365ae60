//! One job and what belongs to it.

use auth::{Standing, Who};
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use protocol::{AboutJob, Code, OfJob, Role};
use serde_json::Value;

use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::routes::ok;

pub(crate) async fn job(heard: Heard) -> Answer {
    let job = first(&heard, AboutJob::Get).await?.ok_or_else(|| heard.refused(Code::NotFound))?;
    let job = shown(&heard, job)?;
    let Some(etag) = etag_of(&job) else { return Ok(ok(&job)) };
    let mut response = if is_known(&heard.headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ok(&job)
    };
    response.headers_mut().insert(ETAG, etag);
    Ok(response)
}

pub(crate) async fn runs(heard: Heard) -> Answer {
    let ask = OfJob { query: AboutJob::Runs, job: heard.named(0).to_owned() };
    let mut found = heard.ask(&ask).await?;
    for run in &mut found.items {
        hide_nonces(heard.standing()?, run);
    }
    Ok(ok(&found))
}

/// A factory sees the jobs that it holds, a viewer none of their texts, and nobody but the owner of
/// the host what a holder proves itself with.
fn shown(heard: &Heard, mut job: Value) -> Result<Value, Refusal> {
    let standing = heard.standing()?;
    if let Some(scope) = &standing.scope
        && job["holderFactoryId"].as_str() != Some(scope.factory.as_str())
    {
        return Err(heard.refused(Code::NotFound));
    }
    if standing.needs(&[Role::Producer, Role::Factory]).is_err()
        && let Some(job) = job.as_object_mut()
    {
        job.remove("bodyMd");
        job.remove("manifestSnapshot");
    }
    hide_nonces(standing, &mut job);
    Ok(job)
}

fn hide_nonces(standing: &Standing, record: &mut Value) {
    let Some(record) = record.as_object_mut() else { return };
    if standing.who != Who::Owner {
        for nonce in ["claimNonce", "claimRequestId", "runId"] {
            record.remove(nonce);
        }
    }
}

/// As the stream tells them: nobody needs a nonce to know what happened.
pub(crate) async fn events(heard: Heard) -> Answer {
    let ask = OfJob { query: AboutJob::Events, job: heard.named(0).to_owned() };
    let mut found = heard.ask(&ask).await?;
    for event in &mut found.items {
        if let Some(data) = event.get_mut("data").and_then(Value::as_object_mut) {
            data.remove("claimNonce");
        }
    }
    Ok(ok(&found))
}

pub(crate) async fn why(heard: Heard) -> Answer {
    let why = first(&heard, AboutJob::Why).await?.ok_or_else(|| heard.refused(Code::NotFound))?;
    Ok(ok(&why))
}

pub(crate) async fn lease(heard: Heard) -> Answer {
    let lease = first(&heard, AboutJob::Lease).await?;
    let mut lease = lease.ok_or_else(|| heard.refused(Code::NotFound).because("never_claimed"))?;
    hide_nonces(heard.standing()?, &mut lease);
    Ok(ok(&lease))
}

async fn first(heard: &Heard, query: AboutJob) -> Result<Option<Value>, Refusal> {
    let ask = OfJob { query, job: heard.named(0).to_owned() };
    Ok(heard.look_up(&ask).await?.items.into_iter().next())
}

/// The job's revision as HTTP writes it.
pub(crate) fn etag_of(job: &Value) -> Option<HeaderValue> {
    let etag = job.get("etag")?.as_str()?;
    HeaderValue::from_str(&format!("\"{etag}\"")).ok()
}

fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let named = headers.get_all(IF_NONE_MATCH).iter().filter_map(|named| named.to_str().ok());
    let mut named = named.flat_map(|list| list.split(',')).map(str::trim);
    named.any(|known| known == "*" || known.trim_start_matches("W/").as_bytes() == etag.as_bytes())
}
