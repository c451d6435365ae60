//! The way out: from every store that can be reached, with every process and agent dead, the
//! keepers alone free each job, find nothing more to do, and a new factory can ship it.

use std::time::Duration;

use fleet::{
    Cause, Circumstances, Claim, Command, Disposition, Epoch, Holding, Job, Lease, LeaseCommand,
    LeaseStatus, Lock, LockCommand, Owner, Patch, Record, Slot, SlotState, Stage, StageName,
    TakeBack, Timestamp, Wish,
};

use crate::cast::{
    Held, bidder, coordinator, evolved, factory, job_id, late, lock_name, nonce, now, op, product,
    request, stage_word,
};
use crate::wishes::release;
use crate::world::{Cast, World};

const NEW_FACTORY: u8 = 9;
const NEW_NONCE: u8 = 250;

/// One job and what follows it.
struct Place {
    number: u8,
    job: Job,
    lease: Lease,
    lock: Lock,
    at: Timestamp,
}

impl Cast {
    /// # Errors
    /// What stays stuck.
    pub(crate) fn check_way_out(&self, world: &World) -> Result<(), String> {
        for number in 0..self.jobs {
            let absent = || Lease::absent(job_id(number), product(), now());
            let mut place = Place {
                number,
                job: world.job(number).clone(),
                lease: world.lease(number).cloned().unwrap_or_else(absent),
                lock: (*world.lock.record).clone(),
                at: late(),
            };
            let before = stage_word(&place.job.stage);
            self.keep(&mut place);
            self.keep(&mut place);
            if place.job.holder().is_some() || place.lease.status == LeaseStatus::Held {
                return Err(format!(
                    "L1: everyone stops here, and job{number} stays {before} for ever"
                ));
            }
            if self.keep(&mut place) > 0 {
                return Err("I16: a keeper that comes again finds more to do".into());
            }
            if place.job.stage == Stage::Queued {
                let mut owner = world.jobs.iter();
                let owner = owner
                    .find(|job| place.lock.slot().is_some_and(|slot| slot.job_id == job.record.id));
                let owner = owner.map(|job| (*job.record).clone());
                self.finish(&mut place, owner)
                    .map_err(|what| format!("L3: a new factory cannot {what} job{number}"))?;
            }
        }
        Ok(())
    }

    /// One round of a keeper who has waited long enough; how much it changed.
    fn keep(&self, place: &mut Place) -> usize {
        let mut changes = 0;
        let epoch = place.lease.lease_epoch;
        if place.lease.status == LeaseStatus::Held {
            changes += place.lease_is(&LeaseCommand::Expire(epoch)).unwrap_or(0);
            changes += place.take_back(epoch, Cause::Silent);
        }
        let number = place.job.lease_epoch;
        if place.job.holder().is_some() && !place.lease.is_held_for(number) && self.repairs() {
            changes += place.lease_is(&LeaseCommand::Repair(number)).unwrap_or(0);
            changes += place.take_back(number, Cause::NoLease);
        }
        changes
    }

    fn finish(&self, place: &mut Place, owner: Option<Job>) -> Result<(), &'static str> {
        // Back-off and grace are over by then.
        place.at = late().plus(Duration::from_secs(1000));
        if self.locks {
            place.reserve(owner).ok_or("lock")?;
        }
        let claim = Claim {
            bidder: bidder(NEW_FACTORY),
            nonce: nonce(NEW_NONCE),
            request: request(NEW_NONCE),
            epoch_seen: place.job.lease_epoch,
            profile: None,
            grant_deadline: place.at.plus(Duration::from_secs(10)),
        };
        place.job_is(Wish::Claim(Box::new(claim))).ok_or("claim")?;
        let held = Held {
            job: place.number,
            epoch: place.job.lease_epoch.get(),
            factory: NEW_FACTORY,
            nonce: NEW_NONCE,
        };
        let until = place.at;
        place.lease_is(&LeaseCommand::Hold(held.holding(), until)).ok_or("hold")?;
        place.job_is(Wish::Patch(Box::new(building(held.holding())))).ok_or("build")?;
        place.job_is(Wish::Renew(held.holding())).ok_or("renew")?;
        place.lease_is(&LeaseCommand::Renew(held.holding(), until)).ok_or("renew")?;
        place
            .job_is(Wish::Release(Box::new(release(held, NEW_NONCE, Disposition::Ship))))
            .ok_or("ship")?;
        place.lease_is(&LeaseCommand::Release(Epoch::new(held.epoch))).ok_or("let go of")?;
        (place.job.stage == Stage::Shipped).then_some(()).ok_or("ship")
    }
}

impl Place {
    fn job_is(&mut self, wish: Wish) -> Option<usize> {
        let command = Command { by: coordinator(), given: Circumstances::default(), wish };
        change(&mut self.job, &command, self.at)
    }

    fn lease_is(&mut self, command: &LeaseCommand) -> Option<usize> {
        change(&mut self.lease, command, self.at)
    }

    fn take_back(&mut self, epoch: Epoch, cause: Cause) -> usize {
        let moved = self.job_is(Wish::TakeBack(TakeBack { epoch, cause })).unwrap_or(0);
        let raised = match moved {
            0 => 0,
            _ => self.lease_is(&LeaseCommand::Raise(self.job.lease_epoch)).unwrap_or(0),
        };
        moved + raised
    }

    fn reserve(&mut self, owner: Option<Job>) -> Option<usize> {
        let slot = Slot {
            claim_nonce: nonce(NEW_NONCE),
            job_id: job_id(self.number),
            factory_id: factory(NEW_FACTORY),
            epoch: self.job.lease_epoch,
            state: SlotState::Reserved,
            at: now(),
        };
        // Of two jobs of one lock, the other one is freed by then as well.
        let standing = owner.filter(|job| job.id == self.job.id).map(|_| self.job.clone());
        let owner = self.lock.slot().map_or(Owner::Gone, |slot| Owner::of(standing.as_ref(), slot));
        assert_eq!(self.lock.name, lock_name(), "one lock in these worlds");
        change(&mut self.lock, &LockCommand::Reserve { slot, owner }, self.at)?;
        change(&mut self.lock, &LockCommand::Confirm(nonce(NEW_NONCE)), self.at)
    }
}

fn building(holding: Holding) -> Patch {
    Patch {
        holding,
        op: op(NEW_NONCE - 1),
        stage: Some(StageName::Building),
        checkpoint: None,
        note: None,
        verify: None,
        insights: None,
    }
}

/// How many facts the command made; none when it was refused.
fn change<R: Record + Clone>(record: &mut R, command: &R::Command, at: Timestamp) -> Option<usize> {
    let events = record.decide(command, at).ok()?;
    *record = evolved(record, &events, at);
    Some(events.len())
}
