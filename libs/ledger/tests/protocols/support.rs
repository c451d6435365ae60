//! A fleet of one product over a given store: jobs, bidders and the words of holders. Builds state
//! through the ledger only.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, Seeded, System, Virtual};
use fleet::{
    Accepted, Action, Actor, Bidder, Content, Disposition, Epoch, Health, Holding, Job, JobId,
    Lease, OpId, Operation, Patch, ProductId, Release, RequestId, Run, RunResult, StageName,
    Submission, Terms as Submitting, Timestamp, normalise,
};
use ledger::{ClaimRequest, Grant, Ledger, Outcome, Reaped, Reaper, Terms};
use store::{Memory, Store};

/// One product's ledger, its clock and its chance: what one process has.
#[derive(Clone)]
pub(crate) struct Yard {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) product: ProductId,
}

/// Runs a law on every provider that needs no server.
pub(crate) fn on_each_store(law: impl AsyncFn(Arc<dyn Store>)) -> impl Future<Output = ()> {
    Box::pin(async move {
        law(Arc::new(Memory::new())).await;
        let (store, folder) = embedded();
        law(Arc::clone(&store)).await;
        drop(store);
        drop(folder);
    })
}

pub(crate) fn embedded() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = store_embedded::Embedded::open(folder.path()).unwrap();
    (Arc::new(store), folder)
}

impl Yard {
    /// Real time, for races on several threads.
    pub(crate) fn racing(store: &Arc<dyn Store>) -> Self {
        Self::new(store, Arc::new(System::start()), 7)
    }

    /// Time that stands until every task waits.
    pub(crate) fn paused(store: &Arc<dyn Store>) -> Self {
        Self::new(store, noon(), 7)
    }

    /// Another process on the same store.
    pub(crate) fn beside(&self, store: &Arc<dyn Store>, seed: u64) -> Self {
        Self::new(store, Arc::clone(&self.clock), seed)
    }

    pub(crate) fn new(store: &Arc<dyn Store>, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self::on_bus(store, clock, seed, Arc::new(bus::Memory::default()))
    }

    pub(crate) fn on_bus(
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        seed: u64,
        bus: Arc<dyn bus::Bus>,
    ) -> Self {
        let ids: Arc<dyn Ids> = Arc::new(Seeded::new(seed, Arc::clone(&clock)));
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
        let ledger = Ledger::new(store, bus, time, chance, Terms::default());
        Self { ledger, clock, ids, product: "acme".parse().unwrap() }
    }

