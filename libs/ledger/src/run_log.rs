//! What a run says, as far as records are concerned: whether it may say more, and the one artifact
//! that its log becomes once it may not. The id follows from the run, so that whoever makes it
//! makes the same one. Knows no lines.

use fleet::{
    Actor, Artifact, ArtifactCommand, ArtifactId, ArtifactKind, Described, Description, Epoch,
    Holding, JobId, Keep, ProductId, Record, Run, Wish,
};

use crate::Ledger;
use crate::outcome::{LedgerError, Outcome, not_found};

/// How the log of a run stands.
#[derive(Clone, Debug)]
pub enum LogStand {
    /// The run goes on, and may say more.
    Held,
    /// Its job is no more.
    Gone,
    /// The pointer waits for the bytes.
    Awaited(Box<Artifact>),
    /// All that it said is an artifact.
    Kept,
}

impl Ledger {
    /// Whether this holder may say something, as the job stands now.
    ///
    /// # Errors
    /// The store is away.
    pub async fn may_log(
        &self,
        product: &ProductId,
        job: JobId,
        holding: &Holding,
    ) -> Result<Outcome<()>, LedgerError> {
        let found = self.jobs.get(product, job).await?.filter(|found| !found.record.purged);
        let Some(found) = found else { return Ok(not_found()) };
        match self.hear(&found.record, holding) {
            Ok(()) => Ok(Outcome::Done(())),
            Err(refused) => {
                Ok(Outcome::Rejected(self.noted((product, job), holding, refused).await))
            }
        }
    }

    /// Makes the pointer of the log of a run that is over, or finds it.
    /// † made, and its bytes not yet: whoever finds the log's pieces goes on.
    ///
    /// # Errors
    /// The store is away.
    pub async fn begin_log(
        &self,
        product: &ProductId,
        job: JobId,
        epoch: Epoch,
    ) -> Result<LogStand, LedgerError> {
        let found = self.jobs.get(product, job).await?.filter(|found| !found.record.purged);
        let Some(found) = found else { return Ok(LogStand::Gone) };
        let now = found.record.lease_epoch;
        // What was read before the claim that this log is of says nothing of its end.
        if epoch > now || (epoch == now && found.record.holder().is_some()) {
            return Ok(LogStand::Held);
        }
        let id = ArtifactId::of_log(job, epoch);
        if self.artifact(product, id).await?.is_none() {
            self.make(&self.log_of(product, id, epoch).await?).await?;
        }
        let Some(found) = self.artifact(product, id).await? else { return Ok(LogStand::Held) };
        let ready = found.record.is_ready();
        Ok(if ready { LogStand::Kept } else { LogStand::Awaited(Box::new(found.record)) })
    }

    /// Makes the log of a run visible. Said twice, it was so already.
    /// † told by the job, pointer still pending: the job's followers finish it.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known; repeat it.
    pub async fn keep_log(
        &self,
        pointer: &Artifact,
        size_bytes: u64,
        sha256: String,
    ) -> Result<Outcome<()>, LedgerError> {
        let command = ArtifactCommand::Commit { size_bytes, sha256: sha256.clone() };
        match pointer.decide(&command, self.clock.now()) {
            Ok(events) if events.is_empty() => return Ok(Outcome::Done(())),
            Ok(_) => {}
            Err(rejection) => return Ok(Outcome::Rejected(rejection)),
        }
        let (size_bytes, sha256) = (Some(size_bytes), Some(sha256));
        let mention = fleet::Mention { size_bytes, sha256, ..pointer.mention() };
        let wish = Wish::Keep(Box::new(Keep { mention, holding: None }));
        let by = Actor::service("artifact");
        let told = (&pointer.head.product_id, pointer.job_id);
        if let Outcome::Rejected(rejection) = self.tell(told, (&by, None), &wish).await? {
            return Ok(Outcome::Rejected(rejection));
        }
        self.ready(pointer.id, &command).await?;
        Ok(Outcome::Done(()))
    }

    async fn log_of(
        &self,
        product: &ProductId,
        id: ArtifactId,
        epoch: Epoch,
    ) -> Result<Artifact, LedgerError> {
        let runs = self.runs.all_of(id.job()).await?.into_iter().map(|found| found.record);
        let run = runs.filter(|run| run.lease_epoch == epoch).max_by_key(|run| run.attempt);
        let described = described(run.as_ref(), epoch);
        let pointer = Artifact::pending(id, product.clone(), described, self.clock.now());
        let run_id = run.map(|run| run.run_id);
        Ok(Artifact { run_id, epoch: Some(epoch), ..pointer })
    }
}

fn described(run: Option<&Run>, epoch: Epoch) -> Described {
    let name = match run {
        Some(run) => format!("attempt-{}.log", run.attempt),
        // The record follows the claim, and nobody waits for it.
        None => format!("epoch-{epoch}.log"),
    };
    let description = Description {
        kind: ArtifactKind::Log,
        content_type: Some("text/plain; charset=utf-8".to_owned()),
        name: Some(name),
        size_bytes: None,
        sha256: None,
    };
    description.judged().expect("a number between plain words is a name")
}
