//! Bus and store on NATS servers. Waits for them as long as it takes; what is wrong or missing on
//! them ends the wait at once.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use bus_nats::{Nats, Settings};
use ledger::KINDS;
use store::Store;
use store_nats::{NatsKv, Options, Plan, Trouble};
use tracing::{info, warn};

use super::{Making, NotOpened, Process};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(super) async fn bus(url: &str, process: &Process) -> Result<Arc<dyn Bus>, NotOpened> {
    let (clock, ids) = (Arc::clone(&process.clock), Arc::clone(&process.ids));
    let opened = Box::pin(Nats::open(&settings(url, &process.name), clock, ids)).await;
    let bus = opened.map_err(|unfit| NotOpened::NatsBus(unfit.into()))?;
    let (discovered, tasks) = (bus.clone(), process.tasks.clone());
    process.tasks.spawn("discovery", async move {
        tokio::select! {
            biased;
            () = tasks.stopped() => {}
            // Nobody depends on being found by people's tools.
            ended = discovered.announce() => warn!(?ended, "services are not discovered"),
        }
        Ok::<(), NotOpened>(())
    });
    Ok(Arc::new(bus))
}

pub(super) async fn outside(url: &str, process: &Process) -> Result<Arc<dyn Bus>, NotOpened> {
    let (clock, ids) = (Arc::clone(&process.clock), Arc::clone(&process.ids));
    let bus = Box::pin(Nats::connect(&settings(url, &process.name), clock, ids)).await;
    Ok(Arc::new(bus.map_err(|error| NotOpened::NatsBus(error.into()))?))
}

pub(super) async fn store(url: &str) -> Result<Arc<dyn Store>, NotOpened> {
    let mut wait = FIRST_WAIT;
    loop {
        match Box::pin(NatsKv::open(&Options::new(url), &KINDS)).await {
            Ok(store) => {
                info!(url, generation = store.generation(), "store open");
                return Ok(Arc::new(store));
            }
            Err(Trouble::Unreachable { .. }) => {
                warn!(url, "waiting for NATS");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Err(
                trouble @ (Trouble::OldServer { .. }
                | Trouble::NotMade { .. }
                | Trouble::Faults(_)
                | Trouble::BadControl(_)
                | Trouble::BadPlan { .. }),
            ) => return Err(NotOpened::NatsStore(trouble.into())),
        }
    }
}

pub(super) async fn make(url: &str, making: Making, process: &Process) -> Result<(), NotOpened> {
    let (clock, ids) = (Arc::clone(&process.clock), Arc::clone(&process.ids));
    let bus = Box::pin(Nats::connect(&settings(url, &process.name), clock, ids)).await;
    let bus = bus.map_err(|error| NotOpened::NatsBus(error.into()))?;
    bus.init(making.replicas).await.map_err(|unfit| NotOpened::NatsBus(unfit.into()))?;
    let Making { replicas, partitions, new_generation } = making;
    let plan = Plan { partitions, replicas, new_generation };
    let generation = process.ids.mint().to_string();
    let options = Options::new(url);
    let made = store_nats::init(&options, plan, &KINDS, &generation);
    Box::pin(made).await.map_err(|trouble| NotOpened::NatsStore(trouble.into()))
}

fn settings(url: &str, name: &str) -> Settings {
    Settings::new(url.split(',').map(|one| one.trim().to_owned()).collect(), name)
}
