//! What an agent does first: sends the reports that its predecessor left, ends what still runs,
//! and hands back what was held. Inherits nothing without the kept nonce.

use std::io;
use std::sync::Arc;

use client::Coordinator;

use crate::desk::KeptClaim;
use crate::hands::Executor;
use crate::hold::{Grip, Verdict};
use crate::news::News;
use crate::rounds::Agent;
use crate::session::Event;

impl<L: Coordinator, H: Executor> Agent<L, H> {
    pub(super) fn take_over(&self) -> io::Result<()> {
        let reports = self.desk.waiting()?;
        for claim in self.desk.kept()? {
            let told = reports
                .iter()
                .any(|report| report.job_id == claim.job_id && report.lease_epoch == claim.epoch);
            self.clear(claim, told);
        }
        for report in reports {
            let grip = Grip { job: report.job_id, epoch: report.lease_epoch };
            self.deliver(grip, report, None);
        }
        Ok(())
    }

    /// The group is ended before anything is said; a claim that was reported on is only forgotten.
    fn clear(&self, claim: KeptClaim, told: bool) {
        let grip = Grip { job: claim.job_id, epoch: claim.epoch };
        let (hands, desk, say) =
            (Arc::clone(&self.hands), Arc::clone(&self.desk), self.say.clone());
        let calls = Arc::clone(&self.calls);
        self.calls.node.tasks.spawn("inherit", async move {
            if let Some(left) = &claim.process {
                hands.clear_away(left).await;
            }
            if told {
                return desk.forget(grip);
            }
            let verdict = Verdict::Yielded("its agent was restarted");
            let report = calls.report((grip, claim.nonce), verdict, None);
            desk.put(&report)?;
            desk.forget(grip)?;
            tokio::select! {
                biased;
                () = say.closed() => {}
                delivered = calls.deliver(&desk, &report) => {
                    delivered?;
                    let _gone = say.send(News::Seen(Event::Reported(grip))).await;
                }
            }
            Ok::<(), io::Error>(())
        });
    }
}
