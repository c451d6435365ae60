//! Holders whose work is to stop before they ask: what this process wrote took their jobs from them
//! or asks for an end. Hints, kept in memory only: whoever is not told hears the same with its next
//! renewal.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleet::{FactoryId, Job, Lease, ProductId, Wish};
use protocol::{StopReason, StopWork};
use tokio::sync::Notify;

use crate::Ledger;
use crate::outcome::LedgerError;
use crate::table::PAGE;

/// Words that wait to be sent; further ones are left to the renewals.
const LIMIT: usize = 1 << 12;

/// What is to be said, and in which product.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    due: Mutex<VecDeque<(ProductId, StopWork)>>,
    added: Notify,
}

impl Stops {
    fn add(&self, product: &ProductId, word: StopWork) {
        let mut due = self.due();
        if due.len() < LIMIT {
            due.push_back((product.clone(), word));
        }
        drop(due);
        self.added.notify_one();
    }

    fn due(&self) -> MutexGuard<'_, VecDeque<(ProductId, StopWork)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// The next holder to be told; waits for one.
    pub async fn next_stop(&self) -> (ProductId, StopWork) {
        loop {
            let next = self.stops.due().pop_front();
            match next {
                Some(next) => {
                    // Several may wait, and a word that was added rings once.
                    self.stops.added.notify_one();
                    return next;
                }
                None => self.stops.added.notified().await,
            }
        }
    }

    /// Has all that this factory holds handed back, as its drain says.
    ///
    /// # Errors
    /// The store is away; the renewals say the same.
    pub async fn hurry(&self, product: &ProductId, factory: &FactoryId) -> Result<(), LedgerError> {
        let mut cursor = None;
        loop {
            let (leases, next) = self.leases.page_of_all(cursor.as_ref(), PAGE).await?;
            let of_it = leases.into_iter().map(|found| found.record).filter(|lease| {
                lease.is_held()
                    && lease.head.product_id == *product
                    && lease.holder_factory_id.as_ref() == Some(factory)
            });
            for lease in of_it {
                self.hand_back(product, factory, &lease);
            }
            let Some(next) = next else { return Ok(()) };
            cursor = Some(next);
        }
    }

    fn hand_back(&self, product: &ProductId, factory: &FactoryId, lease: &Lease) {
        let Some(claim_nonce) = lease.claim_nonce else { return };
        let word = StopWork {
            factory_id: factory.clone(),
            job_id: lease.job_id,
            lease_epoch: lease.lease_epoch,
            claim_nonce,
            reason: StopReason::Drain,
        };
        self.stops.add(product, word);
    }

    /// A write turned `before` into `after`.
    pub(crate) fn note_stop(&self, before: &Job, after: &Job, wish: &Wish) {
        let Some(reason) = stopped_by(before, after, wish) else { return };
        let Some(holder) = before.holder() else { return };
        let word = StopWork {
            factory_id: holder.factory.clone(),
            job_id: before.id,
            lease_epoch: before.lease_epoch,
            claim_nonce: holder.nonce,
            reason,
        };
        self.stops.add(before.product(), word);
    }
}

/// A holder that lets go by itself needs no word.
fn stopped_by(before: &Job, after: &Job, wish: &Wish) -> Option<StopReason> {
    match wish {
        Wish::Patch(_) => {
            let spent = after.holder().is_some() && is_spent(after) && !is_spent(before);
            return spent.then_some(StopReason::Budget);
        }
        Wish::Release(_) | Wish::Renew(_) | Wish::Claim(_) => return None,
        Wish::Keep(_) | Wish::Remove(_) => return None,
        Wish::Admit(_) | Wish::Supersede(_) | Wish::Settle(_) | Wish::AddChildren(_) => {}
        Wish::TakeBack(_) | Wish::Operate(_) | Wish::Trim { .. } | Wish::Purge => {}
    }
    let lost = after.lease_epoch != before.lease_epoch || after.holder().is_none();
    let cancelled = after.cancel_requested.is_some() && before.cancel_requested.is_none();
    if lost { Some(StopReason::Fenced) } else { cancelled.then_some(StopReason::Cancel) }
}

fn is_spent(job: &Job) -> bool {
    job.used_by(job.head.updated_at).exhausts(&job.content.budget.unwrap_or_default())
}
