//! A submission becomes a job: read, judged with every fault at once, then written.

use fleet::{Accepted, Actor, JobId, ProductId, Rejection, Submission, Terms, normalise};
use ledger::{Outcome, Receipt as Written, Submitter, Verdict};
use node::{Asked, Served};
use protocol::{Code, JobView, Problem, Reason, Receipt, Subject, SubmitJob, Topic};
use serde_json::{Map, Value, json};
use tracing::debug;
use uuid::Uuid;

use crate::Submit;

impl Submit {
    pub(crate) async fn accept(self, asked: Asked<SubmitJob>) -> Served<SubmitJob> {
        let (file, keys) = (asked.ask.file.as_deref(), asked.ask.submission.as_ref());
        let submission = read(file, keys, asked.request_id)?;
        let terms = self.terms(&asked.product).await;
        let accepted = normalise(&submission, &terms)
            .map_err(|invalid| Box::new(Problem::invalid(&invalid, asked.request_id)))?;
        let by = Actor::user(&terms.submitted_by);
        let from = Submitter { by: &by, expect: asked.ask.expect.as_deref() };
        let written = self.write(&asked.product, &accepted, from).await;
        let written = match written {
            Ok(Outcome::Rejected(rejection)) => return Err(self.refused(&asked, &rejection).await),
            said => asked.settle(said)?,
        };
        self.kick(&asked.product, written.job.id).await;
        Ok(receipt(&written, accepted.warnings))
    }

    /// A way round is told in the keys that its submitters know.
    async fn refused(&self, asked: &Asked<SubmitJob>, rejection: &Rejection) -> Box<Problem> {
        let mut problem = asked.refused(rejection);
        match self.ledger.keys_of(&asked.product, &rejection.path).await {
            Ok(keys) => problem.path = keys,
            // The ids say as much, if less plainly.
            Err(error) => debug!(%error, "keys of a cycle not read"),
        }
        problem
    }

    /// A hint that costs half a minute when it is lost, until the board is read again.
    async fn kick(&self, product: &ProductId, job: JobId) {
        let subject = Subject::new(product, Topic::Kick(Reason::Queued));
        self.node.tell(subject, &json!({ "jobId": job })).await;
    }

    async fn write(
        &self,
        product: &ProductId,
        accepted: &Accepted,
        from: Submitter<'_>,
    ) -> Result<Outcome<Written>, ledger::LedgerError> {
        if accepted.children.is_empty() {
            return self.ledger.submit_if(product, &accepted.content, from).await;
        }
        let children: Vec<_> =
            accepted.children.iter().map(|child| child.content.clone()).collect();
        self.ledger.submit_family_if(product, &accepted.content, &children, from).await
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

/// The one of both forms that was sent.
pub(crate) fn read(
    file: Option<&str>,
    keys: Option<&Map<String, Value>>,
    request_id: Uuid,
) -> Result<Submission, Box<Problem>> {
    let invalid = |invalid| Box::new(Problem::invalid(&invalid, request_id));
    match (file, keys) {
        (Some(file), None) => Submission::from_markdown(file.as_bytes()).map_err(invalid),
        (None, Some(keys)) => {
            Submission::from_json(json!(keys).to_string().as_bytes()).map_err(invalid)
        }
        (Some(_), Some(_)) | (None, None) => {
            let mut problem = Problem::new(Code::Validation, request_id);
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
