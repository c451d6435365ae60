//! The rounds: silence every half second, everything every half minute, and the keeper's own
//! followers as soon as there are any. Each round is level-triggered, so that one that fails is made good by the next.

use std::convert::Infallible;
use std::time::Duration;

use ledger::{Reaped, Reaper};
use tracing::{info, warn};

use crate::Keeper;

/// A job is taken back within so long of its term's end twice over: it is noticed, then judged.
const REAP_EVERY: Duration = Duration::from_millis(500);
/// Looking takes at most a tenth of the time, however many leases there are.
const REST: u32 = 9;
const LONGEST_REST: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_secs(30);

impl Keeper {
    pub(crate) fn keep(&self) {
        self.node.follow(&self.ledger);
        self.node.tasks.spawn("reap", self.clone().reap());
        self.node.tasks.spawn("sweep", self.clone().sweep());
    }

    async fn reap(self) -> Result<(), Infallible> {
        let mut reaper = Reaper::new(self.ledger.clone());
        let mut rest = REAP_EVERY;
        while self.waits(rest).await {
            let began = self.node.clock.uptime();
            match reaper.round(began).await {
                Ok(reaped) if reaped == Reaped::default() => {}
                Ok(reaped) => info!(?reaped, "jobs taken back"),
                Err(error) => warn!(%error, "round of the reaper cut short"),
            }
            let took = self.node.clock.uptime().saturating_sub(began);
            rest = (took * REST).clamp(REAP_EVERY, LONGEST_REST);
        }
        Ok(())
    }

    async fn sweep(self) -> Result<(), Infallible> {
        while self.waits(SWEEP_EVERY).await {
            tokio::select! {
                biased;
                () = self.node.tasks.stopped() => break,
                swept = Box::pin(self.ledger.sweep()) => if let Err(error) = swept {
                    warn!(%error, "sweep cut short");
                }
            }
        }
        Ok(())
    }

    /// False once it is time to stop.
    async fn waits(&self, span: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.node.tasks.stopped() => false,
            () = tokio::time::sleep(span) => true,
        }
    }
}
