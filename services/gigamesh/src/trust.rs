//! What an operator says of the servers' disks: where they tell when they sync, and whether a
//! fleet may stand on servers that answer first.

use clap::Args;
use node::open::Durability;

use crate::trouble::Trouble;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Trust {
    /// Monitoring of each NATS server, like http://127.0.0.1:8222, with commas between: only it
    /// tells when a server syncs
    #[arg(long = "nats-monitor", value_name = "URL", env = "GIGAMESH_NATS_MONITOR")]
    #[arg(value_delimiter = ',')]
    pub(crate) monitors: Vec<String>,
    /// Stand on servers that acknowledge before they sync: a power cut loses acknowledged work
    #[arg(long, env = "GIGAMESH_ALLOW_WEAK_DURABILITY")]
    allow_weak_durability: bool,
}

impl Trust {
    /// What is not known is said, and admitted.
    pub(crate) fn admit(&self, durability: Durability) -> Result<(), Trouble> {
        match durability {
            Durability::Weak(_) if !self.allow_weak_durability => {
                Err(Trouble::usage("the NATS server acknowledges before it syncs")
                    .because(format!("durability {durability}"))
                    .next("sync_interval: always, or --allow-weak-durability if that may happen"))
            }
            Durability::Weak(_)
            | Durability::Nothing
            | Durability::Embedded
            | Durability::Replicated(_)
            | Durability::Single
            | Durability::Majority(_)
            | Durability::NotKnown => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn weak_durability_is_refused_by_its_name_unless_somebody_allows_it() {
        let weak = Durability::Weak(Duration::from_mins(2));
        let refused = Trust::default().admit(weak).unwrap_err();
        assert!(refused.0.why[0].contains("weak: synced up to 120 s after"), "{refused:?}");
        let allows = Trust { allow_weak_durability: true, ..Trust::default() };
        assert!(allows.admit(weak).is_ok());
        for other in [Durability::NotKnown, Durability::Single, Durability::Replicated(3)] {
            assert!(Trust::default().admit(other).is_ok(), "{other}");
        }
    }
}
