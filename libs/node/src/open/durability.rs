//! What survives which loss, called by its name. Judges what servers said of themselves; asks
//! nobody.

use std::fmt;
use std::time::Duration;

/// When a server syncs what it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before the acknowledgement.
    Always,
    /// So long after it at most.
    Every(Duration),
    /// Its monitoring did not say.
    NotKnown,
}

/// How much of what a store acknowledged survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Kept in memory.
    Nothing,
    /// In one file, synced before every answer.
    Embedded,
    /// Synced before every answer, on so many servers.
    Replicated(usize),
    /// Synced before every answer, on one server.
    Single,
    /// Some server answers so long before it syncs.
    Weak(Duration),
    /// Not every server said when it syncs.
    NotKnown,
    /// On a majority of the service's replicas before every answer, in an account of so many
    /// regions.
    Majority(usize),
}

impl Durability {
    /// Each replica may lie on any server, so fewer voices than replicas leave it open.
    #[must_use]
    pub fn of(syncs: &[Sync], replicas: usize) -> Self {
        let latest = syncs.iter().filter_map(|sync| match sync {
            Sync::Every(span) => Some(*span),
            Sync::Always | Sync::NotKnown => None,
        });
        if let Some(span) = latest.max() {
            return Self::Weak(span);
        }
        if syncs.len() < replicas || syncs.contains(&Sync::NotKnown) {
            return Self::NotKnown;
        }
        if replicas > 1 { Self::Replicated(replicas) } else { Self::Single }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(out, "none: kept in memory, gone with the process"),
            Self::Embedded => write!(out, "embedded: one file, synced before every answer"),
            Self::Replicated(servers) => {
                write!(out, "durable, replicated: synced before every answer, on {servers} servers")
            }
            Self::Single => write!(out, "durable, single: synced before every answer, on one disk"),
            Self::Weak(span) => {
                let seconds = span.as_secs();
                write!(
                    out,
                    "weak: synced up to {seconds} s after the answer, so that a power cut loses "
                )?;
                write!(out, "what was acknowledged; set sync_interval: always on the server")
            }
            Self::Majority(regions) => {
                write!(
                    out,
                    "durable, replicated: on a majority of the service's replicas before "
                )?;
                write!(out, "every answer; regions: {regions}")
            }
            Self::NotKnown => {
                write!(out, "not known: only the monitoring of each server tells when it syncs; ")?;
                write!(out, "name it with --nats-monitor http://HOST:8222")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_that_syncs_late_makes_all_of_it_weak_and_one_that_is_silent_leaves_it_open() {
        let late = Sync::Every(Duration::from_mins(2));
        let weak = Durability::Weak(Duration::from_mins(2));
        assert_eq!(Durability::of(&[Sync::Always], 1), Durability::Single);
        assert_eq!(Durability::of(&[Sync::Always; 3], 3), Durability::Replicated(3));
        assert_eq!(Durability::of(&[Sync::Always, late, Sync::NotKnown], 3), weak);
        assert_eq!(Durability::of(&[Sync::Always, Sync::NotKnown], 1), Durability::NotKnown);
        assert_eq!(Durability::of(&[Sync::Always], 3), Durability::NotKnown);
        assert_eq!(Durability::of(&[], 1), Durability::NotKnown);
    }
}
