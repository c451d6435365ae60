//! The holder lives: one read of the job, one write of the lease. The job says whether the caller
//! holds it, the lease says until when.

use fleet::{
    Actor, Command, Holding, Job, JobId, Lease, LeaseCommand, ProductId, RENEW, Record, Timestamp,
    Wish,
};

use crate::Ledger;
use crate::commit::{Patience, Turn, too_busy};
use crate::course::{Course, Next};
use crate::outcome::{LedgerError, Outcome};
use crate::refusal::Word;
use crate::table::Found;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// For people; the holder counts from when it sent the request.
    pub expires_at: Timestamp,
    pub stop: Option<Stop>,
}

/// Why a holder is asked to come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Cancel,
    Budget,
    Drain,
}

impl Ledger {
    /// # Errors
    /// The store is away, or the outcome cannot be known; renewing again is harmless.
    pub async fn renew(
        &self,
        product: &ProductId,
        job: JobId,
        holding: &Holding,
    ) -> Result<Outcome<Renewed>, LedgerError> {
        let by = Actor::factory(&holding.factory_id);
        let mut course = Course::new(product, job, by, Wish::Renew(holding.clone()));
        let outcome = self.run(RENEW, &mut course).await?;
        if let Outcome::Rejected(rejection) = outcome {
            let word = Word { op: "renew", product, job, caller: holding };
            self.note_refusal(word, &rejection).await;
            return Ok(Outcome::Rejected(rejection));
        }
        let expires_at = course.expires_at;
        let give_back = self.must_give_back(product, holding).await?;
        let stop = course.judged.as_ref().and_then(|found| self.stop(&found.record, give_back));
        Ok(Outcome::Done(Renewed {
            expires_at: expires_at.unwrap_or_else(|| self.clock.now()),
            stop,
        }))
    }

    pub(crate) async fn renew_lease(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let Wish::Renew(holding) = &course.wish else { return Ok(Next::Enough) };
        let holding = holding.clone();
        let Some(found) = self.jobs.get(&course.product, course.job).await? else {
            return Ok(Next::Refused(fleet::Rejection::new(fleet::Code::NotFound)));
        };
        let now = self.clock.now();
        let asked = Command {
            by: course.by.clone(),
            given: fleet::Circumstances::default(),
            wish: course.wish.clone(),
        };
        if let Err(rejection) = found.record.decide(&asked, now) {
            return Ok(Next::Refused(rejection));
        }
        if found.record.holder().is_none() {
            return Ok(Next::Refused(fleet::Rejection::new(fleet::Code::LeaseNotHeld)));
        }
        let outcome = Box::pin(self.lengthen(course, holding)).await?;
        Ok(match outcome {
            Outcome::Done(lease) => {
                course.expires_at = lease.expires_at;
                course.judged = Some(found);
                Next::On
            }
            Outcome::Rejected(rejection) => Next::Refused(rejection.about(found.record.current())),
        })
    }

    /// A renewal that loses to another one of the same hold has what it wanted.
    async fn lengthen(
        &self,
        course: &Course,
        holding: Holding,
    ) -> Result<Outcome<Lease>, LedgerError> {
        let mut patience = Patience::short();
        let until = self.clock.now().plus(self.terms.ttl);
        let epoch = holding.lease_epoch;
        let nonce = Some(holding.claim_nonce);
        let command = LeaseCommand::Renew(holding, until);
        let mut lost_to = None;
        loop {
            let found = self.leases.get(course.job, course.job).await?;
            let moved = lost_to.is_some_and(|lost_to| {
                lost_to != found.as_ref().map(|found: &Found<Lease>| found.revision.clone())
            });
            let mine = found.as_ref().map(|found| &found.record);
            let mine = mine.filter(|lease| lease.is_held_for(epoch) && lease.claim_nonce == nonce);
            if let Some(lease) = mine.filter(|_| moved) {
                return Ok(Outcome::Done(lease.clone()));
            }
            let now = self.clock.now();
            let absent = || Lease::absent(course.job, course.product.clone(), now);
            match self.leases.turn(found.as_ref(), absent, &command, now).await? {
                Turn::Settled(outcome) => return Ok(outcome.map(|done| done.record)),
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => return Ok(Outcome::Rejected(too_busy())),
            }
            lost_to = Some(found.map(|found| found.revision));
        }
    }

    fn stop(&self, job: &Job, give_back: bool) -> Option<Stop> {
        let budget = job.content.budget.unwrap_or_default();
        if job.cancel_requested.is_some() {
            Some(Stop::Cancel)
        } else if job.used_by(self.clock.now()).exhausts(&budget) {
            Some(Stop::Budget)
        } else {
            give_back.then_some(Stop::Drain)
        }
    }
}
