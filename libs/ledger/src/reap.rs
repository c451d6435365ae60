//! Taking jobs back from silent holders. Silence is observed, never computed from another
//! machine's clock: a lease is due when this keeper has itself seen the same revision unchanged
//! for a whole term. Any number of keepers may watch at once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use fleet::{
    Actor, Cause, Epoch, Job, JobId, Lease, LeaseCommand, OVERRULE, ProductId, REAP, REPAIR, Stage,
    StageName, Step, TakeBack, Wish,
};
use store::Revision;

use crate::Ledger;
use crate::commit::{Miss, Turn};
use crate::course::{Course, Next};
use crate::outcome::{LedgerError, Outcome};
use crate::table::{Found, PAGE};

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    pub expired: u32,
    pub requeued: u32,
    pub blocked: u32,
    pub dead_lettered: u32,
    pub repaired: u32,
}

/// One keeper's memory of what it has seen of each lease, and since when.
#[derive(Debug)]
pub struct Reaper {
    ledger: Ledger,
    seen: BTreeMap<JobId, (Revision, Duration)>,
}

impl Reaper {
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger, seen: BTreeMap::new() }
    }

    /// One round over all held leases at `uptime` of this keeper's own clock.
    ///
    /// # Errors
    /// The store is away; what was not reached is seen in the next round.
    pub async fn round(&mut self, uptime: Duration) -> Result<Reaped, LedgerError> {
        let mut reaped = Reaped::default();
        let mut held = BTreeMap::new();
        let mut cursor = None;
        loop {
            let (leases, next) = self.ledger.leases.page_of_all(cursor.as_ref(), PAGE).await?;
            // Seen only now: the round, or the machine, may have stood still since it began.
            let read_at = uptime.max(self.ledger.clock.uptime());
            for lease in leases.into_iter().filter(|lease| lease.record.is_held()) {
                let since = self.seen_since(&lease, read_at);
                held.insert(lease.record.job_id, (lease.revision.clone(), since));
                self.judge(lease, uptime.saturating_sub(since), &mut reaped).await?;
            }
            let Some(next) = next else { break };
            cursor = Some(next);
        }
        self.seen = held;
        self.ledger.look_at_watched(&mut reaped).await?;
        self.ledger.counts.reaped(&reaped);
        self.ledger.write_due_progress().await?;
        Ok(reaped)
    }

    async fn judge(
        &self,
        lease: Found<Lease>,
        unchanged: Duration,
        reaped: &mut Reaped,
    ) -> Result<(), LedgerError> {
        let terms = &self.ledger.terms;
        if unchanged >= terms.silence() {
            self.ledger.reap(lease, Cause::Silent, reaped).await
        } else if unchanged > terms.grant && lease.record.renewals == 0 {
            self.ledger.reap_unconfirmed(lease, reaped).await
        } else {
            Ok(())
        }
    }

    /// A lease that this keeper meets for the first time, or that moved, begins its span anew.
    fn seen_since(&self, found: &Found<Lease>, read_at: Duration) -> Duration {
        match self.seen.get(&found.record.job_id) {
            Some((revision, since)) if *revision == found.revision => *since,
            Some(_) | None => read_at,
        }
    }
}

impl Reaped {
    fn count(&mut self, job: &Job) {
        match job.stage.name() {
            StageName::Queued => self.requeued += 1,
            StageName::Blocked => self.blocked += 1,
            StageName::DeadLetter => self.dead_lettered += 1,
            StageName::Assigned
            | StageName::Building
            | StageName::Review
            | StageName::Testing
            | StageName::Shipped
            | StageName::Failed => {}
        }
    }
}

impl Ledger {
    /// Takes the lease at the very revision that was judged, then the job of that epoch.
    async fn reap(
        &self,
        lease: Found<Lease>,
        cause: Cause,
        reaped: &mut Reaped,
    ) -> Result<(), LedgerError> {
        let product = lease.record.head.product_id.clone();
        let back = TakeBack { epoch: lease.record.lease_epoch, cause };
        let mut course = self.taking_back(&product, lease.record.job_id, back);
        course.lease = Some(lease);
        self.take_back(REAP, &mut course, reaped).await
    }

    /// A grant that nobody confirmed or renewed goes back, once this keeper has seen it so for as
    /// long as a grant may stay unconfirmed.
    async fn reap_unconfirmed(
        &self,
        found: Found<Lease>,
        reaped: &mut Reaped,
    ) -> Result<(), LedgerError> {
        let lease = &found.record;
        let job = self.jobs.get(&lease.head.product_id, lease.job_id).await?;
        let lost = job.is_some_and(|job| {
            let job = job.record;
            job.lease_epoch == lease.lease_epoch && matches!(job.stage, Stage::Assigned(_))
        });
        if lost { self.reap(found, Cause::Silent, reaped).await } else { Ok(()) }
    }

    /// For a job that is held while no lease says so.
    pub(crate) async fn repair(&self, job: &Job, reaped: &mut Reaped) -> Result<(), LedgerError> {
        let back = TakeBack { epoch: job.lease_epoch, cause: Cause::NoLease };
        let mut course = self.taking_back(job.product(), job.id, back);
        let before = reaped.requeued + reaped.blocked + reaped.dead_lettered;
        self.take_back(REPAIR, &mut course, reaped).await?;
        reaped.repaired += reaped.requeued + reaped.blocked + reaped.dead_lettered - before;
        Ok(())
    }

