//! Why a store is not opened, and what lies behind an error of one that is open; for people.

use std::fmt;

/// What keeps the store from being opened or made. One variant for each remedy.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Wait, and try again.
    #[error("NATS at {url} cannot be used now")]
    Unreachable { url: String, source: store::Cause },
    /// Show it another credential; waiting does not help.
    #[error(transparent)]
    NotAdmitted(#[from] access_nats::NotAdmitted),
    /// In clusters of older servers several conditional writes at one revision could all succeed.
    #[error("nats-server {found} is too old: {} or later is needed", crate::verify::OLDEST)]
    OldServer { found: String },
    /// Nothing was ever made here, or everything is gone.
    #[error(
        "the bucket {bucket} is missing. On a new server type `gigamesh admin init`; on one that had data, it was lost: restore it first"
    )]
    NotMade { bucket: String },
    /// Something is missing or set otherwise than it must be.
    #[error("the store cannot be used as it is: {}", listed(.0))]
    Faults(Vec<Fault>),
    /// Ask for what can be.
    #[error("{wanted} {what} cannot be: {why}")]
    BadPlan { what: &'static str, wanted: usize, why: String },
    /// A person must act.
    #[error("the control record cannot be read: restore it, or make a new generation")]
    BadControl(#[source] store::Cause),
}

/// One thing about one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub bucket: String,
    /// `history`, `discard`, …; `missing` for the whole bucket.
    pub setting: &'static str,
    pub found: String,
    pub wanted: String,
}

impl Fault {
    pub(crate) fn missing(bucket: &str) -> Self {
        let (found, wanted) = ("no stream".into(), "a bucket that was made before".into());
        Self { bucket: bucket.into(), setting: "missing", found, wanted }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, setting, found, wanted } = self;
        if *setting == "missing" {
            write!(out, "the bucket {bucket} is missing: its data was lost")
        } else {
            write!(out, "the bucket {bucket} has {setting} {found}, not {wanted}")
        }
    }
}

fn listed(faults: &[Fault]) -> String {
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    told.join("; ")
}

/// What lies behind `Unavailable`, `Unknown` and `Corrupt`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("not connected to NATS")]
    NotConnected,
    #[error("the kind {0} was not opened")]
    NotOpened(&'static str),
    #[error("the stream of the bucket {0} does not answer")]
    NoStream(String),
    #[error("NATS said neither yes nor no to a write of {subject}: {said}")]
    NoAnswer { subject: String, said: String },
    #[error("NATS did not answer a read of {0}")]
    NoRead(String, #[source] store::Cause),
    #[error("every replica of the bucket {0} that answers is behind its leader")]
    Behind(String),
    #[error("the stream of the bucket {bucket} holds {subject}, which is no key")]
    Stranger { bucket: String, subject: String },
}
