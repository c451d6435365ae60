//! Three servers in one cluster on the loopback, each to be killed and started again alone.

use std::net::{Ipv4Addr, TcpListener};

use crate::nats::{Config, Nats, Options};
use crate::{Trouble, io};

const NODES: usize = 3;
/// A port that was free a moment ago may be taken by somebody else before a node has it.
const TRIES: usize = 5;

/// Three nodes. What is kept with three replicas outlives any one of them.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Nats>,
}

impl Cluster {
    /// Answers when the JetStream of every node takes requests.
    ///
    /// # Errors
    /// When there is no server to start, or they do not find each other.
    pub fn start(options: &Options) -> Result<Self, Trouble> {
        for _ in 1..TRIES {
            match Self::once(options) {
                Err(Trouble::NotReady { .. }) => {}
                settled => return settled,
            }
        }
        Self::once(options)
    }

    /// For clients: the addresses of all nodes with commas between.
    pub fn url(&self) -> String {
        self.nodes.iter().map(Nats::url).collect::<Vec<_>>().join(",")
    }

    pub fn nodes(&self) -> &[Nats] {
        &self.nodes
    }

    fn once(options: &Options) -> Result<Self, Trouble> {
        let ports = free_ports()?;
        let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
        let node = |(n, port): (usize, &u16)| {
            // Clients are told of all nodes by us: what a server tells would lead them round a proxy.
            let cluster = format!(
                "server_name: n{n}\n\
                 cluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{routes}], \
                 no_advertise: true }}"
            );
            Nats::launch(Config { options: options.clone(), cluster })
        };
        let nodes = ports.iter().enumerate().map(node).collect::<Result<Vec<_>, _>>()?;
        nodes.iter().try_for_each(Nats::ready)?;
        Ok(Self { nodes })
    }
}

/// Held all together before any is given back, so that they differ.
fn free_ports() -> Result<[u16; NODES], Trouble> {
    let what = "reserve a port";
    let mut held = Vec::new();
    for _ in 0..NODES {
        held.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io(what))?);
    }
    let mut ports = [0; NODES];
    for (port, held) in ports.iter_mut().zip(&held) {
        *port = held.local_addr().map_err(io(what))?.port();
    }
    Ok(ports)
}
