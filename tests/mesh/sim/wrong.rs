//! The verbs as the world's design says them: the ledger's own, or the wrong ones. The wrong ones
//! are written as somebody would write them who had not met the race yet.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fleet::{
    Actor, Admission, Bidder, Circumstances, Claim, Code, Command, Content, Holding, Job, JobId,
    Lock, LockCommand, Nonce, Owner, Patch, Record, Rejection, Release, RequestId, Slot, SlotState,
    Stage, Submitted, Timestamp, Walk, Wish, touched, unfit, waits_for,
};
use ledger::{ClaimRequest, Grant, LedgerError, Outcome, Verdict};
use store::{Expect, Revision};

use super::ask::Reply;
use super::mutant::Mutant;
use super::plan::TERMS;
use super::raw::{Raw, Wrote, after};
use super::world::Desk;

impl Desk {
    fn is(&self, mutant: Mutant) -> bool {
        self.world.is(mutant)
    }

    fn raw(&self) -> Raw {
        Raw(Arc::clone(&self.store))
    }

    async fn job(&self, id: JobId) -> Result<Option<(Job, Revision)>, LedgerError> {
        self.raw().get::<Job>(&self.world.product, id).await
    }
}

fn no<T>(code: Code) -> Outcome<T> {
    Outcome::Rejected(Rejection::new(code))
}

fn minted(desk: &Desk) -> Nonce {
    Nonce::from_uuid(desk.ids.mint())
}

fn command(by: &Actor, wish: Wish) -> Command {
    Command { by: by.clone(), given: Circumstances::default(), wish }
}

pub(super) async fn submit(desk: &Desk, content: &Content) -> Reply<(Verdict, Job)> {
    if desk.is(Mutant::CycleBeforeWrite) {
        return submit_looking_first(desk, content).await;
    }
    let reply = desk.ledger.submit(&desk.world.product, content, &Actor::user("ada")).await?;
    Ok(reply.map(|receipt| (receipt.verdict, receipt.job)))
}

/// The job that was offered, or the best there is.
pub(super) async fn claim_or_any(
    desk: &Desk,
    asked: &ClaimRequest,
    offered: bool,
) -> Reply<Option<Grant>> {
    if offered {
        return Ok(claim(desk, asked).await?.map(Some));
    }
    claim_next(desk, &asked.bidder, asked.request, asked.deadline).await.map(Outcome::Done)
}

async fn claim_next(
    desk: &Desk,
    bidder: &Bidder,
    request: RequestId,
    deadline: Timestamp,
) -> Result<Option<Grant>, LedgerError> {
    let product = desk.world.product.clone();
    if !(desk.is(Mutant::NoClaimNonce) || desk.is(Mutant::ConflictFinalInClaim)) {
        return desk.ledger.claim_next(&product, bidder, request, deadline).await;
    }
    let now = desk.clock.now();
    for (job, _) in desk.raw().all::<Job>().await? {
        if unfit(&job, bidder, &Circumstances::default(), now).is_some() {
            continue;
        }
        let asked = ClaimRequest {
            product: product.clone(),
            job: job.id,
            bidder: bidder.clone(),
            request,
            epoch_seen: job.lease_epoch,
            deadline,
        };
        if let Outcome::Done(grant) = claim_looking_once(desk, &asked, minted(desk)).await? {
            return Ok(Some(grant));
        }
    }
    Ok(None)
}

pub(super) async fn claim(desk: &Desk, asked: &ClaimRequest) -> Reply<Grant> {
    if desk.is(Mutant::NoClaimNonce) || desk.is(Mutant::ConflictFinalInClaim) {
        return claim_looking_once(desk, asked, minted(desk)).await;
    }
    if desk.is(Mutant::LockWithoutConfirm) {
        return claim_unconfirmed(desk, asked).await;
    }
    if desk.is(Mutant::NoOfferedEpoch) {
        let Some((job, _)) = desk.job(asked.job).await? else { return Ok(no(Code::NotFound)) };
        let now = desk.clock.now().plus(Duration::from_secs(1));
        let asked = ClaimRequest { epoch_seen: job.lease_epoch, deadline: now, ..asked.clone() };
        return desk.ledger.claim(&asked).await;
    }
    desk.ledger.claim(asked).await
}

