//! A fleet to be measured: a store, a bus, every service, and the words of producers and factories
//! said through the doors.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use client::{CallError, OverBus, Patience};
use clock::{Clock, Ids, System};
use dev::Fleet;
use fleet::{
    Actor, Content, Disposition, FactoryId, JobId, OpId, ProductId, RequestId, StageName,
    Submission, Terms as Submitting, normalise,
};
use ledger::{Ledger, Terms};
use node::open::{self, Bill, BusChoice, Process};
use node::{Node, Tasks};
use protocol::{Ask, ClaimWork, Granted, PatchJob, Receipt, ReleaseJob, SubmitJob};
use serde_json::{Map, Value, json};
use store::Store;
use tempfile::TempDir;

use crate::counted::Counted;
use crate::{BenchError, Options, StoreChoice};

/// Bytes of a job's instructions.
const BODY: usize = 1500;
/// How long an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(30);

/// Cheap to clone: every client has one.
#[derive(Clone, Debug)]
pub(crate) struct Yard {
    pub(crate) ledger: Ledger,
    pub(crate) store: Arc<Counted>,
    pub(crate) system: Arc<System>,
    pub(crate) product: ProductId,
    node: Node,
    link: OverBus,
    body: Arc<str>,
    /// What the store has charged, where it is one that charges.
    pub(crate) bill: Bill,
    _place: Arc<Option<TempDir>>,
}

/// What a fleet stands on, and the folder that its store lies in.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    bill: Bill,
    place: Option<TempDir>,
}

/// A store of the chosen kind, with the bus that goes with it.
pub(crate) async fn open(options: &Options, process: &Process) -> Result<Ground, BenchError> {
    let (mut store, mut bus) = (open::StoreChoice::Memory, BusChoice::Memory);
    let mut place = None;
    match options.store {
        StoreChoice::Memory => {}
        StoreChoice::Embedded => {
            let folder = TempDir::with_prefix_in("gigamesh-bench-", &options.place);
            let folder = folder.map_err(BenchError::Place)?;
            store = open::StoreChoice::Embedded(folder.path().to_owned());
            place = Some(folder);
        }
        StoreChoice::Nats => {
            let url = options.nats.clone().ok_or(BenchError::Went("no address of a server"))?;
            let reach = open::Reach::from(url);
            (store, bus) = (open::StoreChoice::Nats(reach.clone()), BusChoice::Nats(reach));
        }
        StoreChoice::Cosmos => {
            let database =
                options.cosmos.clone().ok_or(BenchError::Went("no account was named"))?;
            store = open::StoreChoice::Cosmos(database);
        }
    }
    let open::Kept { store, bill, .. } = Box::pin(open::store(&store, &[], process)).await?;
    let bus = Box::pin(open::bus(&bus, process)).await?;
    Ok(Ground { store, bus, bill, place })
}

impl Yard {
    pub(crate) async fn open(options: &Options, terms: Terms) -> Result<Self, BenchError> {
        let system = Arc::new(System::start());
        let clock: Arc<dyn Clock> = Arc::<System>::clone(&system);
        let ids: Arc<dyn Ids> = Arc::<System>::clone(&system);
        let tasks = Tasks::default();
        let process = process(&system, &tasks);
        let Ground { store, bus, bill, place } = open(options, &process).await?;
        let store = Arc::new(Counted::over(store));
        let records: Arc<dyn Store> = Arc::<Counted>::clone(&store);
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
        let ledger = Ledger::new(&records, Arc::clone(&bus), time, chance, terms);
        let product = product(&*ids);
        Ok(Self {
            ledger,
            store,
            system,
            link: OverBus::new(Arc::clone(&bus), product.clone()),
            product,
            node: Node { bus, clock, ids, tasks },
            body: "x".repeat(BODY).into(),
            bill,
            _place: Arc::new(place),
        })
    }

    /// Every service once; again for further replicas.
    pub(crate) async fn start(&self) -> Result<Fleet, BenchError> {
        self.start_over(&blob::Blobs::memory(self.ids())).await
    }

    /// The same, with the bytes of artifacts at this place.
    pub(crate) async fn start_over(&self, blobs: &blob::Blobs) -> Result<Fleet, BenchError> {
        let fleet = Fleet::start(self.node.clone(), &self.ledger, blobs, None).await;
        fleet.map_err(|_| BenchError::Went("the bus is away"))
    }

    pub(crate) fn ids(&self) -> Arc<dyn Ids> {
        Arc::clone(&self.node.ids)
    }

    /// Its bus and its clock, with tasks of its own.
    pub(crate) fn beside(&self, tasks: Tasks) -> Node {
        Node { tasks, ..self.node.clone() }
    }

    pub(crate) fn now(&self) -> fleet::Timestamp {
        self.system.now()
    }

    /// Ends what was opened for it, where no fleet was started that would.
    pub(crate) async fn stop(&self) -> Result<(), BenchError> {
        self.node.tasks.stop();
        Ok(self.node.tasks.join().await?)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.system.uptime()
    }

    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, BenchError> {
        let until = self.system.now().plus(DEADLINE);
        let patience = Patience { request_id: self.system.mint(), until, span: DEADLINE };
        Ok(self.link.call(ask, patience).await?)
    }

