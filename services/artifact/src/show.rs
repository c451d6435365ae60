//! Looking at artifacts: those of one job, newest first, and a fresh link to the bytes of one.
//! Shows what is ready and nothing else.

use fleet::{Artifact, ArtifactId, JobId};
use ledger::LedgerError;
use node::{Asked, Served, problem_of};
use protocol::{ArtifactPage, Code, LinkArtifact, ListArtifacts, Problem};

use crate::Keeper;

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 500;

impl Keeper {
    pub(crate) async fn list(self, asked: Asked<ListArtifacts>) -> Served<ListArtifacts> {
        let failed = |error: LedgerError| problem_of(&error, asked.request_id);
        let limit = asked.ask.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(wrong(&asked, "limit", format!("limit is 1 to {LARGEST_PAGE}")));
        }
        let job = asked.job(&self.ledger, &asked.ask.job).await?.record.id;
        let after = after(&asked, job)?;
        let kind = asked.ask.kind;
        let wanted = |artifact: &Artifact| {
            artifact.is_ready()
                && artifact.head.product_id == asked.product
                && kind.is_none_or(|kind| artifact.kind == kind)
        };
        // An id tells when it was made. One more than is shown tells whether more follow.
        let after = after.map(|id| id.to_string());
        let found = self.ledger.artifacts.last_of(job, after.as_deref(), (limit + 1, wanted)).await;
        let mut items: Vec<Artifact> =
            found.map_err(failed)?.into_iter().map(|found| found.record).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|artifact| artifact.id.to_string());
        Ok(ArtifactPage { items, next_cursor })
    }

    pub(crate) async fn link(self, asked: Asked<LinkArtifact>) -> Served<LinkArtifact> {
        let artifact = self.pointer(&asked, asked.ask.artifact_id).await?;
        if !artifact.is_ready() {
            return Err(Box::new(Problem::new(Code::NotFound, asked.request_id)));
        }
        if let Some(factory) = &asked.ask.factory_id {
            let job = self.ledger.jobs.get(&asked.product, artifact.job_id).await;
            let job = job.map_err(|error| problem_of(&error, asked.request_id))?;
            let holder = job.as_ref().and_then(|job| job.record.holder());
            // A factory sees what belongs to the jobs that it holds.
            if holder.is_none_or(|holder| holder.factory != *factory) {
                return Err(Box::new(Problem::new(Code::OutOfScope, asked.request_id)));
            }
        }
        self.linked(artifact, asked.request_id).await
    }
}

/// The last one of the page before.
fn after(asked: &Asked<ListArtifacts>, job: JobId) -> Result<Option<ArtifactId>, Box<Problem>> {
    let Some(cursor) = &asked.ask.cursor else { return Ok(None) };
    let id = cursor.parse::<ArtifactId>().ok().filter(|id| id.job() == job);
    let foreign =
        || wrong(asked, "cursor", "the cursor is not of this list; begin without one".to_owned());
    id.map(Some).ok_or_else(foreign)
}

fn wrong(asked: &Asked<ListArtifacts>, field: &str, message: String) -> Box<Problem> {
    let mut problem = Problem::new(Code::Validation, asked.request_id);
    problem.field = Some(field.to_owned());
    problem.message = message;
    Box::new(problem)
}
