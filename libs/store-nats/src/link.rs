//! The one connection: how it is made and kept. It never retries a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access_nats::{Access, Files};
use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::{Client, ConnectError, ConnectOptions, Event, ServerAddr, connection::State};

use crate::trouble::{Reason, Trouble};
use crate::verify;

/// Dead links are found in twice that.
const PING: Duration = Duration::from_secs(5);
/// The library's own grows to seconds, in which a server that is back stays unused.
const LONGEST_RECONNECT: Duration = Duration::from_millis(250);
const RECONNECT_STEP: Duration = Duration::from_millis(10);
/// Requests waiting for the connection's own task; further ones wait for a place.
const WAITING: usize = 2048;

/// Where the store is, and how long an answer may take.
#[derive(Clone, Debug)]
pub struct Options {
    /// One address or several with commas between, `nats://` or `tls://`.
    pub url: String,
    /// As whom, where the server asks.
    pub files: Files,
    /// After that a write is unknown and a read unavailable.
    pub timeout: Duration,
    /// `http://` addresses of the servers' monitoring, if it is on: only it tells the sync mode.
    pub monitors: Vec<String>,
}

impl Options {
    pub fn new(url: impl Into<String>) -> Self {
        let timeout = Duration::from_secs(5);
        Self { url: url.into(), files: Files::default(), timeout, monitors: Vec::new() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) streams: Context,
    pub(crate) timeout: Duration,
    pub(crate) monitors: Vec<String>,
}

impl Link {
    pub(crate) async fn connect(options: &Options) -> Result<Self, Trouble> {
        let unreachable =
            |source: store::Cause| Trouble::Unreachable { url: options.url.clone(), source };
        let addresses = options.url.split(',').map(|url| url.trim().parse::<ServerAddr>());
        let addresses =
            addresses.collect::<Result<Vec<_>, _>>().map_err(|e| unreachable(e.into()))?;
        let access = options.files.open()?;
        let client = Box::pin(settings(options, &access).connect(addresses)).await;
        let client = client.map_err(|error: ConnectError| match access.judge(&error) {
            Some(no) => Trouble::NotAdmitted(no),
            None => unreachable(error.into()),
        })?;
        let version = client.server_info().version;
        if !verify::is_new_enough(&version) {
            return Err(Trouble::OldServer { found: version });
        }
        let streams = ContextBuilder::new().timeout(options.timeout).build(client.clone());
        let monitors = options.monitors.clone();
        Ok(Self { client, streams, timeout: options.timeout, monitors })
    }

    /// What is sent while there is no connection would be kept and delivered late.
    pub(crate) fn check(&self) -> Result<(), Reason> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(Reason::NotConnected),
        }
    }
}

fn settings(options: &Options, access: &Access) -> ConnectOptions {
    let failures = AtomicU64::new(0);
    let (refused, admitted) = (access.clone(), access.clone());
    let settings = access
        .options()
        .name("gigamesh-store")
        .ping_interval(PING)
        .request_timeout(Some(options.timeout))
        .connection_timeout(options.timeout)
        .client_capacity(WAITING)
        .reconnect_delay_callback(move |attempts| {
            let steps = u32::try_from(attempts).unwrap_or(u32::MAX);
            let pause = RECONNECT_STEP.saturating_mul(steps).min(LONGEST_RECONNECT);
            pause.max(refused.pause())
        })
        .event_callback(move |event| {
            if event == Event::Connected {
                admitted.admitted();
            }
            tell(&event, &failures);
            std::future::ready(())
        });
    match access.inbox() {
        Some(inbox) => settings.custom_inbox_prefix(inbox),
        None => settings,
    }
}

/// Only here is it seen that a server forbade something: the caller's request just times out.
fn tell(event: &Event, failures: &AtomicU64) {
    match event {
        Event::Connected => tracing::info!("connected to nats"),
        Event::Disconnected => tracing::warn!("lost the connection to nats"),
        Event::Closed => tracing::debug!("the connection to nats ends"),
        Event::LameDuckMode | Event::Draining => tracing::info!("nats is about to close"),
        Event::SlowConsumer(id) => tracing::warn!(id, "nats dropped messages that were not read"),
        Event::ServerError(error) => tracing::warn!(%error, "nats refused"),
        Event::ClientError(error) => {
            // While a server is away, each try to reach it is one; a power of two is worth a line.
            let count = failures.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_power_of_two() {
                tracing::warn!(%error, count, "the nats client failed");
            }
        }
    }
}
