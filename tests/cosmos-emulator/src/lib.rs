//! An account of Cosmos DB for tests: the driver's own emulator behind a port of the loopback, so
//! that any number of processes share it, and what goes wrong on the way to it. Knows nothing of
//! the product, and no product code links it.

mod door;
mod faults;
mod prices;
mod scribe;
mod signature;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use azure_data_cosmos_driver::in_memory_emulator as driver;
use azure_data_cosmos_driver::in_memory_emulator::{
    ContainerConfig, InMemoryEmulatorHttpClient, VirtualAccountConfig, VirtualRegion, WriteMode,
};
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use url::Url;

pub use faults::{Faults, Injected};
pub use prices::Prices;
pub use scribe::Told;

use door::Door;

/// Opens every account here; it is no secret.
pub const KEY: &str = "Z2lnYW1lc2gtZW11bGF0b3Ita2V5LWZvci10ZXN0cy1vbmx5";

/// What reads of an account see, as the service calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    Strong,
    BoundedStaleness,
    Session,
}

/// How an account is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub consistency: Consistency,
    /// A second region, to which writes come so much later.
    pub second_region: Option<Duration>,
    /// Both regions take writes.
    pub writes_everywhere: bool,
    pub prices: Prices,
    /// 0 takes any port that is free.
    pub port: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            consistency: Consistency::Strong,
            second_region: None,
            writes_everywhere: false,
            prices: Prices::default(),
            port: 0,
        }
    }
}

/// One account, empty at first and gone with this value.
#[derive(Debug)]
pub struct Emulator {
    door: Arc<Door>,
    address: SocketAddr,
    stop: watch::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

/// An account with one region that is strongly consistent, which is what nearly every test wants.
///
/// # Panics
/// When no port is free.
pub fn emulator() -> Emulator {
    Emulator::start(Settings::default()).expect("a port is free")
}

impl Emulator {
    /// # Errors
    /// The port is taken, or there is no thread.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(());
        let (ready, waiting) = sync_channel(1);
        let serve = move || run(settings, &ready, stopped);
        let thread = thread::Builder::new().name(NAME.into()).spawn(serve)?;
        let (door, address) = waiting.recv().map_err(io::Error::other)??;
        Ok(Self { door, address, stop, thread: Some(thread) })
    }

    /// As clients reach it: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on these faults.
    pub fn set(&self, faults: Faults) {
        self.door.dice().set(faults);
    }

    /// The next so many writes are done and their replies are lost.
    pub fn lose_replies(&self, many: u32) {
        self.door.dice().owe(many, None);
    }

    /// The next write is done and its reply is lost, and from then on these faults.
    pub fn lose_a_reply_then(&self, faults: Faults) {
        self.door.dice().owe(1, Some(faults));
    }

    /// No more faults.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    pub fn injected(&self) -> Injected {
        self.door.dice().injected()
    }

    /// A new database, and in it a container over so many physical partitions as one has that grew
    /// large.
    pub fn prepare(&self, (database, container): (&str, &str), path: &str, partitions: u32) {
        let store = self.door.account().store();
        store.create_database(database);
        let config = ContainerConfig::new().with_partition_count(partitions);
        store.create_container_with_config(database, container, path.into(), config);
    }

    /// Halves the first partition of a container, as the service does when one grows: operations
    /// on it are sent away for so long.
    pub fn split(&self, database: &str, container: &str, longest: Duration) {
        let _within = self.door.runtime().enter();
        self.door.account().store().split_partition(database, container, FIRST_PARTITION, longest);
    }

    /// How many came of that partition.
    pub fn parts(&self, database: &str, container: &str) -> usize {
        let store = self.door.account().store();
        store.child_partition_ids(database, container, &[FIRST_PARTITION]).len()
    }

    /// From now on every version of every document of this container, in the order in which they
    /// are written. Writes wait for whoever does not listen to it.
    pub fn tell(&self, container: &str) -> mpsc::Receiver<Told> {
        self.door.tell(container)
    }

    /// All documents of a container, as an answer of the service has them.
    ///
    /// # Errors
    /// There is no such container.
    pub fn documents(&self, database: &str, container: &str) -> io::Result<Bytes> {
        self.door.runtime().block_on(self.door.documents(database, container))
    }

    /// Writes a document whatever is there, as nothing of the product can.
    ///
    /// # Errors
    /// There is no such container, or it is no document of that partition.
    pub fn overwrite(
        &self,
        container: (&str, &str),
        partition: &str,
        document: Bytes,
    ) -> io::Result<()> {
        self.door.runtime().block_on(self.door.overwrite(container, partition, document))
    }

    /// Goes on until the process ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It has ended by itself where nobody listens.
        let _told = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

/// As the emulator counts them.
const FIRST_PARTITION: u32 = 0;

const NAME: &str = "cosmos-emulator";
const FIRST: &str = "East US";
const SECOND: &str = "West US";

type Ready = SyncSender<io::Result<(Arc<Door>, SocketAddr)>>;

/// The emulator's whole life, on a thread of its own.
fn run(settings: Settings, ready: &Ready, stopped: watch::Receiver<()>) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // By their name its threads are told from those of whoever asks, in a profile.
    let runtime = runtime.worker_threads(2).thread_name(NAME).enable_all();
    let runtime = runtime.build().expect("a runtime starts");
    runtime.block_on(async {
        let bound = bound(settings).await;
        let serving = bound.map(|(listener, door, address)| {
            let told = ready.send(Ok((Arc::clone(&door), address)));
            told.expect("whoever starts it waits");
            door.serve(listener, stopped)
        });
        match serving {
            Ok(serving) => serving.await,
            Err(error) => ready.send(Err(error)).expect("whoever starts it waits"),
        }
    });
    runtime.shutdown_background();
}

async fn bound(settings: Settings) -> io::Result<(TcpListener, Arc<Door>, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await?;
    let address = listener.local_addr()?;
    let account = account(settings, address.port()).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Handle::current();
    let door = Door::new(Arc::new(account), (settings.prices, address.port()), runtime);
    Ok((listener, Arc::new(door), address))
}

/// The second region is the same port by the machine's other name.
fn account(
    settings: Settings,
    port: u16,
) -> Result<InMemoryEmulatorHttpClient, Box<dyn std::error::Error + Send + Sync>> {
    let url = |host: &str| Url::parse(&format!("http://{host}:{port}/"));
    let mut regions = vec![VirtualRegion::new(FIRST, url("127.0.0.1")?)];
    if settings.second_region.is_some() {
        regions.push(VirtualRegion::new(SECOND, url("localhost")?));
    }
    let consistency = match settings.consistency {
        Consistency::Strong => driver::ConsistencyLevel::Strong,
        Consistency::BoundedStaleness => driver::ConsistencyLevel::BoundedStaleness,
        Consistency::Session => driver::ConsistencyLevel::Session,
    };
    let mode = if settings.writes_everywhere { WriteMode::Multi } else { WriteMode::Single };
    let mut config =
        VirtualAccountConfig::new(regions)?.with_consistency(consistency).with_write_mode(mode);
    if let Some(late) = settings.second_region {
        config = config.with_replication_config(driver::ReplicationConfig::fixed(late));
    }
    Ok(InMemoryEmulatorHttpClient::try_new(config)?)
}
