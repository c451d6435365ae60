//! The scene on which every service of one process stands on a server.

use std::sync::Arc;

use blob::Blobs;
use clock::{Clock, Ids, System};
use dev::Fleet;
use ledger::{Ledger, Terms};
use node::open::{self, BusChoice, Making, Process, StoreChoice};
use node::{Node, Tasks};
use servers::Nats;
use store::Store;

pub(crate) struct Scene {
    fleet: Fleet,
    node: Node,
    store: Arc<dyn Store>,
    /// Ends with the scene.
    _server: Nats,
}

impl Scene {
    pub(crate) async fn set(_: &str) -> Self {
        // A server has a time of its own, so that this one must run too.
        tokio::time::resume();
        let limits = servers::Options { max_payload: Some(2 << 20), ..Default::default() };
        let server = Nats::start(limits).unwrap();
        let (node, store) = on(&server.url()).await;
        let (time, chance) = (Arc::clone(&node.clock), Arc::clone(&node.ids));
        let ledger = Ledger::new(&store, Arc::clone(&node.bus), time, chance, Terms::default());
        let blobs = Blobs::memory(Arc::clone(&node.ids));
        let echo = Some("echo".parse().unwrap());
        let fleet = Fleet::start(node.clone(), &ledger, &blobs, echo).await.unwrap();
        Self { fleet, node, store, _server: server }
    }

    pub(crate) fn node(&self) -> Node {
        self.node.clone()
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    pub(crate) async fn strike(self) {
        self.fleet.stop().await.unwrap();
    }
}

async fn on(url: &str) -> (Node, Arc<dyn Store>) {
    let system = Arc::new(System::start());
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::clone(&system) as _, system);
    let tasks = Tasks::default();
    let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
    let process =
        Process { name: "journeys".to_owned(), clock: time, ids: chance, tasks: tasks.clone() };
    let making = Making { replicas: 1, partitions: 1, new_generation: false, most_bytes: None };
    open::make_if_new(&url.into(), making, &process).await.unwrap();
    let bus = open::bus(&BusChoice::Nats(url.into()), &process).await.unwrap();
    let kept = open::store(&StoreChoice::Nats(url.into()), &[], &process).await.unwrap();
    (Node { bus, clock, ids, tasks }, kept.store)
}
