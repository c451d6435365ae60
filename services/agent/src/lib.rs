//! The factory: claims jobs, runs them in process groups of their own, keeps their leases alive
//! and reports how they ended. Never touches a record; what it says is decided elsewhere, and what
//! it does is decided by [`session`], which is pure.

mod bringing;
mod calls;
mod desk;
mod errand;
mod hands;
mod harvest;
mod hints;
mod hold;
mod journal;
mod news;
mod renew;
mod rounds;
pub mod session;
mod telling;
pub mod tools;

use std::io;
use std::path::PathBuf;

use client::Coordinator;
use fleet::{Capability, Descriptor, EngineName, FactoryId, Incarnation, ProductId};
use node::{BusAway, Node};

pub use errand::Errand;
pub use hands::{Executor, Mask, Order, Part, Place, Process, Processes, Run, Word};
pub use harvest::Trail;
pub use hold::{Ending, Grant, Grip, Verdict, Why};
pub use journal::Journal;
pub use session::Pace;

use crate::desk::Desk;

/// Who the agent is, and how it works.
#[derive(Clone, Debug)]
pub struct Options {
    pub factory: FactoryId,
    /// Whose offers and words it hears on its node's bus. None where its coordinator is reached
    /// another way: nobody is heard then.
    pub product: Option<ProductId>,
    pub engines: Vec<EngineName>,
    /// Beside what is known without asking: system, architecture, engines.
    pub capabilities: Vec<Capability>,
    pub descriptor: Option<Descriptor>,
    /// Reports and claims are kept here; one agent at a time.
    pub home: PathBuf,
    pub pace: Pace,
}

/// Why an agent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CannotServe {
    /// Its folder cannot be used.
    #[error("the agent's folder: {0}")]
    Folder(#[from] io::Error),
    #[error(transparent)]
    Bus(#[from] BusAway),
}

/// As the coordinator is told.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    factory: FactoryId,
    incarnation: Incarnation,
    engines: Vec<EngineName>,
    capabilities: Vec<Capability>,
    descriptor: Option<Descriptor>,
}

impl Identity {
    fn of(options: &Options, node: &Node) -> Self {
        let system = format!("os:{}", std::env::consts::OS);
        let machine = format!("arch:{}", std::env::consts::ARCH);
        let engines = options.engines.iter().map(|engine| format!("engine:{engine}"));
        let known = [system, machine].into_iter().chain(engines);
        let mut capabilities = options.capabilities.clone();
        // A system with a name that is no capability has one less to offer.
        capabilities.extend(known.filter_map(|token| token.parse().ok()));
        Self {
            factory: options.factory.clone(),
            incarnation: Incarnation::from_uuid(node.ids.mint()),
            engines: options.engines.clone(),
            capabilities,
            descriptor: options.descriptor.clone(),
        }
    }
}

/// Clears up after the agent before it, then works until the tasks are stopped: hands back what it
/// holds and ends. Returns once it has begun.
///
/// # Errors
/// Its folder cannot be used, or the bus is away.
pub async fn serve(
    node: Node,
    link: impl Coordinator,
    hands: impl Executor,
    options: Options,
) -> Result<(), CannotServe> {
    let desk = Desk::open(&options.home)?;
    rounds::begin(node, link, hands, (desk, options)).await
}
