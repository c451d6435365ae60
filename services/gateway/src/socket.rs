//! The listening socket and its connections: bounded in number, in the size of a head and in how
//! long one may take to send it. Knows no route.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use node::{BusAway, Node};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::Options;
use crate::framing::{Doubt, Watched};
use crate::recognise::Peer;

/// Connections at once; further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 1024;
/// Request line and headers; what is longer is answered 431.
const LARGEST_HEAD: usize = 16 << 10;
/// Of a body that comes quickly, read at once.
const LARGEST_PIECE: usize = 64 << 10;
/// For a head to arrive, and for an idle connection to be used again.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// For what is under way when the door closes.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Why the door stays shut.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    #[error(
        "{0} is not a loopback address, and without users and TLS the door opens elsewhere only for \
         a token of 32 characters or more, under the names that it was told"
    )]
    NotLoopback(SocketAddr),
    #[error("{0} is in use; choose another port, or 0 for any that is free")]
    InUse(SocketAddr),
    #[error("the address cannot be opened")]
    Failed(#[source] io::Error),
    #[error(transparent)]
    BusAway(#[from] BusAway),
}

pub(crate) async fn bind(options: &Options) -> Result<TcpListener, NotOpened> {
    let address = options.address;
    if !address.ip().is_loopback() {
        if !options.may_be_public() {
            return Err(NotOpened::NotLoopback(address));
        }
        warn!(
            %address,
            "THE DOOR HAS NO TLS: whoever can read this network reads the token and every job"
        );
    }
    TcpListener::bind(address).await.map_err(|error| {
        let in_use = error.kind() == io::ErrorKind::AddrInUse;
        if in_use { NotOpened::InUse(address) } else { NotOpened::Failed(error) }
    })
}

pub(crate) fn listen(node: &Node, listener: TcpListener, router: Router) {
    let caller = node.clone();
    node::accept(&node.tasks, (listener, MOST_CONNECTIONS), "door", move |stream| {
        attend(caller.clone(), stream, router.clone())
    });
}

/// Answers one connection until either side ends it.
async fn attend(node: Node, stream: TcpStream, router: Router) {
    // Small answers are not held back to be sent together.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "delays stay on");
    }
    let peer = stream.peer_addr().ok().map(Peer);
    let (doubt, service) = (Doubt::default(), TowerToHyperService::new(router));
    let raised = doubt.clone();
    let answering = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(raised.clone());
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_header_size(LARGEST_HEAD)
        .max_buf_size(LARGEST_PIECE)
        .serve_connection(TokioIo::new(Watched::over(stream, doubt)), answering);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = node.tasks.stopped() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LAST_ANSWERS, connection).await {
                Ok(ended) => ended,
                Err(_) => return warn!("connection cut, it took too long to end"),
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended early");
    }
}
