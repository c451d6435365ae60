//! The scene on which every service of one process stands on an emulated account, opened as a
//! service opens it.

use std::sync::Arc;

use blob::Blobs;
use clock::{Clock, Ids, System};
use cosmos_emulator::{Emulator, KEY};
use dev::Fleet;
use ledger::{Ledger, Terms};
use node::open::{self, CosmosAccess, CosmosChoice, Process, StoreChoice};
use node::{Node, Tasks};
use store::Store;

pub(crate) struct Scene {
    fleet: Fleet,
    node: Node,
    store: Arc<dyn Store>,
    /// Ends with the scene.
    _emulator: Emulator,
}

impl Scene {
    pub(crate) async fn set(_: &str) -> Self {
        // The account has a time of its own, so that this one must run too.
        tokio::time::resume();
        let emulator = cosmos_emulator::emulator();
        let (node, store) = on(&emulator).await;
        let (time, chance) = (Arc::clone(&node.clock), Arc::clone(&node.ids));
        let ledger = Ledger::new(&store, Arc::clone(&node.bus), time, chance, Terms::default());
        let blobs = Blobs::memory(Arc::clone(&node.ids));
        let echo = Some("echo".parse().unwrap());
        let fleet = Fleet::start(node.clone(), &ledger, &blobs, echo).await.unwrap();
        Self { fleet, node, store, _emulator: emulator }
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

async fn on(emulator: &Emulator) -> (Node, Arc<dyn Store>) {
    let system = Arc::new(System::start());
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::clone(&system) as _, system);
    let tasks = Tasks::default();
    let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
    let process =
        Process { name: "journeys".to_owned(), clock: time, ids: chance, tasks: tasks.clone() };
    let said: CosmosChoice = format!("cosmos+{}/fleet", emulator.url()).parse().unwrap();
    let choice = CosmosChoice { access: CosmosAccess::Key(KEY.to_owned()), ..said };
    open::make_containers(&choice, false, &process).await.unwrap();
    let kept = open::store(&StoreChoice::Cosmos(choice), &[], &process).await.unwrap();
    (Node { bus: Arc::new(bus::Memory::default()), clock, ids, tasks }, kept.store)
}
