//! A submission becomes a job: read, judged with every fault at once, then written.

use fleet::{Accepted, Actor, JobId, Key, ProductId, Rejection, Submission, Terms, normalise};
use ledger::{LedgerError, Outcome, Receipt as Written, Submitter, Verdict};
use node::{Asked, Served, problem_of};
use protocol::{Code, Detail, JobView, Kick, Problem, Reason, Receipt, Subject, SubmitJob, Topic};
use serde_json::{Map, Value};
use tracing::debug;
use uuid::Uuid;

use crate::Submit;

impl Submit {
    pub(crate) async fn accept(self, asked: Asked<SubmitJob>) -> Served<SubmitJob> {
        let (file, keys) = (asked.ask.file.as_deref(), asked.ask.submission.as_ref());
        let submission = read(file, keys, asked.request_id)?;
        let by = (&asked.by, asked.ask.yolo);
        let terms = self.terms(&asked.product, by, &submission).await;
        let terms = terms.map_err(|error| problem_of(&error, asked.request_id))?;
        let accepted = normalise(&submission, &terms)
            .map_err(|invalid| Box::new(Problem::invalid(&invalid, asked.request_id)))?;
        self.insist_on_deps(&asked.product, &accepted, asked.request_id).await?;
        let from = Submitter { by: &asked.by, expect: asked.ask.expect.as_deref() };
        let written = self.write(&asked.product, &accepted, from).await;
        let written = match written {
            Ok(Outcome::Rejected(rejection)) => return Err(self.refused(&asked, &rejection).await),
            said => asked.settle(said)?,
        };
        self.kick(&asked.product, written.job.id).await;
        Ok(receipt(&written, accepted.warnings))
    }

    /// Refuses a submission that wants its dependencies to exist, naming those that do not.
    pub(crate) async fn insist_on_deps(
        &self,
        product: &ProductId,
        accepted: &Accepted,
        request_id: Uuid,
    ) -> Result<(), Box<Problem>> {
        let family: Vec<&Accepted> = std::iter::once(accepted).chain(&accepted.children).collect();
        let mut details = Vec::new();
        for one in family.iter().filter(|one| one.require_deps_exist) {
            let unknown = self.ledger.unknown_deps(product, one).await;
            let mut unknown = unknown.map_err(|error| problem_of(&error, request_id))?;
            // A brother or sister comes with the same submission.
            unknown.retain(|id| family.iter().all(|kin| kin.job != *id));
            details.extend(unknown.into_iter().map(|id| missing(&called(product, one, id))));
        }
        let Some(first) = details.first().cloned() else { return Ok(()) };
        let mut problem = Problem::new(Code::Validation, request_id);
        (problem.field, problem.message) = (Some(first.field), first.message);
        problem.reason = Some(String::from("unknown_dependency"));
        problem.hint = Some(String::from("submit it first, or leave out requireDepsExist"));
        problem.details = details;
        Err(Box::new(problem))
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
    pub(crate) async fn kick(&self, product: &ProductId, job: JobId) {
        let subject = Subject::new(product, Topic::Kick(Reason::Queued));
        self.node.tell(subject, &Kick { job_id: Some(job) }).await;
    }

    async fn write(
        &self,
        product: &ProductId,
        accepted: &Accepted,
        from: Submitter<'_>,
    ) -> Result<Outcome<Written>, LedgerError> {
        if accepted.children.is_empty() {
            return self.ledger.submit_if(product, &accepted.content, from).await;
        }
        let children: Vec<_> =
            accepted.children.iter().map(|child| child.content.clone()).collect();
        self.ledger.submit_family_if(product, &accepted.content, &children, from).await
    }

    /// What holds for this submitter and this submission, and whether their engines may approve
    /// their own tools.
    pub(crate) async fn terms(
        &self,
        product: &ProductId,
        (by, yolo): (&Actor, bool),
        submission: &Submission,
    ) -> Result<Terms, LedgerError> {
        let settings = self.ledger.settings(product).await;
        let defaults = settings.map(|product| product.defaults.clone()).unwrap_or_default();
        Ok(Terms {
            product: product.clone(),
            submitted_by: by.id.clone(),
            now: self.node.clock.now(),
            auto_key: self.node.ids.mint(),
            profiles: self.terms_of_profiles(product, submission, &defaults).await?,
            defaults,
            allow_yolo: yolo,
            dev_engine: self.options.dev_engine.clone(),
        })
    }
}

/// A dependency as its submitter wrote it.
fn called(product: &ProductId, accepted: &Accepted, id: JobId) -> String {
    let names = accepted.content.deps.iter();
    let is_it =
        |name: &&String| name.parse::<Key>().is_ok_and(|key| JobId::of(product, &key) == id);
    names.into_iter().find(is_it).cloned().unwrap_or_else(|| id.to_string())
}

fn missing(dep: &str) -> Detail {
    let message = format!("{dep} was never submitted");
    Detail { field: String::from("deps"), message, line: None }
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
        (None, Some(keys)) => Submission::from_object(keys).map_err(invalid),
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
