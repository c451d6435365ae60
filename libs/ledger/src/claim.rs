//! Giving a job to a factory: reserve what it names, write the job, confirm, grant. The job's
//! conditional write is the claim; everything before can be undone and everything after repaired.

use std::sync::Arc;
use std::time::Duration;

use fleet::{
    Actor, Bidder, CLAIM, Circumstances, Claim, Code, Epoch, Holding, Job, JobId, Nonce, ProductId,
    Profile, Rank, Rejection, RequestId, Step, Timestamp, Wish, unfit,
};

use crate::Ledger;
use crate::commit::{Miss, Patience, Turn};
use crate::course::{Course, Next};
use crate::outcome::{LedgerError, Outcome, not_found};
use crate::table::{Found, PAGE};

/// A factory's wish for one job.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    pub product: ProductId,
    pub job: JobId,
    pub bidder: Bidder,
    /// The same for every copy of this request.
    pub request: RequestId,
    /// The epoch at which the job was offered or believed.
    pub epoch_seen: Epoch,
    pub deadline: Timestamp,
}

/// What a successful claim hands over.
#[derive(Clone, Debug)]
pub struct Grant {
    /// As the claim wrote it, never as it was read before.
    pub job: Job,
    pub holding: Holding,
    pub attempt: u32,
    pub expires_at: Timestamp,
    pub ttl: Duration,
    /// The version of its profile that the claim wrote down, if the job names one.
    pub profile: Option<Arc<Profile>>,
}

/// Candidates that one request may lose to others before it says "nothing now".
const CANDIDATES: usize = 5;
/// Candidates that one request looks at in all.
const LOOKED_AT: usize = 64;
/// A repeated claim reserves nothing; it confirms again what it had.
const AGAIN: &[Step] = CLAIM.split_at(1).1;

