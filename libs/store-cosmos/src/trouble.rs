//! Why a store is not opened, and what lies behind an error of one that is open; for people.

use std::fmt;

/// What keeps the store from being opened or made. One variant for each remedy.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Wait, and try again.
    #[error("Cosmos DB at {url} cannot be used now")]
    Unreachable { url: String, source: store::Cause },
    /// Give it the right key, or the role.
    #[error(
        "Cosmos DB at {url} refuses what was presented: a key must be one of this account, an \
         identity needs the role `Cosmos DB Built-in Data Contributor` on it"
    )]
    Refused { url: String, source: store::Cause },
    /// No request is answered there as Cosmos DB would.
    #[error("{url} is no account of Cosmos DB: {why}")]
    NoAccount { url: String, why: String },
    /// The account must be set otherwise: with these settings two could win, or a word be missed.
    #[error("the account {url} cannot hold records: {}", .why.join("; "))]
    Account { url: String, why: Vec<String> },
    /// Nothing was ever made here, or everything is gone.
    #[error(
        "{what} is missing. In a new account type `gigamesh admin init --store`; in one that had \
         data, it was lost: restore it first"
    )]
    NotMade { what: String },
    /// Something is missing or set otherwise than it must be.
    #[error("the store cannot be used as it is: {}", listed(.0))]
    Faults(Vec<Fault>),
    /// A person must act.
    #[error("the control record cannot be read: restore it, or make a new generation")]
    BadControl(#[source] store::Cause),
}

/// One thing about one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub container: String,
    /// `partition key`, `time to live`, …; `missing` for the whole container.
    pub setting: &'static str,
    pub found: String,
    pub wanted: String,
}

impl Fault {
    pub(crate) fn missing(container: &str) -> Self {
        let (found, wanted) = ("none".into(), "a container that was made before".into());
        Self { container: container.into(), setting: "missing", found, wanted }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, setting, found, wanted } = self;
        if *setting == "missing" {
            return write!(out, "the container {container} is missing: its data was lost");
        }
        write!(out, "{container} has {setting} {found}, not {wanted}")
    }
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Behind an error of the store; read by people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("the kind {0} was not opened")]
    NotOpened(&'static str),
    #[error("the service throttles {0}: it has more requests than its throughput allows")]
    Throttled(String),
    #[error("{0} cannot be read")]
    NoRead(String, #[source] store::Cause),
    #[error("{0} was refused")]
    NoWrite(String, #[source] store::Cause),
    #[error("no answer about {0}")]
    NoAnswer(String, #[source] store::Cause),
    #[error("{0} is no document of this store")]
    Stranger(String),
    #[error("the part of {0} that lies apart is gone")]
    Torn(String),
}
