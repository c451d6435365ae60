//! One job as the demonstration shows it.

use protocol::{AboutJob, JobView};
use serde_json::Value;

use crate::demo::house::House;
use crate::trouble::Trouble;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    pub(crate) key: String,
    pub(crate) stage: String,
    pub(crate) attempts: u32,
    pub(crate) epoch: u64,
    pub(crate) holder: Option<String>,
    /// The factory of the newest run, also when it ended.
    pub(crate) factory: Option<String>,
    pub(crate) progress: Option<String>,
    pub(crate) ended: bool,
}

impl Sight {
    /// Every job of the house, in the order in which it was handed in.
    pub(crate) async fn all(house: &House) -> Result<Vec<Self>, Trouble> {
        let mut jobs = house.jobs().await?;
        jobs.reverse();
        let mut seen = Vec::new();
        for job in &jobs {
            let begun = job.attempts > 0;
            let runs = if begun {
                house.about(AboutJob::Runs, &job.id.to_string()).await?
            } else {
                Vec::new()
            };
            seen.push(Self::of(job, runs.first()));
        }
        Ok(seen)
    }

    fn of(job: &JobView, run: Option<&Value>) -> Self {
        let fields = job.fields();
        let text = |name: &str| Some(fields.get(name)?.as_str()?.to_owned());
        let holder = text("holderFactoryId");
        let progress = run.filter(|_| holder.is_some()).and_then(|run| {
            let progress = run.get("progress")?;
            let percent = progress.get("percent")?.as_u64()?;
            let message = progress.get("message").and_then(Value::as_str).unwrap_or_default();
            Some(format!("{percent} % {message}").trim_end().to_owned())
        });
        let key = &job.idempotency_key;
        Self {
            // A job without a key of its own is called by its id.
            key: if key.starts_with("auto:") { job.id.to_string() } else { key.clone() },
            stage: job.stage.as_str().to_owned(),
            attempts: job.attempts,
            epoch: fields.get("leaseEpoch").and_then(Value::as_u64).unwrap_or_default(),
            factory: run.and_then(|run| Some(run.get("factoryId")?.as_str()?.to_owned())),
            holder,
            progress,
            ended: job.stage.has_ended(),
        }
    }
}
