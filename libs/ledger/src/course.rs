//! Runs the step lists of `fleet`: one arm for each step. What the reply waits for is written
//! here; what only follows goes on the agenda, in the same order.

use std::sync::Arc;

use fleet::{
    Actor, Job, JobId, Lease, LockName, ProductId, Profile, Rejection, Step, Timestamp, Wish,
};

use crate::Ledger;
use crate::commit::{Committed, Patience};
use crate::job::Ask;
use crate::outcome::{LedgerError, Outcome, Verdict};
use crate::table::Found;

/// One run through a protocol: what it is about and what it has found out so far.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) product: ProductId,
    pub(crate) job: JobId,
    pub(crate) by: Actor,
    /// What the job is asked for.
    pub(crate) wish: Wish,
    /// The version that was judged and that the next write depends on.
    pub(crate) judged: Option<Found<Job>>,
    /// What a claim reserves: those of the content that it judged first.
    pub(crate) locks: Vec<LockName>,
    /// What a claim is to run, if the job names a profile.
    pub(crate) profile: Option<Arc<Profile>>,
    pub(crate) lease: Option<Found<Lease>>,
    pub(crate) expires_at: Option<Timestamp>,
    /// What a submitter was told to stand under the key.
    pub(crate) expect: Option<String>,
    /// Whether the job is read before it is written.
    pub(crate) looks_first: bool,
    /// The job as our own first write made it.
    pub(crate) entered: Option<Found<Job>>,
    pub(crate) cycle: Option<Vec<JobId>>,
    pub(crate) verdict: Option<Verdict>,
    /// When our own first write, if it happened, made the job.
    pub(crate) created: Option<Timestamp>,
    /// The generation that our own replacement, if it happened, made.
    pub(crate) generation: Option<u32>,
    /// The job as the deciding write left it.
    pub(crate) done: Option<Committed<Job>>,
}

/// Whether the rest of the list is still wanted.
pub(crate) enum Next {
    On,
    /// Nothing more to do: what the list was for is not so, or no longer.
    Enough,
    Refused(Rejection),
}

impl Course {
    pub(crate) fn new(product: &ProductId, job: JobId, by: Actor, wish: Wish) -> Self {
        Self {
            product: product.clone(),
            job,
            by,
            wish,
            judged: None,
            locks: Vec::new(),
            profile: None,
            lease: None,
            expires_at: None,
            expect: None,
            looks_first: true,
            entered: None,
            cycle: None,
            verdict: None,
            created: None,
            generation: None,
            done: None,
        }
    }

    pub(crate) fn ask<'a>(&'a self, wish: &'a Wish) -> Ask<'a> {
        Ask { product: &self.product, job: self.job, by: &self.by, wish }
    }

    /// Whether a submission may stand, whatever became of its later steps.
    pub(crate) fn may_have_entered(&self) -> bool {
        let replaced = self.verdict == Some(Verdict::Superseded) || self.generation.is_some();
        self.entered.is_some() || self.created.is_some() || replaced
    }

    /// Keeps what the deciding write left; a refusal ends the course.
    pub(crate) fn settle(&mut self, outcome: Outcome<Committed<Job>>) -> Next {
        match outcome {
            Outcome::Done(done) => {
                self.done = Some(done);
                Next::On
            }
            Outcome::Rejected(rejection) => Next::Refused(rejection),
        }
    }
}

impl Ledger {
    /// The whole list, or up to the step that ends it.
    pub(crate) async fn run(
        &self,
        steps: &[Step],
        course: &mut Course,
    ) -> Result<Outcome<()>, LedgerError> {
        for step in steps {
            match Box::pin(self.take(*step, course)).await? {
                Next::On => {}
                Next::Enough => return Ok(Outcome::Done(())),
                Next::Refused(rejection) => return Ok(Outcome::Rejected(rejection)),
            }
        }
        Ok(Outcome::Done(()))
    }

    async fn take(&self, step: Step, course: &mut Course) -> Result<Next, LedgerError> {
        match step {
            Step::CreateJob => self.create_job(course).await,
            Step::WalkGraph => self.walk_graph(course).await,
            Step::AdmitJob => self.admit_job(course).await,
            Step::LookAgain => self.look_again(course).await,
            Step::ReserveGates => self.reserve_gates(course).await,
            Step::ClaimJob => self.claim_job(course).await,
            Step::ConfirmLocks => self.confirm_locks(course).await,
            Step::RenewLease => self.renew_lease(course).await,
            Step::ReleaseJob => self.ask_job(course, Patience::long()).await,
            Step::ExpireLease => self.expire_lease(course).await,
            Step::MarkLease => self.mark_lease(course).await,
            Step::TakeJobBack => self.take_job_back(course).await,
            Step::RaiseLease => self.raise_lease(course).await,
            Step::HoldLease
            | Step::OpenRun
            | Step::ReleaseLease
            | Step::CloseRun
            | Step::FreeGates
            | Step::SettleDependents => {
                self.is_due(&course.product, course.job);
                Ok(Next::On)
            }
        }
    }

    /// What did not take the job must not touch its lease either.
    async fn take_job_back(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let next = self.ask_job(course, Patience::short()).await?;
        let moved = course.done.as_ref().is_some_and(|done| !done.events.is_empty());
        Ok(if moved { next } else { Next::Enough })
    }

    /// The deciding write of a protocol: the course's wish, on the job.
    async fn ask_job(&self, course: &mut Course, patience: Patience) -> Result<Next, LedgerError> {
        let outcome = self.change(&course.ask(&course.wish), patience).await?;
        Ok(course.settle(outcome))
    }
}
