//! A fleet with both doors open, and factories that do as they are told through either.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::{Audience, Bus, Inbox, Message};
use client::{CallError, OverBus, OverHttp, Patience};
use clock::{Clock, Ids, System};
use dev::{Fleet, Shape};
use fleet::{Disposition, EngineName, JobId, OpId, RequestId, StageName};
use gateway::Options;
use identity::{Identity, SignUpMode};
use ledger::{Ledger, Terms};
use node::{Node, Tasks};
use protocol::{
    AboutJob, Ask, Beat, ClaimWork, Filter, Granted, JobView, OfJob, PatchJob, Problem, Receipt,
    ReleaseJob, RenewLeases, RenewOne, Renewed, Subject, SubmitJob, Word,
};
use serde_json::Value;
use store::{Memory, Store};

pub(crate) const TOKEN: &str = "gm_a-token-for-tests-and-nothing-else";

/// What a fleet stands on.
pub(crate) struct Ground {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) shape: Shape,
    /// Runs a job that names no engine.
    pub(crate) engine: Option<EngineName>,
}

pub(crate) struct Town {
    /// Ends the services; the door has tasks of its own.
    fleet: Fleet,
    ledger: Ledger,
    pub(crate) blobs: blob::Blobs,
    pub(crate) identity: Identity,
    pub(crate) node: Node,
    pub(crate) address: SocketAddr,
    pub(crate) http: OverHttp,
    pub(crate) bus: OverBus,
}

impl Default for Ground {
    fn default() -> Self {
        Self {
            bus: Arc::new(bus::Memory::default()),
            store: Arc::new(Memory::new()),
            shape: Shape::Together,
            engine: Some("echo".parse().unwrap()),
        }
    }
}

/// People that nobody else knows.
pub(crate) fn options(address: &str) -> Options {
    options_over(address, &(Arc::new(Memory::new()) as Arc<dyn Store>))
}

pub(crate) fn options_over(address: &str, store: &Arc<dyn Store>) -> Options {
    let system = Arc::new(System::start());
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::<System>::clone(&system), system);
    let settings = identity::Settings { sign_up: SignUpMode::Open, ..Default::default() };
    Options {
        address: address.parse().unwrap(),
        product: "acme".parse().unwrap(),
        token: TOKEN.parse().unwrap(),
        hosts: Vec::new(),
        blobs: blob::Blobs::memory(Arc::clone(&ids)),
        identity: Identity::over(store, clock, ids, settings),
        issuers: None,
    }
}

impl Town {
    pub(crate) async fn open() -> Self {
        Self::on(Ground::default()).await
    }

    pub(crate) async fn over(bus: Arc<dyn Bus>, shape: Shape) -> Self {
        Self::on(Ground { bus, shape, ..Ground::default() }).await
    }

    pub(crate) async fn on(Ground { bus, store, shape, engine }: Ground) -> Self {
        let system = Arc::new(System::start());
        let clock: Arc<dyn Clock> = Arc::<System>::clone(&system);
        let ids: Arc<dyn Ids> = system;
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
        let ledger = Ledger::new(&store, Arc::clone(&bus), time, chance, Terms::default());
        let inner = Node {
            bus: Arc::clone(&bus),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            tasks: Tasks::default(),
        };
        let opened = options_over("127.0.0.1:0", &store);
        let (blobs, identity) = (opened.blobs.clone(), opened.identity.clone());
        let fleet = Fleet::shaped(shape, inner, &ledger, &blobs, engine).await.unwrap();
        let node = Node { bus: Arc::clone(&bus), clock, ids, tasks: Tasks::default() };
        let address = gateway::serve(node.clone(), opened).await.unwrap();
        let http = OverHttp::new(&format!("http://{address}"), TOKEN).unwrap();
        let bus = OverBus::new(bus, "acme".parse().unwrap());
        Self { fleet, ledger, blobs, identity, node, address, http, bus }
    }

    /// Ends the services and starts others that remember nothing; the door stays open.
    pub(crate) async fn restart_services(&mut self) {
        let inner = Node { tasks: Tasks::default(), ..self.node.clone() };
        let ledger = self.ledger.apart();
        let echo = Some("echo".parse().unwrap());
        let next = Fleet::start(inner, &ledger, &self.blobs, echo).await.unwrap();
        std::mem::replace(&mut self.fleet, next).stop().await.unwrap();
    }

