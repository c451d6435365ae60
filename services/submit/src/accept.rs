//! A submission becomes a job: read, judged with every fault at once, then written.

use fleet::{Accepted, Actor, JobId, ProductId, Submission, Terms, normalise};
use ledger::{Outcome, Receipt as Written, Verdict};
use node::{Asked, Served};
use protocol::{Code, JobView, Problem, Reason, Receipt, Subject, SubmitJob, Topic};
use serde_json::json;

use crate::Submit;

impl Submit {
    pub(crate) async fn accept(self, asked: Asked<SubmitJob>) -> Served<SubmitJob> {
        let submission = read(&asked)?;
        let terms = self.terms(&asked.product).await;
        let accepted = normalise(&submission, &terms)
            .map_err(|invalid| Box::new(Problem::invalid(&invalid, asked.request_id)))?;
        let by = Actor::user(&terms.submitted_by);
        let written = self.write(&asked.product, &accepted, &by).await;
        let written = asked.settle(written)?;
        self.kick(&asked.product, written.job.id).await;
        Ok(receipt(&written, accepted.warnings))
    }

    /// A hint that costs half a minute when it is lost, until the board is read again.
    pub(crate) async fn kick(&self, product: &ProductId, job: JobId) {
        let subject = Subject::new(product, Topic::Kick(Reason::Queued));
        self.node.tell(subject, &json!({ "jobId": job })).await;
    }

    async fn write(
        &self,
        product: &ProductId,
        accepted: &Accepted,
        by: &Actor,
    ) -> Result<Outcome<Written>, ledger::LedgerError> {
        if accepted.children.is_empty() {
            return self.ledger.submit(product, &accepted.content, by).await;
        }
        let children: Vec<_> =
            accepted.children.iter().map(|child| child.content.clone()).collect();
        self.ledger.submit_family(product, &accepted.content, &children, by).await
    }

    pub(crate) async fn terms(&self, product: &ProductId) -> Terms {
        let settings = self.ledger.settings(product).await;
        let defaults = settings.map(|product| product.defaults.clone()).unwrap_or_default();
        Terms {
            product: product.clone(),
            submitted_by: "local".to_owned(),
            now: self.node.clock.now(),
            auto_key: self.node.ids.mint(),
            defaults,
            profiles: std::collections::BTreeMap::new(),
            allow_yolo: false,
            dev_engine: self.options.dev_engine.clone(),
        }
    }
}

fn read(asked: &Asked<SubmitJob>) -> Result<Submission, Box<Problem>> {
    let invalid = |invalid| Box::new(Problem::invalid(&invalid, asked.request_id));
    match (&asked.ask.file, &asked.ask.submission) {
        (Some(file), None) => Submission::from_markdown(file.as_bytes()).map_err(invalid),
        (None, Some(keys)) => {
            Submission::from_json(json!(keys).to_string().as_bytes()).map_err(invalid)
        }
        (Some(_), Some(_)) | (None, None) => {
            let mut problem = Problem::new(Code::Validation, asked.request_id);
            problem.message = String::from("exactly one of file and submission is needed");
            Err(Box::new(problem))
        }
    }
}

fn receipt(written: &Written, mut warnings: Vec<String>) -> Receipt {
    warnings.extend(written.warnings.iter().map(|&warning| warning.to_owned()));
    let outcome = match written.verdict {
        Verdict::Created => "created",
        Verdict::Existing => "existing",
        Verdict::Superseded => "superseded",
    };
    Receipt {
        outcome: outcome.to_owned(),
        job: JobView::whole(&written.job, &written.etag),
        generation: written.job.generation,
        unknown_deps: written.unknown_deps.clone(),
        warnings,
    }
}
