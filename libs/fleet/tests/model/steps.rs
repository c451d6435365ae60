//! Executes the product's step lists one read and one conditional write at a time. A write that
//! another one overtook is lost at once: nothing but a conflict could come of it.

use std::rc::Rc;
use std::time::Duration;

use fleet::{
    CLAIM, Circumstances, Command, Epoch, Job, Lease, LeaseCommand, LockCommand, OVERRULE, Owner,
    REAP, RELEASE, RENEW, REPAIR, Record, Slot, SlotState, Step,
};

use crate::cast::{
    Held, evolved, factory, job_id, late, now, product, request, stored_job, stored_lease,
    stored_lock,
};
use crate::mutant::Mutant;
use crate::wishes::{actor_of, epoch_of, held_by, job_of, nonce_of};
use crate::world::{Cast, Change, Grant, Proc, Seen, Task, World};

/// What a process does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Listed(Step),
    /// A protocol of one write on the job.
    JobAlone,
    /// A claim that lost gives its reservation back.
    Undo,
    /// A claim whose lock went to another gives the job back.
    LockLost,
}

const UNDO: usize = 90;
const LOCK_LOST: usize = 91;

const UNCONFIRMED: &[Step] = &[Step::ReserveGates, Step::ClaimJob, Step::HoldLease];
const LEASE_FIRST: &[Step] = &[Step::ExpireLease, Step::RaiseLease, Step::TakeJobBack];
impl Cast {
    fn list(&self, task: Task) -> &'static [Step] {
        match task {
            Task::Claim { .. } if self.is(Mutant::LockWithoutConfirm) => UNCONFIRMED,
            Task::Claim { .. } => CLAIM,
            Task::Renew { .. } => RENEW,
            Task::Release { .. } => RELEASE,
            Task::Reap { .. } if self.is(Mutant::ReaperRaisesLeaseFirst) => LEASE_FIRST,
            Task::Reap { .. } => REAP,
            Task::Repair { .. } => REPAIR,
            Task::Overrule { .. } => OVERRULE,
            Task::Confirm { .. } | Task::Note { .. } => &[],
            Task::Cancel { .. } | Task::Requeue { .. } | Task::Supersede { .. } => &[],
        }
    }

    pub(crate) fn act(&self, proc: &Proc) -> Option<Act> {
        match proc.at {
            UNDO => return Some(Act::Undo),
            LOCK_LOST => return Some(Act::LockLost),
            _ => {}
        }
        let list = self.list(proc.task);
        if list.is_empty() {
            return (proc.at == 0).then_some(Act::JobAlone);
        }
        list.get(proc.at).map(|step| Act::Listed(*step))
    }

    /// Runs and dependents have models of their own; without locks there are no gates.
    fn is_elsewhere(&self, act: Act) -> bool {
        match act {
            Act::Listed(Step::OpenRun | Step::CloseRun | Step::SettleDependents) => true,
            Act::Listed(Step::ReserveGates | Step::ConfirmLocks | Step::FreeGates) => !self.locks,
            Act::Listed(_) | Act::JobAlone | Act::Undo | Act::LockLost => false,
        }
    }

    pub(crate) fn set_out(&self, world: &mut World, task: Task, held: Option<Held>) {
        let seen = Seen::Unread { lost: false };
        let mut proc = Proc { task, at: 0, held, generation: 0, gave: 0, seen };
        self.pass_over(&mut proc);
        world.procs.push(proc);
    }

    fn pass_over(&self, proc: &mut Proc) {
        while self.act(proc).is_some_and(|act| self.is_elsewhere(act)) {
            proc.at += 1;
        }
    }

    /// On to the next step; a claim that has all it needs tells its agent.
    pub(crate) fn advance(&self, world: &mut World, p: usize) {
        let mut proc = world.procs.remove(p);
        proc.at += 1;
        proc.seen = Seen::Unread { lost: false };
        self.pass_over(&mut proc);
        if let (Task::Claim { agent, request, .. }, Some(held)) = (proc.task, proc.held)
            && self.act(&proc) == Some(Act::Listed(Step::HoldLease))
        {
            world.grant(Grant { agent, request, held, generation: proc.generation });
        }
        if self.act(&proc).is_some() {
            world.procs.insert(p, proc);
        }
    }

    /// One read of process `p`, and what it decides on it.
    pub(crate) fn read(&self, world: &World, p: usize) -> Vec<(&'static str, World)> {
        let mut next = world.clone();
        let proc = world.procs[p].clone();
        let Some(act) = self.act(&proc) else { return Vec::new() };
        let lost = matches!(proc.seen, Seen::Unread { lost: true });
        match act {
            Act::JobAlone | Act::LockLost => self.read_job(&mut next, p, act),
            Act::Undo => self.read_lock(&mut next, p, &LockCommand::Free(nonce_of(&proc))),
            Act::Listed(step) => match step {
                Step::ReserveGates => return self.reserve(world, p),
                Step::ClaimJob if lost && self.is(Mutant::ConflictIsFinalInClaim) => {
                    self.answer_no(&mut next, p);
                }
                Step::ReleaseJob if lost && self.is(Mutant::ConflictIsFinalInComplete) => {
                    self.refuse(&mut next, p);
                }
                Step::ClaimJob | Step::ReleaseJob | Step::TakeJobBack => {
                    self.read_job(&mut next, p, act);
                }
                Step::ConfirmLocks => {
                    self.read_lock(&mut next, p, &LockCommand::Confirm(nonce_of(&proc)));
                }
                Step::FreeGates if self.leaves_lock(world) => self.advance(&mut next, p),
                Step::FreeGates => {
                    self.read_lock(&mut next, p, &LockCommand::Free(nonce_of(&proc)));
                }
                Step::HoldLease
                | Step::RenewLease
                | Step::ReleaseLease
                | Step::ExpireLease
                | Step::MarkLease
                | Step::RaiseLease => self.read_lease(&mut next, p, step),
                Step::OpenRun
                | Step::CloseRun
                | Step::CreateJob
                | Step::WalkGraph
                | Step::AdmitJob
                | Step::LookAgain
                | Step::SettleDependents => unreachable!("another model's step"),
            },
        }
        vec![("reads", next)]
    }

    fn read_job(&self, world: &mut World, p: usize, act: Act) {
        let proc = world.procs[p].clone();
        let number = job_of(&proc);
        let job = Rc::clone(&world.jobs[usize::from(number)].record);
        if self.replays(world, p, &job) {
            return;
        }
        let (wish, at) = self.wish(&proc, act, &job);
        let command = Command { by: actor_of(&proc), given: Circumstances::default(), wish };
        match job.decide(&command, at) {
            Ok(events) if events.is_empty() => self.already_so(world, p, act, &job),
            Ok(events) => {
                let next = evolved(&*job, &events, at);
                world.tell_gap(&job, &next);
                let next = stored_job(next);
                world.procs[p].seen = Seen::Decided(Change::Job(number, next, Rc::new(events)));
            }
            Err(_) if matches!(proc.task, Task::Claim { .. }) && act != Act::LockLost => {
                self.answer_no(world, p);
            }
            Err(no) => {
                if no.code == fleet::Code::Fenced {
                    world.news.push("a zombie was refused");
                }
                self.refuse(world, p);
            }
        }
    }

    /// A request that this factory was granted already is answered with the same grant.
    fn replays(&self, world: &mut World, p: usize, job: &Job) -> bool {
        let Task::Claim { agent, request: asked, job: number, .. } = world.procs[p].task else {
            return false;
        };
        if world.procs[p].held.is_some() || self.is(Mutant::ClaimWithoutNonce) {
            return false;
        }
        let Some(holder) = job.holder() else { return false };
        let mine = holder.factory == factory(world.agents[usize::from(agent)].factory);
        if !mine || job.claim.claim_request_id != Some(request(asked)) {
            return false;
        }
        let proc = &mut world.procs[p];
        proc.held = Some(held_by(number, job));
        proc.generation = job.generation;
        let list = self.list(proc.task);
        proc.at = list.iter().position(|step| *step == Step::ClaimJob).expect("a claim claims");
        world.news.push("an own claim was recognised");
        self.advance(world, p);
        true
    }

    fn already_so(&self, world: &mut World, p: usize, act: Act, job: &Job) {
        let proc = world.procs[p].clone();
        match proc.task {
            Task::Claim { .. } if act == Act::LockLost => {
                world.procs.remove(p);
            }
            // Granted to this very nonce, but no longer held by it: the grant is over.
            Task::Claim { .. } => {
                let _ = job;
                self.answer_no(world, p);
            }
            Task::Release { .. } if self.is(Mutant::CompletionNotRepeatable) => {
                self.refuse(world, p);
            }
            Task::Confirm { .. } | Task::Note { .. } | Task::Release { .. } => {
                world.procs[p].seen = Seen::Answering { refused: false };
            }
            Task::Overrule { .. } | Task::Reap { .. } | Task::Repair { .. } => {
                world.procs.remove(p);
            }
            Task::Renew { .. } => {}
            Task::Cancel { .. } | Task::Requeue { .. } | Task::Supersede { .. } => {
                world.procs.remove(p);
            }
        }
    }

    fn read_lease(&self, world: &mut World, p: usize, step: Step) {
        let proc = world.procs[p].clone();
        let number = job_of(&proc);
        if step == Step::RenewLease && matches!(proc.seen, Seen::Unread { .. }) {
            return self.read_job_before_renewal(world, p);
        }
        let absent = || Lease::absent(job_id(number), product(), now());
        let lease = world.lease(number).cloned().unwrap_or_else(absent);
        let by = || proc.held.expect("a holder's step").holding();
        let until = now().plus(Duration::from_secs(30));
        let command = match step {
            Step::HoldLease => LeaseCommand::Hold(by(), until),
            Step::RenewLease => LeaseCommand::Renew(by(), until),
            Step::ReleaseLease => LeaseCommand::Release(by().lease_epoch),
            Step::ExpireLease => LeaseCommand::Expire(epoch_of(&proc)),
            Step::MarkLease => LeaseCommand::Repair(epoch_of(&proc)),
            Step::RaiseLease => LeaseCommand::Raise(self.raised_to(world, &proc)),
            Step::ReserveGates
            | Step::ClaimJob
            | Step::ConfirmLocks
            | Step::OpenRun
            | Step::ReleaseJob
            | Step::CloseRun
            | Step::FreeGates
            | Step::TakeJobBack
            | Step::CreateJob
            | Step::WalkGraph
            | Step::AdmitJob
            | Step::LookAgain
            | Step::SettleDependents => unreachable!("no step of a lease"),
        };
        // Held after all: the renewal that created it came first.
        if step == Step::MarkLease
            && lease.is_held_for(epoch_of(&proc))
            && !self.is(Mutant::RepairTakesWhatIsHeld)
        {
            world.procs.remove(p);
            return;
        }
        match lease.decide(&command, now()) {
            Ok(events) if events.is_empty() => self.advance(world, p),
            Ok(events) => {
                let next = stored_lease(evolved(&lease, &events, now()));
                world.procs[p].seen = Seen::Decided(Change::Lease(number, next, Rc::new(events)));
            }
            Err(_) => self.refuse(world, p),
        }
    }

    fn raised_to(&self, world: &World, proc: &Proc) -> Epoch {
        match self.mutant {
            Some(Mutant::ReaperRaisesLeaseFirst) => epoch_of(proc).next(),
            Some(Mutant::ReaperCopiesJobsEpoch) => world.job(job_of(proc)).lease_epoch,
            Some(_) | None => Epoch::new(proc.gave),
        }
    }

    fn read_job_before_renewal(&self, world: &mut World, p: usize) {
        let proc = world.procs[p].clone();
        let job = Rc::clone(&world.jobs[usize::from(job_of(&proc))].record);
        let (wish, at) = self.wish(&proc, Act::Listed(Step::RenewLease), &job);
        let command = Command { by: actor_of(&proc), given: Circumstances::default(), wish };
        match job.decide(&command, at) {
            Ok(_) => world.procs[p].seen = Seen::JobAgrees,
            Err(no) => {
                if no.code == fleet::Code::Fenced {
                    world.news.push("a zombie was refused");
                }
                self.refuse(world, p);
            }
        }
    }

    /// Two times to ask: at once, and when reservations and graces are over.
    fn reserve(&self, world: &World, p: usize) -> Vec<(&'static str, World)> {
        let proc = world.procs[p].clone();
        let Task::Claim { agent, job, .. } = proc.task else { unreachable!("claims reserve") };
        let mut replay = world.clone();
        let standing = Rc::clone(&world.jobs[usize::from(job)].record);
        if self.replays(&mut replay, p, &standing) {
            return vec![("reads", replay)];
        }
        let slot = Slot {
            claim_nonce: nonce_of(&proc),
            job_id: job_id(job),
            factory_id: factory(self.agents[usize::from(agent)]),
            epoch: world.job(job).lease_epoch,
            state: SlotState::Reserved,
            at: now(),
        };
        let lock = &world.lock.record;
        let owner = lock.slot().map_or(Owner::Gone, |taken| {
            let owner = world.jobs.iter().find(|job| job.record.id == taken.job_id);
            Owner::of(owner.map(|job| &*job.record), taken)
        });
        let command = LockCommand::Reserve { slot, owner };
        let mut ways = Vec::new();
        for (how, at) in [("at once reads", now()), ("much later reads", late())] {
            let mut next = world.clone();
            match lock.decide(&command, at) {
                Ok(events) if events.is_empty() => self.advance(&mut next, p),
                Ok(events) => {
                    let lock = stored_lock(evolved(&**lock, &events, now()));
                    next.procs[p].seen = Seen::Decided(Change::Lock(lock, Rc::new(events)));
                    next.procs[p].gave = u64::from(at == late());
                }
                Err(_) => self.answer_no(&mut next, p),
            }
            ways.push((how, next));
        }
        ways
    }

    /// A holder that was fenced for its silence may still be running in its lock.
    fn leaves_lock(&self, world: &World) -> bool {
        let Some(slot) = world.lock.record.slot() else { return true };
        let owner = world.jobs.iter().find(|job| job.record.id == slot.job_id);
        let owner = Owner::of(owner.map(|job| &*job.record), slot);
        owner != Owner::Gone && !self.is(Mutant::ReaperFreesLocks)
    }

    fn read_lock(&self, world: &mut World, p: usize, command: &LockCommand) {
        let lock = Rc::clone(&world.lock.record);
        match lock.decide(command, now()) {
            Ok(events) if events.is_empty() => self.advance(world, p),
            Ok(events) => {
                let next = stored_lock(evolved(&*lock, &events, now()));
                world.procs[p].seen = Seen::Decided(Change::Lock(next, Rc::new(events)));
            }
            Err(_) => {
                world.procs[p].at = LOCK_LOST;
                world.procs[p].seen = Seen::Unread { lost: false };
                world.news.push("a lock was lost before the grant");
            }
        }
    }

    /// Nothing for this request; what it reserved is given back first.
    fn answer_no(&self, world: &mut World, p: usize) {
        let proc = world.procs[p].clone();
        world.tell_no(&proc);
        if self.locks && proc.at != UNDO {
            world.procs[p].at = UNDO;
            world.procs[p].seen = Seen::Unread { lost: false };
        } else {
            world.procs.remove(p);
        }
    }

    fn refuse(&self, world: &mut World, p: usize) {
        let proc = world.procs[p].clone();
        world.judge_refusal(&proc);
        if matches!(proc.task, Task::Cancel { .. } | Task::Requeue { .. } | Task::Supersede { .. })
        {
            world.procs.remove(p);
        } else {
            world.procs[p].seen = Seen::Answering { refused: true };
        }
    }
}