    /// For a holder that overstays, whatever it renews.
    pub(crate) async fn overrule(
        &self,
        job: &Job,
        cause: Cause,
        reaped: &mut Reaped,
    ) -> Result<(), LedgerError> {
        let back = TakeBack { epoch: job.lease_epoch, cause };
        let mut course = self.taking_back(job.product(), job.id, back);
        self.take_back(OVERRULE, &mut course, reaped).await
    }

    fn taking_back(&self, product: &ProductId, job: JobId, back: TakeBack) -> Course {
        Course::new(product, job, Actor::service("lease-keeper"), Wish::TakeBack(back))
    }

    async fn take_back(
        &self,
        steps: &[Step],
        course: &mut Course,
        reaped: &mut Reaped,
    ) -> Result<(), LedgerError> {
        let was_held = course.lease.is_some();
        self.run(steps, course).await?;
        let moved = course.done.as_ref().filter(|done| !done.events.is_empty());
        if let Some(done) = moved {
            reaped.count(&done.record);
        }
        reaped.expired += u32::from(was_held && course.done.is_some());
        Ok(())
    }

    /// The same snapshot judges and guards: a renewal in between wins, and the lease is looked at
    /// anew in the next round.
    pub(crate) async fn expire_lease(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let Some(epoch) = course.epoch() else { return Ok(Next::Enough) };
        let judged = match course.lease.take() {
            Some(judged) => Some(judged),
            None => self.leases.get(course.job, course.job).await?,
        };
        let Some(judged) = judged else { return Ok(Next::On) };
        let command = LeaseCommand::Expire(epoch);
        let lease = || judged.record.clone();
        match self.leases.turn(Some(&judged), lease, &command, self.clock.now()).await? {
            Turn::Settled(_) => Ok(Next::On),
            // Not determinable here; if it happened, repair goes on from it.
            Turn::Again(Miss::Conflict | Miss::Unknown) => Ok(Next::Enough),
        }
    }

    /// Writes the lease first, so that repair against a late first renewal is decided by one
    /// write.
    pub(crate) async fn mark_lease(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let Some(epoch) = course.epoch() else { return Ok(Next::Enough) };
        let absent = Lease::absent(course.job, course.product.clone(), self.clock.now());
        let command = LeaseCommand::Repair(epoch);
        Ok(match self.commit(&self.leases, absent, &command).await? {
            Outcome::Done(done) if done.record.is_held_for(epoch) => Next::Enough,
            Outcome::Done(_) => Next::On,
            Outcome::Rejected(rejection) => Next::Refused(rejection),
        })
    }

    /// Only where this course moved the job, and only to the epoch that it gave.
    pub(crate) async fn raise_lease(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let moved = course.done.as_ref().filter(|done| !done.events.is_empty());
        let Some(epoch) = moved.map(|done| done.record.lease_epoch) else {
            return Ok(Next::Enough);
        };
        let absent = Lease::absent(course.job, course.product.clone(), self.clock.now());
        self.commit(&self.leases, absent, &LeaseCommand::Raise(epoch)).await?;
        Ok(Next::On)
    }

    /// Whether this keeper has seen the job held without a lease for a whole grant's time, by its
    /// own clock.
    pub(crate) async fn lacks_lease(&self, job: &Job) -> Result<bool, LedgerError> {
        let lease = self.leases.get(job.id, job.id).await?;
        let leased = lease.is_some_and(|found| found.record.is_held_for(job.lease_epoch));
        if leased || job.holder().is_none() {
            self.unleased.forget(job.id);
            return Ok(false);
        }
        let uptime = self.clock.uptime();
        let since = self.unleased.seen_since(job, uptime);
        Ok(uptime.saturating_sub(since) >= self.terms.grant)
    }
}

/// Held jobs that were seen without a lease, under which epoch and since when.
#[derive(Debug, Default)]
pub(crate) struct Unleased(Mutex<BTreeMap<JobId, (Epoch, Duration)>>);

impl Unleased {
    fn seen_since(&self, job: &Job, uptime: Duration) -> Duration {
        let mut seen = self.lock();
        let entry = seen.entry(job.id).or_insert((job.lease_epoch, uptime));
        if entry.0 != job.lease_epoch {
            *entry = (job.lease_epoch, uptime);
        }
        entry.1
    }

    pub(crate) fn since(&self, job: JobId) -> Option<Duration> {
        self.lock().get(&job).map(|(_, since)| *since)
    }

    fn forget(&self, job: JobId) {
        self.lock().remove(&job);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<JobId, (Epoch, Duration)>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

impl Course {
    fn epoch(&self) -> Option<Epoch> {
        match &self.wish {
            Wish::TakeBack(back) => Some(back.epoch),
            Wish::Admit(_)
            | Wish::Supersede(_)
            | Wish::Settle(_)
            | Wish::Claim(_)
            | Wish::Renew(_)
            | Wish::Patch(_)
            | Wish::Release(_)
            | Wish::Operate(_)
            | Wish::AddChildren(_)
            | Wish::Keep(_)
            | Wish::Remove(_)
            | Wish::Trim { .. }
            | Wish::Purge => None,
        }
    }
}
