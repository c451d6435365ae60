//! A scheduler's belief about what waits and who works: compact, ordered, and wrong at any time
//! without harm, since a claim depends on the version of the job that it believes in. Holds no
//! bodies; never sorts; never decides.

mod fit;
mod queue;
mod stand;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::content::Priority;
use crate::factory::Health;
use crate::id::{Epoch, FactoryId, JobId, ProductId, RequestId};
use crate::job::DEGRADED_WAITS;
use crate::job::{Bidder, Job};
use crate::stage::Stage;
use crate::time::Timestamp;

use fit::Classes;
use queue::{Place, Queue};

/// What a degraded factory leaves to healthier ones, in milliseconds.
const DEGRADED_MILLIS: i64 = 1000 * DEGRADED_WAITS.as_secs().cast_signed();

/// Where an entry lies in the slab.
type Handle = u32;
/// A product, as a number.
type ProductNumber = u32;

const NEVER: i64 = i64::MAX;

/// A job that may be claimed, as the board remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub job: JobId,
    /// The version of the job that this is believed of.
    pub rev: u64,
    pub epoch: Epoch,
    /// As it stands now, ageing counted; those of one rank go by age.
    pub rank: u8,
}

/// How many jobs of one product the board believes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub queued: usize,
    pub claimable: usize,
}

#[derive(Debug, Default)]
pub struct Board {
    slab: Vec<Entry>,
    free: Vec<Handle>,
    by_job: BTreeMap<JobId, Handle>,
    queue: Queue,
    classes: Classes,
    numbers: BTreeMap<ProductId, ProductNumber>,
    products: Vec<Settings>,
    held: BTreeMap<FactoryId, BTreeSet<JobId>>,
    holders: BTreeMap<JobId, Hold>,
    /// Of the jobs that are held, by what was asked.
    granted: BTreeSet<(RequestId, JobId)>,
}

/// Who holds a job, as of which version, and the request that it was granted to.
#[derive(Clone, Debug)]
struct Hold {
    factory: FactoryId,
    rev: u64,
    asked: Option<RequestId>,
}

/// One queued job. Times are milliseconds.
#[derive(Clone, Copy, Debug)]
struct Entry {
    job: JobId,
    rev: u64,
    epoch: Epoch,
    created: i64,
    /// Ageing counts from here.
    since: i64,
    /// Nobody may claim it before.
    start: i64,
    queued: i64,
    product: ProductNumber,
    class: u32,
    rank: u8,
    urgent: bool,
    /// Its rank among the claimable, where it stands there.
    placed: Option<u8>,
    /// [`NEVER`], where nothing changes any more.
    due: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    ageing: Duration,
    paused: bool,
}

impl Board {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How a product's jobs age, and whether any may be claimed.
    pub fn settle(&mut self, product: &ProductId, ageing: Duration, paused: bool) {
        let number = self.number(product);
        let settings = &mut self.products[number as usize];
        let changed = settings.ageing != ageing;
        *settings = Settings { ageing, paused };
        if changed {
            let handles: Vec<Handle> = self.by_job.values().copied().collect();
            let of_product = |handle: &Handle| self.slab[*handle as usize].product == number;
            let handles: Vec<Handle> = handles.into_iter().filter(of_product).collect();
            handles.into_iter().for_each(|handle| self.place(handle, i64::MIN));
        }
    }

    /// What is now believed of this job; whether that is anything else than before. News of a version
    /// that is known, or of one before it, is none.
    pub fn upsert(&mut self, job: &Job) -> bool {
        let known = self.known(job.id);
        if known.is_some_and(|rev| rev >= job.head.rev) {
            return false;
        }
        self.forget(job.id);
        if let Some(holder) = job.holder() {
            self.held.entry(holder.factory.clone()).or_default().insert(job.id);
            let (factory, rev) = (holder.factory.clone(), job.head.rev);
            let asked = job.claim.claim_request_id;
            self.holders.insert(job.id, Hold { factory, rev, asked });
            self.granted.extend(asked.map(|asked| (asked, job.id)));
        } else if job.admitted && job.stage == Stage::Queued && !job.purged {
            self.insert(job);
        } else {
            return known.is_some();
        }
        true
    }

