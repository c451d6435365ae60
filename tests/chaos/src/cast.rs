//! The processes of the fleet: which there are, how each is started, killed, frozen and cut off,
//! and how it is started again when it ended by itself. Decides nothing about when.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use servers::Process;

use crate::account::{self, Account};
use crate::ground::Ground;
use crate::proxy::{Ear, Proxy, Way};

/// Who keeps artifacts comes first.
const ROLES: [&str; 5] = ["artifact", "submit", "scheduler", "lease-keeper", "gateway"];
const OF_EACH_ROLE: usize = 2;
const FACTORIES: usize = 6;
const SERVICES: usize = ROLES.len() * OF_EACH_ROLE;
/// The shortest that is allowed, so that a minute sees many a lease lost.
const TERM_SECONDS: &str = "6";
/// Where the bytes of artifacts are, below the folder that everybody is started in.
const BLOBS: &str = "blobs";
const TOKEN: &str = "gm_of-a-campaign-that-ends-soon";

/// Everybody, services first.
#[derive(Debug)]
pub(crate) struct Cast {
    members: Vec<Member>,
    doors: Vec<SocketAddr>,
    token_file: PathBuf,
}

/// One process and the ways through which it reaches others.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    program: PathBuf,
    folder: PathBuf,
    words: Vec<String>,
    ways: Vec<Proxy>,
    process: Mutex<Option<Process>>,
}

impl Cast {
    pub(crate) const FACTORIES: usize = FACTORIES;
    pub(crate) const SERVICES: usize = SERVICES;
    /// The first of them.
    pub(crate) const CUSTODIANS: usize = OF_EACH_ROLE;

    /// Nobody runs yet.
    pub(crate) async fn assemble(
        (program, folder): (&Path, &Path),
        ground: &Ground,
        ear: &Ear,
    ) -> Result<Self> {
        let servers = ground.addresses()?;
        fs::create_dir_all(folder.join("logs"))?;
        let doors = free_ports(OF_EACH_ROLE)?;
        let over_nats = factories_speak_nats(program)?;
        let mut cast = Self { members: Vec::new(), doors, token_file: folder.join("token") };
        write_token(&cast.token_file)?;
        for (n, role) in
            ROLES.into_iter().flat_map(|role| (0..OF_EACH_ROLE).map(move |n| (n, role)))
        {
            let mut ways = before(&servers, ear).await?;
            let mut words = cast.role_words(role, n, &ways);
            if let Some(account) = &ground.account {
                let way = Proxy::before(account.address(), None).await?;
                words.extend(store_words(account, way.port()));
                ways.push(way);
            }
            cast.add((program, folder), format!("{role}-{n}"), words, ways)?;
        }
        for n in 0..FACTORIES {
            let on_bus = over_nats && n % 2 == 1;
            let mut ways = if on_bus { before(&servers, ear).await? } else { Vec::new() };
            // Also from the bus: bytes go through a door.
            ways.push(Proxy::before(cast.doors[n % OF_EACH_ROLE], None).await?);
            let words = cast.factory_words(n, &ways);
            cast.add((program, folder), format!("f{n}"), words, ways)?;
        }
        Ok(cast)
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Addresses of the gateways, without a proxy between.
    pub(crate) fn doors(&self) -> Vec<String> {
        self.doors.iter().map(|door| format!("http://{door}")).collect()
    }

    pub(crate) fn token(&self) -> &'static str {
        TOKEN
    }

