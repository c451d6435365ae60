//! A fleet with its own store and an open door, in this process: what `dev` and `serve all` run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bus::Bus;
use clock::{Clock, Ids, System};
use fleet::{EngineName, ProductId};
use gateway::{HostName, LocalToken, NotOpened};
use ledger::{Ledger, Terms};
use node::{BusAway, Failed, Node, Tasks};
use store::{Store, StoreError};
use store_embedded::Embedded;

use crate::{Fleet, Home};

/// Where records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: they end with the process.
    Memory,
    /// In this folder, synced before every answer.
    Folder(PathBuf),
}

impl Data {
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self::Folder(home.store())
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Memory => Arc::new(store::Memory::new()),
            Self::Folder(folder) => Arc::new(Embedded::open(folder)?),
        })
    }
}

/// What a local fleet is told.
#[derive(Clone, Debug)]
pub struct Options {
    pub data: Data,
    pub address: SocketAddr,
    pub product: ProductId,
    pub token: LocalToken,
    /// Names besides those of loopback that the door may be asked under.
    pub hosts: Vec<HostName>,
    pub terms: Terms,
    /// Runs a job that names no engine.
    pub engine: EngineName,
}

/// Why there is no fleet.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Door(#[from] NotOpened),
    #[error(transparent)]
    Bus(#[from] BusAway),
}

/// All services, a store, a bus of this process and an open door.
#[derive(Debug)]
pub struct Local {
    fleet: Fleet,
    door: Tasks,
    address: SocketAddr,
    product: ProductId,
    node: Node,
}

impl Local {
    /// Takes requests once this returns.
    ///
    /// # Errors
    /// The store cannot be opened, or the address is taken.
    pub async fn open(options: Options) -> Result<Self, NotStarted> {
        let store = options.data.open()?;
        let bus: Arc<dyn Bus> = Arc::new(bus::Memory::default());
        let system = Arc::new(System::start());
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::clone(&system) as _, system);
        let node = Node { bus, clock, ids, tasks: Tasks::default() };
        let (bus, clock, ids) =
            (Arc::clone(&node.bus), Arc::clone(&node.clock), Arc::clone(&node.ids));
        let ledger = Ledger::new(&store, bus, clock, ids, options.terms);
        let fleet = Fleet::start(node.clone(), &ledger, Some(options.engine)).await?;
        let door = Tasks::default();
        let front = Node { tasks: door.clone(), ..node.clone() };
        let opened = gateway::Options {
            address: options.address,
            product: options.product.clone(),
            token: options.token,
            hosts: options.hosts,
        };
        let address = gateway::serve(front, opened).await?;
        Ok(Self { fleet, door, address, product: options.product, node })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn product(&self) -> &ProductId {
        &self.product
    }

    /// Its bus and its clock, for whoever works beside it with tasks of its own.
    #[must_use]
    pub fn beside(&self, tasks: Tasks) -> Node {
        Node { tasks, ..self.node.clone() }
    }

    /// Resolves when something failed and the fleet came to an end by itself.
    pub async fn broke_down(&self) {
        tokio::select! {
            biased;
            () = self.node.tasks.stopped() => {}
            () = self.door.stopped() => {}
        }
    }

    /// Shuts the door, then ends the services; what is under way is finished first.
    ///
    /// # Errors
    /// Something had failed before.
    pub async fn close(self) -> Result<(), Failed> {
        self.door.stop();
        let door = self.door.join().await;
        self.fleet.stop().await.and(door)
    }
}
