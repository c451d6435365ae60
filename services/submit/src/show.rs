//! What stands: one job and what belongs to it.

use fleet::Record;
use ledger::{Found as Stored, LedgerError};
use node::{Asked, Served, problem_of};
use protocol::{AboutJob, Code, Found, JobView, OfJob, Problem};
use serde_json::Value;

use crate::Submit;

impl Submit {
    pub(crate) async fn show(self, asked: Asked<OfJob>) -> Served<OfJob> {
        let failed = |error: LedgerError| problem_of(&error, asked.request_id);
        let job = asked.job(&self.ledger, &asked.ask.job).await?;
        let id = job.record.id;
        let items = match asked.ask.query {
            AboutJob::Get => vec![value(&JobView::whole(&job.record, &job.etag()))],
            AboutJob::Runs => {
                let mut runs = self.ledger.runs.all_of(id).await.map_err(failed)?;
                runs.sort_by_key(|run| std::cmp::Reverse(run.record.attempt));
                records(&runs)
            }
            AboutJob::Events => {
                let events = self.ledger.events_of(id).await.map_err(failed)?;
                events.iter().map(value).collect()
            }
            AboutJob::Lease => {
                let lease = self.ledger.leases.get(id, id).await.map_err(failed)?;
                records(lease.as_slice())
            }
            // The scheduler's to say.
            AboutJob::Why => {
                return Err(Box::new(Problem::new(Code::NotFound, asked.request_id)));
            }
        };
        Ok(Found { items })
    }
}

fn records<R: Record>(found: &[Stored<R>]) -> Vec<Value> {
    found.iter().map(|found| value(&found.record)).collect()
}

fn value(record: &impl serde::Serialize) -> Value {
    serde_json::to_value(record).expect("string keys and finite numbers encode")
}