    /// The job is gone, or its version `rev` is none of the board's business.
    pub fn remove(&mut self, job: JobId, rev: u64) {
        if self.known(job).is_some_and(|known| known <= rev) {
            self.forget(job);
        }
    }

    /// How many jobs the board believes to be queued.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_job.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_job.is_empty()
    }

    /// The jobs that the board believes this factory to hold, each with the request it answered.
    pub fn held_by(
        &self,
        factory: &FactoryId,
    ) -> impl Iterator<Item = (JobId, Option<RequestId>)> + '_ {
        let jobs = self.held.get(factory).into_iter().flatten();
        jobs.map(|job| (*job, self.holders.get(job).and_then(|hold| hold.asked)))
    }

    /// The job that the board believes this factory to hold by that request.
    #[must_use]
    pub fn granted(&self, factory: &FactoryId, asked: RequestId) -> Option<JobId> {
        let by_it = self.granted.range((asked, JobId::FIRST)..);
        let mut jobs = by_it.take_while(|(by, _)| *by == asked).map(|(_, job)| *job);
        jobs.find(|job| self.holders.get(job).is_some_and(|hold| hold.factory == *factory))
    }

    /// When the next job becomes claimable or older; there is nothing to do before.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.queue.next_due().map(Timestamp::from_millis)
    }

    /// Of each rank, when the oldest job that may be claimed was created.
    #[must_use]
    pub fn oldest(&self) -> BTreeMap<u8, Timestamp> {
        let mut oldest = BTreeMap::new();
        for (rank, created) in self.queue.heads() {
            let created = Timestamp::from_millis(created);
            let first = oldest.entry(rank).or_insert(created);
            *first = created.min(*first);
        }
        oldest
    }

    /// The best jobs for this bidder, best first, at most `most` of them.
    pub fn pick(
        &mut self,
        product: &ProductId,
        bidder: &Bidder,
        most: usize,
        now: Timestamp,
    ) -> Vec<Candidate> {
        self.advance(now);
        let Some(number) = self.numbers.get(product).copied() else { return Vec::new() };
        let barred = self.products[number as usize].paused
            || bidder.health == Health::Down
            || bidder.stale
            || bidder.draining
            || bidder.free_seats == 0;
        if barred {
            return Vec::new();
        }
        let fits = self.classes.fitting(bidder);
        let slab = &self.slab;
        let suits = |handle: Handle| slab[handle as usize].suits(bidder.health, now.millis());
        let best = self.queue.best(number, |class| fits[class as usize], suits, most);
        best.into_iter().map(|handle| self.slab[handle as usize].candidate()).collect()
    }

    /// Lets every job whose time has come take its place.
    fn advance(&mut self, now: Timestamp) {
        while let Some(handle) = self.queue.first_due(now.millis()) {
            self.place(handle, now.millis());
        }
    }

    fn insert(&mut self, job: &Job) {
        let product = self.number(&job.head.product_id);
        let class = self.classes.number(&job.content.capabilities, job.content.engine.as_ref());
        let entry = Entry::of(job, product, class);
        let handle = if let Some(handle) = self.free.pop() {
            self.slab[handle as usize] = entry;
            handle
        } else {
            let handle = Handle::try_from(self.slab.len()).expect("fewer jobs than 2^32");
            self.slab.push(entry);
            handle
        };
        self.by_job.insert(job.id, handle);
        self.place(handle, i64::MIN);
    }

    /// Puts an entry where it belongs at `now`, with the time at which it belongs elsewhere.
    fn place(&mut self, handle: Handle, now: i64) {
        let entry = self.slab[handle as usize];
        self.queue.take(handle, entry.place(), entry.due());
        let step = self.products[entry.product as usize].ageing.as_secs();
        let step = i64::try_from(step.saturating_mul(1000)).unwrap_or(i64::MAX);
        let (placed, due) = entry.at(now, step);
        let entry = Entry { placed, due: due.unwrap_or(NEVER), ..entry };
        self.queue.put(handle, entry.place(), due);
        self.slab[handle as usize] = entry;
    }

    fn forget(&mut self, job: JobId) {
        if let Some(handle) = self.by_job.remove(&job) {
            let entry = self.slab[handle as usize];
            self.queue.take(handle, entry.place(), entry.due());
            self.free.push(handle);
        }
        let Some(hold) = self.holders.remove(&job) else { return };
        if let Some(asked) = hold.asked {
            self.granted.remove(&(asked, job));
        }
        if let Some(jobs) = self.held.get_mut(&hold.factory) {
            jobs.remove(&job);
            if jobs.is_empty() {
                self.held.remove(&hold.factory);
            }
        }
    }

    fn known(&self, job: JobId) -> Option<u64> {
        let queued = self.by_job.get(&job).map(|handle| self.slab[*handle as usize].rev);
        queued.or_else(|| self.holders.get(&job).map(|hold| hold.rev))
    }

    fn number(&mut self, product: &ProductId) -> ProductNumber {
        if let Some(number) = self.numbers.get(product) {
            return *number;
        }
        let number = ProductNumber::try_from(self.products.len()).expect("fewer than 2^32");
        self.products.push(Settings::default());
        self.numbers.insert(product.clone(), number);
        number
    }
}

