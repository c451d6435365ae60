//! Bus and store on NATS servers. Waits for them as long as it takes; what is wrong or missing on
//! them ends the wait at once, and what is lost while they are used ends all writing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use access_nats::{Files, Identity};
use bus::{Bus, BusError, Message};
use bus_nats::{Nats, Settings, Unfit};
use bytes::Bytes;
use fleet::Product;
use ledger::{KINDS, KINDS_OF_IDENTITY, Placed};
use protocol::{Purpose, Row, Subject};
use store::Kind;
use store_nats::{BucketState, NatsKv, Options, Plan, SyncMode, Trouble};
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::safe::Safe;
use super::{
    Bill, Durability, Kept, Look, Making, NotOpened, Notice, Process, Reach, Room, Standing,
    Streams, Sync,
};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What is acknowledged after a loss was acknowledged by a store that has it; so soon at latest
/// nothing more is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A bound may be set at any time; it is looked for rarely where there is none.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// Of a thousand parts of a bucket, those that new jobs may take; the rest is for jobs that run.
const SCARCE: u64 = 900;
/// For those who look once and do not wait for a server to come.
const PATIENCE: Duration = Duration::from_secs(5);
const ASKS: u32 = 100;
const WRITES: u32 = 50;

pub(super) async fn bus(reach: &Reach, process: &Process) -> Result<Arc<dyn Bus>, NotOpened> {
    let (clock, ids) = (Arc::clone(&process.clock), Arc::clone(&process.ids));
    let bus = Box::pin(Nats::connect(&settings(reach, &process.name), clock, ids)).await;
    let bus = bus.map_err(unfit)?;
    let away = |unfit: &Unfit| matches!(unfit, Unfit::Away(_));
    tokio::select! {
        biased;
        said = bus.not_heard() => return Err(NotOpened::NatsAccess(Deaf(said).into())),
        fit = patiently(&reach.url, || Box::pin(bus.verify()), away) => drop(fit.map_err(unfit)?),
    }
    end_if_deaf(&bus, process);
    let (discovered, tasks) = (bus.clone(), process.tasks.clone());
    process.tasks.spawn("discovery", async move {
        tokio::select! {
            biased;
            () = tasks.stopped() => {}
            () = be_found(&discovered) => {}
        }
        Ok::<(), NotOpened>(())
    });
    Ok(Arc::new(bus))
}

/// By people's tools, on which nobody depends.
async fn be_found(bus: &Nats) {
    loop {
        let ended = bus.announce().await;
        warn!(?ended, "services are not discovered for now");
        tokio::time::sleep(LONGEST_WAIT).await;
    }
}

pub(super) async fn outside(reach: &Reach, process: &Process) -> Result<Arc<dyn Bus>, NotOpened> {
    let (clock, ids) = (Arc::clone(&process.clock), Arc::clone(&process.ids));
    let bus = Box::pin(Nats::connect(&settings(reach, &process.name), clock, ids)).await;
    let bus = bus.map_err(unfit)?;
    end_if_deaf(&bus, process);
    Ok(Arc::new(bus))
}

/// Nobody would notice: a server that refuses a listener lets the rest go on.
#[derive(Debug, thiserror::Error)]
#[error(
    "NATS does not let this process hear and ask all that its role does ({0}): its credentials are another \
     role's, or the server's configuration is older than this program"
)]
struct Deaf(Arc<str>);

fn end_if_deaf(bus: &Nats, process: &Process) {
    let (bus, tasks) = (bus.clone(), process.tasks.clone());
    process.tasks.spawn("hearing", async move {
        tokio::select! {
            biased;
            () = tasks.stopped() => Ok(()),
            said = bus.not_heard() => Err(Deaf(said)),
        }
    });
}

pub(super) async fn store(
    reach: &Reach,
    monitors: &[String],
    process: &Process,
) -> Result<Kept, NotOpened> {
    let options = options(reach, monitors);
    let store = Arc::new(opened(reach, &options).await.map_err(not_opened)?);
    info!(generation = store.generation(), "store open");
    let durability = Durability::of(&syncs(reach, monitors).await, store.replicas());
    let (losses, room) = (Notice::default(), Room::default());
    process.tasks.spawn("generation", watch(Arc::clone(&store), losses.clone(), process.clone()));
    process.tasks.spawn("room", measure(Arc::clone(&store), room.clone(), process.clone()));
    let store = Arc::new(Safe::over(store, losses.clone(), room.clone()));
    Ok(Kept { store, durability, losses, room, bill: Bill::default() })
}

