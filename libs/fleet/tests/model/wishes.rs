//! What each task wishes of a job, in the product's own commands; and how a wrong guard would hear
//! it.

use std::time::Duration;

use fleet::{
    Action, Actor, Cause, Claim, Disposition, Epoch, Job, Operation, Patch, Release, Stage,
    StageName, TakeBack, Timestamp, Wish,
};

use crate::cast::{
    Held, bidder, checkpoint, content, coordinator, factory, factory_number, late, nonce, now,
    number_of, op, request,
};
use crate::mutant::Mutant;
use crate::steps::Act;
use crate::world::{Cast, Proc, Task};

impl Cast {
    pub(crate) fn wish(&self, proc: &Proc, act: Act, job: &Job) -> (Wish, Timestamp) {
        let back = |epoch: u64, cause| Wish::TakeBack(TakeBack { epoch: Epoch::new(epoch), cause });
        if act == Act::LockLost {
            let epoch = proc.held.map_or(0, |held| held.epoch);
            return (back(epoch, Cause::LockLost), now());
        }
        match proc.task {
            Task::Claim { agent, request: asked, seen, .. } => {
                let current = self.is(Mutant::ClaimWithoutOfferedEpoch);
                let claim = Claim {
                    bidder: bidder(self.agents[usize::from(agent)]),
                    nonce: nonce_of(proc),
                    request: request(asked),
                    epoch_seen: if current { job.lease_epoch } else { Epoch::new(seen) },
                    profile: None,
                    grant_deadline: now().plus(Duration::from_secs(10)),
                };
                let at = job.retry_not_before.map_or_else(now, |start| start.max(now()));
                (Wish::Claim(Box::new(claim)), at)
            }
            Task::Confirm { held, op: number, .. } => {
                let mut patch = self.patch(held, number, job);
                patch.stage = Some(StageName::Building);
                patch.checkpoint = Some(checkpoint());
                (Wish::Patch(Box::new(patch)), now())
            }
            Task::Note { held, op, .. } => {
                let mut patch = self.patch(held, op, job);
                patch.note = Some("note".into());
                (Wish::Patch(Box::new(patch)), now())
            }
            Task::Renew { held, .. } => (Wish::Renew(self.heard(held, job).holding()), now()),
            Task::Release { held, op: number, ship, .. } => {
                let how = if ship { Disposition::Ship } else { Disposition::Yield };
                (Wish::Release(Box::new(release(self.heard(held, job), number, how))), now())
            }
            Task::Reap { epoch, .. } => (back(epoch, Cause::Silent), now()),
            Task::Repair { epoch, .. } => (back(epoch, Cause::NoLease), late()),
            Task::Overrule { epoch, .. } => (back(epoch, Cause::Overrun), late()),
            Task::Cancel { .. } => (by_hand(Action::CancelNow), now()),
            Task::Requeue { .. } => (by_hand(Action::Requeue), now()),
            Task::Supersede { job } => (Wish::Supersede(Box::new(content(job, 2, &[]))), now()),
        }
    }

    fn patch(&self, held: Held, number: u8, job: &Job) -> Patch {
        Patch {
            holding: self.heard(held, job).holding(),
            op: op(number),
            stage: None,
            checkpoint: None,
            note: None,
            verify: None,
            insights: None,
        }
    }

    /// How a wrong guard hears a call: as if it came from the holder.
    fn heard(&self, held: Held, job: &Job) -> Held {
        let Some(holder) = job.holder() else { return held };
        let passes = match self.mutant {
            Some(Mutant::FenceOnSmallerEpochOnly) => held.epoch >= job.lease_epoch.get(),
            Some(Mutant::FenceOnHolderOnly) => holder.factory == factory(held.factory),
            Some(_) | None => false,
        };
        if passes { held_by(held.job, job) } else { held }
    }
}

pub(crate) fn release(held: Held, number: u8, how: Disposition) -> Release {
    Release {
        holding: held.holding(),
        op: op(number),
        disposition: Some(how),
        result: None,
        exit: None,
        verify: None,
        insights: None,
        checkpoint: None,
        reason: None,
        artifacts: Vec::new(),
    }
}

fn by_hand(action: Action) -> Wish {
    Wish::Operate(Operation { action, op: None, reason: None })
}

/// The hold that `job` speaks of.
pub(crate) fn held_by(number: u8, job: &Job) -> Held {
    let holder = job.holder().expect("a held job");
    Held {
        job: number,
        epoch: job.lease_epoch.get(),
        factory: factory_number(&holder.factory),
        nonce: number_of(holder.nonce),
    }
}

pub(crate) fn job_of(proc: &Proc) -> u8 {
    match proc.task {
        Task::Claim { job, .. }
        | Task::Reap { job, .. }
        | Task::Repair { job, .. }
        | Task::Overrule { job, .. }
        | Task::Cancel { job }
        | Task::Requeue { job }
        | Task::Supersede { job } => job,
        Task::Confirm { held, .. }
        | Task::Note { held, .. }
        | Task::Renew { held, .. }
        | Task::Release { held, .. } => held.job,
    }
}

pub(crate) fn epoch_of(proc: &Proc) -> Epoch {
    match proc.task {
        Task::Reap { epoch, .. } | Task::Repair { epoch, .. } | Task::Overrule { epoch, .. } => {
            Epoch::new(epoch)
        }
        Task::Claim { .. }
        | Task::Confirm { .. }
        | Task::Note { .. }
        | Task::Renew { .. }
        | Task::Release { .. }
        | Task::Cancel { .. }
        | Task::Requeue { .. }
        | Task::Supersede { .. } => Epoch::ZERO,
    }
}

/// A claim's own nonce, minted for its handling; a keeper frees by the nonce it took back.
pub(crate) fn nonce_of(proc: &Proc) -> fleet::Nonce {
    if let Some(held) = proc.held {
        return nonce(held.nonce);
    }
    match proc.task {
        Task::Claim { request, copy, .. } => nonce(request * 2 + copy),
        Task::Confirm { held, .. }
        | Task::Note { held, .. }
        | Task::Renew { held, .. }
        | Task::Release { held, .. } => nonce(held.nonce),
        Task::Reap { .. }
        | Task::Repair { .. }
        | Task::Overrule { .. }
        | Task::Cancel { .. }
        | Task::Requeue { .. }
        | Task::Supersede { .. } => nonce(0),
    }
}

pub(crate) fn actor_of(proc: &Proc) -> Actor {
    match proc.task {
        Task::Confirm { held, .. }
        | Task::Note { held, .. }
        | Task::Renew { held, .. }
        | Task::Release { held, .. } => Actor::factory(&factory(held.factory)),
        Task::Claim { .. } | Task::Reap { .. } | Task::Repair { .. } => coordinator(),
        Task::Overrule { .. } | Task::Supersede { .. } => coordinator(),
        Task::Cancel { .. } | Task::Requeue { .. } => Actor::user("operator"),
    }
}

/// Whether a job's command has begun, so that its timeout counts.
pub(crate) fn is_running(job: &Job) -> bool {
    matches!(job.stage, Stage::Building(_) | Stage::Review(Some(_)) | Stage::Testing(Some(_)))
}