    pub(crate) fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// The folder of blobs, which all services share.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.token_file.with_file_name(BLOBS)
    }

    pub(crate) fn start(&self) -> Result<()> {
        self.members.iter().try_for_each(|member| Ok(member.start()?))
    }

    fn add(
        &mut self,
        (program, folder): (&Path, &Path),
        name: String,
        words: Vec<String>,
        ways: Vec<Proxy>,
    ) -> Result<()> {
        let home = folder.join(&name);
        fs::create_dir_all(&home)?;
        // Where a gateway looks for the token that everybody has.
        fs::copy(&self.token_file, home.join("token"))?;
        let (program, folder) = (program.to_owned(), folder.to_owned());
        let process = Mutex::new(None);
        self.members.push(Member { name, program, folder, words, ways, process });
        Ok(())
    }

    fn role_words(&self, role: &str, n: usize, ways: &[Proxy]) -> Vec<String> {
        let (nats, data) = (nats(ways), format!("{role}-{n}"));
        let mut words = vec!["serve", role, "--nats", &nats, "--lease-ttl", TERM_SECONDS];
        words.extend(["--data", &data]);
        let (listen, blobs) = (self.doors[n].to_string(), format!("disk:{BLOBS}"));
        if matches!(role, "artifact" | "gateway") {
            words.extend(["--blobs", &blobs]);
        }
        if role == "gateway" {
            words.extend(["--listen", &listen]);
        }
        words.into_iter().map(str::to_owned).collect()
    }

    /// The last way leads to a door, those before it to servers.
    fn factory_words(&self, n: usize, ways: &[Proxy]) -> Vec<String> {
        let (door, servers) = ways.split_last().expect("every factory has a door");
        let (id, nats) = (format!("f{n}"), nats(servers));
        let url = format!("http://127.0.0.1:{}", door.port());
        let token = self.token_file.display().to_string();
        let mut words = vec!["factory", "--id", &id, "--home", &id, "--seats", "2"];
        words.extend(["--url", &url, "--token-file", &token]);
        if !servers.is_empty() {
            words.extend(["--nats", &nats]);
        }
        words.into_iter().map(str::to_owned).collect()
    }
}

impl Member {
    /// Also after a kill; harmless where it runs.
    pub(crate) fn start(&self) -> io::Result<()> {
        let mut process = self.process();
        if process.is_some() {
            return Ok(());
        }
        let mut command = servers::tied(&self.program);
        let log = self.log()?;
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.args(&self.words).args(["--log", "info"]);
        *process = Some(Process::run(command)?);
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        drop(self.process().take());
    }

    pub(crate) fn freeze(&self) -> io::Result<()> {
        self.process().as_ref().map_or(Ok(()), Process::freeze)
    }

    pub(crate) fn thaw(&self) -> io::Result<()> {
        self.process().as_ref().map_or(Ok(()), Process::thaw)
    }

    pub(crate) fn set(&self, way: Way) {
        self.ways.iter().for_each(|proxy| proxy.set(way));
    }

    /// Whether it ended by itself; it is started again, as any supervisor would.
    pub(crate) fn is_revived(&self) -> io::Result<bool> {
        let mut process = self.process();
        if !process.as_mut().is_some_and(Process::has_ended) {
            return Ok(false);
        }
        *process = None;
        drop(process);
        self.start()?;
        Ok(true)
    }

    fn log(&self) -> io::Result<File> {
        let file = self.folder.join("logs").join(&self.name);
        OpenOptions::new().create(true).append(true).open(file)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One verb of the product to its end; what it printed.
pub(crate) fn ran(program: &Path, words: &[&str]) -> Result<(Option<i32>, String)> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output()?;
    let said = [&output.stdout[..], &output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

/// Where records are kept, by a way at this port.
pub(crate) fn store_words(account: &Account, port: u16) -> [String; 4] {
    let key = account.key().display().to_string();
    ["--store".to_owned(), account::place(port), "--cosmos-key-file".to_owned(), key]
}

fn nats(ways: &[Proxy]) -> String {
    let urls: Vec<String> =
        ways.iter().map(|way| format!("nats://127.0.0.1:{}", way.port())).collect();
    urls.join(",")
}

async fn before(targets: &[SocketAddr], ear: &Ear) -> io::Result<Vec<Proxy>> {
    let mut ways = Vec::new();
    for target in targets {
        ways.push(Proxy::before(*target, ear.clone()).await?);
    }
    Ok(ways)
}

fn factories_speak_nats(program: &Path) -> Result<bool> {
    let (code, said) = ran(program, &["factory", "--help"])?;
    ensure!(code == Some(0), "{} is no gigamesh: {said}", program.display());
    Ok(said.contains("--nats"))
}

fn write_token(file: &Path) -> Result<()> {
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(TOKEN.as_bytes()).context("the token cannot be written")
}

/// Held all together before any is given back, so that they differ.
fn free_ports(many: usize) -> Result<Vec<SocketAddr>> {
    let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let held: Vec<TcpListener> = (0..many).map(bind).collect::<io::Result<_>>()?;
    Ok(held.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?)
}
