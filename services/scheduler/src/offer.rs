//! Hints that work exists. An offer assigns nothing and may be lost: idle factories ask anyway.

use std::time::Duration;

use fleet::{Job, Stage};
use protocol::{Subject, Topic};
use serde_json::json;

use crate::Scheduler;

const OFFER_LIFE: Duration = Duration::from_secs(5);

impl Scheduler {
    /// Tells every factory of the product of a job that may be claimed now.
    pub(crate) async fn offer(&self, job: &Job) {
        let now = self.node.clock.now();
        let waits = [job.content.not_before, job.retry_not_before];
        let later = waits.into_iter().flatten().any(|start| start > now);
        if job.stage != Stage::Queued || !job.admitted || later {
            return;
        }
        let offer = json!({
            "offerId": self.node.ids.mint().to_string(),
            "jobId": job.id,
            "epochSeen": job.lease_epoch,
            "priority": job.content.priority,
            "capabilities": job.content.capabilities,
            "expiresAt": now.plus(OFFER_LIFE),
        });
        self.node.tell(Subject::new(job.product(), Topic::OfferAny), &offer).await;
    }
}
