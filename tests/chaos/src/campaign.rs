//! One campaign from its first process to its judgement: the fleet starts, works under faults,
//! drains when they are over, and its history is put together. Judges nothing itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::Context;
use client::OverHttp;
use clock::{Clock, System};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{sleep, timeout};

use crate::account::{Account, Told};
use crate::cast::{self, Cast};
use crate::check::{self, Check, Finding};
use crate::deeds::World;
use crate::dice::Dice;
use crate::freight::Freight;
use crate::ground::Ground;
use crate::history::History;
use crate::intruder;
use crate::load::Load;
use crate::plan::{self, Kind, Stage};
use crate::repeater::Repeater;
use crate::stock::{Custody, Stock};
use crate::witness::{self, JOBS_OF_ACCOUNT, Witness};

/// What a campaign is told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seconds: u64,
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    /// Whether records are kept in an account of Cosmos DB.
    pub(crate) account: bool,
    pub(crate) program: PathBuf,
    /// Whether somebody overwrites a record, so that it is seen that this is found.
    pub(crate) intruder: bool,
    /// Processes, servers and logs live here.
    pub(crate) folder: PathBuf,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) world: World,
    pub(crate) history: History,
    pub(crate) findings: Vec<Finding>,
    pub(crate) freight: Freight,
    pub(crate) stock: Stock,
    pub(crate) repeated: [(&'static str, u64); 2],
    /// Who ended without being killed.
    pub(crate) revived: Vec<String>,
    /// From the end of the faults until every job had ended.
    pub(crate) drained_in: Duration,
    pub(crate) verified: String,
}

const START_WITHIN: Duration = Duration::from_secs(60);
/// Faults are over: leases run out, sweeps of half a minute pass, retries come due.
const DRAIN_WITHIN: Duration = Duration::from_secs(150);
const EVENTS_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);
/// Messages that were read along and not looked at yet.
const MOST_UNHEARD: usize = 1 << 16;
const VERIFY_TRIES: usize = 5;

/// # Errors
/// The fleet or its servers do not start, or cannot be read: nothing is known then.
pub(crate) async fn run(settings: &Settings) -> Result<Course> {
    let clock = Arc::new(System::start());
    let (ground, told) = block_in_place(|| ground(settings))?;
    prepare(settings, &ground)?;
    let (ear, all) = mpsc::channel(MOST_UNHEARD);
    let places = (settings.program.as_path(), settings.folder.as_path());
    let cast = Arc::new(Cast::assemble(places, &ground, &Some(ear)).await?);
    let mut tasks = JoinSet::new();
    let witness = match ground.account.as_ref().zip(told) {
        Some((account, told)) => Witness::of_account(account, told, &clock, &mut tasks),
        None => Witness::of_buckets(&ground.links().await?, &clock, &mut tasks).await?,
    };
    let links = (ground.link().await?, witness.clone());
    let context = async_nats::jetstream::new(ground.link().await?);
    let dice = Dice::new(settings.seed, 2);
    let repeater = Repeater::begin(links, Arc::clone(&clock), (all, dice), &mut tasks);
    let world = World::new(ground, Arc::clone(&cast), Arc::clone(&clock));
    cast.start()?;
    let revived = watch_over(&cast, &mut tasks);
    let (faults, are_on) = watch::channel(true);
    let doors = doors(&cast)?;
    let load = Load::begin((settings.seed, &doors), &clock, (&witness, &are_on), &mut tasks);
    let idle = || {
        let (seen, known) = (witness.seen().len(), load.acknowledged().len());
        format!("nothing ended: {known} jobs acknowledged, {seen} seen; the logs tell why")
    };
    begun(&witness).await.with_context(idle)?;
    let stage = Stage {
        services: Cast::SERVICES,
        custodians: Cast::CUSTODIANS,
        factories: Cast::FACTORIES,
        servers: world.ground.nodes().len(),
        account: settings.account,
    };
    let plan = plan::faults(settings.seed, Duration::from_secs(settings.seconds), stage);
    if settings.intruder {
        intruder::intrude(&witness, &context).await?;
    }
    world.suffer(&plan).await;
    faults.send_replace(false);
    let over = clock.uptime();
    drain(&load, &witness, &context).await?;
    let drained_in = clock.uptime().saturating_sub(over);
    // Jobs tell of their logs after their end: before that their histories are not whole.
    let (freight, stock) = kept(&world, &repeater).await?;
    let mut history = gather(&world, &witness, &context).await?;
    history.acknowledged = load.acknowledged();
    let (verified, mut findings) = verify(settings, &cast).await?;
    findings.extend(check::stock::check(&stock, &freight));
    findings.extend(load.refused().into_iter().map(|what| finding(Check::LostSubmission, what)));
    let repeated = {
        let mut heard = repeater.heard();
        history.words = std::mem::take(&mut heard.words);
        [("said again", heard.again), ("said by a ghost", heard.ghosts)]
    };
    let revived = revived.lock().unwrap_or_else(PoisonError::into_inner).clone();
    drop(tasks);
    let course = Course {
        world,
        history,
        findings,
        freight,
        stock,
        repeated,
        revived,
        drained_in,
        verified,
    };
    Ok(course)
}

/// With what the account tells of jobs, where there is one.
fn ground(settings: &Settings) -> Result<(Arc<Ground>, Option<mpsc::Receiver<Told>>)> {
    let Settings { program, folder, nodes, .. } = settings;
    let start = |()| Account::start(program, folder, JOBS_OF_ACCOUNT);
    let (account, told) = settings.account.then_some(()).map(start).transpose()?.unzip();
    let ground = Ground::start(*nodes, folder, account.map(Arc::new))?;
    Ok((Arc::new(ground), told))
}

