//! Every service in one process, over whatever store and bus it is given. The same functions that
//! a role runs alone are run here together, so that a test of the fleet is a test of the product.

mod home;
mod local;

use artifact::Retention;
use blob::Blobs;
use fleet::EngineName;
use ledger::Ledger;
use node::{BusAway, Failed, Node};

pub use home::{BadHome, Home};
pub use local::{Data, Local, NotStarted, Options};

/// A whole fleet but its factories.
#[derive(Debug)]
pub struct Fleet {
    node: Node,
}

/// What a fleet decides about its jobs and artifacts.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// Runs a job that names no engine.
    pub engine: Option<EngineName>,
    /// How long artifacts are kept.
    pub keep: Retention,
}

/// Most fleets keep artifacts for ever, and say no more than their engine.
impl From<Option<EngineName>> for Serving {
    fn from(engine: Option<EngineName>) -> Self {
        Self { engine, ..Self::default() }
    }
}

/// How much memory the services of one process share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// One ledger among all: what one service read the others need not.
    #[default]
    Together,
    /// So many replicas of each, every one with a ledger of its own, as if each were a process.
    Apart(usize),
}

impl Fleet {
    /// Starts all services; each listens once this returns.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn start(
        node: Node,
        ledger: &Ledger,
        blobs: &Blobs,
        terms: impl Into<Serving>,
    ) -> Result<Self, BusAway> {
        Self::shaped(Shape::Together, node, ledger, blobs, terms).await
    }

    /// The same, in that shape.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn shaped(
        shape: Shape,
        node: Node,
        ledger: &Ledger,
        blobs: &Blobs,
        terms: impl Into<Serving>,
    ) -> Result<Self, BusAway> {
        let Serving { engine, keep } = terms.into();
        let replicas = match shape {
            Shape::Together => 1,
            Shape::Apart(replicas) => replicas,
        };
        let own = || match shape {
            Shape::Together => ledger.clone(),
            Shape::Apart(_) => ledger.apart(),
        };
        for _ in 0..replicas {
            let options = submit::Options { dev_engine: engine.clone() };
            scheduler::serve(node.clone(), own()).await?;
            lease_keeper::serve(node.clone(), own()).await?;
            artifact::serve(node.clone(), own(), blobs.clone(), keep.clone()).await?;
            submit::serve(node.clone(), own(), options).await?;
        }
        Ok(Self { node })
    }

    /// Takes no more requests, finishes those under way, and ends.
    ///
    /// # Errors
    /// One of the tasks failed; the fleet had stopped by itself.
    pub async fn stop(self) -> Result<(), Failed> {
        self.node.tasks.stop();
        self.node.tasks.join().await
    }
}
