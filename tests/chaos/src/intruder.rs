//! A store that can be overwritten, for one moment: gives a held job to somebody else under the
//! same epoch, without asking at which revision it is. The campaign has to notice.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::Context;
use serde_json::{Value, json};
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::account::Account;
use crate::streams;
use crate::witness::{JOBS_OF_ACCOUNT, Witness};

const LOOK: Duration = Duration::from_millis(50);

/// Answers once it has done so.
pub(crate) async fn intrude(witness: &Witness, context: &Context) -> Result<()> {
    loop {
        if let Some(account) = witness.account()
            && block_in_place(|| overwritten(account))?
        {
            return Ok(());
        }
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

/// Whether there was a job that somebody held.
fn overwritten(account: &Account) -> Result<bool> {
    for mut document in account.documents(JOBS_OF_ACCOUNT)? {
        let record = document["record"].to_string();
        let Some(record) = stolen(record.as_bytes()) else { continue };
        let partition = document["productId"].as_str().context("a job of no product")?.to_owned();
        document["record"] = record;
        account.overwrite(JOBS_OF_ACCOUNT, &partition, &document)?;
        return Ok(true);
    }
    Ok(false)
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
