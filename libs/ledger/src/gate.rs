//! Locks and budgets: tried before the claim, confirmed after it, never waited for. Locks come
//! before budgets and in the order of their names, so that nothing can deadlock.

use std::sync::Arc;

use clock::Clock;
use fleet::{
    Budget, BudgetCommand, Cause, Job, Lock, LockCommand, LockName, MicroUsd, Nonce, Owner,
    ProductId, RESERVATION_LIFE, Reservation, Run, Slot, SlotState, TakeBack, Wish,
};
use store::Store;

use crate::Ledger;
use crate::commit::{Patience, Turn};
use crate::course::{Course, Next};
use crate::outcome::{LedgerError, Outcome};
use crate::table::{PAGE, Table};

#[derive(Clone, Debug)]
pub(crate) struct Gates {
    pub(crate) locks: Table<Lock>,
    pub(crate) budgets: Table<Budget>,
}

impl Gates {
    pub(crate) fn over(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Self {
        Self { locks: Table::over(store, clock), budgets: Table::over(store, clock) }
    }
}

impl Ledger {
    pub(crate) async fn reserve_gates(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let (Some(found), Wish::Claim(claim)) = (&course.judged, &course.wish) else {
            return Ok(Next::Enough);
        };
        let job = &found.record;
        for name in &job.content.locks {
            let slot = Slot {
                claim_nonce: claim.nonce,
                job_id: job.id,
                factory_id: claim.bidder.factory.clone(),
                epoch: job.lease_epoch.next(),
                state: SlotState::Reserved,
                at: self.clock.now(),
            };
            if let Outcome::Rejected(rejection) = self.reserve_lock(job, name, slot).await? {
                return Ok(Next::Refused(rejection));
            }
        }
        let known = self.belief.of(job.product(), &*self.clock).await?;
        for budget in known.budgets.iter().filter(|budget| budget.covers(job)) {
            let profile = course.profile.as_ref().map(|profile| &profile.snapshot);
            let kept = self.kept_for(job, claim.nonce, job.estimate(&known.product, profile));
            let command = BudgetCommand::Reserve(kept);
            let outcome = self.amend(&self.gates.budgets, budget, &command).await?;
            if let Outcome::Rejected(rejection) = outcome {
                return Ok(Next::Refused(rejection));
            }
        }
        Ok(Next::On)
    }

    async fn reserve_lock(
        &self,
        job: &Job,
        name: &LockName,
        slot: Slot,
    ) -> Result<Outcome<()>, LedgerError> {
        let absent = Lock::absent(name.clone(), job.product().clone(), slot.at);
        let mut patience = Patience::brief();
        loop {
            let found = self.gates.locks.get(job.product(), name).await?;
            let taken = found.as_ref().and_then(|found| found.record.slot());
            let owner = match taken {
                Some(taken) => {
                    let owner = self.jobs.get(job.product(), taken.job_id).await?;
                    Owner::of(owner.as_ref().map(|found| &found.record), taken)
                }
                None => Owner::Gone,
            };
            let command = LockCommand::Reserve { slot: slot.clone(), owner };
            let now = self.clock.now();
            let turn =
                self.gates.locks.turn(found.as_ref(), || absent.clone(), &command, now).await?;
            match turn {
                Turn::Settled(outcome) => return Ok(outcome.map(|_| ())),
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => return Ok(Outcome::Rejected(crate::commit::too_busy())),
            }
        }
    }

    /// No grant leaves before every lock is confirmed: a lock that was only reserved can have been
    /// taken by another meanwhile.
    pub(crate) async fn confirm_locks(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let Some(done) = &course.done else { return Ok(Next::Enough) };
        let job = &done.record;
        let Some(nonce) = job.holder().map(|holder| holder.nonce) else { return Ok(Next::On) };
        for name in &job.content.locks {
            let absent = Lock::absent(name.clone(), job.product().clone(), self.clock.now());
            let command = LockCommand::Confirm(nonce);
            let outcome = self.commit(&self.gates.locks, absent, &command).await?;
            if let Outcome::Rejected(rejection) = outcome {
                let back = TakeBack { epoch: job.lease_epoch, cause: Cause::LockLost };
                let wish = Wish::TakeBack(back);
                self.change(&course.ask(&wish), Patience::long()).await?;
                return Ok(Next::Refused(rejection));
            }
        }
        Ok(Next::On)
    }

    /// Gives back what a claim that came to nothing had reserved.
    pub(crate) async fn undo_gates(
        &self,
        course: &Course,
        nonce: Nonce,
    ) -> Result<(), LedgerError> {
        let found = self.jobs.get(&course.product, course.job).await?;
        let holder = found.as_ref().and_then(|found| found.record.holder());
        if holder.is_some_and(|holder| holder.nonce == nonce) {
            return Ok(());
        }
        for name in &course.locks {
            self.free_lock(&course.product, name, nonce).await?;
        }
        let known = self.belief.of(&course.product, &*self.clock).await?;
        for budget in known.budgets.iter() {
            self.amend(&self.gates.budgets, budget, &BudgetCommand::Free(nonce)).await?;
        }
        Ok(())
    }

