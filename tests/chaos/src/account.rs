//! An account of Cosmos DB in a process of its own: what befalls it is ordered there, and it tells
//! every version that it took. It keeps its records in memory, so it is never killed.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use servers::Process;
use tokio::sync::mpsc;

pub(crate) const DATABASE: &str = "fleet";
const PROGRAM: &str = "cosmos-emulator";
/// Versions that were told and not looked at yet: then the account waits.
const MOST_UNHEARD: usize = 1 << 12;
const PATIENCE: Duration = Duration::from_secs(30);

/// In requests of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// Writes that are done and never answered.
    pub(crate) lost_replies: u16,
    /// Writes that never come.
    pub(crate) lost_writes: u16,
    /// Requests that are refused for being too many.
    pub(crate) throttled: u16,
}

/// What those who are refused are told to wait.
const THROTTLED_FOR: Duration = Duration::from_millis(50);

/// One version of a document.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) tag: String,
    pub(crate) upon: String,
    pub(crate) document: String,
}

#[derive(Debug)]
pub(crate) struct Account {
    process: Process,
    orders: Mutex<ChildStdin>,
    listed: Mutex<Receiver<String>>,
    address: SocketAddr,
    key: PathBuf,
}

impl Account {
    /// With its key in a file of this folder; versions of this kind are heard from now on.
    pub(crate) fn start(
        beside: &Path,
        folder: &Path,
        kind: &str,
    ) -> Result<(Self, mpsc::Receiver<Told>)> {
        let program = beside.with_file_name(PROGRAM);
        ensure!(program.is_file(), "no {}: type `cargo xtask chaos`", program.display());
        let mut command = servers::tied(&program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::run(command)?;
        let (orders, said) = process.pipes().context("it was started with both")?;
        let mut said = BufReader::new(said).lines();
        let mut line = || said.next().context("the account says nothing");
        let (url, key) = (line()??, line()??);
        let address = url.trim_start_matches("http://").parse()?;
        let file = folder.join("account-key");
        std::fs::write(&file, key)?;
        let (tell, told) = mpsc::channel(MOST_UNHEARD);
        let (list, listed) = sync_channel(1);
        let hear = move || hear(said, &tell, &list);
        thread::Builder::new().name("account".into()).spawn(hear)?;
        let (orders, listed) = (Mutex::new(orders), Mutex::new(listed));
        let account = Self { process, orders, listed, address, key: file };
        account.order(&format!("tell {kind}"))?;
        Ok((account, told))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn key(&self) -> &Path {
        &self.key
    }

    pub(crate) fn set(&self, weather: Weather) -> Result<()> {
        let Weather { lost_replies, lost_writes, throttled } = weather;
        let after = THROTTLED_FOR.as_millis();
        self.order(&format!("faults {lost_replies} {lost_writes} {throttled} {after}"))
    }

    pub(crate) fn freeze(&self) -> std::io::Result<()> {
        self.process.freeze()
    }

    pub(crate) fn thaw(&self) -> std::io::Result<()> {
        self.process.thaw()
    }

    /// The records of this kind that are there now.
    pub(crate) fn records(&self, kind: &str) -> Result<Vec<Value>> {
        Ok(self.documents(kind)?.into_iter().filter_map(record).collect())
    }

    /// Whatever is there.
    pub(crate) fn overwrite(&self, kind: &str, partition: &str, document: &Value) -> Result<()> {
        self.order(&format!("overwrite {DATABASE} {kind} {partition} {document}"))
    }

    pub(crate) fn documents(&self, kind: &str) -> Result<Vec<Value>> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        self.order(&format!("list {DATABASE} {kind}"))?;
        let answer = listed.recv_timeout(PATIENCE).context("the account lists nothing")?;
        let mut answer: Value = serde_json::from_str(&answer)?;
        let Value::Array(documents) = answer["Documents"].take() else {
            anyhow::bail!("no documents are listed");
        };
        Ok(documents)
    }

    fn order(&self, words: &str) -> Result<()> {
        Ok(writeln!(self.orders(), "{words}")?)
    }

    fn orders(&self) -> MutexGuard<'_, ChildStdin> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As `--store` takes it.
pub(crate) fn place(port: u16) -> String {
    format!("cosmos+http://127.0.0.1:{port}/{DATABASE}")
}

/// What a document has of a record; nothing where it is none. What lies apart of large ones is not
/// looked for: those of a campaign are small.
pub(crate) fn record(mut document: Value) -> Option<Value> {
    let record = document.get_mut("record")?.take();
    record.is_object().then_some(record)
}

fn hear(said: Lines<BufReader<ChildStdout>>, tell: &mpsc::Sender<Told>, list: &SyncSender<String>) {
    for line in said.map_while(Result::ok) {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        // Whoever does not listen any more is done with it.
        match (word, rest.splitn(3, ' ').collect::<Vec<_>>().as_slice()) {
            ("told", [tag, upon, document]) => {
                let [tag, upon, document] = [tag, upon, document].map(|text| (*text).to_owned());
                let _heard = tell.blocking_send(Told { tag, upon, document });
            }
            ("listed", _) => drop(list.send(rest.to_owned())),
            _ => {}
        }
    }
}