impl Ledger {
    /// # Errors
    /// The store is away, or the outcome cannot be known; the same request may be repeated.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<Outcome<Grant>, LedgerError> {
        if self.clock.now() > request.deadline {
            return Ok(refused("deadline"));
        }
        let found = Box::pin(self.roomy_job(&request.product, request.job)).await?;
        let Some(found) = found else { return Ok(not_found()) };
        if let Some(nonce) = found.record.answers(&request.bidder, request.request) {
            return Box::pin(self.claim_by(request, found, nonce, AGAIN)).await;
        }
        let nonce = Nonce::from_uuid(self.ids.mint());
        let outcome = Box::pin(self.claim_by(request, found, nonce, CLAIM)).await?;
        let Outcome::Rejected(rejection) = outcome else { return Ok(outcome) };
        // A copy of this very request may have won: then the request has, and no copy may deny it.
        let found = self.jobs.get(&request.product, request.job).await?;
        let Some(found) = found else { return Ok(Outcome::Rejected(rejection)) };
        match found.record.answers(&request.bidder, request.request) {
            Some(nonce) => Box::pin(self.claim_by(request, found, nonce, AGAIN)).await,
            None => Ok(Outcome::Rejected(rejection)),
        }
    }

    /// What was reserved under `nonce` is given back unless the job carries it in the end.
    async fn claim_by(
        &self,
        request: &ClaimRequest,
        found: Found<Job>,
        nonce: Nonce,
        steps: &[Step],
    ) -> Result<Outcome<Grant>, LedgerError> {
        let repeats = found.record.claim.run_id == Some(nonce);
        // Before anything is written: what cannot be read leaves the job to whoever comes next.
        let profile = if repeats {
            self.profile_run(&found.record).await?
        } else {
            self.profile_to_run(&found.record).await?
        };
        let mut course = Course::new(
            &request.product,
            request.job,
            Actor::service("scheduler"),
            Wish::Claim(Box::new(self.claim_of(request, nonce, profile.as_deref()))),
        );
        course.locks.clone_from(&found.record.content.locks);
        course.profile = profile;
        course.judged = Some(found);
        match self.run(steps, &mut course).await? {
            Outcome::Done(()) => Ok(self.grant(&course, nonce)),
            Outcome::Rejected(rejection) => {
                self.undo_gates(&course, nonce).await?;
                Ok(Outcome::Rejected(rejection))
            }
        }
    }

    /// The best of the product's queue that fits, found by a scan.
    ///
    /// # Errors
    /// As for [`Ledger::claim`].
    pub async fn claim_next(
        &self,
        product: &ProductId,
        bidder: &Bidder,
        request: RequestId,
        deadline: Timestamp,
    ) -> Result<Option<Grant>, LedgerError> {
        let mut lost = 0;
        for (job, epoch_seen) in self.candidates(product, bidder, request).await? {
            let asked = ClaimRequest {
                product: product.clone(),
                job,
                bidder: bidder.clone(),
                request,
                epoch_seen,
                deadline,
            };
            match self.claim(&asked).await? {
                Outcome::Done(grant) => return Ok(Some(grant)),
                // Nobody took it: it waits for a lock, for money or for an engine, and the next one
                // may not.
                Outcome::Rejected(no) if is_of_a_gate(&no) || is_of_a_profile(&no) => {}
                Outcome::Rejected(_) => lost += 1,
            }
            if lost == CANDIDATES {
                break;
            }
        }
        Ok(None)
    }

    async fn candidates(
        &self,
        product: &ProductId,
        bidder: &Bidder,
        request: RequestId,
    ) -> Result<Vec<(JobId, Epoch)>, LedgerError> {
        let known = self.belief.of(product, &*self.clock).await?;
        let given = Circumstances { paused: known.product.paused, ..Circumstances::default() };
        let ageing = known.product.ageing();
        let now = self.clock.now();
        let mut ranked: Vec<(Rank, Epoch)> = Vec::new();
        let mut cursor = None;
        loop {
            let (jobs, next) = self.jobs.page(product, cursor.as_ref(), PAGE).await?;
            let granted = jobs.iter().find(|job| job.record.answers(bidder, request).is_some());
            if let Some(granted) = granted {
                return Ok(vec![(granted.record.id, granted.record.lease_epoch)]);
            }
            let fitting = jobs.iter().map(|found| &found.record);
            let fitting = fitting.filter(|job| unfit(job, bidder, &given, now).is_none());
            ranked.extend(fitting.map(|job| (Rank::of(job, ageing, now), job.lease_epoch)));
            let Some(next) = next else { break };
            cursor = Some(next);
        }
        ranked.sort_unstable();
        Ok(ranked.into_iter().take(LOOKED_AT).map(|(rank, epoch)| (rank.job, epoch)).collect())
    }

    fn claim_of(&self, request: &ClaimRequest, nonce: Nonce, profile: Option<&Profile>) -> Claim {
        Claim {
            bidder: request.bidder.clone(),
            nonce,
            request: request.request,
            epoch_seen: request.epoch_seen,
            profile: profile.map(Profile::chosen),
            grant_deadline: self.clock.now().plus(self.terms.grant),
        }
    }

    /// The commit. On a conflict the job is read and judged again: our nonce in it means that we
    /// won, whoever's answer came back.
    pub(crate) async fn claim_job(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let mut patience = Patience::brief();
        let mut found = course.judged.take();
        let hash = found.as_ref().map(|found| found.record.content.content_hash.clone());
        loop {
            let Some(judged) = found else {
                return Ok(Next::Refused(Rejection::new(Code::NotFound)));
            };
            // Its locks and budgets were reserved for other content.
            if hash.as_ref() != Some(&judged.record.content.content_hash) {
                return Ok(Next::Refused(Rejection::new(Code::Conflict).because("changed")));
            }
            let miss = match self.turn_on_job(&judged, &course.by, &course.wish).await? {
                Turn::Settled(outcome) => return Ok(course.settle(outcome)),
                Turn::Again(miss) => miss,
            };
            found = self.jobs.get(&course.product, course.job).await?;
            let (before, after) = (judged.record.event_seq, found.as_ref().map(events_of));
            if miss == Miss::Conflict && after.is_some_and(|after| patience.was_trim(before, after))
            {
                continue;
            }
            if !patience.again(miss, &*self.ids).await? {
                return Ok(Next::Refused(Rejection::new(Code::Conflict).because("contended")));
            }
            found = self.jobs.get(&course.product, course.job).await?;
        }
    }

    /// Only a claim that still stands is granted: after an unknown outcome it may have been taken
    /// back before we looked.
    fn grant(&self, course: &Course, nonce: Nonce) -> Outcome<Grant> {
        let Some(done) = &course.done else { return refused("lost") };
        let job = &done.record;
        let Some(holder) = job.holder().filter(|holder| holder.nonce == nonce) else {
            return refused("lost");
        };
        if job.profile_claimed().is_some() != course.profile.is_some() {
            return refused("profile_unavailable");
        }
        Outcome::Done(Grant {
            holding: Holding {
                lease_epoch: job.lease_epoch,
                factory_id: holder.factory.clone(),
                claim_nonce: nonce,
            },
            attempt: job.attempts,
            expires_at: self.clock.now().plus(self.terms.ttl),
            ttl: self.terms.ttl,
            profile: course.profile.clone(),
            job: job.clone(),
        })
    }
}

trait Granted {
    /// The nonce under which this very request holds the job already.
    fn answers(&self, bidder: &Bidder, request: RequestId) -> Option<Nonce>;
}

impl Granted for Job {
    fn answers(&self, bidder: &Bidder, request: RequestId) -> Option<Nonce> {
        let holder = self.holder().filter(|holder| holder.factory == bidder.factory);
        let asked = self.claim.claim_request_id == Some(request);
        holder.filter(|_| asked).map(|holder| holder.nonce)
    }
}

/// Whether a claim was refused because the job waits for a lock or for money, and not because
/// somebody else was quicker.
#[must_use]
pub fn is_of_a_gate(refusal: &Rejection) -> bool {
    matches!(refusal.reason, Some("lock_held" | "budget_exhausted"))
}

/// Whether a claim was refused for what the job's profile turned out to be, which nobody knows
/// beforehand of a job that names no version.
#[must_use]
pub fn is_of_a_profile(refusal: &Rejection) -> bool {
    matches!(refusal.reason, Some("engine_unavailable" | "profile_unavailable"))
}

fn refused(why: &'static str) -> Outcome<Grant> {
    Outcome::Rejected(Rejection::new(Code::Conflict).because(why))
}

fn events_of(found: &Found<Job>) -> u64 {
    found.record.event_seq
}
