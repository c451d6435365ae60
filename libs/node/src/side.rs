//! The side port of a role: whether its process is there, whether what it needs is, and what it
//! has counted. Knows nothing of any fleet, and never answers anything else.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use blob::Blobs;
use bus::{BusError, Message};
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ledger::{Counted, Ledger};
use protocol::Subject;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::accept::accept;
use crate::open::Kept;
use crate::{Node, Tally};

/// A few that look, each once every few seconds.
const MOST_CONNECTIONS: usize = 32;
const HEAD_WITHIN: Duration = Duration::from_secs(5);
const LARGEST_HEAD: usize = 8 << 10;
/// What a part may take to say that it is there.
const WITHIN: Duration = Duration::from_secs(2);

/// Where it is asked whether the process is there.
pub const HEALTH: &str = "/healthz";
/// Where it is asked whether all that the role needs is there.
pub const READY: &str = "/readyz";
/// Where it is asked what was counted.
pub const METRICS: &str = "/metrics";

/// What a side port tells of.
#[derive(Clone, Debug)]
pub struct Side {
    pub node: Node,
    pub records: (Ledger, Kept),
    /// None for a role that carries no bytes.
    pub blobs: Option<Blobs>,
    /// What the bus of this role answered.
    pub tally: Arc<Tally>,
}

impl Side {
    /// Listens before it returns, and says where.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn open(self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let tasks = self.node.tasks.clone();
        accept(&tasks, (listener, MOST_CONNECTIONS), "side", move |stream| {
            self.clone().attend(stream)
        });
        Ok(address)
    }

    /// Which of the parts that this role needs do not answer.
    pub async fn failing(&self) -> Vec<&'static str> {
        let (bus, store, blobs) = tokio::join!(self.hears(), self.reads(), self.reaches());
        let stopping = self.node.tasks.is_stopping();
        let whole = self.records.1.losses.told().is_none();
        let parts = [
            ("shutting_down", !stopping),
            ("bus", bus),
            ("store", store),
            ("store_generation", whole),
            ("blobs", blobs),
        ];
        parts.into_iter().filter(|(_, fine)| !fine).map(|(part, _)| part).collect()
    }

    /// To be told that nobody listens takes a bus that works.
    async fn hears(&self) -> bool {
        match self.node.bus.request(Message::new(Subject::probe(), Bytes::new()), WITHIN).await {
            Ok(_) | Err(BusError::NoResponders(_)) => true,
            Err(BusError::TimedOut | BusError::Unavailable(_) | BusError::TooLarge { .. }) => false,
        }
    }

    async fn reads(&self) -> bool {
        let (ledger, _) = &self.records;
        let probe = Subject::probe();
        match tokio::time::timeout(WITHIN, ledger.settings_now(probe.product())).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                let cause = deepest(&error);
                warn!(%error, cause, "records cannot be read");
                false
            }
            Err(_) => {
                warn!(within = ?WITHIN, "the store does not answer");
                false
            }
        }
    }

    /// Why not is for the log: the side port tells strangers no addresses.
    async fn reaches(&self) -> bool {
        let Some(blobs) = &self.blobs else { return true };
        match tokio::time::timeout(WITHIN, blobs.reach()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(tracing::field::display);
                warn!(%error, cause, "blobs cannot be written");
                false
            }
            Err(_) => {
                warn!(within = ?WITHIN, "the place of blobs does not answer");
                false
            }
        }
    }

    async fn attend(self, stream: TcpStream) {
        let tasks = self.node.tasks.clone();
        let answering = service_fn(move |request| {
            let side = self.clone();
            async move { Ok::<_, Infallible>(side.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(LARGEST_HEAD)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), answering);
        tokio::select! {
            biased;
            () = tasks.stopped() => {}
            ended = connection => {
                if let Err(error) = ended {
                    debug!(%error, "connection ended early");
                }
            }
        }
    }

    async fn answer<B: Sync>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned());
        }
        match request.uri().path() {
            HEALTH => plain(StatusCode::OK, "alive\n".to_owned()),
            READY => self.ready().await,
            METRICS => plain(StatusCode::OK, self.counted()),
            _ => plain(StatusCode::NOT_FOUND, "healthz, readyz, metrics\n".to_owned()),
        }
    }

    /// The verdict on the first line, what is known of the store below it.
    async fn ready(&self) -> Response<Full<Bytes>> {
        let failing = self.failing().await;
        let mut said = match failing.as_slice() {
            [] => "ready\n".to_owned(),
            parts => format!("{}\n", parts.join(" ")),
        };
        let (_, kept) = &self.records;
        said += &format!("durability {}\n", kept.durability);
        if let Some(lost) = kept.losses.told() {
            said += &format!("lost {lost}\n");
        }
        if let Some(scarce) = kept.room.scarce.told() {
            said += &format!("scarce {scarce}\n");
        }
        let fine = failing.is_empty();
        plain(if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, said)
    }

    /// As Prometheus reads it.
    #[must_use]
    pub fn counted(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!(
            "# TYPE gigamesh_build_info gauge\ngigamesh_build_info{{version=\"{version}\"}} 1\n"
        );
        text += &self.tally.printed();
        let mut numbers = vec![("inbox_losses_total", "counter", self.node.bus.lost())];
        let scarce = u64::from(self.records.1.room.scarce.told().is_some());
        numbers.push(("store_scarce", "gauge", scarce));
        numbers.extend(self.records.0.counted());
        text + &printed(&numbers)
    }
}

/// Numbers that differ in their labels alone are one family, told of once.
fn printed(numbers: &[Counted]) -> String {
    let (mut text, mut family) = (String::new(), "");
    for (name, kind, number) in numbers {
        let (bare, _) = name.split_once('{').unwrap_or((name, ""));
        if bare != family {
            text += &format!("# TYPE gigamesh_{bare} {kind}\n");
            family = bare;
        }
        text += &format!("gigamesh_{name} {number}\n");
    }
    text
}

/// What a refusal comes from, as far as it says.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(deeper) = deepest.source() {
        deepest = deeper;
    }
    deepest.to_string()
}

fn plain(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests;
