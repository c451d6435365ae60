//! Holds everything that is stored of a product against the invariants. Reads only; what looks
//! wrong while the fleet works is read again before it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::{OverBus, Patience};
use fleet::{ArtifactId, Invariant, Job, JobId, ProductId, Violation, audit, audit_dependencies};
use ledger::{Found, LedgerError};
use node::{Asked, Served, problem_of};
use protocol::{ArtifactsAudited, AuditArtifacts, Finding, Verified, Verify};
use tracing::info;

use crate::Keeper;

const PAGE: usize = 256;
/// A step of the fleet that was seen half done is done by then.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// Jobs that looked wrong at the first look.
type Suspected = BTreeMap<JobId, Vec<Violation>>;

/// Blobs may be many, and far away.
const PATIENCE: Duration = Duration::from_mins(2);
/// Findings of one answer; who has so many reads them, mends, and asks again.
const MOST_FINDINGS: usize = 1000;

impl Keeper {
    pub(crate) async fn verify(self, asked: Asked<Verify>) -> Served<Verify> {
        let verified = self.verified(&asked.product).await;
        let mut verified = verified.map_err(|error| problem_of(&error, asked.request_id))?;
        if let Some(audited) = self.looked_for_bytes(&asked).await {
            verified.artifacts = Some(audited.pointers);
            verified.violations.extend(audited.missing.iter().map(|id| lost(*id)));
            verified.violations.truncate(MOST_FINDINGS);
        }
        Ok(verified)
    }

    /// Bytes are of whoever keeps artifacts; where nobody does, nobody looked for them.
    async fn looked_for_bytes(&self, asked: &Asked<Verify>) -> Option<ArtifactsAudited> {
        let link = OverBus::new(Arc::clone(&self.node.bus), asked.product.clone());
        let now = self.node.clock.now();
        let latest = now.plus(PATIENCE);
        let until = asked.deadline.unwrap_or(latest).min(latest);
        let span = until.since(now);
        let patience = Patience { request_id: asked.request_id, until, span };
        match link.call(&AuditArtifacts {}, patience).await {
            Ok(audited) => Some(audited),
            Err(error) => {
                info!(%error, "the bytes of artifacts were not looked for");
                None
            }
        }
    }

    async fn verified(&self, product: &ProductId) -> Result<Verified, LedgerError> {
        let (mut verified, suspected) = self.looked_through(product).await?;
        if !suspected.is_empty() {
            tokio::time::sleep(SECOND_LOOK).await;
        }
        for (id, before) in suspected {
            let again = self.seen_again(product, id, &before).await?;
            verified.violations.extend(again.iter().map(finding));
        }
        verified.violations.truncate(MOST_FINDINGS);
        Ok(verified)
    }

    /// Everything once, and what looked wrong.
    async fn looked_through(
        &self,
        product: &ProductId,
    ) -> Result<(Verified, Suspected), LedgerError> {
        let mut verified = Verified { jobs: 0, events: 0, artifacts: None, violations: Vec::new() };
        let mut suspected = Suspected::new();
        let mut cursor = None;
        loop {
            let (jobs, next) = self.ledger.jobs.page(product, cursor.as_ref(), PAGE).await?;
            for found in jobs {
                let (events, violations) = self.audited(&found.record).await?;
                verified.jobs += 1;
                verified.events += events;
                suspected.insert(found.record.id, violations);
            }
            suspected.retain(|_, violations| !violations.is_empty());
            match next.filter(|_| suspected.len() < MOST_FINDINGS) {
                Some(next) => cursor = Some(next),
                None => return Ok((verified, suspected)),
            }
        }
    }

    /// What contradicts the same invariant at the second look.
    async fn seen_again(
        &self,
        product: &ProductId,
        id: JobId,
        before: &[Violation],
    ) -> Result<Vec<Violation>, LedgerError> {
        let Some(job) = self.ledger.jobs.get(product, id).await? else { return Ok(Vec::new()) };
        let (_, mut now) = self.audited(&job.record).await?;
        now.retain(|seen| before.iter().any(|first| first.invariant == seen.invariant));
        Ok(now)
    }

    /// How many events the job has, and all that contradicts the invariants.
    async fn audited(&self, job: &Job) -> Result<(u64, Vec<Violation>), LedgerError> {
        let events = self.ledger.events_of(job.id).await?;
        let runs = records(self.ledger.runs.all_of(job.id).await?);
        let lease = self.ledger.leases.get(job.id, job.id).await?.map(|found| found.record);
        let mut deps = BTreeMap::new();
        for id in &job.content.dep_ids {
            if let Some(dep) = self.ledger.jobs.get(job.product(), id).await? {
                deps.insert(*id, dep.record);
            }
        }
        let mut violations = audit(job, &events, &runs, lease.as_ref());
        violations.extend(audit_dependencies(job, &events, |id| deps.get(id)));
        Ok((events.len() as u64, violations))
    }
}

fn lost(id: ArtifactId) -> Finding {
    let detail = format!("the bytes of {id} are not there");
    Finding { job_id: id.job(), invariant: format!("{:?}", Invariant::I19), detail }
}

fn records<R>(found: Vec<Found<R>>) -> Vec<R> {
    found.into_iter().map(|found| found.record).collect()
}

fn finding(violation: &Violation) -> Finding {
    let Violation { invariant, job, events, what } = violation;
    let detail =
        if events.is_empty() { what.clone() } else { format!("{what} (events {events:?})") };
    Finding { job_id: *job, invariant: format!("{invariant:?}"), detail }
}
