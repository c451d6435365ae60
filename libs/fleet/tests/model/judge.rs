//! The invariants: of each write as it is applied, and of each state as it stands.

use fleet::{FencedBy, Job, Lease, LeaseStatus, Lock, SlotState, Stage};

use crate::cast::{Held, factory, job_id, numbered};
use crate::mutant::Mutant;
use crate::wishes::held_by;
use crate::world::{Belief, Cast, Grant, Phase, Proc, Task, World};

const MAX_REAPS: u32 = 5;

impl World {
    pub(crate) fn tell_gap(&mut self, old: &Job, new: &Job) {
        if let Err(gap) = numbered(old, new) {
            self.wrong(gap);
        }
    }

    /// What must be true of every write on a job, whoever it comes from.
    pub(crate) fn judge_job(&mut self, proc: &Proc, old: &Job, new: &Job) {
        self.judge(new.lease_epoch >= old.lease_epoch, "I3: the epoch of a job fell");
        let stays = old.stage != Stage::Shipped || new.stage == Stage::Shipped;
        self.judge(stays, "I12: a shipped job is no longer shipped");
        self.judge(new.attempts >= old.attempts, "I12: attempts fell");
        self.judge(new.reaps <= MAX_REAPS, "I20: more reaps than allowed");
        let waits = matches!(old.stage, Stage::Queued | Stage::Blocked);
        let same_content = old.generation == new.generation;
        self.judge(waits || same_content, "I21: the content of a held job changed");
        let speaks = matches!(proc.task, Task::Confirm { .. } | Task::Supersede { .. });
        let kept = old.checkpoint == new.checkpoint;
        self.judge(kept || speaks, "I15: a checkpoint was lost");
        if let Some(held) = proc.held.filter(|_| is_call(proc.task)) {
            let heard = held.is_heard_by(old);
            self.judge(heard, "I4: a write was applied without the job's epoch, holder and nonce");
        }
        self.judge_task(proc, old, new);
    }

    fn judge_task(&mut self, proc: &Proc, old: &Job, new: &Job) {
        match proc.task {
            Task::Claim { job, request, .. } if new.holder().is_some() => {
                self.note_grant(job, request, new);
                self.judge(old.stage == Stage::Queued, "I9: a job was claimed that was not queued");
            }
            Task::Reap { job, .. } | Task::Repair { job, .. } => {
                let dead = !self.lease(job).is_some_and(|lease| lease.is_held_for(old.lease_epoch));
                self.judge(dead, "I6: a job was taken back while its lease was held");
                let news = if matches!(old.stage, Stage::Assigned(_)) {
                    "an unconfirmed grant was taken back"
                } else {
                    "a job was taken back"
                };
                self.news.push(news);
                self.ghost.taken_back.insert(job);
                self.begin_grace(job, new);
            }
            Task::Overrule { job, .. } => {
                self.news.push("a job was overruled");
                self.begin_grace(job, new);
            }
            Task::Confirm { op, .. } | Task::Note { op, .. } | Task::Release { op, .. } => {
                let first = self.ghost.applied.insert(op);
                self.judge(first, "I22: one operation was applied twice");
                if new.stage == Stage::Shipped {
                    self.news.push("a job was shipped");
                }
                if new.stage == Stage::Shipped && !self.ghost.taken_back.is_empty() {
                    self.news.push("a job was taken back, claimed again and shipped");
                }
            }
            Task::Claim { .. } => self.news.push("a job was given back for its lock"),
            Task::Supersede { .. } => self.news.push("a job was superseded"),
            Task::Cancel { .. } | Task::Requeue { .. } | Task::Renew { .. } => {}
        }
    }

    fn note_grant(&mut self, job: u8, request: u8, new: &Job) {
        let held = held_by(job, new);
        let granted = self.ghost.granted.entry(job).or_default();
        let again = granted.iter().any(|(epoch, ..)| *epoch == held.epoch);
        let twice = granted.iter().any(|(.., asked)| *asked == request);
        if granted.iter().any(|(.., asked)| asked / 8 == request / 8) {
            self.news.push("an agent claimed its own job again");
        }
        granted.push((held.epoch, held.nonce, request));
        self.judge(!again, "I3: one epoch was granted twice");
        self.judge(!twice, "I22: one request was granted twice");
        let next = self.ghost.past.get(&job).is_none_or(|past| *past < held.epoch);
        self.judge(next, "I3: an epoch was used again");
    }

