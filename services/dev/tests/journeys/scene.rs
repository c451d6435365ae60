//! What a story is told on: a bus, a store, and the services over them in one process.

use std::sync::Arc;

use artifact::Retention;
use blob::Blobs;
use bus::Bus;
use clock::{Clock, Ids, Seeded, Virtual};
use dev::{Fleet, Serving, Shape};
use fleet::Timestamp;
use ledger::{Ledger, Terms};
use node::{Node, Tasks};
use store::{Memory, Store};

pub(crate) struct Scene {
    fleet: Fleet,
    node: Node,
    store: Arc<dyn Store>,
    blobs: Blobs,
}

impl Scene {
    /// The scene of this name.
    pub(crate) async fn set(name: &str) -> Self {
        Self::over(name, |bus| bus).await
    }

    /// The same, where artifacts are kept for so long.
    pub(crate) async fn keeping(name: &str, keep: Retention) -> Self {
        let (node, store) = in_memory();
        let blobs = Blobs::memory(Arc::clone(&node.ids));
        Self::of(name, (node, store, blobs), keep).await
    }

    /// The same, with blobs in another place than in memory.
    pub(crate) async fn beside(name: &str, blobs: Blobs) -> Self {
        let (node, store) = in_memory();
        Self::of(name, (node, store, blobs), Retention::default()).await
    }

    /// The same, with every message passing over what `over` makes of the bus.
    pub(crate) async fn over(name: &str, over: impl FnOnce(Arc<dyn Bus>) -> Arc<dyn Bus>) -> Self {
        let (mut node, store) = in_memory();
        node.bus = over(node.bus);
        let blobs = Blobs::memory(Arc::clone(&node.ids));
        Self::of(name, (node, store, blobs), Retention::default()).await
    }

    async fn of(
        name: &str,
        (node, store, blobs): (Node, Arc<dyn Store>, Blobs),
        keep: Retention,
    ) -> Self {
        let (time, chance) = (Arc::clone(&node.clock), Arc::clone(&node.ids));
        let ledger = Ledger::new(&store, Arc::clone(&node.bus), time, chance, Terms::default());
        let echo = Some("echo".parse().unwrap());
        let serving = Serving { engine: echo, keep };
        let shape = shape(name);
        let fleet = Fleet::shaped(shape, node.clone(), &ledger, &blobs, serving).await.unwrap();
        Self { fleet, node, store, blobs }
    }

    pub(crate) fn node(&self) -> Node {
        self.node.clone()
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    pub(crate) fn blobs(&self) -> Blobs {
        self.blobs.clone()
    }

    pub(crate) async fn strike(self) {
        self.fleet.stop().await.unwrap();
    }
}

fn shape(name: &str) -> Shape {
    if name == "apart" { Shape::Apart(2) } else { Shape::Together }
}

pub(crate) fn schedulers(name: &str) -> usize {
    match shape(name) {
        Shape::Together => 1,
        Shape::Apart(replicas) => replicas,
    }
}

fn in_memory() -> (Node, Arc<dyn Store>) {
    let clock: Arc<dyn Clock> =
        Arc::new(Virtual::starting_at(Timestamp::from_millis(1_767_323_045_678)));
    let ids: Arc<dyn Ids> = Arc::new(Seeded::new(11, Arc::clone(&clock)));
    let node = Node { bus: Arc::new(bus::Memory::default()), clock, ids, tasks: Tasks::default() };
    (node, Arc::new(Memory::new()))
}