impl Entry {
    fn of(job: &Job, product: ProductNumber, class: u32) -> Self {
        let starts = [job.content.not_before, job.retry_not_before];
        let urgent = match job.content.priority {
            Priority::Critical | Priority::High => true,
            Priority::Medium | Priority::Low => false,
        };
        Self {
            job: job.id,
            rev: job.head.rev,
            epoch: job.lease_epoch,
            created: job.head.created_at.millis(),
            since: job.waiting_since().millis(),
            start: starts.into_iter().flatten().max().map_or(i64::MIN, Timestamp::millis),
            queued: job.claimable_since().millis(),
            product,
            class,
            rank: job.content.priority_rank,
            urgent,
            placed: None,
            due: NEVER,
        }
    }

    fn place(&self) -> Option<Place> {
        let group = |rank| (self.product, rank, self.class);
        self.placed
            .map(|rank| Place { group: group(rank), order: (self.created, self.job.begins()) })
    }

    fn due(&self) -> Option<i64> {
        Some(self.due).filter(|due| *due != NEVER)
    }

    /// The rank at `now`, if it may be claimed, and when that changes.
    fn at(&self, now: i64, step: i64) -> (Option<u8>, Option<i64>) {
        if now < self.start {
            return (None, Some(self.start));
        }
        let aged = if step == 0 { 0 } else { now.saturating_sub(self.since).max(0) / step };
        let rank = i64::from(self.rank).saturating_sub(aged).max(0);
        let older = self.since.saturating_add(step.saturating_mul(aged + 1));
        (u8::try_from(rank).ok(), (step > 0 && rank > 0).then_some(older))
    }

    fn suits(&self, health: Health, now: i64) -> bool {
        let waited = now.saturating_sub(self.queued) >= DEGRADED_MILLIS;
        match health {
            Health::Ok => true,
            Health::Degraded => self.urgent && waited,
            Health::Down => false,
        }
    }

    fn candidate(&self) -> Candidate {
        let rank = self.placed.unwrap_or(self.rank);
        Candidate { job: self.job, rev: self.rev, epoch: self.epoch, rank }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ordered maps keep their nodes between half and wholly full.
    const OVERHEAD: usize = 2;

    #[test]
    fn a_queued_job_costs_at_most_250_bytes_beside_its_id() {
        let entry = size_of::<Entry>() + size_of::<Handle>();
        let by_id = OVERHEAD * size_of::<(JobId, Handle)>() - size_of::<JobId>();
        let indexes = by_id + OVERHEAD * (size_of::<queue::Waiting>() + size_of::<(i64, Handle)>());
        assert!(entry + indexes <= 250, "{entry} + {indexes}");
    }
}