    /// Several words in one message.
    pub(crate) async fn ask_several<A: Ask>(
        &self,
        asks: &[A],
    ) -> Result<Vec<A::Reply>, BenchError> {
        let until = self.system.now().plus(DEADLINE);
        let patience = Patience { request_id: self.system.mint(), until, span: DEADLINE };
        let answers = self.link.call_several(asks, patience).await?;
        let answers = answers.into_iter().map(|answer| answer.map_err(CallError::Refused));
        Ok(answers.collect::<Result<_, _>>()?)
    }

    pub(crate) async fn submit(&self, key: &str, priority: &str) -> Result<Receipt, BenchError> {
        self.ask(&self.submission(key, priority)).await
    }

    pub(crate) fn submission(&self, key: &str, priority: &str) -> SubmitJob {
        let keys = self.manifest(key, priority, &[], &self.body);
        SubmitJob { submission: Some(keys), ..SubmitJob::default() }
    }

    pub(crate) async fn claim(
        &self,
        factory: &FactoryId,
        wait: Duration,
    ) -> Result<Option<Granted>, BenchError> {
        self.ask(&self.wish(factory, wait)).await
    }

    pub(crate) fn wish(&self, factory: &FactoryId, wait: Duration) -> ClaimWork {
        ClaimWork {
            claim_request_id: RequestId::from_uuid(self.system.mint()),
            factory_id: factory.clone(),
            incarnation: "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("a version 7"),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().expect("a name")],
            free_seats: 1,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            exclude: Vec::new(),
            offer: None,
            fresh: true,
        }
    }

    pub(crate) async fn build(&self, by: &FactoryId, held: &Granted) -> Result<(), BenchError> {
        self.ask(&self.begun(by, held)).await.map(drop)
    }

    pub(crate) fn begun(&self, by: &FactoryId, held: &Granted) -> PatchJob {
        PatchJob {
            job_id: held.job.id,
            factory_id: by.clone(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: OpId::from_uuid(self.system.mint()),
            stage: Some(StageName::Building),
            checkpoint: None,
            note: None,
            verify_result: None,
            insights: None,
        }
    }

    pub(crate) async fn ship(&self, by: &FactoryId, held: &Granted) -> Result<(), BenchError> {
        self.ask(&self.shipped(by, held)).await.map(drop)
    }

    pub(crate) fn shipped(&self, by: &FactoryId, held: &Granted) -> ReleaseJob {
        ReleaseJob {
            job_id: held.job.id,
            factory_id: by.clone(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: OpId::from_uuid(self.system.mint()),
            disposition: Some(Disposition::Ship),
            result: None,
            exit: None,
            verify_result: None,
            insights: None,
            checkpoint: None,
            reason: None,
            artifacts: Vec::new(),
        }
    }

    /// Straight to the ledger, for what is not measured.
    pub(crate) async fn put(&self, keys: Map<String, Value>) -> Result<JobId, BenchError> {
        let content = self.content(&Value::Object(keys));
        let outcome = self.ledger.submit(&self.product, &content, &Actor::user("bench")).await?;
        let receipt = outcome.done().ok_or(BenchError::Went("a submission was refused"))?;
        Ok(receipt.job.id)
    }

    pub(crate) fn manifest(
        &self,
        key: &str,
        priority: &str,
        capabilities: &[&str],
        body: &str,
    ) -> Map<String, Value> {
        let keys = json!({
            "idempotencyKey": key,
            "engine": "echo",
            "priority": priority,
            "capabilities": capabilities,
            "bodyMd": body,
        });
        let Value::Object(keys) = keys else { return Map::new() };
        keys
    }

    fn content(&self, keys: &Value) -> Content {
        let terms = Submitting {
            product: self.product.clone(),
            submitted_by: "bench".into(),
            now: self.system.now(),
            auto_key: self.system.mint(),
            defaults: Map::new(),
            profiles: std::collections::BTreeMap::new(),
            allow_yolo: false,
            dev_engine: None,
        };
        let submission = Submission::from_json(keys.to_string().as_bytes());
        let accepted = normalise(&submission.expect("an object"), &terms);
        accepted.expect("without fault").content
    }

    /// Once nothing was written for a while, the followers are done.
    pub(crate) async fn settle(&self) -> Duration {
        const QUIET: Duration = Duration::from_millis(100);
        const LOOK: Duration = Duration::from_millis(5);
        let (mut writes, mut since) = (self.store.writes(), self.uptime());
        while self.uptime() - since < QUIET {
            tokio::time::sleep(LOOK).await;
            if self.store.writes() != writes {
                (writes, since) = (self.store.writes(), self.uptime());
            }
        }
        since
    }
}

/// This process, as a server sees it.
pub(crate) fn process(system: &Arc<System>, tasks: &Tasks) -> Process {
    Process {
        name: String::from("bench"),
        clock: Arc::<System>::clone(system),
        ids: Arc::<System>::clone(system),
        tasks: tasks.clone(),
    }
}

/// One of its own for each measure, since a server is not emptied between them.
fn product(ids: &dyn Ids) -> ProductId {
    let name = ids.mint().simple().to_string();
    format!("bench-{name}").parse().expect("a name")
}

/// The `n`th factory of that name.
pub(crate) fn factory(name: &str, n: usize) -> FactoryId {
    format!("{name}{n}").parse().expect("a name")
}