    /// Frees what earlier holds of this job left behind, and turns what they kept into spending.
    /// The job is read after the gate: a nonce that it carried once and carries no more never
    /// comes back, while one that it has not carried yet may be a claim under way.
    pub(crate) async fn free_gates(&self, job: &Job) -> Result<(), LedgerError> {
        for name in &job.content.locks {
            let lock = self.gates.locks.get(job.product(), name).await?;
            let slot = lock.as_ref().and_then(|found| found.record.slot());
            let ours = slot.filter(|slot| slot.job_id == job.id);
            let Some(slot) = ours.filter(|slot| slot.state == SlotState::Confirmed) else {
                continue;
            };
            // A host that may not know yet that it was fenced keeps its lock for the grace.
            let stands = self.jobs.get(job.product(), job.id).await?;
            if Owner::of(stands.as_ref().map(|found| &found.record), slot) == Owner::Gone {
                self.free_lock(job.product(), name, slot.claim_nonce).await?;
            }
        }
        self.settle_budgets(job).await
    }

    async fn settle_budgets(&self, job: &Job) -> Result<(), LedgerError> {
        let known = self.belief.of(job.product(), &*self.clock).await?;
        for budget in known.budgets.iter() {
            let found = self.gates.budgets.get(job.product(), &budget.id).await?;
            let Some(found) = found else { continue };
            let kept = found.record.reserved.clone().into_iter();
            self.settle_all(budget, kept.filter(|kept| kept.job_id == job.id).collect()).await?;
        }
        Ok(())
    }

    async fn settle_all(&self, budget: &Budget, all: Vec<Reservation>) -> Result<(), LedgerError> {
        for kept in &all {
            self.settle_budget(budget, kept).await?;
        }
        Ok(())
    }

    /// Finds reservations of claims that never committed, or whose followers were lost.
    pub(crate) async fn sweep_budgets(&self) -> Result<(), LedgerError> {
        let mut cursor = None;
        loop {
            let (page, next) = self.gates.budgets.page_of_all(cursor.as_ref(), PAGE).await?;
            let now = self.clock.now();
            for budget in page.iter().map(|found| &found.record) {
                let old = budget.old_reservations(now).into_iter().cloned().collect();
                self.settle_all(budget, old).await?;
            }
            let Some(next) = next else { return Ok(()) };
            cursor = Some(next);
        }
    }

    async fn settle_budget(&self, budget: &Budget, kept: &Reservation) -> Result<(), LedgerError> {
        let nonce = kept.claim_nonce;
        let stands = self.jobs.get(&budget.head.product_id, kept.job_id).await?;
        let job = stands.map(|found| found.record);
        let newest = job.as_ref().filter(|job| job.claim.run_id == Some(nonce));
        let command = match newest {
            Some(job) => {
                let (usd, tokens) = (job.claim.claim_usd, job.claim.claim_tokens);
                if job.holder().is_some() {
                    BudgetCommand::Tell(nonce, usd, tokens)
                } else {
                    BudgetCommand::Settle(nonce, usd, tokens)
                }
            }
            None => match self.run_under(kept).await? {
                Some(run) => {
                    let usd = run.insights.cost_usd.unwrap_or_default();
                    BudgetCommand::Settle(nonce, usd, run.insights.tokens())
                }
                None if self.clock.now().since(kept.at) > RESERVATION_LIFE => {
                    BudgetCommand::Free(nonce)
                }
                None => return Ok(()),
            },
        };
        self.amend(&self.gates.budgets, budget, &command).await?;
        Ok(())
    }

    /// The ended run that a reservation was for, if its claim ever committed.
    async fn run_under(&self, kept: &Reservation) -> Result<Option<Run>, LedgerError> {
        let runs = self.runs.all_of(kept.job_id).await?;
        let run = runs.into_iter().find(|found| found.record.run_id == kept.claim_nonce);
        Ok(run.map(|found| found.record))
    }

    async fn free_lock(
        &self,
        product: &ProductId,
        name: &LockName,
        nonce: Nonce,
    ) -> Result<(), LedgerError> {
        let absent = Lock::absent(name.clone(), product.clone(), self.clock.now());
        self.commit(&self.gates.locks, absent, &LockCommand::Free(nonce)).await?;
        Ok(())
    }

    fn kept_for(&self, job: &Job, nonce: Nonce, (usd, tokens): (MicroUsd, u64)) -> Reservation {
        Reservation {
            claim_nonce: nonce,
            job_id: job.id,
            usd,
            tokens,
            told_usd: MicroUsd::ZERO,
            told_tokens: 0,
            at: self.clock.now(),
        }
    }
}