/// Whether the store is still the one that was opened, again and again. That a server is away
/// says nothing about it.
async fn watch(store: Arc<NatsKv>, losses: Notice, process: Process) -> Result<(), Infallible> {
    loop {
        tokio::select! {
            biased;
            () = process.tasks.stopped() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let Ok(lost) = store.losses().await else { continue };
        let told = (!lost.is_empty()).then(|| Trouble::Faults(lost).to_string());
        match (losses.set(told.as_deref()), told) {
            (true, Some(lost)) => error!(lost, "the store is read only"),
            (true, None) => warn!("the store is whole again"),
            (false, _) => {}
        }
    }
}

/// How much room is left, again and again, and sooner where much of a bounded store was taken.
async fn measure(store: Arc<NatsKv>, room: Room, process: Process) -> Result<(), Infallible> {
    loop {
        let is_bounded = tokio::select! {
            biased;
            () = process.tasks.stopped() => return Ok(()),
            is_bounded = look_for_room(&store, &room.scarce) => is_bounded,
        };
        tokio::select! {
            biased;
            () = process.tasks.stopped() => return Ok(()),
            () = tokio::time::sleep(MEASURE_EVERY) => {}
            () = room.taken(), if is_bounded => {}
        }
    }
}

/// Says whether there is a bound, as far as the server said.
async fn look_for_room(store: &NatsKv, scarce: &Notice) -> bool {
    let Ok(fullest) = store.fullest().await else { return false };
    let is_bounded = fullest.is_some();
    let told = fullest.filter(|fullest| fullest.permille() >= SCARCE).map(|it| it.to_string());
    // Which bucket, and how little, changes from look to look.
    let was_scarce = scarce.told().is_some();
    scarce.set(told.as_deref());
    match (was_scarce, told) {
        (false, Some(told)) => error!(told, "no new jobs are taken: there is little room left"),
        (true, None) => warn!("there is room again"),
        (true, Some(_)) | (false, None) => {}
    }
    is_bounded
}

async fn opened(reach: &Reach, options: &Options) -> Result<NatsKv, Trouble> {
    let away = |trouble: &Trouble| matches!(trouble, Trouble::Unreachable { .. });
    patiently(&reach.url, || Box::pin(NatsKv::open(options, &KINDS)), away).await
}

/// Asks again while the servers cannot be used now: they are not there, or choose their leaders.
async fn patiently<T, E, F>(
    url: &str,
    open: impl Fn() -> F,
    away: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut wait = FIRST_WAIT;
    loop {
        match open().await {
            Err(trouble) if away(&trouble) => {
                warn!(url, "waiting for NATS");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            settled => return settled,
        }
    }
}

pub(super) async fn make_streams(
    reach: &Reach,
    replicas: usize,
    process: &Process,
) -> Result<(), NotOpened> {
    let (clock, ids) = (Arc::clone(&process.clock), Arc::clone(&process.ids));
    let bus = Box::pin(Nats::connect(&settings(reach, &process.name), clock, ids)).await;
    Box::pin(bus.map_err(unfit)?.init(replicas, &READERS)).await.map_err(unfit)
}

pub(super) async fn make(
    reach: &Reach,
    making: Making,
    process: &Process,
) -> Result<(), NotOpened> {
    make_streams(reach, making.replicas, process).await?;
    let Making { replicas, partitions, new_generation, most_bytes } = making;
    let plan = Plan { partitions, replicas, new_generation, most_bytes };
    let generation = process.ids.mint().to_string();
    let options = options(reach, &[]);
    let made = store_nats::init(&options, plan, &KINDS, &generation);
    Box::pin(made).await.map_err(not_opened)
}

/// The record of what was made is written last, so that nothing is made again where it stands.
pub(super) async fn make_if_new(
    reach: &Reach,
    making: Making,
    process: &Process,
) -> Result<(), NotOpened> {
    let options = options(reach, &[]);
    match opened(reach, &options).await {
        Ok(_) => Ok(()),
        Err(Trouble::NotMade { .. }) => make(reach, making, process).await,
        Err(trouble) => Err(not_opened(trouble)),
    }
}

pub(super) async fn syncs(reach: &Reach, monitors: &[String]) -> Vec<Sync> {
    let told = store_nats::sync_modes(&options(reach, monitors)).await;
    told.into_iter().map(|(_, mode)| sync(mode)).collect()
}

fn sync(mode: SyncMode) -> Sync {
    match mode {
        SyncMode::Always => Sync::Always,
        SyncMode::Every(span) => Sync::Every(span),
        SyncMode::NotKnown => Sync::NotKnown,
    }
}

pub(super) async fn look(
    asked: &Look,
    process: &Process,
) -> Result<(Standing, Arc<dyn Bus>), NotOpened> {
    let options = options(&asked.reach, &asked.monitors);
    let report = store_nats::look(&options, &KINDS).await.map_err(not_opened)?;
    let (clock, ids) = (Arc::clone(&process.clock), Arc::clone(&process.ids));
    let connecting = settings(&asked.reach, &process.name);
    let bus = timeout(PATIENCE, Box::pin(Nats::connect(&connecting, clock, ids))).await;
    let bus = bus.unwrap_or(Err(Unfit::Away(BusError::TimedOut))).map_err(unfit)?;
    let mut faults: Vec<_> = report.faults.iter().map(ToString::to_string).collect();
    let streams = match bus.verify().await {
        Ok(streams) => streams.iter().map(|one| (one.stream, one.messages)).collect(),
        Err(Unfit::Faults(found)) => {
            faults.extend(found.iter().map(ToString::to_string));
            Vec::new()
        }
        Err(other) => return Err(unfit(other)),
    };
    let syncs: Vec<_> = report.sync.iter().map(|(_, mode)| sync(*mode)).collect();
    let written = if asked.writes { written(&options, process).await? } else { Vec::new() };
    let standing = Standing {
        version: report.server_version,
        server: report.server_name,
        cluster: report.cluster,
        max_payload: report.max_payload,
        generation: report.generation,
        replicas: report.replicas,
        buckets: report.buckets.len(),
        documents: report.buckets.iter().map(|bucket| bucket.keys).sum(),
        fullest: report.fullest.map(|it| (it.permille() >= SCARCE, it.to_string())),
        behind: report.buckets.iter().filter(|b| is_behind(b)).map(|b| b.name.clone()).collect(),
        streams,
        faults,
        durability: Durability::of(&syncs, report.replicas),
        asked: answered(&bus, process).await?,
        written,
    };
    Ok((standing, Arc::new(bus)))
}

/// Where records lie elsewhere: only the streams, and what is missing of them.
pub(super) async fn look_at_streams(
    reach: &Reach,
    process: &Process,
) -> Result<(Streams, Arc<dyn Bus>), NotOpened> {
    let (clock, ids) = (Arc::clone(&process.clock), Arc::clone(&process.ids));
    let connecting = settings(reach, &process.name);
    let bus = timeout(PATIENCE, Box::pin(Nats::connect(&connecting, clock, ids))).await;
    let bus = bus.unwrap_or(Err(Unfit::Away(BusError::TimedOut))).map_err(unfit)?;
    let found = match bus.verify().await {
        Ok(streams) => Ok(streams.iter().map(|one| (one.stream, one.messages)).collect()),
        Err(Unfit::Faults(found)) => Err(found.iter().map(ToString::to_string).collect()),
        Err(other) => return Err(unfit(other)),
    };
    Ok((found, Arc::new(bus)))
}

fn is_behind(bucket: &BucketState) -> bool {
    bucket.replicas > 1 && (bucket.leader.is_none() || bucket.current + 1 < bucket.replicas)
}

/// Questions that nobody hears, which the server itself says.
async fn answered(bus: &Nats, process: &Process) -> Result<Vec<Duration>, NotOpened> {
    let mut took = Vec::new();
    for _ in 0..ASKS {
        let began = process.clock.uptime();
        match bus.request(Message::new(Subject::probe(), Bytes::new()), PATIENCE).await {
            Ok(_) | Err(BusError::NoResponders(_)) => took.push(since(began, process)),
            Err(error) => return Err(NotOpened::NatsBus(error.into())),
        }
    }
    took.sort();
    Ok(took)
}

async fn written(options: &Options, process: &Process) -> Result<Vec<Duration>, NotOpened> {
    let (mut took, mut began) = (Vec::new(), process.clock.uptime());
    let told = || {
        took.push(since(began, process));
        began = process.clock.uptime();
    };
    store_nats::probe(options, WRITES + 1, told).await.map_err(not_opened)?;
    // The first one waited for the connection too.
    took.remove(0);
    took.sort();
    Ok(took)
}

fn since(began: Duration, process: &Process) -> Duration {
    process.clock.uptime().saturating_sub(began)
}

fn unfit(unfit: Unfit) -> NotOpened {
    let is_of_the_server = match &unfit {
        Unfit::Faults(faults) => faults.iter().any(bus_nats::Fault::is_of_the_server),
        Unfit::NotAdmitted(_) => return NotOpened::NatsAccess(unfit.into()),
        Unfit::Away(_) => false,
    };
    if is_of_the_server {
        NotOpened::NatsServer(unfit.into())
    } else {
        NotOpened::NatsBus(unfit.into())
    }
}

fn not_opened(trouble: Trouble) -> NotOpened {
    match &trouble {
        Trouble::NotAdmitted(_) => NotOpened::NatsAccess(trouble.into()),
        Trouble::OldServer { .. } => NotOpened::NatsServer(trouble.into()),
        Trouble::Faults(_) | Trouble::BadControl(_) => NotOpened::NatsLost(trouble.into()),
        Trouble::Unreachable { .. } | Trouble::NotMade { .. } | Trouble::BadPlan { .. } => {
            NotOpened::NatsStore(trouble.into())
        }
    }
}

fn options(reach: &Reach, monitors: &[String]) -> Options {
    let (monitors, files) = (monitors.to_vec(), files(reach));
    Options { monitors, files, ..Options::new(reach.url.as_str()) }
}

fn settings(reach: &Reach, name: &str) -> Settings {
    let servers = reach.url.split(',').map(|one| one.trim().to_owned()).collect();
    Settings { files: files(reach), ..Settings::new(servers, name) }
}

fn files(reach: &Reach) -> Files {
    let identity = reach.identity.clone();
    Files {
        credentials: reach.credentials.clone(),
        authority: reach.authority.clone(),
        identity: identity.map(|(certificate, key)| Identity { certificate, key }),
    }
}

/// Who takes the entries of which stream, as the service of that name calls itself.
const READERS: [(Row, &str); 1] = [(Row::Intake, "submit")];

pub(super) fn inner_subjects(purpose: Purpose, partitions: usize) -> Vec<String> {
    if purpose == Purpose::Admin {
        let buckets = store_nats::asked_to_make(&KINDS, partitions);
        return bus_nats::asked_to_make(&READERS).into_iter().chain(buckets).collect();
    }
    if !purpose.is_service() {
        return Vec::new();
    }
    let mut inner = bus_nats::asked_by_all();
    if matches!(purpose, Purpose::Submit | Purpose::All) {
        inner.extend(
            READERS.iter().flat_map(|(row, group)| bus_nats::asked_by_readers(*row, group)),
        );
    }
    inner.extend(store_nats::asked_to_open(&KINDS, partitions));
    for kind in KINDS {
        let (reads, writes) = touches(purpose, kind);
        if reads {
            inner.extend(store_nats::asked_to_read(kind, partitions));
        }
        if writes {
            inner.extend(store_nats::asked_to_write(kind, partitions));
        }
    }
    inner
}

/// Whether it reads and whether it writes records of a kind. The services of jobs share one ledger,
/// whose repairs run in any of them; who people are is the door's to know, and no word of theirs.
fn touches(purpose: Purpose, kind: Kind) -> (bool, bool) {
    let is_identity = KINDS_OF_IDENTITY.contains(&kind);
    let is_door = matches!(purpose, Purpose::Gateway | Purpose::All);
    // Whether the store answers the door learns by a look at a product.
    let reads = purpose.keeps_records() || kind == Product::KIND;
    if is_identity { (is_door, is_door) } else { (reads, purpose.keeps_records()) }
}
