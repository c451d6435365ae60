//! A fleet to play with: its services, and factories that do as they are told.

use std::sync::Arc;
use std::time::Duration;

use blob::Blobs;
use bus::Bus;
use client::{CallError, OverBus, Patience};
use clock::{Clock, Ids, Seeded, Virtual};
use dev::Fleet;
use fleet::{Disposition, OpId, RequestId, StageName, Timestamp};
use ledger::{Ledger, Terms};
use node::{Node, Tasks};
use protocol::{
    AboutJob, Ask, Beat, Beaten, ClaimWork, Code, Granted, JobView, OfJob, PatchJob, Problem,
    Receipt, ReleaseJob, RenewLeases, RenewOne, Renewed, SubmitJob,
};
use serde_json::{Value, json};
use store::{Memory, Store};

pub(crate) struct Town {
    pub(crate) fleet: Fleet,
    pub(crate) link: OverBus,
    pub(crate) node: Node,
    pub(crate) ledger: Ledger,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Blobs,
}

impl Town {
    pub(crate) async fn on(bus: Arc<dyn Bus>) -> Self {
        let clock: Arc<dyn Clock> =
            Arc::new(Virtual::starting_at(Timestamp::from_millis(1_767_323_045_678)));
        let ids: Arc<dyn Ids> = Arc::new(Seeded::new(11, Arc::clone(&clock)));
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
        let ledger = Ledger::new(&store, Arc::clone(&bus), time, chance, Terms::default());
        let node = Node { bus: Arc::clone(&bus), clock, ids, tasks: Tasks::default() };
        let echo = Some("echo".parse().unwrap());
        let blobs = Blobs::memory(Arc::clone(&node.ids));
        let shape = super::shape();
        let fleet = Fleet::shaped(shape, node.clone(), &ledger, &blobs, echo).await.unwrap();
        let link = OverBus::new(bus, "acme".parse().unwrap());
        Self { fleet, link, node, ledger, store, blobs }
    }

    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, CallError> {
        let span = Duration::from_secs(60);
        let until = self.node.clock.now().plus(span);
        let patience = Patience { request_id: self.node.ids.mint(), until, span };
        self.link.call(ask, patience).await
    }

    pub(crate) async fn submit(&self, file: &str) -> Receipt {
        let ask = SubmitJob { file: Some(file.to_owned()), ..SubmitJob::default() };
        self.ask(&ask).await.unwrap()
    }

    pub(crate) async fn job(&self, id: fleet::JobId) -> Value {
        let ask = OfJob { query: AboutJob::Get, job: id.to_string() };
        self.ask(&ask).await.unwrap().items.remove(0)
    }

    pub(crate) async fn beat(&self, factory: &str) -> Beaten {
        let ask = Beat {
            factory_id: factory.parse().unwrap(),
            incarnation: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().unwrap()],
            health: fleet::Health::Ok,
            load: 0.0,
            seat_limit: 1,
            descriptor: None,
        };
        self.ask(&ask).await.unwrap()
    }

    pub(crate) async fn claim(&self, factory: &str, wait: Duration) -> Option<Granted> {
        self.ask(&self.claiming(factory, wait)).await.unwrap()
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

    pub(crate) async fn ship(&self, factory: &str, held: &Granted) -> Result<JobView, CallError> {
        self.ask(&ReleaseJob {
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
        })
        .await
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

    /// Asks, works and ships until nothing is given for `patience`.
    pub(crate) async fn work_off(&self, factory: &str, patience: Duration) -> usize {
        let mut shipped = 0;
        loop {
            let until = self.node.clock.now().plus(patience);
            let mut held = None;
            while held.is_none() && self.node.clock.now() < until {
                held = self.claim(factory, Duration::from_secs(10)).await;
            }
            let Some(held) = held else { return shipped };
            self.build(factory, &held).await.unwrap();
            self.ship(factory, &held).await.unwrap();
            shipped += 1;
        }
    }

    pub(crate) async fn stage(&self, id: fleet::JobId) -> Value {
        self.job(id).await["stage"].clone()
    }
}

/// The code with which a call was refused.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Code {
    problem(answer).code
}

/// The whole of it.
pub(crate) fn problem<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Problem {
    match answer.unwrap_err() {
        CallError::Refused(problem) => *problem,
        other @ (CallError::Bus(_) | CallError::Garbled(_)) => panic!("not a refusal: {other}"),
    }
}

pub(crate) fn shipped() -> Value {
    json!("shipped")
}
