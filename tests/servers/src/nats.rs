//! One nats-server with JetStream in a folder of its own: started, killed, frozen, started again
//! on the same port and the same folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Process;
use crate::{Trouble, find, io, wait};

/// When JetStream syncs its files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// Each write before its acknowledgement.
    #[default]
    Always,
    /// Every two minutes, as a server does that was not told otherwise.
    ServerDefault,
}

/// What may be set; the defaults are good for tests.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub sync: SyncMode,
    /// The longest message, headers included; the server's own default is 1 MiB.
    pub max_payload: Option<usize>,
    /// Added to the configuration as it is, say accounts and permissions.
    pub extra: String,
    /// Where the server's folder is made, instead of among the system's temporary ones.
    pub place: Option<PathBuf>,
}

/// A running server, unless it was killed. Its end, and its folder's, come with the drop.
#[derive(Debug)]
pub struct Nats {
    program: PathBuf,
    config: Config,
    ports: Ports,
    process: Mutex<Option<Process>>,
    // After the process, so that it is dropped later.
    folder: TempDir,
}

impl Nats {
    /// Answers when its JetStream takes requests.
    ///
    /// # Errors
    /// When there is no server to start, or it does not start.
    pub fn start(options: Options) -> Result<Self, Trouble> {
        let server = Self::launch(Config { options, cluster: String::new() })?;
        server.ready()?;
        Ok(server)
    }

    /// For clients: `nats://127.0.0.1:…`, the same after every restart.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client)
    }

    /// The monitoring's root: `http://127.0.0.1:…`.
    pub fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.monitor)
    }

    /// Where its JetStream keeps what it has.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store/jetstream")
    }

    /// What it wrote about itself, whom it refused for one.
    pub fn log(&self) -> String {
        log(self.folder.path())
    }

    /// The process, or nothing while it is killed.
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// `kill -9`; answers when the process is gone.
    pub fn kill(&self) {
        drop(self.process().take());
    }

    /// Starts it again on its ports and its folder, after a kill if it still runs, and answers
    /// when its JetStream takes requests.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&self) -> Result<(), Trouble> {
        self.begin()?;
        self.ready()
    }

    /// Stops it in the middle of whatever it does; its connections stay open. Answers when it stands.
    ///
    /// # Errors
    /// When it is not running.
    pub fn freeze(&self) -> Result<(), Trouble> {
        self.signalled(Process::freeze)
    }

    /// Lets it go on after [`Self::freeze`].
    ///
    /// # Errors
    /// When it is not running.
    pub fn thaw(&self) -> Result<(), Trouble> {
        self.signalled(Process::thaw)
    }

    /// Starts it again without waiting for its JetStream: a node of a cluster is ready only with
    /// others.
    ///
    /// # Errors
    /// When it does not start.
    pub fn begin(&self) -> Result<(), Trouble> {
        let mut process = self.process();
        drop(process.take());
        let config = self.config.text(self.folder.path(), Some(self.ports));
        // The port may have been lent to somebody's outgoing connection meanwhile.
        let again = || spawn(&self.program, self.folder.path(), &config).ok();
        let what = "starting again";
        let started = wait::until(again).ok_or_else(|| self.not_ready(what))?;
        *process = Some(started.0);
        Ok(())
    }

    /// Answers when its JetStream takes requests.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn ready(&self) -> Result<(), Trouble> {
        let healthy = || wait::is_healthy(self.ports.monitor).then_some(());
        wait::until(healthy).ok_or_else(|| self.not_ready("a healthy JetStream"))
    }

    /// The answer of the monitoring, say to `/varz`.
    ///
    /// # Errors
    /// When there is none, or it is not JSON.
    pub fn monitored(&self, path: &str) -> Result<Value, Trouble> {
        let answer = wait::get(self.ports.monitor, path);
        let body = answer.as_deref().and_then(|answer| answer.split_once("\r\n\r\n"));
        let value = body.and_then(|(_, body)| serde_json::from_str(body).ok());
        value.ok_or_else(|| self.not_ready("an answer of the monitoring"))
    }

    /// Started and listening, perhaps without a JetStream yet.
    pub(crate) fn launch(config: Config) -> Result<Self, Trouble> {
        let program = find::nats_server()?;
        let folder = match &config.options.place {
            Some(place) => tempfile::tempdir_in(place),
            None => tempfile::tempdir(),
        };
        let folder = folder.map_err(io("make a folder for the server"))?;
        let text = config.text(folder.path(), None);
        let (process, ports) = spawn(&program, folder.path(), &text)?;
        Ok(Self { program, config, ports, process: Mutex::new(Some(process)), folder })
    }

    fn signalled(&self, signal: fn(&Process) -> std::io::Result<()>) -> Result<(), Trouble> {
        match self.process().as_ref() {
            Some(process) => signal(process).map_err(io("signal the server")),
            None => Err(self.not_ready("a signal to a killed server")),
        }
    }

    fn not_ready(&self, what: &'static str) -> Trouble {
        Trouble::NotReady { what, log: log(self.folder.path()) }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    client: u16,
    monitor: u16,
}

/// What is written to the server's configuration file, apart from its folder and ports.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) options: Options,
    /// The name and routes of a node.
    pub(crate) cluster: String,
}

impl Config {
    /// Without ports it takes free ones and writes them to a file.
    fn text(&self, folder: &Path, ports: Option<Ports>) -> String {
        let port =
            |port: Option<u16>| port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
        let (client, monitor) = (port(ports.map(|p| p.client)), port(ports.map(|p| p.monitor)));
        let sync = match self.options.sync {
            SyncMode::Always => "sync_interval: always",
            SyncMode::ServerDefault => "",
        };
        let most = self.options.max_payload;
        let most = most.map(|most| format!("max_payload: {most}\n")).unwrap_or_default();
        let (at, cluster, extra) = (folder.display(), &self.cluster, &self.options.extra);
        format!(
            "listen: \"127.0.0.1:{client}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
             ports_file_dir: \"{at}\"\nlog_file: \"{at}/log\"\n{most}\
             jetstream {{ store_dir: \"{at}/store\", {sync} }}\n{cluster}\n{extra}\n"
        )
    }
}

/// Answers when the server has written which ports it listens on.
fn spawn(program: &Path, folder: &Path, config: &str) -> Result<(Process, Ports), Trouble> {
    let file = folder.join("config");
    fs::write(&file, config).map_err(io("write the server's configuration"))?;
    for stale in ports_files(folder) {
        fs::remove_file(stale).map_err(io("clear a ports file"))?;
    }
    let mut process = Process::start(program, &["-c".as_ref(), file.as_os_str()])
        .map_err(io("start nats-server"))?;
    // Until it can be read whole: the server may be writing it.
    let ports = wait::until(|| match ports_files(folder).iter().find_map(|file| ports(file)) {
        Some(ports) => Some(Some(ports)),
        None => process.has_ended().then_some(None),
    });
    let log = || Trouble::NotReady { what: "listening", log: log(folder) };
    Ok((process, ports.flatten().ok_or_else(log)?))
}

/// At most one; its name follows the program's and the process's.
fn ports_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "ports")).collect()
}

fn ports(file: &Path) -> Option<Ports> {
    let text = fs::read(file).ok()?;
    let said: Value = serde_json::from_slice(&text).ok()?;
    let port = |name: &str| said[name][0].as_str()?.rsplit_once(':')?.1.parse().ok();
    Some(Ports { client: port("nats")?, monitor: port("monitoring")? })
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}