    /// A submission with these keys beside the given one, read and judged.
    pub(crate) fn accepted(&self, key: &str, rest: &str) -> Accepted {
        let engine = if rest.contains("\"children\"") { "" } else { r#","engine":"echo""# };
        let comma = if rest.is_empty() { "" } else { "," };
        let text = format!(r#"{{"idempotencyKey":"{key}"{engine}{comma}{rest}}}"#);
        let submission = Submission::from_json(text.as_bytes()).unwrap();
        let terms = Submitting {
            product: self.product.clone(),
            submitted_by: "ci".into(),
            now: self.clock.now(),
            auto_key: self.ids.mint(),
            defaults: serde_json::Map::new(),
            profiles: std::collections::BTreeMap::new(),
            allow_yolo: false,
            dev_engine: None,
        };
        normalise(&submission, &terms).unwrap()
    }

    pub(crate) fn content(&self, key: &str, rest: &str) -> Content {
        self.accepted(key, rest).content
    }

    pub(crate) fn id(&self, key: &str) -> JobId {
        JobId::of(&self.product, &key.parse().unwrap())
    }

    pub(crate) async fn submitting(&self, key: &str, rest: &str) -> Outcome<ledger::Receipt> {
        let content = self.content(key, rest);
        self.ledger.submit(&self.product, &content, &someone()).await.unwrap()
    }

    pub(crate) async fn submit(&self, key: &str, rest: &str) -> JobId {
        let receipt = self.submitting(key, rest).await;
        receipt.done().expect("a fresh submission is accepted").job.id
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.ledger.jobs.get(&self.product, id).await.unwrap().expect("the job is there").record
    }

    pub(crate) async fn stage(&self, id: JobId) -> StageName {
        self.job(id).await.stage.name()
    }

    pub(crate) async fn lease(&self, id: JobId) -> Option<Lease> {
        self.ledger.leases.get(id, id).await.unwrap().map(|found| found.record)
    }

    pub(crate) async fn runs(&self, id: JobId) -> Vec<Run> {
        let found = self.ledger.runs.all_of(id).await.unwrap();
        found.into_iter().map(|found| found.record).collect()
    }

    /// The numbers of the recorded events, in order.
    pub(crate) async fn numbers(&self, id: JobId) -> Vec<u64> {
        let events = self.ledger.events_of(id).await.unwrap();
        let mut numbers: Vec<u64> = events.into_iter().filter_map(|event| event.seq).collect();
        numbers.sort_unstable();
        numbers
    }

    pub(crate) fn asking(&self, job: JobId, factory: &str, epoch_seen: u64) -> ClaimRequest {
        ClaimRequest {
            product: self.product.clone(),
            job,
            bidder: bidder(factory),
            request: self.request(),
            epoch_seen: Epoch::new(epoch_seen),
            deadline: self.clock.now().plus(Duration::from_secs(20)),
        }
    }

    pub(crate) fn request(&self) -> RequestId {
        RequestId::from_uuid(self.ids.mint())
    }

    pub(crate) async fn claim(&self, job: JobId, factory: &str) -> Outcome<Grant> {
        let epoch = self.job(job).await.lease_epoch.get();
        self.ledger.claim(&self.asking(job, factory, epoch)).await.unwrap()
    }

    pub(crate) async fn granted(&self, job: JobId, factory: &str) -> Grant {
        self.claim(job, factory).await.done().expect("nobody else wants it")
    }

    pub(crate) async fn claim_next(&self, bidder: &Bidder) -> Option<Grant> {
        let deadline = self.clock.now().plus(Duration::from_secs(20));
        self.ledger.claim_next(&self.product, bidder, self.request(), deadline).await.unwrap()
    }

    /// Granted and told by its holder to be running.
    pub(crate) async fn running(&self, job: JobId, factory: &str) -> Holding {
        let holding = self.granted(job, factory).await.holding;
        self.follow().await;
        self.patched(job, self.moving(&holding, StageName::Building)).await;
        self.follow().await;
        holding
    }

    pub(crate) fn op(&self) -> OpId {
        OpId::from_uuid(self.ids.mint())
    }

    pub(crate) fn moving(&self, holding: &Holding, stage: StageName) -> Patch {
        Patch { stage: Some(stage), ..self.saying(holding) }
    }

    pub(crate) fn saying(&self, holding: &Holding) -> Patch {
        Patch {
            holding: holding.clone(),
            op: self.op(),
            stage: None,
            checkpoint: None,
            note: None,
            verify: None,
            insights: None,
        }
    }

    pub(crate) async fn patch(&self, job: JobId, patch: Patch) -> Outcome<Job> {
        self.ledger.patch(&self.product, job, patch).await.unwrap().map(|found| found.record)
    }

    pub(crate) async fn patched(&self, job: JobId, patch: Patch) -> Job {
        self.patch(job, patch).await.done().expect("its holder may say so")
    }

    pub(crate) fn letting_go(&self, holding: &Holding, how: Disposition) -> Release {
        Release {
            holding: holding.clone(),
            op: self.op(),
            disposition: Some(how),
            result: None,
            exit: None,
            verify: None,
            insights: None,
            checkpoint: None,
            reason: None,
            artifacts: Vec::new(),
        }
    }

    pub(crate) async fn release(&self, job: JobId, release: Release) -> Outcome<Job> {
        let outcome = self.ledger.release(&self.product, job, release).await;
        outcome.unwrap().map(|found| found.record)
    }

    pub(crate) async fn ship(&self, job: JobId, holding: &Holding) -> Outcome<Job> {
        self.release(job, self.letting_go(holding, Disposition::Ship)).await
    }

    pub(crate) async fn yielded(&self, job: JobId, holding: &Holding) -> Job {
        let release = self.letting_go(holding, Disposition::Yield);
        self.release(job, release).await.done().expect("its holder may let go")
    }

    pub(crate) async fn fail(&self, job: JobId, holding: &Holding, result: RunResult) -> Job {
        let mut release = self.letting_go(holding, Disposition::Fail);
        release.result = Some(result);
        self.release(job, release).await.done().expect("its holder may fail")
    }

    /// Submitted, claimed and shipped without any follower's turn.
    pub(crate) async fn ship_at_once(&self, job: JobId) {
        let holding = self.granted(job, "shipper").await.holding;
        self.patched(job, self.moving(&holding, StageName::Building)).await;
        self.ship(job, &holding).await.done().expect("its holder may ship");
    }

    pub(crate) async fn operate(&self, job: JobId, action: Action) -> Outcome<Job> {
        let operation = Operation { action, op: Some(self.op()), reason: None };
        self.ledger.operate(&self.product, job, &someone(), operation).await.unwrap()
    }

    pub(crate) async fn follow(&self) {
        self.ledger.follow_all().await.unwrap();
    }

    pub(crate) async fn sweep(&self) -> Reaped {
        self.ledger.sweep().await.unwrap().reaped
    }

    pub(crate) async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    pub(crate) fn keeper(&self) -> Keeper {
        Keeper { yard: self.clone(), reaper: Reaper::new(self.ledger.clone()) }
    }
}

/// One keeper, a round for each second that passes.
pub(crate) struct Keeper {
    yard: Yard,
    reaper: Reaper,
}

impl Keeper {
    pub(crate) async fn round(&mut self) -> Reaped {
        self.reaper.round(self.yard.clock.uptime()).await.unwrap()
    }

    pub(crate) async fn watch(&mut self, span: Duration) -> Reaped {
        let mut sum = self.round().await;
        let end = self.yard.clock.uptime() + span;
        while self.yard.clock.uptime() < end {
            self.yard.wait(Duration::from_secs(1)).await;
            sum = added(sum, self.round().await);
        }
        sum
    }
}

pub(crate) fn added(one: Reaped, other: Reaped) -> Reaped {
    Reaped {
        expired: one.expired + other.expired,
        requeued: one.requeued + other.requeued,
        blocked: one.blocked + other.blocked,
        dead_lettered: one.dead_lettered + other.dead_lettered,
        repaired: one.repaired + other.repaired,
    }
}

pub(crate) fn noon() -> Arc<dyn Clock> {
    Arc::new(Virtual::starting_at(Timestamp::from_millis(1_767_355_200_000)))
}

/// Tasks of their own, on all the runtime's threads.
pub(crate) async fn together<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    #[expect(clippy::disallowed_methods, reason = "a race needs tasks of its own")]
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

pub(crate) fn code<T>(outcome: &Outcome<T>) -> Option<fleet::Code> {
    match outcome {
        Outcome::Done(_) => None,
        Outcome::Rejected(rejection) => Some(rejection.code),
    }
}

pub(crate) fn reason<T>(outcome: &Outcome<T>) -> Option<&'static str> {
    match outcome {
        Outcome::Done(_) => None,
        Outcome::Rejected(rejection) => rejection.reason,
    }
}

pub(crate) fn someone() -> Actor {
    Actor::user("ada")
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn bidder(factory: &str) -> Bidder {
    Bidder {
        factory: factory.parse().unwrap(),
        capabilities: Vec::new(),
        engines: vec!["echo".parse().unwrap()],
        health: Health::Ok,
        draining: false,
        stale: false,
        free_seats: 1,
    }
}

pub(crate) fn usd(dollars: f64) -> fleet::MicroUsd {
    serde_json::from_value(dollars.into()).unwrap()
}
