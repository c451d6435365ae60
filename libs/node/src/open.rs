//! The one place that names providers: from a choice of bus and store to the seams that every
//! role stands on. Waits for a server that is not there yet and says so; never makes a stream or a
//! bucket unless it is told to.

mod bill;
mod blobs;
#[cfg(feature = "cosmos")]
mod cosmos;
mod database;
mod durability;
mod look;
#[cfg(feature = "nats")]
mod nats;
mod reach;
mod safe;

use std::path::PathBuf;
use std::sync::Arc;

use bus::Bus;
use clock::{Clock, Ids};
use protocol::Purpose;
use store::{Store, StoreError};
use store_embedded::Embedded;

use crate::Tasks;

pub use bill::{Bill, Charge};
pub use blobs::{BlobsChoice, NoPlace, blobs};
#[cfg(feature = "cosmos")]
pub use cosmos::Account;
pub use database::{CosmosAccess, CosmosChoice, NoDatabase};
pub use durability::{Durability, Sync};
pub use look::{Look, Standing, Streams};
pub use reach::Reach;
pub use safe::{Notice, ReadOnly, Room, Safe};

/// What carries messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusChoice {
    /// Within this process only.
    Memory,
    Nats(Reach),
}

/// What keeps records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChoice {
    /// Nothing: they end with the process.
    Memory,
    /// This folder, for one process.
    Embedded(PathBuf),
    Nats(Reach),
    /// A database of an account.
    Cosmos(CosmosChoice),
}

/// How records and streams are made on a new server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Making {
    pub replicas: usize,
    /// Buckets of each kind that is spread.
    pub partitions: usize,
    /// Says that whatever is missing is gone for good.
    pub new_generation: bool,
    /// The most that the records of each kind may take; zero is without bound, nothing said as it
    /// was.
    pub most_bytes: Option<u64>,
}

/// Why a provider is not there; the cause says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    #[error("NATS is not built in: this binary was made without the feature `nats`")]
    NotBuiltIn,
    /// A place for blobs that needs this feature.
    #[error("this place for blobs is not built in: this binary was made without `{0}`")]
    PlaceNotBuiltIn(&'static str),
    #[error("blobs cannot be kept there")]
    Blobs(#[from] blob::NotOpened),
    #[error("the store cannot be opened")]
    Store(#[from] StoreError),
    #[error("the store on NATS cannot be used")]
    NatsStore(#[source] store::Cause),
    /// What was made is gone or set otherwise; nothing mends that by itself.
    #[error("the store on NATS is not what was made")]
    NatsLost(#[source] store::Cause),
    /// Who this process is, or whom it believes, is to be said otherwise.
    #[error("NATS is not to be reached so")]
    NatsAccess(#[source] store::Cause),
    #[error("the bus on NATS cannot be used")]
    NatsBus(#[source] store::Cause),
    #[error("Cosmos DB is not built in: this binary was made without the feature `cosmos`")]
    CosmosNotBuiltIn,
    #[error("the store on Cosmos DB cannot be used")]
    Cosmos(#[source] store::Cause),
    /// What was made is gone or set otherwise; nothing mends that by itself.
    #[error("the store on Cosmos DB is not what was made")]
    CosmosLost(#[source] store::Cause),
    /// Whatever is made in it.
    #[error("this account does not do")]
    CosmosAccount(#[source] store::Cause),
    /// Whatever is made on it.
    #[error("this NATS server does not do")]
    NatsServer(#[source] store::Cause),
}

/// A store that was opened, and how far it is to be trusted.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Takes no writes while something of it is lost.
    pub store: Arc<dyn Store>,
    pub durability: Durability,
    pub losses: Notice,
    /// With little of it left no new jobs are taken.
    pub room: Room,
    pub bill: Bill,
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
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn bus(choice: &BusChoice, process: &Process) -> Result<Arc<dyn Bus>, NotOpened> {
    match choice {
        BusChoice::Memory => Ok(Arc::new(bus::Memory::default())),
        #[cfg(feature = "nats")]
        BusChoice::Nats(reach) => Box::pin(nats::bus(reach, process)).await,
        #[cfg(not(feature = "nats"))]
        BusChoice::Nats(_) => {
            let _unused = process;
            Err(NotOpened::NotBuiltIn)
        }
    }
}

/// The bus of a process that serves nobody: it asks, and hears what is its own to hear. Knows no
/// stream.
///
/// # Errors
/// It is not built in, or the address is none.
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn outside(reach: &Reach, process: &Process) -> Result<Arc<dyn Bus>, NotOpened> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::outside(reach, process)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (reach, process);
        Err(NotOpened::NotBuiltIn)
    }
}

/// Waits for a server that is away. `monitors` are the `http://` addresses of the servers'
/// monitoring: nothing else tells when they sync.
///
/// # Errors
/// It is not built in, or what is there is damaged, in use, or not as it is to be.
#[cfg_attr(
    not(any(feature = "cosmos", feature = "nats")),
    expect(clippy::unused_async, reason = "the same for callers")
)]
pub async fn store(
    choice: &StoreChoice,
    monitors: &[String],
    process: &Process,
) -> Result<Kept, NotOpened> {
    let kept = |store, durability| {
        let (losses, room) = (Notice::default(), Room::default());
        Kept { store, durability, losses, room, bill: Bill::default() }
    };
    match choice {
        StoreChoice::Memory => Ok(kept(Arc::new(store::Memory::new()), Durability::Nothing)),
        StoreChoice::Embedded(folder) => {
            Ok(kept(Arc::new(Embedded::open(folder)?), Durability::Embedded))
        }
        #[cfg(feature = "nats")]
        StoreChoice::Nats(reach) => Box::pin(nats::store(reach, monitors, process)).await,
        #[cfg(not(feature = "nats"))]
        StoreChoice::Nats(_) => {
            let _unused = (monitors, process);
            Err(NotOpened::NotBuiltIn)
        }
        #[cfg(feature = "cosmos")]
        StoreChoice::Cosmos(database) => Box::pin(cosmos::store(database, process)).await,
        #[cfg(not(feature = "cosmos"))]
        StoreChoice::Cosmos(_) => Err(NotOpened::CosmosNotBuiltIn),
    }
}

/// When the servers sync whose monitoring is named, before anything is made or opened on them.
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn syncs(reach: &Reach, monitors: &[String]) -> Vec<Sync> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::syncs(reach, monitors)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (reach, monitors);
        Vec::new()
    }
}

/// Looks at servers and at what lies on them; the bus is for further questions. Makes nothing, and
/// writes only if it is told to.
///
/// # Errors
/// It is not built in, nobody answers, or nothing was made there.
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn look(asked: &Look, process: &Process) -> Result<(Standing, Arc<dyn Bus>), NotOpened> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::look(asked, process)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (asked, process);
        Err(NotOpened::NotBuiltIn)
    }
}

/// Looks at the streams alone, where records lie elsewhere; the bus is for further questions.
///
/// # Errors
/// It is not built in, or nobody answers.
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn look_at_streams(
    reach: &Reach,
    process: &Process,
) -> Result<(Streams, Arc<dyn Bus>), NotOpened> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::look_at_streams(reach, process)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (reach, process);
        Err(NotOpened::NotBuiltIn)
    }
}

