//! Hints that work exists: first to the few factories that suit it best, then to the next, then to
//! all. An offer assigns nothing and may be lost: idle factories ask anyway. What is believed of
//! factories here decides who hears of a job first, never who gets it.

mod crowd;
mod open;

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet::{Circumstances, Job, Stage, unclaimable};
use ledger::LedgerError;
use protocol::{Offer, Subject, Topic};
use tokio::sync::Notify;
use tracing::debug;

use crate::Scheduler;
use crate::offer::crowd::Crowd;
use crate::offer::open::{Open, Turn};

const OFFER_LIFE: Duration = Duration::from_secs(5);
/// What those who heard of a job have, before others hear of it.
const NEXT_AFTER: Duration = Duration::from_secs(1);
/// A job that is kept from everyone is looked at again so much later.
const BARRED_FOR: Duration = Duration::from_secs(5);
/// Nothing is due; news ends the wait.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// What is to be offered, when, and what is believed of those who might want it.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    open: Mutex<Open>,
    changed: Notify,
}

impl Offers {
    fn open(&self) -> MutexGuard<'_, Open> {
        // A plan that a panic left half changed is a hint too few or too many.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scheduler {
    /// There is news of a job: it is offered while it can be had, and no longer.
    pub(crate) fn offer(&self, job: &Job) {
        let uptime = self.node.clock.uptime();
        if let Some(holder) = job.holder() {
            self.offers.open().works(holder.factory.clone(), uptime);
        }
        if job.stage != Stage::Queued || !job.admitted || job.purged {
            let freed = job.holder().is_none().then_some(job.content.locks.as_slice());
            self.offers.open().close(job.id, freed.unwrap_or_default(), uptime);
        } else {
            let starts = [job.content.not_before, job.retry_not_before];
            let start = starts.into_iter().flatten().max();
            let wait = start.map_or(Duration::ZERO, |start| start.since(self.node.clock.now()));
            self.offers.open().note(job, uptime + wait);
        }
        self.offers.changed.notify_one();
    }

    pub(crate) async fn offer_what_waits(self) -> Result<(), Infallible> {
        let mut crowd = Crowd::default();
        loop {
            let due = self.offers.open().next_due();
            let nap = due.map_or(LONGEST_NAP, |due| due.saturating_sub(self.node.clock.uptime()));
            tokio::select! {
                biased;
                () = self.node.tasks.stopped() => return Ok(()),
                () = self.offers.changed.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
            let turns = self.offers.open().take_due(self.node.clock.uptime());
            for turn in turns {
                self.take_turn_or_not(&turn, &mut crowd).await;
            }
        }
    }

    async fn take_turn_or_not(&self, turn: &Turn, crowd: &mut Crowd) {
        if let Err(error) = self.take_turn(turn, crowd).await {
            debug!(job = %turn.job, %error, "not offered; idle factories ask");
        }
    }

    /// One job's next offer, if it can still be had.
    async fn take_turn(&self, turn: &Turn, crowd: &mut Crowd) -> Result<(), LedgerError> {
        let found = self.ledger.jobs.get(&turn.product, turn.job).await?;
        let as_noted = |job: &Job| job.stage == Stage::Queued && job.lease_epoch == turn.epoch;
        let Some(job) = found.map(|found| found.record).filter(as_noted) else { return Ok(()) };
        let uptime = self.node.clock.uptime();
        if self.is_barred(&job).await? {
            self.offers.open().put_off(turn, uptime + BARRED_FOR);
            return Ok(());
        }
        let few = match turn.told() {
            Some(told) => {
                crowd.look(self, &turn.product).await?;
                crowd.best_suited(self, &job, told)
            }
            None => Vec::new(),
        };
        let offer = self.offer_of(&job);
        for factory in &few {
            let subject = Subject::new(job.product(), Topic::Offer(factory.clone()));
            self.node.tell(subject, &offer).await;
        }
        if few.is_empty() {
            self.node.tell(Subject::new(job.product(), Topic::OfferAny), &offer).await;
            self.offers.open().heard_by_all(turn);
        } else {
            self.offers.open().heard_by(turn, few, uptime + NEXT_AFTER);
        }
        Ok(())
    }

    /// Nobody may have it now, whoever asks.
    async fn is_barred(&self, job: &Job) -> Result<bool, LedgerError> {
        let settings = self.ledger.settings_now(job.product()).await?;
        let given = Circumstances { ready: true, paused: settings.paused, ..Default::default() };
        if unclaimable(job, &given, self.node.clock.now()).is_some() {
            return Ok(true);
        }
        for name in &job.content.locks {
            let lock = self.ledger.lock(job.product(), name).await?;
            if lock.is_some_and(|lock| lock.slot().is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn offer_of(&self, job: &Job) -> Offer {
        Offer {
            offer_id: self.node.ids.mint(),
            job_id: job.id,
            epoch_seen: job.lease_epoch,
            priority: job.content.priority,
            capabilities: job.content.capabilities.clone(),
            engine: job.content.engine.clone(),
            expires_at: self.node.clock.now().plus(OFFER_LIFE),
        }
    }
}