    fn begin_grace(&mut self, job: u8, new: &Job) {
        let grace =
            matches!(new.fenced_by, Some(FencedBy::Reap | FencedBy::Repair | FencedBy::Timeout));
        let slot = self.lock.record.slot();
        let owned = slot
            .is_some_and(|slot| slot.job_id == job_id(job) && slot.state == SlotState::Confirmed);
        if grace && owned {
            self.ghost.in_grace = Some(job);
        }
    }

    pub(crate) fn judge_lease(&mut self, proc: &Proc, job: u8, new: &Lease) {
        let ended = self.lease(job).is_some_and(|old| {
            old.lease_epoch == new.lease_epoch && old.status != LeaseStatus::Held
        });
        let revived = ended && new.status == LeaseStatus::Held;
        self.judge(!revived, "a lease that had ended is held again for the same epoch");
        let reaped = matches!(proc.task, Task::Reap { .. }) && proc.at == 0;
        if reaped {
            let silent = self.ghost.silent.contains(&job);
            self.judge(silent, "a lease was taken that had not been silent for a whole term");
            // A term of silence is longer than any grant may stay unconfirmed.
            let past = self.ghost.past.entry(job).or_default();
            *past = (*past).max(new.lease_epoch.get());
        }
        self.ghost.silent.remove(&job);
    }

    pub(crate) fn judge_lock(&mut self, proc: &Proc, new: &Lock) {
        let Task::Claim { job, .. } = proc.task else { return };
        let taken = new.slot().is_some_and(|slot| slot.job_id == job_id(job));
        let waited = proc.gave > 0;
        if waited {
            self.ghost.in_grace = None;
        }
        let foreign = self.ghost.in_grace.is_some_and(|fenced| fenced != job);
        self.judge(!(taken && foreign), "I11: a lock changed hands within its grace");
    }

    /// A refusal is a lie when the call was applied, or when the caller still holds the job.
    pub(crate) fn judge_refusal(&mut self, proc: &Proc) {
        let applied = match proc.task {
            Task::Confirm { op, .. } | Task::Note { op, .. } | Task::Release { op, .. } => {
                self.ghost.applied.contains(&op)
            }
            Task::Claim { .. }
            | Task::Renew { .. }
            | Task::Reap { .. }
            | Task::Repair { .. }
            | Task::Overrule { .. }
            | Task::Cancel { .. }
            | Task::Requeue { .. }
            | Task::Supersede { .. } => false,
        };
        self.judge(!applied, "I22: a call that was applied is answered with a refusal");
        if let Task::Release { held, .. } = proc.task {
            let mine = held.is_heard_by(self.job(held.job));
            self.judge(!mine, "a completion is refused although its epoch is its own");
        }
    }

    /// A yes is a lie when nothing was applied.
    pub(crate) fn judge_answer(&mut self, task: Task, refused: bool) {
        if let Task::Confirm { op, .. } | Task::Note { op, .. } | Task::Release { op, .. } = task {
            let honest = refused || self.ghost.applied.contains(&op);
            self.judge(honest, "a call is answered with yes, and was never applied");
        }
    }

    /// "Nothing for you" must be true of the moment at which it is decided.
    pub(crate) fn tell_no(&mut self, proc: &Proc) {
        let Task::Claim { agent, job, request, .. } = proc.task else { return };
        let by = self.agents[usize::from(agent)].factory;
        let standing = self.job(job);
        let mine = standing.holder().is_some_and(|holder| holder.factory == factory(by))
            && standing.claim.claim_request_id == Some(crate::cast::request(request));
        self.judge(!mine, "a factory is told that it lost its own claim");
        let belief = &mut self.agents[usize::from(agent)].belief;
        if *belief == (Belief::Asking { request }) {
            *belief = Belief::Idle;
        }
    }

    pub(crate) fn grant(&mut self, grant: Grant) {
        let asks = Belief::Asking { request: grant.request };
        if self.agents[usize::from(grant.agent)].belief == asks {
            self.grants.insert(grant);
        }
    }

    pub(crate) fn take_grant(&mut self, grant: Grant) {
        self.grants.retain(|other| other.agent != grant.agent);
        let (held, generation) = (grant.held, grant.generation);
        let standing = self.job(held.job);
        let same = !held.is_heard_by(standing) || standing.generation == generation;
        self.judge(same, "I8: the content that was handed out is not what the claim wrote");
        self.agents[usize::from(grant.agent)].belief =
            Belief::Holding { held, generation, phase: Phase::Granted };
    }

