//! Everything that follows a job's deciding write: its lease, its runs, its events, its gates and
//! those who wait for it. An entry on the agenda is a wish to agree, not a write: its turn reads
//! the job as last written, so that repeating or losing an entry costs time only.

use std::collections::BTreeSet;
use std::sync::Mutex;

use fleet::{Holding, Job, JobId, Lease, LeaseCommand, ProductId};
use futures_util::future::join_all;
use tokio::sync::MutexGuard;
use tracing::warn;

use crate::Ledger;
use crate::outcome::LedgerError;

/// Jobs that wait for their followers; beyond these the sweep finds them.
const AGENDA_LIMIT: usize = 1 << 16;

/// Jobs seen to together, so that their writes share the store's groups.
const AT_ONCE: usize = 256;
/// From so many on it is no single story that somebody waits for, but load.
const LOAD: usize = 8;

/// The jobs whose followers are due, each once.
#[derive(Debug, Default)]
pub struct Agenda {
    due: Mutex<BTreeSet<(ProductId, JobId)>>,
    added: tokio::sync::Notify,
    worked: tokio::sync::Mutex<()>,
}

/// Held by the one loop that works an agenda off.
#[derive(Debug)]
pub struct Alone<'a>(#[expect(dead_code, reason = "held, never read")] MutexGuard<'a, ()>);

impl Agenda {
    pub(crate) fn add(&self, product: ProductId, job: JobId) {
        let mut due = self.due.lock().expect("nothing panics while it holds this lock");
        if due.len() < AGENDA_LIMIT {
            due.insert((product, job));
        }
        drop(due);
        self.added.notify_one();
    }

    /// Resolves once no other loop works this agenda off: two of them would only get in each
    /// other's way, at the same jobs.
    pub async fn alone(&self) -> Alone<'_> {
        Alone(self.worked.lock().await)
    }

    /// Waits until there is something to do.
    pub async fn added(&self) {
        self.added.notified().await;
    }

    /// Whether waiting a little pays: jobs that change again meanwhile are seen to once.
    #[must_use]
    pub fn is_under_load(&self) -> bool {
        self.len() >= LOAD
    }

    pub(crate) fn len(&self) -> usize {
        self.due.lock().expect("nothing panics while it holds this lock").len()
    }

    fn take(&self, most: usize) -> Vec<(ProductId, JobId)> {
        let mut due = self.due.lock().expect("nothing panics while it holds this lock");
        std::iter::from_fn(|| due.pop_first()).take(most).collect()
    }
}

impl Ledger {
    /// What is due, for the loop that calls [`Ledger::follow_all`].
    #[must_use]
    pub fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    /// Works the agenda off; says how many jobs were seen to. A job whose turn failed is due
    /// again.
    ///
    /// # Errors
    /// The store is away.
    pub async fn follow_all(&self) -> Result<usize, LedgerError> {
        let mut seen = 0;
        loop {
            let due = self.agenda.take(AT_ONCE);
            if due.is_empty() {
                return Ok(seen);
            }
            seen += due.len();
            self.counts.followed(due.len());
            let turns = due.into_iter().map(|(product, job)| self.take_turn(product, job));
            for turn in join_all(turns).await {
                turn?;
            }
        }
    }

    async fn take_turn(&self, product: ProductId, job: JobId) -> Result<(), LedgerError> {
        match Box::pin(self.follow(&product, job)).await {
            // To come back to it would keep everyone else waiting for a person.
            Err(error) if error.is_of_the_record() => {
                warn!(%job, %error, "followers given up");
                Ok(())
            }
            Err(error) => {
                self.agenda.add(product, job);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// One job's followers, brought into agreement with it.
    ///
    /// # Errors
    /// The store is away.
    pub async fn follow(&self, product: &ProductId, id: JobId) -> Result<(), LedgerError> {
        let Some(found) = self.jobs.get(product, id).await? else { return Ok(()) };
        let job = found.record;
        self.agree_lease(&job).await?;
        self.record(&job).await?;
        self.free_gates(&job).await?;
        self.keep_an_eye_on(&job);
        self.note_waiting(&job);
        self.pass_on(&job).await?;
        // News after truth: while the bus is away, locks and dependents need not wait for it.
        self.publish_all(&job).await?;
        // Last: an empty outbox says that everything above was done.
        self.trim(&job).await
    }

    /// The lease says what the job implies: held for the holder's epoch, or not held.
    async fn agree_lease(&self, job: &Job) -> Result<(), LedgerError> {
        if job.lease_epoch == fleet::Epoch::ZERO {
            return Ok(());
        }
        let stands = self.leases.get(job.id, job.id).await?.map(|found| found.record);
        let absent = Lease::absent(job.id, job.product().clone(), self.clock.now());
        let lease = stands.unwrap_or_else(|| absent.clone());
        let agrees = match job.holder() {
            Some(_) => lease.is_held_for(job.lease_epoch),
            // A lease that is ahead belongs to a claim that came after this look at the job.
            None => !lease.is_held() || lease.lease_epoch > job.lease_epoch,
        };
        if !agrees {
            self.commit(&self.leases, absent, &self.implied(job, &lease)).await?;
        }
        Ok(())
    }

    /// What a job says of its lease.
    fn implied(&self, job: &Job, lease: &Lease) -> LeaseCommand {
        match job.holder() {
            Some(holder) => {
                let holding = Holding {
                    lease_epoch: job.lease_epoch,
                    factory_id: holder.factory.clone(),
                    claim_nonce: holder.nonce,
                };
                LeaseCommand::Hold(holding, self.clock.now().plus(self.terms.ttl))
            }
            None if lease.is_held_for(job.lease_epoch) => LeaseCommand::Release(job.lease_epoch),
            None => LeaseCommand::Expire(lease.lease_epoch),
        }
    }
}
