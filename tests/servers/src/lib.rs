//! Genuine servers for tests: each on free ports of the loopback, in a folder of its own, never
//! left running. It knows nothing of the product, and no product code links it.

mod authority;
mod azurite;
#[cfg(feature = "bucket")]
mod bucket;
mod cluster;
mod find;
mod nats;
mod process;
#[cfg(test)]
mod tests;
mod wait;

pub use authority::Authority;
pub use azurite::Azurite;
#[cfg(feature = "bucket")]
pub use bucket::Bucket;
pub use cluster::Cluster;
pub use find::nats_server as program;
pub use nats::{Nats, Options, SyncMode};
pub use process::{Process, tied};

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(
        "no {name}: not named by {named_by}, not on PATH, not at {tool}. Type `{}`",
        find::INSTALL
    )]
    NoServer { name: &'static str, named_by: &'static str, tool: String },
    #[error("{what} did not come to pass; the server's log:\n{log}")]
    NotReady { what: &'static str, log: String },
    #[error("cannot {what}")]
    Io { what: &'static str, source: std::io::Error },
}

/// One server that syncs every write: what nearly every test wants.
///
/// # Panics
/// When it does not start; without a server installed the message names the command for that.
pub fn nats() -> Nats {
    Nats::start(Options::default()).unwrap_or_else(|trouble| panic!("{trouble}"))
}

/// Three servers in one cluster, each of which syncs every write, with a leader elected.
///
/// # Panics
/// As [`nats`].
pub fn cluster() -> Cluster {
    Cluster::start(&Options::default()).unwrap_or_else(|trouble| panic!("{trouble}"))
}

pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Trouble {
    move |source| Trouble::Io { what, source }
}
