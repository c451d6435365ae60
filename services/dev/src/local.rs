//! A fleet with its own store and an open door, in this process: what `dev` and `serve all` run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use artifact::Retention;
use clock::{Clock, Ids, System};
use fleet::{EngineName, ProductId};
use gateway::{HostName, Issuers, LocalToken, NotOpened};
use identity::{Identity, SignUpMode};
use ledger::{Ledger, Terms};
use node::open::{self, BlobsChoice, BusChoice, Making, Process, Reach, StoreChoice};
use node::{BusAway, Failed, Node, Tasks};

use crate::{Fleet, Home, Serving};

/// Where records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: they end with the process.
    Memory,
    /// In this folder, synced before every answer.
    Folder(PathBuf),
    /// On this NATS server, which carries the messages too. What a fleet needs there is made where
    /// none was ever made.
    Nats(String),
}

/// One server is all that a fleet of one process has.
const ALONE: Making =
    Making { replicas: 1, partitions: 8, new_generation: false, most_bytes: None };

impl Data {
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self::Folder(home.store())
    }

    fn choices(&self) -> (BusChoice, StoreChoice) {
        match self {
            Self::Memory => (BusChoice::Memory, StoreChoice::Memory),
            Self::Folder(folder) => (BusChoice::Memory, StoreChoice::Embedded(folder.clone())),
            Self::Nats(url) => {
                let reach = Reach::from(url.as_str());
                (BusChoice::Nats(reach.clone()), StoreChoice::Nats(reach))
            }
        }
    }
}

/// What a local fleet is told.
#[derive(Clone, Debug)]
pub struct Options {
    pub data: Data,
    /// The bytes of artifacts.
    pub blobs: BlobsChoice,
    /// How long they are kept.
    pub keep: Retention,
    pub address: SocketAddr,
    pub product: ProductId,
    pub token: LocalToken,
    /// Names besides those of loopback that the door may be asked under.
    pub hosts: Vec<HostName>,
    pub terms: Terms,
    /// Runs a job that names no engine.
    pub engine: EngineName,
    /// How people come in.
    pub sign_up: SignUpMode,
    /// Those who vouch for people elsewhere.
    pub issuers: Option<Issuers>,
}

/// Why there is no fleet.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    #[error(transparent)]
    Provider(#[from] open::NotOpened),
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
    /// Store or bus cannot be opened, or the address is taken.
    pub async fn open(options: Options) -> Result<Self, NotStarted> {
        let system = Arc::new(System::start());
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::clone(&system) as _, system);
        let name = format!("gigamesh-dev-{}", ids.mint().simple());
        let process = Process { name, clock, ids, tasks: Tasks::default() };
        let (bus, store) = options.data.choices();
        if let Data::Nats(url) = &options.data {
            open::make_if_new(&url.as_str().into(), ALONE, &process).await?;
        }
        let bus = open::bus(&bus, &process).await?;
        let store = open::store(&store, &[], &process).await?.store;
        let Process { clock, ids, tasks, .. } = process;
        let node = Node { bus, clock, ids, tasks };
        let (bus, clock, ids) =
            (Arc::clone(&node.bus), Arc::clone(&node.clock), Arc::clone(&node.ids));
        let ledger = Ledger::new(&store, bus, clock, ids, options.terms);
        let blobs = open::blobs(&options.blobs, Arc::clone(&node.ids))?;
        let terms = Serving { engine: Some(options.engine), keep: options.keep };
        let fleet = Fleet::start(node.clone(), &ledger, &blobs, terms).await?;
        let people = identity::Settings { sign_up: options.sign_up, ..Default::default() };
        let (clock, ids) = (Arc::clone(&node.clock), Arc::clone(&node.ids));
        let door = Tasks::default();
        let front = Node { tasks: door.clone(), ..node.clone() };
        let opened = gateway::Options {
            address: options.address,
            product: options.product.clone(),
            token: options.token,
            hosts: options.hosts,
            blobs,
            identity: Identity::over(&store, clock, ids, people),
            issuers: options.issuers,
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
