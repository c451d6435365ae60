//! Sees to what a role's own writes leave to follow: leases, runs, events, gates, dependents. Every
//! role that writes works its own agenda off, so that nothing waits for another role's sweep. Each
//! turn is level-triggered; what is lost with the process is found by the sweep.

use std::convert::Infallible;
use std::time::Duration;

use ledger::Ledger;
use tracing::warn;

use crate::Node;

/// What followers wait under load, for the changes of one job to come together. None when idle.
const GATHER: Duration = Duration::from_millis(40);
/// Where the store takes its time the changes of a job are further apart: so many times what a turn
/// took, and no longer than people would notice.
const TURNS: u32 = 4;
const LONGEST_GATHER: Duration = Duration::from_millis(250);
/// A store that is away is not asked again at once.
const AFTER_TROUBLE: Duration = Duration::from_millis(250);
/// What a role that ends still takes for its followers; the rest is left to the others' sweeps.
const LAST_TURNS: Duration = Duration::from_secs(2);

impl Node {
    /// Works this ledger's agenda off until it is time to stop. Roles that share a ledger share one
    /// such loop: the others stand by.
    pub fn follow(&self, ledger: &Ledger) {
        self.tasks.spawn("follow", work_off(self.clone(), ledger.clone()));
    }
}

async fn work_off(node: Node, ledger: Ledger) -> Result<(), Infallible> {
    let Node { tasks, clock, .. } = node;
    let _alone = tokio::select! {
        biased;
        () = tasks.stopped() => return Ok(()),
        alone = ledger.agenda().alone() => alone,
    };
    let mut gather = GATHER;
    while !tasks.is_stopping() {
        let ripens_in = ledger.ripens_in(gather);
        tokio::select! {
            biased;
            () = tasks.stopped() => break,
            () = ledger.agenda().added(), if ripens_in.is_none() => continue,
            () = tokio::time::sleep(ripens_in.unwrap_or_default()), if ripens_in.is_some() => {}
        }
        let began = clock.uptime();
        if let Err(error) = ledger.follow_ripe(gather).await {
            warn!(%error, "followers are behind");
            tokio::time::sleep(AFTER_TROUBLE).await;
        }
        let took = clock.uptime().saturating_sub(began);
        gather = took.saturating_mul(TURNS).clamp(GATHER, LONGEST_GATHER);
    }
    // Nobody waits for these, so that a store that is away is no trouble here.
    let _left_to_sweeps = tokio::time::timeout(LAST_TURNS, ledger.follow_all()).await;
    Ok(())
}
