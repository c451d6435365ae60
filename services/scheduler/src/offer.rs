//! Hints that work exists. An offer assigns nothing and may be lost: idle factories ask anyway.

use std::time::Duration;

use fleet::{Job, Stage};
use protocol::{Offer, Subject, Topic};

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
        let offer = Offer {
            offer_id: self.node.ids.mint(),
            job_id: job.id,
            epoch_seen: job.lease_epoch,
            priority: job.content.priority,
            capabilities: job.content.capabilities.clone(),
            engine: job.content.engine.clone(),
            expires_at: now.plus(OFFER_LIFE),
        };
        self.node.tell(Subject::new(job.product(), Topic::OfferAny), &offer).await;
    }
}
