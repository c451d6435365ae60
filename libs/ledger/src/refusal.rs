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

impl Ledger {
    /// Best effort: a note that is lost costs nobody anything.
    pub(crate) async fn note_refusal(
        &self,
        product: &ProductId,
        job: JobId,
        caller: &Holding,
        rejection: &Rejection,
    ) {
        let unheard = matches!(
            rejection.code,
            Code::Fenced | Code::EpochUnknown | Code::LeaseNotHeld | Code::LeaseLost
        );
        let Some(current) = rejection.current.as_ref().filter(|_| unheard) else { return };
        debug!(%job, epoch = %caller.lease_epoch, current = %current.lease_epoch, "word refused");
        if self.refusals.count(job, current.lease_epoch) > NOTED {
            return;
        }
        let refused = Refused {
            op: format!("{:?}", rejection.code),
            caller_epoch: caller.lease_epoch,
            current_epoch: current.lease_epoch,
            caller_factory_id: caller.factory_id.clone(),
            nonce_matches: false,
        };
        let head = Head::new(product.clone(), self.clock.now());
        let note = EventRecord::fenced(self.ids.mint(), job, head, refused);
        if let Err(error) = self.events.create(&note).await {
            debug!(%job, %error, "refusal not noted");
        }
    }
}
