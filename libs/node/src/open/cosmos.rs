//! The store on an account of Cosmos DB. Waits for it as long as it takes; what is wrong with the
//! account or missing in it ends the wait at once, and what is lost while it is used ends all
//! writing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ledger::{KINDS, bulk_of, partitioned_by};
use store::Kind;
use store_cosmos::{Access, Charged, Container, Cosmos, Options, Trouble};
use tracing::{error, info, warn};

use super::safe::Safe;
use super::{
    Bill, Charge, CosmosAccess, CosmosChoice, Durability, Kept, NotOpened, Notice, Process, Room,
};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Each look is charged as one read.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What lies in an account, as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Where it writes.
    pub region: String,
    pub regions: usize,
    pub consistency: String,
    pub generation: String,
    pub containers: usize,
    /// What is missing or set otherwise.
    pub faults: Vec<String>,
}

pub(super) async fn store(choice: &CosmosChoice, process: &Process) -> Result<Kept, NotOpened> {
    let store = patiently(choice).await.map_err(not_opened)?;
    info!(generation = store.generation(), regions = store.regions(), "store open");
    let (store, losses) = (Arc::new(store), Notice::default());
    let durability = Durability::Majority(store.regions());
    process.tasks.spawn("generation", watch(Arc::clone(&store), losses.clone(), process.clone()));
    let bill = bill_of(Arc::clone(&store));
    let store = Arc::new(Safe::over(store, losses.clone(), Room::default()));
    Ok(Kept { store, durability, losses, room: Room::default(), bill })
}

fn bill_of(store: Arc<Cosmos>) -> Bill {
    let charge = |one: &Charged| {
        let Charged { kind, deed, times, units, .. } = *one;
        Charge { kind, deed: deed.name(), times, units }
    };
    Bill::of(move || store.charges().iter().map(charge).collect())
}

pub(super) async fn make(
    choice: &CosmosChoice,
    new_generation: bool,
    process: &Process,
) -> Result<(), NotOpened> {
    let generation = process.ids.mint().to_string();
    let (options, containers) = (options(choice), containers());
    let made = store_cosmos::init(&options, &containers, new_generation, &generation);
    Box::pin(made).await.map_err(not_opened)
}

pub(super) async fn look(choice: &CosmosChoice) -> Result<Account, NotOpened> {
    let (options, containers) = (options(choice), containers());
    let found = Box::pin(store_cosmos::look(&options, &containers)).await;
    let found = found.map_err(not_opened)?;
    Ok(Account {
        region: found.region,
        regions: found.regions,
        consistency: found.consistency,
        generation: found.generation,
        containers: found.containers,
        faults: found.faults.iter().map(ToString::to_string).collect(),
    })
}

async fn patiently(choice: &CosmosChoice) -> Result<Cosmos, Trouble> {
    let (options, containers) = (options(choice), containers());
    let mut wait = FIRST_WAIT;
    loop {
        match Box::pin(Cosmos::open(&options, &containers)).await {
            Err(Trouble::Unreachable { url, source }) => {
                warn!(url, %source, "waiting for Cosmos DB");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            settled => return settled,
        }
    }
}

/// Whether the store is still the one that was opened, again and again. That the account does not
/// answer says nothing about it.
async fn watch(store: Arc<Cosmos>, losses: Notice, process: Process) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            biased;
            () = process.tasks.stopped() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let lost = match Box::pin(store.losses()).await {
            Ok(lost) => (!lost.is_empty()).then(|| Trouble::Faults(lost).to_string()),
            Err(gone @ Trouble::NotMade { .. }) => Some(gone.to_string()),
            Err(_) => continue,
        };
        match (losses.set(lost.as_deref()), lost) {
            (true, Some(lost)) => error!(lost, "the store is read only"),
            (true, None) => warn!("the store is whole again"),
            (false, _) => {}
        }
    }
}

fn containers() -> Vec<Container> {
    KINDS.map(container).to_vec()
}

fn container(kind: Kind) -> Container {
    Container { kind, partitioned_by: partitioned_by(kind), apart: bulk_of(kind) }
}

fn options(choice: &CosmosChoice) -> Options {
    let access = match choice.access.clone() {
        CosmosAccess::Key(key) => Access::Key(key),
        CosmosAccess::Managed { client } => Access::Managed { client },
        CosmosAccess::Workload { tenant, client, token_file } => {
            Access::Workload { tenant, client, token_file }
        }
    };
    Options::new(&choice.endpoint, &choice.database, access)
}

fn not_opened(trouble: Trouble) -> NotOpened {
    match &trouble {
        Trouble::Faults(_) | Trouble::BadControl(_) => NotOpened::CosmosLost(trouble.into()),
        Trouble::Account { .. } | Trouble::Refused { .. } | Trouble::NoAccount { .. } => {
            NotOpened::CosmosAccount(trouble.into())
        }
        Trouble::Unreachable { .. } | Trouble::NotMade { .. } => NotOpened::Cosmos(trouble.into()),
    }
}
