//! Three servers that know each other, for measures of what is kept on all of them.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use super::{Broker, Place, Syncs};
use crate::trouble::Trouble;

const NODES: usize = 3;

/// Killed on drop, all of them.
#[derive(Debug)]
pub(crate) struct Cluster(Vec<Broker>);

/// What one server is told of the others.
#[derive(Clone, Debug)]
pub(super) struct Member {
    name: usize,
    port: u16,
    routes: String,
}

impl Cluster {
    /// Answers when each of them listens; whether they have found each other, the first request
    /// to their streams shows.
    pub(crate) async fn start(
        folder: &Path,
        program: Option<PathBuf>,
        syncs: Syncs,
    ) -> Result<Self, Trouble> {
        let ports = free_ports()?;
        let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
        let mut nodes = Vec::new();
        for (name, port) in ports.into_iter().enumerate() {
            let member = Some(Member { name, port, routes: routes.clone() });
            let place = Place { folder: folder.join(format!("n{name}")), syncs, member };
            nodes.push(Broker::at(place, program.clone()).await?);
        }
        Ok(Self(nodes))
    }

    /// Of every server, with commas between.
    pub(crate) fn url(&self) -> String {
        self.0.iter().map(Broker::url).collect::<Vec<_>>().join(",")
    }

    pub(crate) async fn stop(self) {
        for node in self.0 {
            node.stop().await;
        }
    }
}

impl Member {
    pub(super) fn configured(&self) -> String {
        let Self { name, port, routes } = self;
        format!(
            "server_name: n{name}\n\
             cluster {{ name: bench, listen: \"127.0.0.1:{port}\", routes: [{routes}], \
             no_advertise: true }}\n"
        )
    }
}

/// All held before any is given back, so that they differ.
fn free_ports() -> io::Result<[u16; NODES]> {
    let mut held = Vec::new();
    for _ in 0..NODES {
        held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    }
    let mut ports = [0; NODES];
    for (port, held) in ports.iter_mut().zip(&held) {
        *port = held.local_addr()?.port();
    }
    Ok(ports)
}