    /// Shuts the door, then the fleet; nothing may have failed.
    pub(crate) async fn close(self) {
        self.node.tasks.stop();
        self.node.tasks.join().await.unwrap();
        self.fleet.stop().await.unwrap();
    }

    pub(crate) fn patience(&self) -> Patience {
        let span = Duration::from_secs(30);
        let until = self.node.clock.now().plus(span);
        Patience { request_id: self.node.ids.mint(), until, span }
    }

    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, CallError> {
        self.http.call(ask, self.patience()).await
    }

    pub(crate) async fn ask_bus<A: Ask>(&self, ask: &A) -> Result<A::Reply, CallError> {
        self.bus.call(ask, self.patience()).await
    }

    pub(crate) async fn submit(&self, file: &str) -> Receipt {
        let ask = SubmitJob { file: Some(file.to_owned()), ..SubmitJob::default() };
        self.ask(&ask).await.unwrap()
    }

    pub(crate) async fn job(&self, id: JobId) -> Value {
        let ask = OfJob { query: AboutJob::Get, job: id.to_string() };
        self.ask(&ask).await.unwrap().items.remove(0)
    }

    pub(crate) async fn claim(&self, factory: &str, wait: Duration) -> Option<Granted> {
        self.ask(&self.claiming(factory, wait)).await.unwrap()
    }

    /// A word as it stands on the wire of the bus, and what came back.
    pub(crate) async fn say_on_the_bus(&self, factory: &str, word: Word, body: &str) -> Value {
        let (product, factory) = ("acme".parse().unwrap(), factory.parse().unwrap());
        let subject = Subject::spoken(&product, &factory, word);
        let message = Message::new(subject, body.to_owned());
        let answer = self.node.bus.request(message, Duration::from_secs(10)).await.unwrap();
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Hears that a factory asks for work; answers nothing.
    pub(crate) async fn hear_claims(&self, factory: &str) -> Inbox {
        let subject = Subject::claim(&"acme".parse().unwrap(), &factory.parse().unwrap());
        self.node.bus.listen(&Filter::exact(&subject), Audience::Everyone).await.unwrap()
    }

    pub(crate) fn claiming(&self, factory: &str, wait: Duration) -> ClaimWork {
        ClaimWork {
            claim_request_id: RequestId::from_uuid(self.node.ids.mint()),
            factory_id: factory.parse().unwrap(),
            incarnation: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().unwrap()],
            free_seats: 1,
            wait_ms: u64::try_from(wait.as_millis()).unwrap(),
            exclude: Vec::new(),
            offer: None,
            fresh: false,
        }
    }

    pub(crate) fn beat(&self, factory: &str) -> Beat {
        Beat {
            factory_id: factory.parse().unwrap(),
            incarnation: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().unwrap()],
            health: fleet::Health::Ok,
            load: 0.0,
            seat_limit: 1,
            descriptor: None,
        }
    }

    pub(crate) async fn build(&self, factory: &str, held: &Granted) -> Result<JobView, CallError> {
        self.ask(&PatchJob {
            job_id: held.job.id,
            factory_id: factory.parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: OpId::from_uuid(self.node.ids.mint()),
            stage: Some(StageName::Building),
            checkpoint: None,
            note: None,
            verify_result: None,
            insights: None,
        })
        .await
    }

    pub(crate) fn shipping(&self, factory: &str, held: &Granted) -> ReleaseJob {
        ReleaseJob {
            job_id: held.job.id,
            factory_id: factory.parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: OpId::from_uuid(self.node.ids.mint()),
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

    pub(crate) async fn ship(&self, factory: &str, held: &Granted) -> Result<JobView, CallError> {
        self.ask(&self.shipping(factory, held)).await
    }

    pub(crate) async fn renew(&self, factory: &str, held: &Granted) -> Renewed {
        let one = RenewOne {
            job_id: held.job.id,
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
        };
        let ask = RenewLeases { factory_id: factory.parse().unwrap(), leases: vec![one] };
        self.ask(&ask).await.unwrap().leases.remove(0)
    }
}

/// With what a call was refused.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Problem {
    match answer.unwrap_err() {
        CallError::Refused(problem) => *problem,
        other @ (CallError::Bus(_) | CallError::Garbled(_)) => panic!("not a refusal: {other}"),
    }
}
