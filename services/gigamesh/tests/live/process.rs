//! The binary under test: started in a folder of its own, killed on drop.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use client::{CallError, OverHttp, Patience};
use clock::{Clock, Ids, System};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use protocol::{AboutJob, Ask, ListJobs, Listed, OfJob, Receipt, SubmitJob};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longer than anything here takes, so that only what hangs meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) fn gigamesh(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gigamesh"));
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(crate) async fn ran(folder: &Path, words: &[&str]) -> Output {
    let output = gigamesh(folder).args(words).output();
    tokio::time::timeout(PATIENCE, output).await.expect("it ends").unwrap()
}

/// A fleet in a process of its own, its door open.
pub(crate) struct Running {
    child: Child,
    /// Its first line.
    pub(crate) said: Value,
    pub(crate) url: String,
    pub(crate) token_file: PathBuf,
    link: OverHttp,
    time: System,
}

impl Running {
    /// `gigamesh dev` with these words besides.
    pub(crate) async fn dev(folder: &Path, words: &[&str]) -> Self {
        let mut command = gigamesh(folder);
        command.args(["dev", "--port", "0"]).args(words);
        Self::of(command).await
    }

    /// Anything that says where its door is on its first line.
    pub(crate) async fn of(command: Command) -> Self {
        Self::opened(command, None, Stdio::null()).await
    }

    /// The same, where its log is of interest.
    pub(crate) async fn logged(command: Command, log: std::fs::File) -> Self {
        Self::opened(command, None, log.into()).await
    }

    /// The same, where the token is not the folder's own.
    pub(crate) async fn with_token(command: Command, token: &str) -> Self {
        Self::opened(command, Some(token), Stdio::null()).await
    }

    async fn opened(mut command: Command, given: Option<&str>, log: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts");
        let said: Value = serde_json::from_str(&line.unwrap().expect("it says where")).unwrap();
        let url = said["url"].as_str().unwrap().to_owned();
        let token_file = PathBuf::from(said["tokenFile"].as_str().unwrap_or_default());
        let token = given.map(str::to_owned);
        let token = token.unwrap_or_else(|| std::fs::read_to_string(&token_file).unwrap());
        let link = OverHttp::new(&url, token.trim()).unwrap();
        Self { child, said, url, token_file, link, time: System::start() }
    }

    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, CallError> {
        self.link.call(ask, self.patience()).await
    }

    pub(crate) fn patience(&self) -> Patience {
        let until = self.time.now().plus(PATIENCE);
        Patience { request_id: self.time.mint(), until, span: PATIENCE }
    }

    pub(crate) fn link(&self) -> &OverHttp {
        &self.link
    }

    /// The most memory that it ever had, as the operating system counted it, without the pages of
    /// files, which are its binary's.
    pub(crate) fn most_kib_of_its_own(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid(&self.child))).unwrap();
        let kib = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        kib("VmHWM:") - kib("RssFile:")
    }

    pub(crate) async fn submit(&self, file: &str) -> Result<Receipt, CallError> {
        self.ask(&SubmitJob { file: Some(file.to_owned()), ..SubmitJob::default() }).await
    }

    pub(crate) async fn jobs(&self) -> Listed {
        self.ask(&ListJobs { limit: Some(500), ..ListJobs::default() }).await.unwrap()
    }

    pub(crate) async fn job(&self, named: &str) -> Value {
        let ask = OfJob { query: AboutJob::Get, job: named.to_owned() };
        self.ask(&ask).await.unwrap().items.remove(0)
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ctrl-C at its terminal: its whole group hears it, of which it must be the first.
    pub(crate) async fn interrupt(mut self) -> Option<i32> {
        killpg(pid(&self.child), Signal::SIGINT).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        ended.unwrap().code()
    }

    /// Asks it politely, and tells with which code it went.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        terminate(&self.child);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        ended.unwrap().code()
    }
}

pub(crate) fn terminate(child: &Child) {
    kill(pid(child), Signal::SIGTERM).unwrap();
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id().expect("it runs")).unwrap())
}

/// Looks again and again until there is something.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never: {what}"))
}
