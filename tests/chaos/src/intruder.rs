//! A store that can be overwritten, for one moment: gives a held job to somebody else under the
//! same epoch, without asking at which revision it is. The campaign has to notice.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::Context;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::streams;
use crate::witness::Witness;

const LOOK: Duration = Duration::from_millis(50);

/// Answers once it has done so.
pub(crate) async fn intrude(witness: &Witness, context: &Context) -> Result<()> {
    loop {
        for bucket in witness.buckets() {
            let kept = streams::all(context, bucket).await?;
            let Some((subject, body)) =
                kept.iter().find_map(|kept| Some((&kept.subject, stolen(&kept.payload)?)))
            else {
                continue;
            };
            let body = serde_json::to_vec(&body).context("string keys encode")?;
            context.publish(subject.clone(), body.into()).await?.await?;
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

/// The same version, held by another; nothing where nobody holds it.
fn stolen(body: &[u8]) -> Option<Value> {
    let mut job: Value = serde_json::from_slice(body).ok()?;
    job.get("claimNonce")?;
    job["holderFactoryId"] = json!("thief");
    job["claimNonce"] = json!("01890a5d-ac96-7000-8000-0000000000ff");
    job["rev"] = json!(job["rev"].as_u64()? + 1);
    Some(job)
}
