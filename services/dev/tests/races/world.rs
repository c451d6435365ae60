//! A store, a bus and any number of whole sets of services on them, each with a ledger of its own,
//! as if each ran on a host of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blob::Blobs;
use bus::Bus;
use client::{CallError, OverBus, Patience};
use clock::{Clock, Ids, Seeded, System, Virtual};
use dev::Fleet;
use fleet::{EventRecord, Job, JobId, Key, Product, ProductId, StageName, Timestamp};
use ledger::{Ledger, Placed, Terms};
use node::{Node, Tasks};
use protocol::{Ask, Code, JobAction, Operate, Operated, Receipt, SubmitJob};
use store::{Expect, Memory, Put, Store};

use super::hand::Hand;

/// What every host of a world shares. Its clones are the same world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) blobs: Blobs,
    hosts: Arc<AtomicU64>,
}

impl World {
    /// Time stands until everyone waits.
    pub(crate) fn of(store: Arc<dyn Store>) -> Self {
        Self::over(store, Arc::new(bus::Memory::default()))
    }

    pub(crate) fn over(store: Arc<dyn Store>, bus: Arc<dyn Bus>) -> Self {
        let noon = Timestamp::from_millis(1_767_323_045_678);
        Self::with(store, bus, Arc::new(Virtual::starting_at(noon)))
    }

    /// Time runs, for races on several threads.
    pub(crate) fn racing(store: Arc<dyn Store>) -> Self {
        Self::with(store, Arc::new(bus::Memory::default()), Arc::new(System::start()))
    }

    fn with(store: Arc<dyn Store>, bus: Arc<dyn Bus>, clock: Arc<dyn Clock>) -> Self {
        let ids: Arc<dyn Ids> = Arc::new(Seeded::new(11, Arc::clone(&clock)));
        let blobs = Blobs::memory(Arc::clone(&ids));
        Self { store, bus, clock, ids, blobs, hosts: Arc::default() }
    }

    pub(crate) fn quiet() -> Self {
        Self::of(Arc::new(Memory::new()))
    }

    /// One more host with all services.
    pub(crate) async fn start(&self) -> Host {
        self.host(Arc::clone(&self.store), Arc::clone(&self.clock)).await
    }

    pub(crate) async fn hosts(&self, count: usize) -> Vec<Host> {
        let mut hosts = Vec::new();
        for _ in 0..count {
            hosts.push(self.start().await);
        }
        hosts
    }

    /// One more host, which sees the store and the time in its own way.
    pub(crate) async fn host(&self, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Host {
        let seed = 100 + self.hosts.fetch_add(1, Ordering::Relaxed);
        let ids: Arc<dyn Ids> = Arc::new(Seeded::new(seed, Arc::clone(&clock)));
        let node = Node { bus: Arc::clone(&self.bus), clock, ids, tasks: Tasks::default() };
        let (bus, clock, ids) =
            (Arc::clone(&node.bus), Arc::clone(&node.clock), Arc::clone(&node.ids));
        let ledger = Ledger::new(&store, bus, clock, ids, Terms::default());
        let engine = Some("echo".parse().unwrap());
        let shape = super::shape();
        let fleet = Fleet::shaped(shape, node.clone(), &ledger, &self.blobs, engine).await.unwrap();
        Host { fleet, node }
    }

    /// A ledger for looking at what is stored.
    pub(crate) fn ledger(&self) -> Ledger {
        let (bus, clock) = (Arc::clone(&self.bus), Arc::clone(&self.clock));
        Ledger::new(&self.store, bus, clock, Arc::clone(&self.ids), Terms::default())
    }

    pub(crate) fn hand(&self, factory: &str) -> Hand {
        Hand::of(self.clone(), factory)
    }

    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, CallError> {
        self.ask_for(ask, Duration::from_secs(60)).await
    }

    /// Nobody waits for the answer for longer than `span`.
    pub(crate) async fn ask_for<A: Ask>(
        &self,
        ask: &A,
        span: Duration,
    ) -> Result<A::Reply, CallError> {
        let until = self.clock.now().plus(span);
        let patience = Patience { request_id: self.ids.mint(), until, span };
        OverBus::new(Arc::clone(&self.bus), product()).call(ask, patience).await
    }

    /// Hands in a job of this key, with these lines in its front matter.
    pub(crate) async fn submitting(&self, key: &str, lines: &str) -> Result<Receipt, CallError> {
        self.ask(&submission(key, lines, "Work.")).await
    }

    pub(crate) async fn submit(&self, key: &str, lines: &str) -> JobId {
        self.submitting(key, lines).await.unwrap().job.id
    }

    pub(crate) async fn operate(
        &self,
        job: JobId,
        action: JobAction,
    ) -> Result<Operated, CallError> {
        let ask = Operate {
            action,
            job_id: job,
            op_id: None,
            reason: None,
            force: false,
            now: false,
            alone: false,
        };
        self.ask(&ask).await
    }

    /// The product's own settings, as if somebody had set them before.
    pub(crate) async fn settle(&self, settings: &Product) {
        let kind = <Product as Placed>::KIND;
        let (partition, id) = settings.place();
        let key = store::Key::new(kind, partition, id).unwrap();
        let value = serde_json::to_vec(settings).unwrap();
        let put = self.store.put(&key, value.into(), &Expect::Absent).await.unwrap();
        assert!(matches!(put, Put::Written(_)), "{put:?}");
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.ledger().jobs.get(&product(), id).await.unwrap().unwrap().record
    }

    pub(crate) async fn stage(&self, id: JobId) -> StageName {
        self.job(id).await.stage.name()
    }

    /// Its events as told so far, in order.
    pub(crate) async fn events(&self, id: JobId) -> Vec<EventRecord> {
        let mut events = self.ledger().events_of(id).await.unwrap();
        events.sort_by_key(|event| event.seq);
        events
    }

    pub(crate) async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    /// Until the job is in that stage; says how long that took.
    pub(crate) async fn until(&self, id: JobId, stage: StageName, most: Duration) -> Duration {
        let began = self.clock.uptime();
        while self.stage(id).await != stage {
            let waited = self.clock.uptime() - began;
            assert!(waited < most, "{:?} after {waited:?}", self.stage(id).await);
            self.wait(Duration::from_millis(100)).await;
        }
        self.clock.uptime() - began
    }
}

/// One host's services.
pub(crate) struct Host {
    pub(crate) fleet: Fleet,
    pub(crate) node: Node,
}

impl Host {
    /// Ends in good order.
    pub(crate) async fn stop(self) {
        self.fleet.stop().await.unwrap();
    }

    /// Ends in the middle of everything; for a host whose store answers it no more.
    pub(crate) fn die(self) {
        self.node.tasks.stop();
    }
}

pub(crate) fn product() -> ProductId {
    "acme".parse().unwrap()
}

pub(crate) fn id_of(key: &str) -> JobId {
    JobId::of(&product(), &key.parse::<Key>().unwrap())
}

pub(crate) fn submission(key: &str, lines: &str, body: &str) -> SubmitJob {
    let file = format!("---\nidempotencyKey: {key}\n{lines}\n---\n{body}\n");
    SubmitJob { file: Some(file), ..SubmitJob::default() }
}

pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The code with which a call was refused, if it was.
pub(crate) fn refusal<T>(answer: &Result<T, CallError>) -> Option<Code> {
    match answer {
        Err(CallError::Refused(problem)) => Some(problem.code),
        Ok(_) | Err(CallError::Bus(_) | CallError::Garbled(_)) => None,
    }
}
