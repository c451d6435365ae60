//! The one place that names providers: from a choice of bus and store to the seams that every
//! role stands on. Waits for a server that is not there yet and says so; never makes a stream or a
//! bucket unless it is told to.

#[cfg(feature = "nats")]
mod nats;

use std::path::PathBuf;
use std::sync::Arc;

use bus::Bus;
use clock::{Clock, Ids};
use store::{Store, StoreError};
use store_embedded::Embedded;

use crate::Tasks;

/// What carries messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusChoice {
    /// Within this process only.
    Memory,
    /// One address or several with commas between.
    Nats(String),
}

/// What keeps records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// Nothing: they end with the process.
    Memory,
    /// This folder, for one process.
    Embedded(PathBuf),
    /// One address or several with commas between.
    Nats(String),
}

/// How records and streams are made on a new server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Making {
    pub replicas: usize,
    /// Buckets of each kind that is spread.
    pub partitions: usize,
    /// Says that whatever is missing is gone for good.
    pub new_generation: bool,
}

/// Why a provider is not there; the cause says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    #[error("NATS is not built in: this binary was made without the feature `nats`")]
    NotBuiltIn,
    #[error("the store cannot be opened")]
    Store(#[from] StoreError),
    #[error("the store on NATS cannot be used")]
    NatsStore(#[source] store::Cause),
    #[error("the bus on NATS cannot be used")]
    NatsBus(#[source] store::Cause),
}

/// The process behind the seams: its name on a shared bus, its time and its tasks.
#[derive(Clone, Debug)]
pub struct Process {
    pub name: String,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub tasks: Tasks,
}

/// # Errors
/// It is not built in, or the server is not as it is to be.
pub async fn bus(choice: &BusChoice, process: &Process) -> Result<Arc<dyn Bus>, NotOpened> {
    match choice {
        BusChoice::Memory => Ok(Arc::new(bus::Memory::default())),
        #[cfg(feature = "nats")]
        BusChoice::Nats(url) => Box::pin(nats::bus(url, process)).await,
        #[cfg(not(feature = "nats"))]
        BusChoice::Nats(_) => Err(NotOpened::NotBuiltIn),
    }
}

/// The bus of a process that serves nobody: it asks, and hears what is its own to hear. Knows no
/// stream.
///
/// # Errors
/// It is not built in, or the address is none.
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn outside(url: &str, process: &Process) -> Result<Arc<dyn Bus>, NotOpened> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::outside(url, process)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (url, process);
        Err(NotOpened::NotBuiltIn)
    }
}

/// # Errors
/// It is not built in, or what is there is damaged, in use, or not as it is to be.
pub async fn store(choice: &StoreChoice) -> Result<Arc<dyn Store>, NotOpened> {
    match choice {
        StoreChoice::Memory => Ok(Arc::new(store::Memory::new())),
        StoreChoice::Embedded(folder) => Ok(Arc::new(Embedded::open(folder)?)),
        #[cfg(feature = "nats")]
        StoreChoice::Nats(url) => Box::pin(nats::store(url)).await,
        #[cfg(not(feature = "nats"))]
        StoreChoice::Nats(_) => Err(NotOpened::NotBuiltIn),
    }
}

/// Makes the streams and buckets of a fleet; for an operator's explicit word. Repeated, it changes
/// nothing.
///
/// # Errors
/// It is not built in, or what is there already is not as it is to be.
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn make(url: &str, making: Making, process: &Process) -> Result<(), NotOpened> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::make(url, making, process)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (url, making, process);
        Err(NotOpened::NotBuiltIn)
    }
}
