//! The scene on which every service of one process stands on ground of its own, in the time that
//! that takes.

use std::sync::Arc;

use blob::Blobs;
use clock::{Clock, Ids, System};
use dev::Fleet;
use ledger::{Ledger, Terms};
use node::open::Process;
use node::{Node, Tasks};
use store::Store;

use crate::ground::Ground;

pub(crate) struct Scene {
    fleet: Fleet,
    node: Node,
    store: Arc<dyn Store>,
    /// Ends with the scene.
    _ground: Ground,
}

impl Scene {
    pub(crate) async fn set(_: &str) -> Self {
        // The ground has a time of its own, so that this one must run too.
        tokio::time::resume();
        let ground = Ground::new();
        let system = Arc::new(System::start());
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::clone(&system) as _, system);
        let (tasks, name) = (Tasks::default(), "journeys".to_owned());
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
        let process = Process { name, clock: time, ids: chance, tasks: tasks.clone() };
        let (bus, store) = ground.opened(&process).await;
        let node = Node { bus, clock, ids, tasks };
        let (time, chance) = (Arc::clone(&node.clock), Arc::clone(&node.ids));
        let ledger = Ledger::new(&store, Arc::clone(&node.bus), time, chance, Terms::default());
        let blobs = Blobs::memory(Arc::clone(&node.ids));
        let echo = Some("echo".parse().unwrap());
        let fleet = Fleet::start(node.clone(), &ledger, &blobs, echo).await.unwrap();
        Self { fleet, node, store, _ground: ground }
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
