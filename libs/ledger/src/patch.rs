//! What a holder says while it works: stages and checkpoints on the job, progress on its run.

use fleet::{
    Actor, Circumstances, Code, Command, Holding, Job, JobId, Patch, ProductId, Progress, Record,
    Rejection, Run, RunCommand, Timestamp, Wish,
};

use crate::Ledger;
use crate::commit::{Miss, Patience, Turn, too_busy};
use crate::job::Ask;
use crate::outcome::{LedgerError, Outcome, not_found, stands};
use crate::refusal::Word;
use crate::table::Found;

#[derive(Clone, Debug)]
pub struct ProgressReport {
    pub holding: Holding,
    pub percent: u8,
    pub step: Option<String>,
    pub message: Option<String>,
    pub seq: u64,
}

impl Ledger {
    /// # Errors
    /// The store is away, or the outcome cannot be known; repeat with the same operation id.
    pub async fn patch(
        &self,
        product: &ProductId,
        job: JobId,
        patch: Patch,
    ) -> Result<Outcome<Found<Job>>, LedgerError> {
        let holding = patch.holding.clone();
        let by = Actor::factory(&holding.factory_id);
        let wish = Wish::Patch(Box::new(patch));
        let outcome =
            self.change(&Ask { product, job, by: &by, wish: &wish }, Patience::short()).await?;
        if let Outcome::Rejected(rejection) = outcome {
            let word = Word { op: "patch", product, job, caller: &holding };
            self.note_refusal(word, &rejection).await;
            return Ok(Outcome::Rejected(rejection));
        }
        Ok(stands(outcome.done()))
    }

    /// Writes the run only, and once a second: progress must churn neither.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known.
    pub async fn progress(
        &self,
        product: &ProductId,
        job: JobId,
        report: &ProgressReport,
    ) -> Result<Outcome<Run>, LedgerError> {
        if report.percent > 100 {
            return Ok(Outcome::Rejected(Rejection::new(Code::Validation).because("percent")));
        }
        let Some(found) = self.jobs.get(product, job).await? else { return Ok(not_found()) };
        let asked = Command {
            by: Actor::factory(&report.holding.factory_id),
            given: Circumstances::default(),
            wish: Wish::Renew(report.holding.clone()),
        };
        if let Err(mut rejection) = found.record.decide(&asked, self.clock.now()) {
            let over = found.record.claim.run_id == Some(report.holding.claim_nonce)
                && rejection.code == Code::LeaseNotHeld;
            if over {
                rejection.code = Code::RunClosed;
            }
            let word = Word { op: "progress", product, job, caller: &report.holding };
            self.note_refusal(word, &rejection).await;
            return Ok(Outcome::Rejected(rejection));
        }
        self.write_progress(&found.record, report).await
    }

    async fn write_progress(
        &self,
        job: &Job,
        report: &ProgressReport,
    ) -> Result<Outcome<Run>, LedgerError> {
        let mut patience = Patience::short();
        let progress = Progress {
            percent: report.percent,
            step: report.step.clone(),
            message: report.message.clone(),
            seq: report.seq,
            at: self.clock.now(),
        };
        let paced = self.pace.must_wait((job.id, job.attempts), &progress, self.clock.uptime());
        let command = RunCommand::Progress(progress);
        loop {
            let miss = match self.runs.get(job.id, Run::id_of(job.id, job.attempts)).await? {
                Some(found) if paced => {
                    return Ok(as_it_will_be(found.record, &command, self.clock.now()));
                }
                Some(found) => match self.turn_on_run(&found, &command).await? {
                    Turn::Settled(outcome) => return Ok(outcome.map(|done| done.record)),
                    Turn::Again(miss) => miss,
                },
                // The claim's follower has not come by yet; the outbox opens the run.
                None => {
                    Box::pin(self.follow(job.product(), job.id)).await?;
                    Miss::Conflict
                }
            };
            if !patience.again(miss, &*self.ids).await? {
                return Ok(Outcome::Rejected(too_busy()));
            }
        }
    }

    async fn turn_on_run(
        &self,
        found: &Found<Run>,
        command: &RunCommand,
    ) -> Result<Turn<Run>, LedgerError> {
        let run = || found.record.clone();
        self.runs.turn(Some(found), run, command, self.clock.now()).await
    }
}

/// The run after a report that waits for its second.
fn as_it_will_be(run: Run, command: &RunCommand, now: Timestamp) -> Outcome<Run> {
    match run.decide(command, now) {
        Ok(events) => Outcome::Done(events.iter().fold(run, Run::evolve)),
        Err(rejection) => Outcome::Rejected(rejection),
    }
}
