//! The HTTP door. Of jobs it holds no truth and writes none: every route is one typed call over the
//! bus, and every refusal is the one that the bus gave. The bytes of artifacts pass through it,
//! straight into the blob store and out of it; which of them count, it asks. Who may ask what is
//! decided here, by the one list of identities; beyond loopback it opens only under names that it
//! was told.

mod describe;
mod feed;
mod flowing;
mod framing;
mod guard;
mod heard;
mod host;
mod ongoing;
mod options;
mod parting;
mod problem;
mod query;
mod quota;
mod range;
mod recognise;
mod routes;
mod socket;
mod tail;
mod trail;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::OverBus;
use fleet::{LARGEST_ARTIFACT, ProductId};
use identity::Identity;
use node::Node;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

pub use describe::text as openapi;
pub use host::{HostName, NotAHost};
pub use options::{Issuers, LocalToken, NotAToken, Options};
pub use socket::NotOpened;

use feed::Feed;
use quota::Quotas;
use tail::Tails;

/// Artifacts on their way in at once, each with some megabytes in memory; further ones wait.
const MOST_UPLOADS: usize = 8;

/// Between two looks for sessions and codes that are over.
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// For another upload to end.
const ROOM_WITHIN: Duration = Duration::from_secs(20);

/// What every route is handed.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    node: Node,
    feed: Arc<Feed>,
    tails: Arc<Tails>,
    quotas: Arc<Quotas>,
    uploads: Arc<Semaphore>,
    /// When bytes could last be written, by this process's own clock.
    reached: Arc<Mutex<Option<Duration>>>,
    options: Arc<Options>,
    /// What one upload may bring.
    largest: u64,
}

impl Door {
    /// The fleet's services, as those of one product see them.
    pub(crate) fn link(&self, product: &ProductId) -> OverBus {
        OverBus::new(Arc::clone(&self.node.bus), product.clone())
    }

    /// A place for one more upload, or none after a while.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.uploads).acquire_owned();
        tokio::time::timeout(ROOM_WITHIN, room).await.ok()?.ok()
    }
}

/// Clears away sessions and codes that are over; any replica may, and several do no harm.
fn sweep(node: &Node, identity: &Identity) {
    let (own, identity) = (node.clone(), identity.clone());
    node.tasks.spawn("identities", async move {
        loop {
            let pause = SWEEP_EVERY + own.ids.jitter(SWEEP_EVERY);
            tokio::select! {
                biased;
                () = own.tasks.stopped() => return Ok::<(), Infallible>(()),
                () = tokio::time::sleep(pause) => {}
            }
            if let Err(error) = identity.sweep_once().await {
                tracing::debug!(%error, "identities not swept");
            }
        }
    });
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
    let feed = feed::open(&node).await?;
    let tails = Tails::new(&node, &feed, &options.blobs);
    let quotas = Arc::default();
    let (uploads, options) = (Arc::new(Semaphore::new(MOST_UPLOADS)), Arc::new(options));
    let reached = Arc::default();
    let own = node.clone();
    let door = Door { node: own, feed, tails, quotas, uploads, reached, options, largest };
    sweep(&node, &door.options.identity);
    socket::listen(&node, listener, routes::all(door));
    tracing::info!(%address, "door open");
    Ok(address)
}
