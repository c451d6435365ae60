//! What stands: one job and what belongs to it, or a page of many.

use fleet::{Job, JobId, Key, ProductId, Record};
use ledger::{Found as Stored, LedgerError};
use node::{Asked, Served, problem_of};
use protocol::{AboutJob, Code, Found, JobView, ListJobs, Listed, OfJob, Problem};
use serde_json::Value;

use crate::Submit;

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 500;

impl Submit {
    pub(crate) async fn show(self, asked: Asked<OfJob>) -> Served<OfJob> {
        let failed = |error: LedgerError| problem_of(&error, asked.request_id);
        let missing = || Box::new(Problem::new(Code::NotFound, asked.request_id));
        let id = job_of(&asked.product, &asked.ask.job).ok_or_else(missing)?;
        let job = self.ledger.jobs.get(&asked.product, id).await.map_err(failed)?;
        let job = job.ok_or_else(missing)?;
        let items = match asked.ask.query {
            AboutJob::Get => vec![value(&JobView::whole(&job.record, &job.etag()))],
            AboutJob::Runs => {
                let mut runs = self.ledger.runs.all_of(id).await.map_err(failed)?;
                runs.sort_by_key(|run| std::cmp::Reverse(run.record.attempt));
                records(&runs)
            }
            AboutJob::Events => {
                let mut events = self.ledger.events.all_of(id).await.map_err(failed)?;
                events.sort_by_key(|event| (event.record.at, event.record.seq));
                records(&events)
            }
            AboutJob::Lease => {
                let lease = self.ledger.leases.get(id, id).await.map_err(failed)?;
                records(lease.as_slice())
            }
            // The scheduler's to say.
            AboutJob::Why => return Err(missing()),
        };
        Ok(Found { items })
    }

    pub(crate) async fn list(self, asked: Asked<ListJobs>) -> Served<ListJobs> {
        let failed = |error: LedgerError| problem_of(&error, asked.request_id);
        let limit = asked.ask.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            let mut problem = Problem::new(Code::Validation, asked.request_id);
            problem.field = Some("limit".to_owned());
            problem.message = format!("limit is 1 to {LARGEST_PAGE}");
            return Err(Box::new(problem));
        }
        let mut jobs = self.ledger.jobs.all_of(&asked.product).await.map_err(failed)?;
        jobs.retain(|job| asked.ask.wants(&job.record));
        jobs.sort_by_key(|job| (std::cmp::Reverse(job.record.head.created_at), job.record.id));
        let after = asked.ask.cursor.as_deref();
        let start =
            after.and_then(|id| jobs.iter().position(|job| job.record.id.to_string() == id));
        if after.is_some() && start.is_none() {
            let mut problem = Problem::new(Code::Validation, asked.request_id);
            problem.field = Some("cursor".to_owned());
            problem.message = String::from("the cursor is not of this list; begin without one");
            return Err(Box::new(problem));
        }
        let rest = jobs.get(start.map_or(0, |at| at + 1)..).unwrap_or_default();
        let items: Vec<JobView> =
            rest.iter().take(limit).map(|job| JobView::of(&job.record, &job.etag())).collect();
        let last = items.last().filter(|_| rest.len() > limit);
        let next_cursor = last.map(|job| job.id.to_string());
        Ok(Listed { items, next_cursor })
    }
}

trait Wants {
    fn wants(&self, job: &Job) -> bool;
}

impl Wants for ListJobs {
    fn wants(&self, job: &Job) -> bool {
        let staged = self.stage.is_empty() || self.stage.contains(&job.stage.name());
        staged && (job.admitted || self.unadmitted) && !job.purged
    }
}

/// A job by its id, or by its key.
fn job_of(product: &ProductId, named: &str) -> Option<JobId> {
    let by_key = || named.parse::<Key>().ok().map(|key| JobId::of(product, &key));
    named.parse().ok().or_else(by_key)
}

fn records<R: Record>(found: &[Stored<R>]) -> Vec<Value> {
    found.iter().map(|found| value(&found.record)).collect()
}

fn value(record: &impl serde::Serialize) -> Value {
    serde_json::to_value(record).expect("string keys and finite numbers encode")
}
