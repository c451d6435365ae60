//! What factories say: of themselves, for work, and of the work that they hold.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse;
use fleet::{Capability, Epoch, FactoryId, JobId, Nonce};
use protocol::{
    Beat, ClaimWork, Code, Deregister, PatchJob, ReleaseJob, RenewLeases, RenewOne, ReportProgress,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::heard::Heard;
use crate::problem::{Answer, RETRY, Refusal};
use crate::routes::factories::{self, factory_of};
use crate::routes::ok;

/// The longest that a claim waits at the scheduler.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// For the grant itself, when work is there.
const GRANT_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn claim(heard: Heard) -> Answer {
    let mut ask: ClaimWork = heard.alone()?;
    ask.capabilities = covered(&heard, ask.capabilities)?;
    let wait = Duration::from_millis(ask.wait_ms).min(LONGEST_WAIT);
    let granted = tokio::select! {
        biased;
        granted = heard.ask_within(&ask, wait + GRANT_WITHIN) => granted?,
        // A grant on its way is not lost: the same request is given it again.
        () = heard.door.node.tasks.stopped() => {
            return Err(heard.refused(Code::Unavailable).because("shutting_down"));
        }
    };
    Ok(match granted {
        Some(granted) => ok(&granted),
        None => (StatusCode::NO_CONTENT, [(RETRY_AFTER, RETRY.as_secs())]).into_response(),
    })
}

pub(crate) async fn beat(heard: Heard) -> Answer {
    let mut ask: Beat = heard.alone()?;
    ask.capabilities = covered(&heard, ask.capabilities)?;
    Ok(ok(&heard.ask(&ask).await?))
}

/// Of what a factory advertises, what its credential is good for.
fn covered(heard: &Heard, mut advertised: Vec<Capability>) -> Result<Vec<Capability>, Refusal> {
    let scope = heard.standing()?.scope.as_ref().and_then(|scope| scope.capabilities.as_ref());
    if let Some(covered) = scope {
        advertised.retain(|one| covered.contains(one));
    }
    Ok(advertised)
}

/// A factory's last word.
pub(crate) async fn leave(heard: Heard) -> Answer {
    let factory = factory_of(&heard)?;
    let given = [("factoryId", json!(factory))];
    factories::may(&heard, &factory)?;
    let ask: Deregister = factories::or_missing(&heard, &factory, heard.completed(&given)).await?;
    heard.look_up(&ask).await?;
    Ok(ok(&json!({})))
}

/// Every lease of a factory at once; what is refused stands beside what is renewed.
pub(crate) async fn renew_all(heard: Heard) -> Answer {
    let ask: RenewLeases = heard.alone()?;
    Ok(ok(&heard.ask(&ask).await?))
}

/// One lease, as its address names it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RenewThis {
    job_id: JobId,
    factory_id: FactoryId,
    lease_epoch: Epoch,
    claim_nonce: Nonce,
}

pub(crate) async fn renew(heard: Heard) -> Answer {
    let this: RenewThis = heard.typed(heard.job()?).await?;
    let one = RenewOne {
        job_id: this.job_id,
        lease_epoch: this.lease_epoch,
        claim_nonce: this.claim_nonce,
    };
    let ask = RenewLeases { factory_id: this.factory_id, leases: vec![one] };
    let answer = heard.ask(&ask).await?;
    let one = answer.leases.into_iter().next().ok_or_else(|| heard.refused(Code::Internal))?;
    if let Some(error) = one.error {
        return Err(Box::new(error).into());
    }
    let mut renewed = json!(one);
    renewed["serverTime"] = json!(answer.server_time);
    Ok(ok(&renewed))
}

pub(crate) async fn patch(heard: Heard) -> Answer {
    let ask: PatchJob = heard.typed(heard.job()?).await?;
    Ok(ok(&heard.ask(&ask).await?))
}

pub(crate) async fn progress(heard: Heard) -> Answer {
    let ask: ReportProgress = heard.typed(heard.job()?).await?;
    heard.ask(&ask).await?;
    Ok(ok(&json!({})))
}

pub(crate) async fn release(heard: Heard) -> Answer {
    let ask: ReleaseJob = heard.typed(heard.job()?).await?;
    Ok(ok(&heard.ask(&ask).await?))
}