/// One look, one write: a conflict is taken for an answer. Without a nonce to look for, an unknown
/// outcome is judged by whether the job is still to be had.
async fn claim_looking_once(desk: &Desk, asked: &ClaimRequest, nonce: Nonce) -> Reply<Grant> {
    let Some((job, revision)) = desk.job(asked.job).await? else { return Ok(no(Code::NotFound)) };
    let own = job.claim.claim_request_id == Some(asked.request);
    if own && !desk.is(Mutant::NoClaimNonce) && job.holder().is_some() {
        return Ok(Outcome::Done(granted(job)));
    }
    let claim = Claim {
        bidder: asked.bidder.clone(),
        nonce,
        request: asked.request,
        epoch_seen: asked.epoch_seen,
        profile: None,
        grant_deadline: desk.clock.now().plus(TERMS.grant),
    };
    let wish = command(&Actor::service("scheduler"), Wish::Claim(Box::new(claim)));
    let taken = match after(&job, &wish, desk.clock.now()) {
        Err(rejection) => return Ok(Outcome::Rejected(rejection)),
        Ok(None) => return Ok(no(Code::Conflict)),
        Ok(Some(taken)) => taken,
    };
    match desk.raw().put(&taken, &Expect::At(revision)).await? {
        Wrote::Yes => Ok(Outcome::Done(granted(taken))),
        Wrote::No => Ok(Outcome::Rejected(Rejection::new(Code::Conflict).because("taken"))),
        Wrote::Perhaps if desk.is(Mutant::NoClaimNonce) => match desk.job(asked.job).await? {
            Some((job, _)) if job.stage == Stage::Queued => Err(LedgerError::CommitUnknown),
            Some(_) | None => {
                Ok(Outcome::Rejected(Rejection::new(Code::Conflict).because("taken")))
            }
        },
        Wrote::Perhaps => Err(LedgerError::CommitUnknown),
    }
}

/// What was reserved is taken for what is held.
async fn claim_unconfirmed(desk: &Desk, asked: &ClaimRequest) -> Reply<Grant> {
    let (raw, product) = (desk.raw(), &desk.world.product);
    let Some((job, _)) = desk.job(asked.job).await? else { return Ok(no(Code::NotFound)) };
    let (now, nonce) = (desk.clock.now(), minted(desk));
    for name in &job.content.locks {
        let found = raw.get::<Lock>(product, name).await?;
        let expect = found.as_ref().map_or(Expect::Absent, |found| Expect::At(found.1.clone()));
        let lock = found.map_or_else(|| Lock::absent(name.clone(), product.clone(), now), |f| f.0);
        let owner = match lock.slot() {
            Some(slot) => Owner::of(desk.job(slot.job_id).await?.as_ref().map(|f| &f.0), slot),
            None => Owner::Gone,
        };
        let slot = Slot {
            claim_nonce: nonce,
            job_id: job.id,
            factory_id: asked.bidder.factory.clone(),
            epoch: job.lease_epoch.next(),
            state: SlotState::Reserved,
            at: now,
        };
        match after(&lock, &LockCommand::Reserve { slot, owner }, now) {
            Err(rejection) => return Ok(Outcome::Rejected(rejection)),
            Ok(None) => {}
            Ok(Some(reserved)) => match raw.put(&reserved, &expect).await? {
                Wrote::Yes => {}
                Wrote::No => return Ok(no(Code::Conflict)),
                Wrote::Perhaps => return Err(LedgerError::CommitUnknown),
            },
        }
    }
    claim_looking_once(desk, asked, nonce).await
}

fn granted(job: Job) -> Grant {
    let holder = job.holder().expect("it was just claimed");
    Grant {
        profile: None,
        holding: Holding {
            lease_epoch: job.lease_epoch,
            factory_id: holder.factory.clone(),
            claim_nonce: holder.nonce,
        },
        attempt: job.attempts,
        expires_at: job.head.updated_at.plus(TERMS.ttl),
        ttl: TERMS.ttl,
        job,
    }
}

pub(super) async fn patch(desk: &Desk, job: JobId, mut patch: Patch) -> Reply<Job> {
    patch.holding = heard_as(desk, job, patch.holding).await?;
    let said = desk.ledger.patch(&desk.world.product, job, patch).await?;
    Ok(said.map(|found| found.record))
}

pub(super) async fn release(desk: &Desk, job: JobId, mut release: Release) -> Reply<Job> {
    release.holding = heard_as(desk, job, release.holding).await?;
    if desk.is(Mutant::ReleaseNotRepeatable) {
        let holding = release.holding.clone();
        let found = desk.job(job).await?;
        let holds = found.is_some_and(|(job, _)| holds(&job, &holding));
        if !holds {
            return Ok(no(Code::LeaseNotHeld));
        }
    }
    if desk.is(Mutant::ConflictFinalInRelease) {
        return release_looking_once(desk, job, release).await;
    }
    let done = desk.ledger.release(&desk.world.product, job, release).await?;
    let done = done.map(|found| found.record);
    if let (true, Outcome::Done(job)) = (desk.is(Mutant::RetryInMemory), &done) {
        wait_in_memory(desk, job).await?;
    }
    Ok(done)
}

fn holds(job: &Job, holding: &Holding) -> bool {
    let same = job.holder().is_some_and(|holder| {
        holder.factory == holding.factory_id && holder.nonce == holding.claim_nonce
    });
    same && job.lease_epoch == holding.lease_epoch
}

/// Without the fence whoever speaks is heard as the holder; with half of it, whoever bears the
/// holder's name.
async fn heard_as(desk: &Desk, id: JobId, said: Holding) -> Result<Holding, LedgerError> {
    if !(desk.is(Mutant::NoEpochFence) || desk.is(Mutant::HolderFence)) {
        return Ok(said);
    }
    let Some((job, _)) = desk.job(id).await? else { return Ok(said) };
    let named = job
        .holder()
        .filter(|holder| desk.is(Mutant::NoEpochFence) || holder.factory == said.factory_id);
    Ok(named.map_or(said, |holder| Holding {
        lease_epoch: job.lease_epoch,
        factory_id: holder.factory.clone(),
        claim_nonce: holder.nonce,
    }))
}

