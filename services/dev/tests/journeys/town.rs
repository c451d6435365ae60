//! A fleet to play with: its services, and factories that do as they are told.

use std::sync::Arc;
use std::time::Duration;

use client::{CallError, OverBus, Patience};
use fleet::{ArtifactId, Disposition, OpId, RequestId, StageName, Why};
use ledger::{Ledger, Terms};
use node::Node;
use protocol::{
    AboutJob, Ask, Beat, Beaten, ClaimWork, Code, Granted, JobView, OfJob, PatchJob, Problem,
    Receipt, ReleaseJob, RenewLeases, RenewOne, Renewed, SubmitJob,
};
use serde_json::{Value, json};
use store::Store;

use crate::scene::Scene;

pub(crate) struct Town {
    pub(crate) scene: Scene,
    pub(crate) link: OverBus,
    pub(crate) node: Node,
    pub(crate) ledger: Ledger,
    pub(crate) store: Arc<dyn Store>,
}

impl Town {
    pub(crate) async fn start() -> Self {
        Self::on(Scene::set(super::told()).await)
    }

    pub(crate) fn on(scene: Scene) -> Self {
        let (node, store) = (scene.node(), scene.store());
        let (time, chance) = (Arc::clone(&node.clock), Arc::clone(&node.ids));
        let bus = Arc::clone(&node.bus);
        let ledger = Ledger::new(&store, Arc::clone(&bus), time, chance, Terms::default());
        let link = OverBus::new(bus, "acme".parse().unwrap());
        Self { scene, link, node, ledger, store }
    }

    pub(crate) async fn stop(self) {
        self.scene.strike().await;
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
            engines: vec!["echo".parse().unwrap(), "shell".parse().unwrap()],
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
            engines: vec!["echo".parse().unwrap(), "shell".parse().unwrap()],
            free_seats: 1,
            wait_ms: u64::try_from(wait.as_millis()).unwrap(),
            exclude: Vec::new(),
            offer: None,
            fresh: false,
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
        self.ship_with(factory, held, Vec::new()).await
    }

    pub(crate) async fn ship_with(
        &self,
        factory: &str,
        held: &Granted,
        artifacts: Vec<ArtifactId>,
    ) -> Result<JobView, CallError> {
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
            artifacts,
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

    pub(crate) async fn why(&self, job: &str) -> Why {
        let mut found = self.ask(&why_of(job)).await.unwrap();
        serde_json::from_value(found.items.remove(0)).unwrap()
    }

    pub(crate) async fn stage(&self, id: fleet::JobId) -> Value {
        self.job(id).await["stage"].clone()
    }
}

pub(crate) fn why_of(job: &str) -> OfJob {
    OfJob { query: AboutJob::Why, job: job.to_owned() }
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
