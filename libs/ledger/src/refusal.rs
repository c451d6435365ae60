//! Words that were not heard: counted, and noted beside the log of the job they were about. A
//! zombie that keeps talking must not fill the store, so that only the first of each epoch are
//! noted.

use std::collections::BTreeMap;
use std::sync::Mutex;

use fleet::{Code, Epoch, EventRecord, Head, Holding, JobId, ProductId, Refused, Rejection};
use tracing::debug;

use crate::Ledger;

/// Notes for each job and epoch.
const NOTED: u32 = 20;
/// Pairs remembered; when there are more the counting begins anew.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<(JobId, Epoch), u32>>);

impl Refusals {
    fn count(&self, job: JobId, epoch: Epoch) -> u32 {
        let mut counts = self.0.lock().expect("nothing panics while it holds this lock");
        if counts.len() >= REMEMBERED {
            counts.clear();
        }
        let count = counts.entry((job, epoch)).or_default();
        *count += 1;
        *count
    }
}

/// What somebody wished for who said to hold the job.
#[derive(Clone, Copy)]
pub(crate) struct Word<'a> {
    pub(crate) op: &'static str,
    pub(crate) product: &'a ProductId,
    pub(crate) job: JobId,
    pub(crate) caller: &'a Holding,
}

impl Ledger {
    /// Best effort: a note that is lost costs nobody anything.
    pub(crate) async fn note_refusal(&self, word: Word<'_>, rejection: &Rejection) {
        let Word { op, product, job, caller } = word;
        let unheard = matches!(
            rejection.code,
            Code::Fenced | Code::EpochUnknown | Code::LeaseNotHeld | Code::LeaseLost
        );
        let Some(current) = rejection.current.as_ref().filter(|_| unheard) else { return };
        self.counts.refusal();
        debug!(%job, epoch = %caller.lease_epoch, current = %current.lease_epoch, "word refused");
        if self.refusals.count(job, current.lease_epoch) > NOTED {
            return;
        }
        let refused = Refused {
            op: op.to_owned(),
            caller_epoch: caller.lease_epoch,
            current_epoch: current.lease_epoch,
            caller_factory_id: caller.factory_id.clone(),
            nonce_matches: self.is_newest_nonce(&word).await,
        };
        let head = Head::new(product.clone(), self.clock.now());
        let note = EventRecord::fenced(self.ids.mint(), job, head, refused);
        if let Err(error) = self.events.create(&note).await {
            debug!(%job, %error, "refusal not noted");
        }
    }

    /// Tells a late word of the last holder from a stranger's.
    async fn is_newest_nonce(&self, word: &Word<'_>) -> bool {
        match self.jobs.get(word.product, word.job).await {
            Ok(Some(found)) => found.record.claim.run_id == Some(word.caller.claim_nonce),
            Ok(None) | Err(_) => false,
        }
    }
}