async fn release_looking_once(desk: &Desk, id: JobId, release: Release) -> Reply<Job> {
    let Some((job, revision)) = desk.job(id).await? else { return Ok(no(Code::NotFound)) };
    let by = Actor::factory(&release.holding.factory_id);
    let wish = command(&by, Wish::Release(Box::new(release)));
    let left = match after(&job, &wish, desk.clock.now()) {
        Err(rejection) => return Ok(Outcome::Rejected(rejection)),
        Ok(None) => return Ok(Outcome::Done(job)),
        Ok(Some(left)) => left,
    };
    match desk.raw().put(&left, &Expect::At(revision)).await? {
        Wrote::Yes => {
            desk.ledger.follow(&desk.world.product, id).await?;
            Ok(Outcome::Done(left))
        }
        Wrote::No => Ok(no(Code::Conflict)),
        Wrote::Perhaps => Err(LedgerError::CommitUnknown),
    }
}

/// The job is put aside, and the process that put it there means to bring it back in time.
async fn wait_in_memory(desk: &Desk, job: &Job) -> Result<(), LedgerError> {
    let Some(due) = job.retry_not_before else { return Ok(()) };
    let Some((mut job, revision)) = desk.job(job.id).await? else { return Ok(()) };
    if job.retry_not_before != Some(due) || job.stage != Stage::Queued {
        return Ok(());
    }
    job.retry_not_before = Some(due.plus(Duration::from_hours(1000)));
    let id = job.id;
    let now = desk.clock.now();
    if desk.raw().put(&touched(job, now), &Expect::At(revision)).await? == Wrote::No {
        return Ok(());
    }
    let world = Arc::clone(&desk.world);
    world.spawn(bring_back(desk.clone(), id, due, due.since(now)));
    Ok(())
}

/// As long as the process lives that meant to.
async fn bring_back(desk: Desk, id: JobId, due: Timestamp, after: Duration) {
    let starts = || desk.world.services[desk.service].starts.load(Ordering::Relaxed);
    let began = starts();
    tokio::time::sleep(after).await;
    while starts() == began && !is_back(&desk, id, due).await {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn is_back(desk: &Desk, id: JobId, due: Timestamp) -> bool {
    let Ok(Some((mut job, revision))) = desk.job(id).await else { return false };
    job.retry_not_before = Some(due);
    let job = touched(job, desk.clock.now());
    matches!(desk.raw().put(&job, &Expect::At(revision)).await, Ok(Wrote::Yes))
}

pub(super) async fn has_shipped(desk: &Desk, id: JobId) -> bool {
    let found = desk.job(id).await.expect("no faults");
    found.is_some_and(|(job, _)| job.stage == Stage::Shipped)
}

/// Looks for a cycle and at the dependencies, then writes the job as one that was looked at.
pub(super) async fn submit_looking_first(desk: &Desk, content: &Content) -> Reply<(Verdict, Job)> {
    let (product, by) = (&desk.world.product, Actor::user("ada"));
    let id = JobId::of(product, &content.idempotency_key);
    let now = desk.clock.now();
    let created = match fleet::submit(None, content, product, &by, now) {
        Ok(Submitted::Create(job)) if !job.admitted => *job,
        Ok(Submitted::Create(_) | Submitted::Existing | Submitted::Supersede) | Err(_) => {
            let reply = desk.ledger.submit(product, content, &by).await?;
            return Ok(reply.map(|receipt| (receipt.verdict, receipt.job)));
        }
    };
    if desk.job(id).await?.is_some() {
        let reply = desk.ledger.submit(product, content, &by).await?;
        return Ok(reply.map(|receipt| (receipt.verdict, receipt.job)));
    }
    let mut walk = Walk::from(id);
    let mut ready = true;
    while let Some(at) = walk.next() {
        let found = if at == id { Some(created.clone()) } else { desk.job(at).await?.map(|f| f.0) };
        ready &= at == id || found.as_ref().is_some_and(|job| job.stage == Stage::Shipped);
        let edges = found.map_or_else(Vec::new, |job| waits_for(&job));
        walk.visit(at, &edges).expect("a small graph");
    }
    if walk.cycle().is_some() {
        return Ok(no(Code::DependencyCycle));
    }
    let given = Circumstances { ready, ..Circumstances::default() };
    let wish = Command { by, given, wish: Wish::Admit(Admission::Acyclic) };
    let events = created.decide(&wish, now).expect("nobody has looked at it yet");
    let admitted = touched(events.iter().fold(created, Job::evolve), now);
    match desk.raw().put(&admitted, &Expect::Absent).await? {
        Wrote::Yes => Ok(Outcome::Done((Verdict::Created, admitted))),
        Wrote::No => Ok(no(Code::ConcurrentUpdate)),
        Wrote::Perhaps => Err(LedgerError::CommitUnknown),
    }
}
