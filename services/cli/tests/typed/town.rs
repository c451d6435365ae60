//! A whole fleet behind a real door, and a factory that does as it is told.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use client::{OverHttp, Patience};
use clock::{Clock, Ids, System};
use dev::Fleet;
use fleet::{Disposition, OpId, RequestId, StageName};
use gateway::Options;
use identity::{Identity, SignUpMode};
use ledger::{Ledger, Terms};
use node::{Node, Tasks};
use protocol::{AppendLog, ClaimWork, Granted, PatchJob, ReleaseJob};
use store::{Memory, Store};

use crate::place::Place;

const TOKEN: &str = "gm_a-token-for-tests-and-nothing-else";

pub(crate) struct Town {
    fleet: Fleet,
    node: Node,
    http: OverHttp,
    pub(crate) place: Place,
}

impl Town {
    pub(crate) async fn open() -> Self {
        let bus: Arc<dyn Bus> = Arc::new(bus::Memory::default());
        let system = Arc::new(System::start());
        let clock: Arc<dyn Clock> = Arc::<System>::clone(&system);
        let ids: Arc<dyn Ids> = system;
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
        let ledger = Ledger::new(&store, Arc::clone(&bus), time, chance, Terms::default());
        let node = |tasks| Node {
            bus: Arc::clone(&bus),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            tasks,
        };
        let echo = Some("echo".parse().unwrap());
        let blobs = blob::Blobs::memory(Arc::clone(&ids));
        let inner = node(Tasks::default());
        let fleet = Fleet::start(inner, &ledger, &blobs, echo).await.unwrap();
        let node = node(Tasks::default());
        let settings = identity::Settings { sign_up: SignUpMode::Open, ..Default::default() };
        let (clock, ids) = (Arc::clone(&node.clock), Arc::clone(&node.ids));
        let identity = Identity::over(&store, clock, ids, settings);
        let options = Options {
            address: "127.0.0.1:0".parse().unwrap(),
            product: "acme".parse().unwrap(),
            token: TOKEN.parse().unwrap(),
            hosts: Vec::new(),
            blobs,
            identity,
            issuers: None,
        };
        let address = gateway::serve(node.clone(), options).await.unwrap();
        let url = format!("http://{address}");
        let http = OverHttp::new(&url, TOKEN).unwrap();
        Self { fleet, node, http, place: Place::before(&url, TOKEN) }
    }

    /// Nothing may have failed.
    pub(crate) async fn close(self) {
        self.node.tasks.stop();
        self.node.tasks.join().await.unwrap();
        self.fleet.stop().await.unwrap();
    }

    /// Takes the next job and starts it.
    pub(crate) async fn build(&self) -> Granted {
        let ask = ClaimWork {
            claim_request_id: RequestId::from_uuid(self.node.ids.mint()),
            factory_id: "f1".parse().unwrap(),
            incarnation: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().unwrap()],
            free_seats: 1,
            wait_ms: 10_000,
            exclude: Vec::new(),
            offer: None,
            fresh: false,
        };
        let held = self.http.call(&ask, self.patience()).await.unwrap().unwrap();
        let patch = PatchJob {
            job_id: held.job.id,
            factory_id: "f1".parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: OpId::from_uuid(self.node.ids.mint()),
            stage: Some(StageName::Building),
            checkpoint: None,
            note: None,
            verify_result: None,
            insights: None,
        };
        self.http.call(&patch, self.patience()).await.unwrap();
        held
    }

    /// The holder says something behind so many bytes.
    pub(crate) async fn say(&self, held: &Granted, from: u64, text: &str) {
        let word = AppendLog {
            job_id: held.job.id,
            factory_id: "f1".parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            from,
            text: text.to_owned(),
        };
        self.http.call(&word, self.patience()).await.unwrap();
    }

    pub(crate) async fn end(&self, held: &Granted, disposition: Disposition) {
        let release = ReleaseJob {
            job_id: held.job.id,
            factory_id: "f1".parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: OpId::from_uuid(self.node.ids.mint()),
            disposition: Some(disposition),
            result: None,
            exit: None,
            verify_result: None,
            insights: None,
            checkpoint: None,
            reason: None,
            artifacts: Vec::new(),
        };
        self.http.call(&release, self.patience()).await.unwrap();
    }

    fn patience(&self) -> Patience {
        let span = Duration::from_secs(30);
        let until = self.node.clock.now().plus(span);
        Patience { request_id: self.node.ids.mint(), until, span }
    }
}
