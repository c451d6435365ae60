//! What would come of a submission: everything that accepting it does, but for the writing.

use fleet::{JobId, Key, normalise, suits};
use ledger::{Foreseen, LedgerError};
use node::{Asked, Served, problem_of};
use protocol::{PlanJob, Planned, Problem};
use serde_json::Value;

use crate::Submit;
use crate::accept::read;

impl Submit {
    pub(crate) async fn plan(self, asked: Asked<PlanJob>) -> Served<PlanJob> {
        let failed = |error: LedgerError| problem_of(&error, asked.request_id);
        let (file, keys) = (asked.ask.file.as_deref(), asked.ask.submission.as_ref());
        let submission = read(file, keys, asked.request_id)?;
        let by = (&asked.by, asked.ask.yolo);
        let terms = self.terms(&asked.product, by, &submission).await.map_err(failed)?;
        let accepted = normalise(&submission, &terms)
            .map_err(|invalid| Box::new(Problem::invalid(&invalid, asked.request_id)))?;
        self.insist_on_deps(&asked.product, &accepted, asked.request_id).await?;
        let plan = self.ledger.plan(&asked.product, &accepted, &asked.by).await.map_err(failed)?;
        let census = self.ledger.census(&asked.product).await.map_err(failed)?;
        let hosts = self.ledger.hosts(&asked.product, &census).await.map_err(failed)?;
        let judged = suits(&plan.job, &hosts, self.node.clock.now());
        let content = &accepted.content;
        let named = |unknown: &JobId| {
            let names = content.deps.iter().filter_map(|dep| dep.parse::<Key>().ok());
            names.into_iter().find(|key| JobId::of(&asked.product, key) == *unknown)
        };
        let mut warnings = accepted.warnings.clone();
        warnings.extend(plan.warnings.iter().map(|&warning| warning.to_owned()));
        warnings.extend(
            plan.unknown_deps
                .iter()
                .filter(|id| named(id).is_none())
                .map(|id| format!("deps: {id} was never submitted")),
        );
        Ok(Planned {
            outcome: word(&plan.outcome).to_owned(),
            job_id: accepted.job,
            idempotency_key: content.idempotency_key.clone(),
            manifest: Value::Object(content.manifest_snapshot.fields()),
            content_hash: content.content_hash.clone(),
            unknown_deps: plan.unknown_deps.iter().filter_map(named).collect(),
            cycle: plan.cycle,
            factories: judged.iter().map(value).collect(),
            expect: plan.expect,
            warnings,
        })
    }
}

fn word(outcome: &Foreseen) -> &'static str {
    match outcome {
        Foreseen::Created => "created",
        Foreseen::Existing => "existing",
        Foreseen::Superseded => "superseded",
        Foreseen::Conflict(_) => "conflict",
    }
}

fn value(judged: &fleet::Suits) -> Value {
    serde_json::to_value(judged).expect("string keys and finite numbers encode")
}