fn prepare(settings: &Settings, ground: &Ground) -> Result<()> {
    let (url, replicas) = (ground.url(), settings.nodes.to_string());
    let account = ground.account.as_ref();
    let store = account.map(|account| cast::store_words(account, account.address().port()));
    let mut words = vec!["admin", "init", "--nats", &url, "--replicas", &replicas];
    words.extend(store.iter().flatten().map(String::as_str));
    let (code, said) = cast::ran(&settings.program, &words)?;
    ensure!(code == Some(0), "streams and buckets were not made: {said}");
    Ok(())
}

fn doors(cast: &Cast) -> Result<Vec<OverHttp>> {
    let doors = cast.doors();
    let link = |url: &String| Ok(OverHttp::new(url, cast.token())?);
    doors.iter().map(link).collect()
}

/// Starts whoever ended by itself, and keeps the names.
fn watch_over(cast: &Arc<Cast>, tasks: &mut JoinSet<()>) -> Arc<Mutex<Vec<String>>> {
    let revived: Arc<Mutex<Vec<String>>> = Arc::default();
    let (cast, names) = (Arc::clone(cast), Arc::clone(&revived));
    tasks.spawn(async move {
        loop {
            let ended = cast.members().iter().filter(|one| matches!(one.is_revived(), Ok(true)));
            let ended: Vec<String> = ended.map(|member| member.name.clone()).collect();
            names.lock().unwrap_or_else(PoisonError::into_inner).extend(ended);
            sleep(LOOK).await;
        }
    });
    revived
}

async fn begun(witness: &Witness) -> Result<()> {
    let shipped = async {
        while !witness.seen().values().flatten().any(|version| version.stage.has_ended()) {
            sleep(LOOK).await;
        }
    };
    Ok(timeout(START_WITHIN, shipped).await?)
}

/// Until everything was acknowledged and has ended, or it takes too long: the checks say of what.
async fn drain(load: &Load, witness: &Witness, context: &Context) -> Result<()> {
    let drained = async {
        while !(load.is_done() && has_ended(witness, context).await?) {
            sleep(LOOK * 5).await;
        }
        Ok(())
    };
    timeout(DRAIN_WITHIN, drained).await.unwrap_or(Ok(()))
}

async fn has_ended(witness: &Witness, context: &Context) -> Result<bool> {
    let stored = witness.stored(context).await?;
    Ok(stored.values().all(|version| version.stage.has_ended()))
}

async fn gather(world: &World, witness: &Witness, context: &Context) -> Result<History> {
    // An account tells what it took whatever becomes of the servers.
    let servers_killed =
        world.ground.account.is_none() && world.by_kind().contains_key(&Kind::KillServer);
    let mut history = History { servers_killed, ..History::default() };
    let told = async {
        loop {
            history.at_the_end = witness.stored(context).await?;
            history.told = witness::told(context).await?;
            let whole = history.at_the_end.iter().all(|(job, end)| {
                let told = history.told.get(job).map_or(0, std::collections::BTreeSet::len);
                told as u64 == end.events
            });
            if whole {
                return anyhow::Ok(());
            }
            sleep(LOOK * 10).await;
        }
    };
    timeout(EVENTS_WITHIN, told).await.unwrap_or(Ok(()))?;
    history.versions = witness.seen().clone();
    Ok(history)
}

/// What became of bytes and lines, once every job has ended.
async fn kept(world: &World, repeater: &Repeater) -> Result<(Freight, Stock)> {
    let freight = repeater.heard().freight.clone();
    let link = world.ground.link().await?;
    let (clock, blobs) = (Arc::clone(&world.clock), world.cast.blobs());
    let custody = Custody { link, clock, blobs, account: world.ground.account.clone() };
    let stock = Box::pin(custody.settled(&freight)).await?;
    Ok((freight, stock))
}

/// What the product's own auditor says of its records.
async fn verify(settings: &Settings, cast: &Cast) -> Result<(String, Vec<Finding>)> {
    let (doors, token) = (cast.doors(), cast.token_file().display().to_string());
    let mut said = String::new();
    for door in doors.iter().cycle().take(VERIFY_TRIES) {
        let words = ["verify", "-o", "json", "--quiet", "--url", door, "--token-file", &token];
        let (code, answer) = block_in_place(|| cast::ran(&settings.program, &words))?;
        match code {
            Some(0) => return Ok((counted(&answer), Vec::new())),
            Some(9) => return Ok((counted(&answer), vec![finding(Check::Records, answer)])),
            _ => said = answer,
        }
        sleep(LOOK * 10).await;
    }
    Ok((String::from("no answer"), vec![finding(Check::Records, format!("no answer: {said}"))]))
}

fn counted(answer: &str) -> String {
    let end = answer.rfind('}').map_or(0, |end| end + 1);
    let said: Value =
        answer.get(..end).map(serde_json::from_str).and_then(Result::ok).unwrap_or_default();
    let number = |name: &str| said[name].as_u64().unwrap_or_default();
    let violations = said["violations"].as_array().map_or(0, Vec::len);
    format!("{} jobs, {} events, {violations} violations", number("jobs"), number("events"))
}

fn finding(check: Check, what: String) -> Finding {
    Finding { check, job: None, what }
}

/// Where the product lies: beside this program, as cargo puts it.
pub(crate) fn beside() -> Result<PathBuf> {
    let ours = std::env::current_exe()?;
    let program = ours.parent().unwrap_or_else(|| Path::new(".")).join("gigamesh");
    ensure!(program.is_file(), "no {}: type `cargo xtask chaos`", program.display());
    Ok(program)
}