    /// An answer arrives; one that nobody waits for any more changes nothing.
    pub(crate) fn tell(&mut self, task: Task, refused: bool) {
        let (agent, held) = match task {
            Task::Confirm { agent, held, .. }
            | Task::Note { agent, held, .. }
            | Task::Renew { agent, held }
            | Task::Release { agent, held, .. } => (agent, held),
            Task::Claim { .. }
            | Task::Reap { .. }
            | Task::Repair { .. }
            | Task::Overrule { .. }
            | Task::Cancel { .. }
            | Task::Requeue { .. }
            | Task::Supersede { .. } => return,
        };
        let agent = &mut self.agents[usize::from(agent)];
        let Belief::Holding { held: mine, generation, phase } = agent.belief else { return };
        if mine != held {
            return;
        }
        let beside = matches!(task, Task::Renew { .. } | Task::Note { .. });
        agent.aside &= !beside;
        let phase = match (task, phase) {
            (Task::Confirm { .. }, Phase::Confirming) => Phase::Building,
            (Task::Renew { .. }, Phase::Restarted) => Phase::Granted,
            (Task::Release { .. }, _) => {
                agent.belief = Belief::Idle;
                agent.aside = false;
                return;
            }
            (_, phase) => phase,
        };
        agent.belief =
            if refused { Belief::Idle } else { Belief::Holding { held, generation, phase } };
        agent.aside &= !refused;
    }

    /// # Errors
    /// An invariant does not hold in this state.
    pub(crate) fn check_state(&self) -> Result<(), String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        for (number, _) in (0u8..).zip(&self.jobs) {
            self.check_job(number)?;
        }
        self.check_locks()
    }

    fn check_job(&self, number: u8) -> Result<(), String> {
        let job = self.job(number);
        let lease = self.lease(number);
        if lease.is_some_and(|lease| lease.lease_epoch > job.lease_epoch) {
            return Err("I2: the lease is ahead of its job".into());
        }
        let believers = self.agents.iter().filter(|agent| match agent.belief {
            Belief::Holding { held, .. } => held.job == number && held.is_heard_by(job),
            Belief::Idle | Belief::Asking { .. } => false,
        });
        if believers.count() > 1 {
            return Err("I1: two agents hold the same grant".into());
        }
        let fresh = job.holder().is_some()
            && self.ghost.past.get(&number).is_none_or(|past| *past < job.lease_epoch.get());
        let usable = lease.is_none_or(|lease| {
            lease.lease_epoch < job.lease_epoch || lease.is_held_for(job.lease_epoch)
        });
        if fresh && !usable {
            return Err("I6: the lease of a fresh grant was made unusable".into());
        }
        Ok(())
    }

    fn check_locks(&self) -> Result<(), String> {
        let delivered = self.agents.iter().filter(|agent| match agent.belief {
            Belief::Holding { held, .. } => held.is_heard_by(self.job(held.job)),
            Belief::Idle | Belief::Asking { .. } => false,
        });
        let on_the_way = |held: &Held| held.is_heard_by(self.job(held.job));
        let sent = self.grants.iter().filter(|grant| on_the_way(&grant.held));
        let held: std::collections::BTreeSet<u8> = delivered
            .filter_map(|agent| match agent.belief {
                Belief::Holding { held, .. } => Some(held.job),
                Belief::Idle | Belief::Asking { .. } => None,
            })
            .chain(sent.map(|grant| grant.held.job))
            .collect();
        if held.len() > 1 && self.locks_bind() {
            return Err("I11: two jobs hold one lock".into());
        }
        Ok(())
    }

    fn locks_bind(&self) -> bool {
        self.jobs.iter().all(|job| !job.record.content.locks.is_empty())
    }
}

impl Cast {
    pub(crate) fn repairs(&self) -> bool {
        !self.is(Mutant::ReaperScansLeasesOnly)
    }
}

fn is_call(task: Task) -> bool {
    match task {
        Task::Confirm { .. } | Task::Note { .. } | Task::Renew { .. } | Task::Release { .. } => {
            true
        }
        Task::Claim { .. }
        | Task::Reap { .. }
        | Task::Repair { .. }
        | Task::Overrule { .. }
        | Task::Cancel { .. }
        | Task::Requeue { .. }
        | Task::Supersede { .. } => false,
    }
}
