//! The HTTP door. Holds no truth and writes none: every route is one typed call over the bus, and
//! every refusal is the one that the bus gave. Only the bytes of artifacts pass through it, straight
//! into the blob store and out of it; which of them count, it asks. Until there are principals it opens for one token and
//! one product, and beyond loopback only under names that it was told.

mod describe;
mod feed;
mod flowing;
mod framing;
mod guard;
mod heard;
mod host;
mod options;
mod parting;
mod problem;
mod query;
mod range;
mod routes;
mod socket;
mod tail;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::OverBus;
use fleet::LARGEST_ARTIFACT;
use node::Node;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

pub use describe::text as openapi;
pub use host::{HostName, NotAHost};
pub use options::{LocalToken, NotAToken, Options};
pub use socket::NotOpened;

use feed::Feed;
use tail::Tails;

/// Streams of events that one principal may hold open.
const MOST_STREAMS: usize = 16;
/// Artifacts on their way in at once, each with some megabytes in memory; further ones wait.
const MOST_UPLOADS: usize = 8;

/// For another upload to end.
const ROOM_WITHIN: Duration = Duration::from_secs(20);

/// What every route is handed.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    node: Node,
    link: OverBus,
    feed: Arc<Feed>,
    tails: Arc<Tails>,
    streams: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    /// When bytes could last be written, by this process's own clock.
    reached: Arc<Mutex<Option<Duration>>>,
    options: Arc<Options>,
    /// What one upload may bring.
    largest: u64,
}

impl Door {
    /// A place for one more upload, or none after a while.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.uploads).acquire_owned();
        tokio::time::timeout(ROOM_WITHIN, room).await.ok()?.ok()
    }
}

/// Opens the door and returns where it is. It closes when the node's tasks stop: nothing new is
/// taken, what is under way has ten seconds.
///
/// # Errors
/// The address is taken, or not loopback without what that needs, or the bus is away.
pub async fn serve(node: Node, options: Options) -> Result<SocketAddr, NotOpened> {
    serve_up_to(node, options, LARGEST_ARTIFACT).await
}

/// As [`serve`], for uploads of at most so many bytes.
///
/// # Errors
/// As [`serve`].
pub async fn serve_up_to(
    node: Node,
    options: Options,
    largest: u64,
) -> Result<SocketAddr, NotOpened> {
    let listener = socket::bind(&options).await?;
    let address = listener.local_addr().map_err(NotOpened::Failed)?;
    let link = OverBus::new(Arc::clone(&node.bus), options.product.clone());
    let feed = feed::open(&node, &options.product).await?;
    let tails = Tails::new(&node, &link, &feed, &options);
    let streams = Arc::new(Semaphore::new(MOST_STREAMS));
    let (uploads, options) = (Arc::new(Semaphore::new(MOST_UPLOADS)), Arc::new(options));
    let reached = Arc::default();
    let node_of_door = node.clone();
    let door =
        Door { node: node_of_door, link, feed, tails, streams, uploads, reached, options, largest };
    socket::listen(&node, listener, routes::all(door));
    tracing::info!(%address, "door open");
    Ok(address)
}
