//! What a run leaves behind and how it reaches the fleet: lines while it goes on, files at its end.
//! The last report waits for both, for a while, and never fails with them.

use std::sync::Arc;
use std::time::Duration;

use client::Coordinator;
use fleet::ArtifactId;
use node::Node;
use protocol::AppendLog;
use tokio::time::sleep;

use crate::bringing::{Bringer, Brought};
use crate::calls::Calls;
use crate::errand::Errand;
use crate::hands::Executor;
use crate::harvest::Trail;
use crate::journal::Journal;
use crate::rounds::Agent;
use crate::telling::{Teller, Telling};

/// A stopping agent has little time left, and its last reports need some of it.
const HURRIED: Duration = Duration::from_secs(5);
/// Longer than the files of any job take, so that only what hangs meets it.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What is left of one hold's run.
#[derive(Debug)]
pub(super) struct Traces {
    trail: Trail,
    pub(super) journal: Arc<Journal>,
    telling: Telling,
}

impl<L: Coordinator, H: Executor> Agent<L, H> {
    /// From the first part of a run on. Where hands leave nothing, there is nothing to tell.
    pub(super) fn trace(&self, errand: &Errand) -> Option<Traces> {
        let trail = self.hands.trail(errand)?;
        let journal = Arc::new(Journal::at(trail.log.clone()));
        let hold = self.calls.hold((errand.grip, errand.nonce));
        let as_holder = AppendLog {
            job_id: errand.grip.job,
            factory_id: hold.factory_id,
            lease_epoch: hold.lease_epoch,
            claim_nonce: hold.claim_nonce,
            from: 0,
            text: String::new(),
        };
        let (calls, told) = (Arc::clone(&self.calls), Arc::clone(&journal));
        let (telling, work) = Teller { calls, journal: told, as_holder }.begin();
        self.spawn("log", work);
        Some(Traces { trail, journal, telling })
    }
}

impl Traces {
    /// Brings what is there to the fleet, then tells the last lines; what was brought.
    pub(super) async fn close<L: Coordinator>(
        self,
        calls: &Arc<Calls<L>>,
        errand: &Errand,
    ) -> Vec<ArtifactId> {
        let held = (errand.grip, errand.nonce);
        let journal = Arc::clone(&self.journal);
        let bringer = Bringer { calls: Arc::clone(calls), held, journal };
        let mut brought = Brought::default();
        tokio::select! {
            biased;
            () = bringer.bring_all(&self.trail, &errand.artifacts, &mut brought) => {}
            () = too_long(&calls.node) => self.journal.note("there is no time to keep more files"),
        }
        if brought.lost > 0 {
            let note = format!("{} artifacts did not get through; the log says why", brought.lost);
            calls.remark(held, note).await;
        }
        self.telling.end(&self.journal).await;
        brought.artifacts
    }
}

async fn too_long(node: &Node) {
    let hurried = async {
        node.tasks.stopped().await;
        sleep(HURRIED).await;
    };
    tokio::select! {
        biased;
        () = hurried => {}
        () = sleep(LONGEST) => {}
    }
}
