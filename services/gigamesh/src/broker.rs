//! A nats-server of our own, for one fleet in one folder: found, started on free ports of the
//! loopback, started again if it ends by itself, and never left running. Knows nothing of what it
//! carries.

mod cluster;

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clock::{Clock, System};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::say::Say;
use crate::trouble::Trouble;

pub(crate) use cluster::Cluster;
use cluster::Member;

/// A body of 1 MiB, and room for what stands beside it.
const MAX_PAYLOAD: usize = 2 << 20;
/// What it may take to say where it listens; it is a hundredth of that.
const TURNS: u32 = 1_000;
const TURN: Duration = Duration::from_millis(10);
/// What it may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// One that does not even live so long has something that another start does not mend.
const SHORTEST_LIFE: Duration = Duration::from_secs(5);
const LOG_LINES: usize = 3;

/// A server that runs, and is killed on drop.
#[derive(Debug)]
pub(crate) struct Broker {
    program: PathBuf,
    place: Place,
    ports: Ports,
    child: Child,
    /// When it was started last, by our own clock.
    began: Duration,
    clock: System,
}

/// Where it keeps what it is told, and how well.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    syncs: Syncs,
    /// Of a cluster, if it is of one.
    member: Option<Member>,
}

/// When a server writes through to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Syncs {
    /// Before it acknowledges
    Always,
    /// Within the two minutes that are the server's own rule; for measures only
    Default,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    monitor: u16,
}

impl Broker {
    /// Answers when it listens. To be called on the thread that lives as long as the process:
    /// that is the one that the system ties a child to.
    pub(crate) async fn start(
        folder: PathBuf,
        program: Option<PathBuf>,
        syncs: Syncs,
    ) -> Result<Self, Trouble> {
        Self::at(Place { folder, syncs, member: None }, program).await
    }

    async fn at(place: Place, program: Option<PathBuf>) -> Result<Self, Trouble> {
        let program = program.ok_or_else(|| {
            Trouble::usage("there is no nats-server to start")
                .because("it is not on PATH, and no target/tools here or above holds one")
                .next("cargo xtask setup, or GIGAMESH_NATS_SERVER=FILE with 2.12 or later")
        })?;
        fs::create_dir_all(&place.folder)?;
        let clock = System::start();
        let began = clock.uptime();
        let (child, ports) = spawn(&program, &place, None).await?;
        Ok(Self { program, place, ports, child, began, clock })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client)
    }

    pub(crate) fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.monitor)
    }

    /// Starts it again, on the same ports, whenever it ends. Ends when that does not help.
    pub(crate) async fn keep(&mut self, say: Say) -> Trouble {
        loop {
            let ended = self.child.wait().await;
            let lived = self.clock.uptime().saturating_sub(self.began);
            if lived < SHORTEST_LIFE {
                return ended_badly(&self.place.folder);
            }
            let how = ended.map_or_else(|error| error.to_string(), |end| end.to_string());
            say.talk(&format!("nats-server ended ({how}) and is started again"));
            self.began = self.clock.uptime();
            match spawn(&self.program, &self.place, Some(self.ports)).await {
                Ok((child, _)) => self.child = child,
                Err(trouble) => return trouble,
            }
        }
    }

    /// Politely first.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        let Some(pid) = pid else { return };
        // It may have ended by itself meanwhile.
        let _told = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        if ended.is_err() {
            let _gone = self.child.kill().await;
        }
    }
}

/// Become another program that ends when its parent does; only for what we start ourselves
#[derive(Args, Clone, Debug)]
pub(crate) struct Tied {
    /// The process that started this one
    parent: i32,
    program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Tied {
    /// Comes back only with an error.
    pub(crate) fn run(self) -> Trouble {
        #[cfg(target_os = "linux")]
        if let Err(error) = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL) {
            return io::Error::from(error).into();
        }
        // † the parent ended before the tie was made: nobody would end us.
        if getppid() != Pid::from_raw(self.parent) {
            return Trouble::failed("whoever started this is gone");
        }
        let error = std::process::Command::new(&self.program).args(&self.words).exec();
        Trouble::failed(format!("{} does not start", self.program.display())).caused_by(&error)
    }
}

/// Answers when the server has written where it listens.
async fn spawn(
    program: &Path,
    place: &Place,
    ports: Option<Ports>,
) -> Result<(Child, Ports), Trouble> {
    let folder = &place.folder;
    let config = folder.join("config");
    fs::write(&config, configured(place, ports))?;
    for stale in ports_files(folder) {
        fs::remove_file(stale)?;
    }
    let mut child = tied(program, &config)?;
    for _ in 0..TURNS {
        // Until it can be read whole: the server may be writing it.
        if let Some(ports) = ports_files(folder).iter().find_map(|file| written(file)) {
            return Ok((child, ports));
        }
        if child.try_wait()?.is_some() {
            break;
        }
        tokio::time::sleep(TURN).await;
    }
    Err(ended_badly(folder))
}

/// In a group of its own, so that a Ctrl-C at the terminal ends it last.
fn tied(program: &Path, config: &Path) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("tied").arg(std::process::id().to_string()).arg(program).arg("-c").arg(config);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.process_group(0).kill_on_drop(true).spawn()
}

fn configured(place: &Place, ports: Option<Ports>) -> String {
    let folder = &place.folder;
    let sync = match place.syncs {
        Syncs::Always => ", sync_interval: always",
        Syncs::Default => "",
    };
    let port = |port: Option<u16>| port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let (client, monitor) = (port(ports.map(|p| p.client)), port(ports.map(|p| p.monitor)));
    let member = place.member.as_ref().map(Member::configured).unwrap_or_default();
    let [at, log, store] = [folder.to_owned(), folder.join("log"), folder.join("store")];
    format!(
        "listen: \"127.0.0.1:{client}\"\nhttp: \"127.0.0.1:{monitor}\"\nports_file_dir: {at:?}\n\
         log_file: {log:?}\nmax_payload: {MAX_PAYLOAD}\n\
         jetstream {{ store_dir: {store:?}{sync} }}\n{member}"
    )
}

/// At most one; its name follows the program's and the process's.
fn ports_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "ports")).collect()
}

fn written(file: &Path) -> Option<Ports> {
    let said: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let port = |name: &str| said[name][0].as_str()?.rsplit_once(':')?.1.parse().ok();
    Some(Ports { client: port("nats")?, monitor: port("monitoring")? })
}

fn ended_badly(folder: &Path) -> Trouble {
    let file = folder.join("log");
    let log = fs::read_to_string(&file).unwrap_or_default();
    let mut last: Vec<_> = log.lines().rev().take(LOG_LINES).collect();
    last.reverse();
    let trouble = last
        .into_iter()
        .fold(Trouble::failed("nats-server does not run"), |trouble, line| trouble.because(line));
    trouble.next(format!("look into {}", file.display()))
}
