//! One product in numbers, counted from its records when it is asked.

use fleet::{
    Circumstances, Factory, Health, Host, Job, JobId, Lock, Owner, Priority, ProductId, Stage,
    StageName, Timestamp, unclaimable,
};
use ledger::LedgerError;
use node::{Asked, Served, problem_of};
use protocol::{
    AboutProduct, BoardNumbers, Code, FactoryNumbers, Found, OfProduct, Problem, Seats, Stats,
};

use crate::Scheduler;

impl Scheduler {
    pub(crate) async fn stats(self, asked: Asked<OfProduct>) -> Served<OfProduct> {
        match asked.ask.query {
            AboutProduct::Stats => {}
            AboutProduct::Factories
            | AboutProduct::Locks
            | AboutProduct::Budgets
            | AboutProduct::Profiles => {
                return Err(Box::new(Problem::new(Code::UnknownAction, asked.request_id)));
            }
        }
        let counted = self.counted(&asked.product).await;
        let counted = counted.map_err(|error| problem_of(&error, asked.request_id))?;
        let item = serde_json::to_value(counted).expect("string keys and finite numbers encode");
        Ok(Found { items: vec![item] })
    }

    async fn counted(&self, product: &ProductId) -> Result<Stats, LedgerError> {
        let now = self.node.clock.now();
        let settings = self.ledger.settings_now(product).await?;
        let known = self.belief.board().known_of(product, now);
        let mut count = Count::new(settings.paused, now);
        let census = self.ledger.census_with(product, |job| count.count(job)).await?;
        let mut stats = count.stats;
        stats.board = BoardNumbers { queued: known.queued, claimable: known.claimable };
        for job in &count.held {
            let lease = self.ledger.leases.get(job, job).await?;
            stats.leases_active += usize::from(lease.is_some_and(|lease| lease.record.is_held()));
        }
        for host in self.ledger.hosts(product, &census).await? {
            count_factory(&mut stats, &host, now);
        }
        for lock in self.ledger.locks_of(product).await? {
            stats.locks_held += usize::from(self.is_held(product, &lock).await?);
        }
        Ok(stats)
    }

    async fn is_held(&self, product: &ProductId, lock: &Lock) -> Result<bool, LedgerError> {
        let Some(slot) = lock.slot() else { return Ok(false) };
        let job = self.ledger.jobs.get(product, slot.job_id).await?;
        Ok(Owner::of(job.as_ref().map(|found| &found.record), slot) == Owner::Holds)
    }
}

struct Count {
    stats: Stats,
    given: Circumstances,
    held: Vec<JobId>,
}

impl Count {
    fn new(paused: bool, now: Timestamp) -> Self {
        let stats = Stats {
            server_time: now,
            paused,
            jobs: StageName::ALL.into_iter().map(|stage| (stage, 0)).collect(),
            queued: Priority::ALL.into_iter().map(|priority| (priority, 0)).collect(),
            oldest_queued_sec: None,
            claimable: 0,
            factories: FactoryNumbers::default(),
            seats: Seats::default(),
            leases_active: 0,
            locks_held: 0,
            board: BoardNumbers::default(),
        };
        let given = Circumstances { paused, ..Circumstances::default() };
        Self { stats, given, held: Vec::new() }
    }

    fn count(&mut self, job: &Job) {
        if job.purged {
            return;
        }
        let stats = &mut self.stats;
        *stats.jobs.entry(job.stage.name()).or_default() += 1;
        if job.holder().is_some() {
            stats.seats.used += 1;
            self.held.push(job.id);
        }
        if job.stage != Stage::Queued {
            return;
        }
        *stats.queued.entry(job.content.priority).or_default() += 1;
        let since = job.first_queued_at.unwrap_or(job.head.created_at);
        let waited = stats.server_time.since(since).as_secs();
        stats.oldest_queued_sec = stats.oldest_queued_sec.max(Some(waited));
        let claimable = unclaimable(job, &self.given, stats.server_time).is_none();
        stats.claimable += usize::from(claimable);
    }
}

fn count_factory(stats: &mut Stats, host: &Host, now: Timestamp) {
    let factory: &Factory = &host.factory;
    let numbers = &mut stats.factories;
    let works = if factory.retired_at.is_some() {
        numbers.retired += 1;
        false
    } else if factory.is_stale(host.last_renewal, now) {
        numbers.stale += 1;
        false
    } else if factory.health == Health::Down {
        numbers.down += 1;
        false
    } else if factory.draining {
        numbers.draining += 1;
        false
    } else if factory.health == Health::Degraded {
        numbers.degraded += 1;
        true
    } else {
        numbers.ok += 1;
        true
    };
    if works {
        stats.seats.total += usize::try_from(factory.seat_limit).unwrap_or(usize::MAX);
    }
}
