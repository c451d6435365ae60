//! Servers and what lies on them, as they are at one moment. Judged by whoever prints it.

use std::time::Duration;

use super::{Durability, Reach};

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Look {
    pub reach: Reach,
    /// `http://` addresses of the servers' monitoring.
    pub monitors: Vec<String>,
    /// Whether a key that no record has may be written, to measure what a write takes.
    pub writes: bool,
}

/// Each stream with its messages, or what is missing of them or set otherwise.
pub type Streams = Result<Vec<(&'static str, u64)>, Vec<String>>;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub version: String,
    pub server: String,
    pub cluster: Option<String>,
    /// The longest message, headers included.
    pub max_payload: usize,
    pub generation: String,
    pub replicas: usize,
    pub buckets: usize,
    pub documents: u64,
    /// Buckets of which some replica is behind its leader, or that have none.
    pub behind: Vec<String>,
    /// The bucket that is nearest to its bound, and whether new jobs are refused for it; nothing
    /// where none has one.
    pub fullest: Option<(bool, String)>,
    /// Each stream with its messages; nothing where they are not as they are to be.
    pub streams: Vec<(&'static str, u64)>,
    /// What is missing or set otherwise, of buckets, streams and the server.
    pub faults: Vec<String>,
    pub durability: Durability,
    /// What each question to the server took, the shortest first.
    pub asked: Vec<Duration>,
    /// What each conditional write took, the shortest first.
    pub written: Vec<Duration>,
}
