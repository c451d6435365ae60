//! Children that come to a composite later: each judged like any submission, then added together.

use fleet::{Accepted, Invalid, normalise};
use fleet::{Code as Refused, Content, Job, JobId, ProductId, Rejection, Stage, Submission};
use node::{Asked, Served, problem_of};
use protocol::{AddChildren, Added, Code, JobView, Problem};
use serde_json::{Map, Value, json};

use crate::Submit;

/// Children that come at once.
const MOST_CHILDREN: usize = 50;

impl Submit {
    pub(crate) async fn add_children(self, asked: Asked<AddChildren>) -> Served<AddChildren> {
        let (product, parent) = (&asked.product, asked.ask.job_id);
        let stands = self.composite(&asked).await?;
        let accepted = self.judged(&asked, &stands).await?;
        let ids: Vec<JobId> = accepted.iter().map(|child| child.job).collect();
        // Judged before anything is written, so that no child is left over; decided at the write.
        let known = ids.iter().all(|id| stands.content.dep_ids.contains(id));
        if stands.stage != Stage::Blocked && !known {
            let refusal = Rejection::new(Refused::InvalidTransition).because("not_blocked");
            return Err(asked.refused(&refusal.about(stands.current())));
        }
        if stands.stage == Stage::Blocked {
            let contents: Vec<Content> =
                accepted.iter().map(|child| child.content.clone()).collect();
            let said = self.ledger.add_children(product, parent, &contents, &asked.by).await;
            asked.settle(said)?;
        }
        for id in &ids {
            self.kick(product, *id).await;
        }
        let warnings = accepted.into_iter().flat_map(|child| child.warnings).collect();
        Ok(Added { job: self.view(&asked, product, parent).await?, children: ids, warnings })
    }

    async fn composite(&self, asked: &Asked<AddChildren>) -> Result<Job, Box<Problem>> {
        let found = self.ledger.jobs.get(&asked.product, asked.ask.job_id).await;
        let found = found.map_err(|error| problem_of(&error, asked.request_id))?;
        let found = found.filter(|found| !found.record.purged);
        let missing = || Box::new(Problem::new(Code::NotFound, asked.request_id));
        found.map(|found| found.record).ok_or_else(missing)
    }

    /// All of them, or every fault of the first that has any.
    async fn judged(
        &self,
        asked: &Asked<AddChildren>,
        parent: &Job,
    ) -> Result<Vec<Accepted>, Box<Problem>> {
        let count = asked.ask.children.len();
        let wrong = |field: String, reason: &str, message: String| {
            let mut problem = Problem::new(Code::Validation, asked.request_id);
            problem.field = Some(field);
            problem.reason = Some(reason.to_owned());
            problem.message = message;
            Box::new(problem)
        };
        if !(1..=MOST_CHILDREN).contains(&count) {
            let message = format!("{count} children; 1 to {MOST_CHILDREN} come at once");
            return Err(wrong(String::from("children"), "out_of_range", message));
        }
        let mut accepted = Vec::with_capacity(count);
        for (index, child) in asked.ask.children.iter().enumerate() {
            if child.get("parent").is_some_and(|said| !is_named(parent, said)) {
                let message = String::from("its parent is the job of the request");
                return Err(wrong(format!("children[{index}].parent"), "disagrees", message));
            }
            let placed =
                |invalid| Box::new(Problem::invalid(&within(index, invalid), asked.request_id));
            let submission = submission(child, asked.ask.job_id).map_err(placed)?;
            let by = (&asked.by, asked.ask.yolo);
            let terms = self.terms(&asked.product, by, &submission).await;
            let terms = terms.map_err(|error| problem_of(&error, asked.request_id))?;
            accepted.push(normalise(&submission, &terms).map_err(placed)?);
        }
        Ok(accepted)
    }

    /// As the last write left it.
    async fn view(
        &self,
        asked: &Asked<AddChildren>,
        product: &ProductId,
        id: JobId,
    ) -> Result<JobView, Box<Problem>> {
        let unknown = || Box::new(Problem::new(Code::CommitUnknown, asked.request_id));
        let found = self.ledger.jobs.get(product, id).await.ok().flatten();
        found.map(|found| JobView::of(&found.record, &found.etag())).ok_or_else(unknown)
    }
}

fn is_named(job: &Job, said: &Value) -> bool {
    *said == json!(job.id) || *said == json!(job.content.idempotency_key)
}

fn submission(child: &Map<String, Value>, parent: JobId) -> Result<Submission, Invalid> {
    let mut child = child.clone();
    child.insert("parent".to_owned(), json!(parent));
    Submission::from_object(&child)
}

/// Its faults, under the place where the caller wrote it.
fn within(index: usize, mut invalid: Invalid) -> Invalid {
    for fault in &mut invalid.faults {
        let inside = if fault.field.is_empty() { "" } else { "." };
        fault.field = format!("children[{index}]{inside}{}", fault.field);
    }
    invalid
}
