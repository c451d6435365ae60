//! The servers that the fleet stands on, one or three, and the account where one keeps its records;
//! and our own ways to them, which no fault cuts. Knows no process of the fleet.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::{Client, ConnectOptions};
use servers::{Cluster, Nats, Options};

use crate::account::Account;

/// So soon after a server is back, we are: what it tells before that, nobody hears.
const RECONNECT: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest record of the product does not fit the server's own limit.
const LONGEST: usize = 2 << 20;

#[derive(Debug)]
pub(crate) struct Ground {
    servers: Servers,
    /// Nothing where the servers keep the records too.
    pub(crate) account: Option<Arc<Account>>,
}

#[derive(Debug)]
enum Servers {
    One(Nats),
    Three(Cluster),
}

impl Ground {
    pub(crate) fn start(nodes: usize, place: &Path, account: Option<Arc<Account>>) -> Result<Self> {
        let options = Options {
            max_payload: Some(LONGEST),
            place: Some(place.to_owned()),
            ..Options::default()
        };
        let servers = match nodes {
            1 => Servers::One(Nats::start(options)?),
            3 => Servers::Three(Cluster::start(&options)?),
            other => bail!("one server or three, not {other}"),
        };
        Ok(Self { servers, account })
    }

    pub(crate) fn nodes(&self) -> &[Nats] {
        match &self.servers {
            Servers::One(server) => std::slice::from_ref(server),
            Servers::Three(cluster) => cluster.nodes(),
        }
    }

    pub(crate) fn url(&self) -> String {
        match &self.servers {
            Servers::One(server) => server.url(),
            Servers::Three(cluster) => cluster.url(),
        }
    }

    pub(crate) fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let address = |node: &Nats| {
            let url = node.url();
            url.trim_start_matches("nats://").parse().context("a server without an address")
        };
        self.nodes().iter().map(address).collect()
    }

    /// One link to each.
    pub(crate) async fn links(&self) -> Result<Vec<Client>> {
        let mut links = Vec::new();
        for node in self.nodes() {
            links.push(linked(&node.url()).await?);
        }
        Ok(links)
    }

    /// One link that finds another server when its own is away.
    pub(crate) async fn link(&self) -> Result<Client> {
        linked(&self.url()).await
    }
}

async fn linked(url: &str) -> Result<Client> {
    let options = ConnectOptions::new()
        .name("chaos")
        .request_timeout(Some(PATIENCE))
        .reconnect_delay_callback(|_| RECONNECT);
    let servers: Vec<_> = url.split(',').map(str::to_owned).collect();
    let servers: Vec<async_nats::ServerAddr> =
        servers.iter().map(|server| server.parse()).collect::<Result<_, _>>()?;
    Box::pin(options.connect(servers)).await.context("no link to the servers")
}
