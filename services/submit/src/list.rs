//! A page of the product's jobs, newest first. Only what is on the page is ever shown.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use fleet::{Job, JobId, Timestamp};
use ledger::{Found, LedgerError};
use node::{Asked, Served, problem_of};
use protocol::{Code, JobView, ListJobs, Listed, Problem};

use crate::Submit;

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 500;

/// Newest first.
type Place = (Reverse<Timestamp>, JobId);

impl Submit {
    pub(crate) async fn list(self, asked: Asked<ListJobs>) -> Served<ListJobs> {
        let failed = |error: LedgerError| problem_of(&error, asked.request_id);
        let limit = asked.ask.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(wrong(&asked, "limit", format!("limit is 1 to {LARGEST_PAGE}")));
        }
        let after = self.after(&asked).await?;
        let wants = Wants::of(&asked.ask);
        let mut page = BTreeMap::new();
        let look = |found: Found<Job>| {
            let place = place(&found.record);
            if after.is_none_or(|after| place > after) && wants.wants(&found.record) {
                page.insert(place, found);
            }
            // One more than is shown tells that there is a next page.
            if page.len() > limit + 1 {
                page.pop_last();
            }
        };
        self.ledger.each_job(&asked.product, look).await.map_err(failed)?;
        let more = page.len() > limit;
        let shown = page.values().take(limit);
        let items: Vec<JobView> =
            shown.map(|found| JobView::of(&found.record, &found.etag())).collect();
        let next_cursor = items.last().filter(|_| more).map(|job| job.id.to_string());
        Ok(Listed { items, next_cursor })
    }

    /// Where the page before this one ended: its last job keeps its place whatever becomes of it.
    async fn after(&self, asked: &Asked<ListJobs>) -> Result<Option<Place>, Box<Problem>> {
        let Some(cursor) = &asked.ask.cursor else { return Ok(None) };
        let unknown =
            || wrong(asked, "cursor", "the cursor is not of this list; begin without one".into());
        let id: JobId = cursor.parse().map_err(|_| unknown())?;
        let found = self.ledger.jobs.get(&asked.product, id).await;
        let found = found.map_err(|error| problem_of(&error, asked.request_id))?;
        found.map(|found| Some(place(&found.record))).ok_or_else(unknown)
    }
}

/// What is asked for, made ready to be compared with many.
struct Wants<'a> {
    ask: &'a ListJobs,
    text: Option<String>,
}

impl<'a> Wants<'a> {
    fn of(ask: &'a ListJobs) -> Self {
        Self { ask, text: ask.q.as_ref().map(|text| text.to_lowercase()) }
    }

    fn wants(&self, job: &Job) -> bool {
        let (ask, content) = (self.ask, &job.content);
        let created = job.head.created_at;
        let holder = job.holder().map(|holder| &holder.factory);
        (job.admitted || ask.unadmitted)
            && !job.purged
            && (ask.stage.is_empty() || ask.stage.contains(&job.stage.name()))
            && (ask.priority.is_empty() || ask.priority.contains(&content.priority))
            && ask.idempotency_key.as_ref().is_none_or(|key| *key == content.idempotency_key)
            && ask.parent_id.is_none_or(|parent| content.parent_id == Some(parent))
            && ask.factory_id.as_ref().is_none_or(|factory| holder == Some(factory))
            && ask.created_after.is_none_or(|start| created > start)
            && ask.created_before.is_none_or(|end| created < end)
            && self.text.as_ref().is_none_or(|text| mentions(job, text))
    }
}

/// `text` is in lower case.
fn mentions(job: &Job, text: &str) -> bool {
    let content = &job.content;
    let texts = [content.idempotency_key.as_str(), content.body_md.as_str()];
    let mut texts = texts.into_iter().chain(content.tracker_item_id.as_deref());
    texts.any(|one| one.to_lowercase().contains(text))
}

fn place(job: &Job) -> Place {
    (Reverse(job.head.created_at), job.id)
}

fn wrong(asked: &Asked<ListJobs>, field: &str, message: String) -> Box<Problem> {
    let mut problem = Problem::new(Code::Validation, asked.request_id);
    problem.field = Some(field.to_owned());
    problem.message = message;
    Box::new(problem)
}
