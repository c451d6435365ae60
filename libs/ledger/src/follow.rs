//! Everything that follows a job's deciding write: its lease, its runs, its events, its gates and
//! those who wait for it. An entry on the agenda is a wish to agree, not a write: its turn reads
//! the job as last written, so that repeating or losing an entry costs time only.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use fleet::{Holding, Job, JobId, Lease, LeaseCommand, ProductId};
use futures_util::future::join_all;
use tracing::warn;

use crate::Ledger;
use crate::outcome::LedgerError;

/// Jobs that wait for their followers; beyond these the sweep finds them.
const AGENDA_LIMIT: usize = 1 << 16;

/// Jobs seen to together, so that their writes share the store's groups.
const AT_ONCE: usize = 256;
/// From so many on it is no single story that somebody waits for, but load.
const LOAD: usize = 8;

/// The jobs whose followers are due, each once, the one that waits longest first.
#[derive(Debug, Default)]
pub struct Agenda {
    due: Mutex<Due>,
    added: tokio::sync::Notify,
    worked: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Due {
    jobs: BTreeSet<(ProductId, JobId)>,
    since: VecDeque<(Duration, ProductId, JobId)>,
}

impl Due {
    fn is_calm(&self) -> bool {
        self.since.len() < LOAD
    }
}

/// Held by the one loop that works an agenda off.
#[derive(Debug)]
pub struct Alone<'a>(
    #[expect(dead_code, reason = "held, never read")] tokio::sync::MutexGuard<'a, ()>,
);

impl Agenda {
    pub(crate) fn add(&self, product: ProductId, job: JobId, uptime: Duration) {
        let mut due = self.due();
        if due.jobs.len() < AGENDA_LIMIT && due.jobs.insert((product.clone(), job)) {
            due.since.push_back((uptime, product, job));
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

    /// How long the first in turn still waits, if every job is to wait for `gather` under load:
    /// one that changes again meanwhile is seen to once. None if nothing is due.
    fn ripens_in(&self, gather: Duration, uptime: Duration) -> Option<Duration> {
        let due = self.due();
        let (since, ..) = due.since.front()?;
        Some(if due.is_calm() { Duration::ZERO } else { (*since + gather).saturating_sub(uptime) })
    }

    pub(crate) fn len(&self) -> usize {
        self.due().since.len()
    }

    /// How long the first in turn has waited; zero where nothing waits.
    pub(crate) fn lag(&self, uptime: Duration) -> Duration {
        let due = self.due();
        due.since.front().map_or(Duration::ZERO, |(since, ..)| uptime.saturating_sub(*since))
    }

    /// Those that were added by then, and no more than are seen to together.
    fn take(&self, until: Duration) -> Vec<(ProductId, JobId)> {
        let mut due = self.due();
        let mut taken = Vec::new();
        while taken.len() < AT_ONCE {
            let ripe = due.since.pop_front_if(|(since, ..)| *since <= until);
            let Some((_, product, job)) = ripe else { break };
            due.jobs.remove(&(product.clone(), job));
            taken.push((product, job));
        }
        taken
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().expect("nothing panics while it holds this lock")
    }
}

impl Ledger {
    /// What is due, for the loop that calls [`Ledger::follow_ripe`].
    #[must_use]
    pub fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    /// This job's followers have something to agree with.
    pub(crate) fn is_due(&self, product: &ProductId, job: JobId) {
        self.agenda.add(product.clone(), job, self.clock.uptime());
    }

    /// How long until the next job is to be seen to; under load each waits for `gather`, so that
    /// its changes come together. None while there is nothing to do.
    #[must_use]
    pub fn ripens_in(&self, gather: Duration) -> Option<Duration> {
        self.agenda.ripens_in(gather, self.clock.uptime())
    }

    /// Sees to those that are ripe. A job whose turn failed is due again.
    ///
    /// # Errors
    /// The store is away.
    pub async fn follow_ripe(&self, gather: Duration) -> Result<(), LedgerError> {
        let is_calm = self.agenda.due().is_calm();
        let ripe = self.clock.uptime().saturating_sub(gather);
        let until = if is_calm { Duration::MAX } else { ripe };
        self.take_turns(self.agenda.take(until)).await
    }

    /// Works the whole agenda off; says how many jobs were seen to. A job whose turn failed is due
    /// again.
    ///
    /// # Errors
    /// The store is away.
    pub async fn follow_all(&self) -> Result<usize, LedgerError> {
        let mut seen = 0;
        loop {
            let due = self.agenda.take(Duration::MAX);
            if due.is_empty() {
                return Ok(seen);
            }
            seen += due.len();
            self.take_turns(due).await?;
        }
    }

    async fn take_turns(&self, due: Vec<(ProductId, JobId)>) -> Result<(), LedgerError> {
        self.counts.followed(due.len());
        let turns = due.into_iter().map(|(product, job)| self.take_turn(product, job));
        join_all(turns).await.into_iter().collect()
    }

    async fn take_turn(&self, product: ProductId, job: JobId) -> Result<(), LedgerError> {
        match Box::pin(self.follow(&product, job)).await {
            // To come back to it would keep everyone else waiting for a person.
            Err(error) if error.is_of_the_record() => {
                warn!(%job, %error, "followers given up");
                Ok(())
            }
            Err(error) => {
                self.is_due(&product, job);
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
        // What is told is trimmed by a write at this very version, so that a version which was out of
        // date is seen to again. One with nothing to tell would not be.
        let seen = self.jobs.last_seen(product, id).filter(|seen| !seen.record.outbox.is_empty());
        let found = match seen {
            Some(seen) => Some(seen),
            None => self.jobs.get(product, id).await?,
        };
        let Some(found) = found else { return Ok(()) };
        let job = &found.record;
        self.agree_lease(job).await?;
        self.agree_artifacts(job).await?;
        let pages = self.record(job).await?;
        self.free_gates(job).await?;
        self.keep_an_eye_on(job);
        self.note_waiting(job);
        self.pass_on(job).await?;
        // News after truth: while the bus is away, locks and dependents need not wait for it.
        self.publish_all(&pages).await?;
        // Last: an empty outbox says that everything above was done.
        self.trim(&found).await
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