/// Which of the servers' own subjects somebody speaks to, of a store with so many partitions: beside
/// its part of the table of subjects, and only that. Nothing, where NATS is not built in.
#[must_use]
pub fn inner_subjects(purpose: Purpose, partitions: usize) -> Vec<String> {
    #[cfg(feature = "nats")]
    return nats::inner_subjects(purpose, partitions);
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (purpose, partitions);
        Vec::new()
    }
}

/// Makes the streams and buckets of a fleet where none were ever made, and only there; for a
/// fleet whose server is its own.
///
/// # Errors
/// As [`make`].
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn make_if_new(
    reach: &Reach,
    making: Making,
    process: &Process,
) -> Result<(), NotOpened> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::make_if_new(reach, making, process)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (reach, making, process);
        Err(NotOpened::NotBuiltIn)
    }
}

/// Makes the streams and buckets of a fleet; for an operator's explicit word. Repeated, it changes
/// nothing.
///
/// # Errors
/// It is not built in, or what is there already is not as it is to be.
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn make(reach: &Reach, making: Making, process: &Process) -> Result<(), NotOpened> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::make(reach, making, process)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (reach, making, process);
        Err(NotOpened::NotBuiltIn)
    }
}

/// Makes the streams alone, where records lie elsewhere. Repeated, it changes nothing.
///
/// # Errors
/// As [`make`].
#[cfg_attr(not(feature = "nats"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn make_streams(
    reach: &Reach,
    replicas: usize,
    process: &Process,
) -> Result<(), NotOpened> {
    #[cfg(feature = "nats")]
    return Box::pin(nats::make_streams(reach, replicas, process)).await;
    #[cfg(not(feature = "nats"))]
    {
        let _unused = (reach, replicas, process);
        Err(NotOpened::NotBuiltIn)
    }
}

/// Makes or verifies the containers of a fleet; for an operator's explicit word. Repeated, it
/// changes nothing. `new_generation` says that whatever is missing is gone for good.
///
/// # Errors
/// It is not built in, the account is not as it is to be, or what is there already is not.
#[cfg_attr(not(feature = "cosmos"), expect(clippy::unused_async, reason = "the same for callers"))]
pub async fn make_containers(
    choice: &CosmosChoice,
    new_generation: bool,
    process: &Process,
) -> Result<(), NotOpened> {
    #[cfg(feature = "cosmos")]
    return Box::pin(cosmos::make(choice, new_generation, process)).await;
    #[cfg(not(feature = "cosmos"))]
    {
        let _unused = (choice, new_generation, process);
        Err(NotOpened::CosmosNotBuiltIn)
    }
}

/// Looks at an account and at what lies in it; writes nothing.
///
/// # Errors
/// Nobody answers, the account does not do, or nothing was made there.
#[cfg(feature = "cosmos")]
pub async fn look_at_account(choice: &CosmosChoice) -> Result<Account, NotOpened> {
    Box::pin(cosmos::look(choice)).await
}
