//! Every service in one process, over whatever store and bus it is given. The same functions that
//! a role runs alone are run here together, so that a test of the fleet is a test of the product.

mod home;
mod local;

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

impl Fleet {
    /// Starts all services; each listens once this returns.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn start(
        node: Node,
        ledger: &Ledger,
        dev_engine: Option<EngineName>,
    ) -> Result<Self, BusAway> {
        let options = submit::Options { dev_engine };
        scheduler::serve(node.clone(), ledger.clone()).await?;
        lease_keeper::serve(node.clone(), ledger.clone()).await?;
        submit::serve(node.clone(), ledger.clone(), options).await?;
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
