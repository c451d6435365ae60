//! Submissions from producers that did not wait: taken from the durable stream one by one, each
//! acknowledged only after its job stands. What cannot become a job goes to the dead letters with
//! the reason, and never comes again; what only the store keeps from becoming one waits for it.

use std::time::Duration;

use fleet::{Actor, ProductId};
use node::{Asked, BusAway, Company, Fate, News};
use protocol::{Code, DeadLetter, Problem, Row, Subject, SubmitJob, Topic};
use tracing::warn;

use crate::{GROUP, Submit};

/// The longest that an entry waits before it is tried again.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Deliveries after which an entry is given up: some four hours. Streams have a bound of their own
/// that is a little above, and nobody hears of what it ends.
const MOST: u32 = 60;

/// Longer each time, so that a store in trouble is left alone.
fn pause_after(attempt: u32) -> Duration {
    LONGEST_PAUSE.min(Duration::from_secs(u64::from(attempt).pow(2)))
}

impl Submit {
    pub(crate) async fn take_in(self) -> Result<(), BusAway> {
        let node = self.node.clone();
        node.take_in(Row::Intake, GROUP, move |entry| self.clone().take(entry)).await
    }

    async fn take(self, entry: News) -> Result<Fate, BusAway> {
        match self.judge(&entry).await {
            Ok(()) => Ok(Fate::Done),
            Err(problem) if problem.retryable && entry.attempt < MOST => {
                Ok(Fate::Again(pause_after(entry.attempt)))
            }
            Err(problem) => {
                self.give_up(&entry.product, &entry.body, &problem).await?;
                Ok(Fate::Done)
            }
        }
    }

    async fn judge(&self, entry: &News) -> Result<(), Box<Problem>> {
        let request_id = self.node.ids.mint();
        let mut ask: SubmitJob = serde_json::from_slice(&entry.body).map_err(|why| {
            let mut problem = Problem::new(Code::Validation, request_id);
            problem.message = why.to_string();
            Box::new(problem)
        })?;
        // The door alone may say so, and it does not publish.
        ask.yolo = false;
        let product = entry.product.clone();
        let (by, company) = (Actor::owner(), Company::none());
        let asked = Asked { product, request_id, deadline: None, by, ask, company };
        self.clone().accept(asked).await.map(|_| ())
    }

    async fn give_up(
        &self,
        product: &ProductId,
        submission: &[u8],
        problem: &Problem,
    ) -> Result<(), BusAway> {
        warn!(%product, code = problem.code.as_str(), "submission given up");
        let letter = DeadLetter {
            error: problem.clone(),
            submission: String::from_utf8_lossy(submission).into_owned(),
        };
        let subject = Subject::new(product, Topic::DeadLetter);
        self.node.keep(subject, &letter, &problem.request_id.to_string()).await
    }
}
