//! What may happen next: a process reads, writes, answers or dies; an agent acts on what it
//! believes; keepers, operators and the network do as they please.

use fleet::{Stage, Step};

use crate::cast::{factory, now, stored_job, stored_lease, stored_lock};
use crate::mutant::Mutant;
use crate::search::Moves;
use crate::steps::Act;
use crate::wishes::{held_by, is_running, job_of};
use crate::world::{Belief, Cast, Change, Phase, Proc, Seen, Task, World};

impl Cast {
    pub(crate) fn all_moves(&self, at: &World, out: &mut Moves<World>) {
        for p in 0..at.procs.len() {
            self.moves_of_process(at, p, out);
        }
        for agent in 0..self.agents.len() {
            self.moves_of_agent(at, u8::try_from(agent).expect("few agents"), out);
        }
        for job in 0..self.jobs {
            self.moves_of_keepers(at, job, out);
            self.moves_of_people(at, job, out);
        }
        self.moves_of_network(at, out);
        out.hear(|world| std::mem::take(&mut world.news));
    }

    fn moves_of_process(&self, at: &World, p: usize, out: &mut Moves<World>) {
        let proc = &at.procs[p];
        let name = || format!("{}{}", name_of(proc), step_of(self.act(proc)));
        match &proc.seen {
            Seen::Unread { .. } | Seen::JobAgrees => {
                for (how, world) in self.read(at, p) {
                    out.add(|| format!("{}: {how}", name()), world);
                }
            }
            Seen::Decided(_) => {
                out.add(|| format!("{}: writes", name()), self.write(at, p, true));
                let repeats = matches!(proc.task, Task::Claim { .. } | Task::Release { .. });
                if at.left.unknowns > 0 && repeats {
                    let mut world = self.write(at, p, false);
                    world.left.unknowns -= 1;
                    out.add(|| format!("{}: writes, and does not learn it", name()), world);
                }
            }
            Seen::Answering { .. } => {
                out.add(|| format!("{}: answers", name()), self.answer(at, p));
            }
        }
        let wrote = proc.at > 0 || matches!(proc.seen, Seen::Answering { refused: false });
        if at.left.crashes > 0 && wrote && !matches!(proc.seen, Seen::Decided(_)) {
            let mut world = at.clone();
            world.left.crashes -= 1;
            world.procs.remove(p);
            out.add(|| format!("{}: dies", name()), world);
        }
    }

    /// The conditional write; without learning of it the process has to find out.
    fn write(&self, at: &World, p: usize, learns: bool) -> World {
        let mut world = at.clone();
        let proc = world.procs[p].clone();
        let Seen::Decided(change) = &proc.seen else { unreachable!("only the decided write") };
        let keeps = self.is(Mutant::ReaperKeepsItsDecision);
        match change {
            Change::Job(number, next, events) => {
                let old = world.jobs[usize::from(*number)].clone();
                let fresh = crate::cast::evolved(&*old.record, events, now());
                let next = if keeps { stored_job(fresh) } else { next.clone() };
                world.judge_job(&proc, &old.record, &next.record);
                if self.act(&proc) == Some(Act::Listed(Step::TakeJobBack)) {
                    world.procs[p].held =
                        old.record.holder().map(|_| held_by(*number, &old.record));
                }
                world.jobs[usize::from(*number)] = next;
            }
            Change::Lease(number, next, events) => {
                let next = match &world.leases[usize::from(*number)] {
                    Some(old) if keeps => {
                        stored_lease(crate::cast::evolved(&*old.record, events, now()))
                    }
                    Some(_) | None => next.clone(),
                };
                world.judge_lease(&proc, *number, &next.record);
                world.leases[usize::from(*number)] = Some(next);
            }
            Change::Lock(next, events) => {
                let fresh = crate::cast::evolved(&*world.lock.record, events, now());
                let next = if keeps { stored_lock(fresh) } else { next.clone() };
                world.judge_lock(&proc, &next.record);
                world.lock = next;
            }
        }
        self.overtake(&mut world, p, change);
        if learns {
            self.after_write(&mut world, p);
        } else {
            world.procs[p].seen = Seen::Unread { lost: true };
        }
        world.procs.retain(|proc| proc.at != usize::MAX);
        world
    }

    /// Whoever decided on the record that was just written has lost already.
    fn overtake(&self, world: &mut World, p: usize, change: &Change) {
        let mut gone = Vec::new();
        for (other, proc) in world.procs.iter_mut().enumerate().filter(|(other, _)| *other != p) {
            let Seen::Decided(theirs) = &proc.seen else { continue };
            let keeper = is_keeper(proc.task) && self.is(Mutant::ReaperKeepsItsDecision);
            if !theirs.is_of_the_same_record(change) || keeper || self.is(Mutant::CheckThenWrite) {
                continue;
            }
            // A lease that moved was not silent: its keeper starts its watch anew.
            if matches!(proc.task, Task::Reap { .. }) && proc.at == 0 {
                gone.push(other);
            }
            proc.seen = Seen::Unread { lost: true };
        }
        for other in gone.into_iter().rev() {
            // Kept in place and made to do nothing, so that `p` stays the same process.
            world.procs[other].at = usize::MAX;
        }
    }

    fn after_write(&self, world: &mut World, p: usize) {
        let act = self.act(&world.procs[p]);
        let number = job_of(&world.procs[p]);
        match act {
            Some(Act::Listed(Step::ClaimJob)) => {
                let held = held_by(number, world.job(number));
                let generation = world.job(number).generation;
                let proc = &mut world.procs[p];
                proc.held = Some(held);
                proc.generation = generation;
                self.advance(world, p);
            }
            Some(Act::Listed(Step::ReleaseJob | Step::RenewLease)) => {
                world.procs[p].seen = Seen::Answering { refused: false };
            }
            Some(Act::JobAlone) => match world.procs[p].task {
                Task::Confirm { .. } | Task::Note { .. } => {
                    world.procs[p].seen = Seen::Answering { refused: false };
                }
                Task::Claim { .. }
                | Task::Renew { .. }
                | Task::Release { .. }
                | Task::Reap { .. }
                | Task::Repair { .. }
                | Task::Overrule { .. }
                | Task::Cancel { .. }
                | Task::Requeue { .. }
                | Task::Supersede { .. } => {
                    world.procs.remove(p);
                }
            },
            Some(Act::Listed(Step::TakeJobBack)) => {
                world.procs[p].gave = world.job(number).lease_epoch.get();
                self.advance(world, p);
            }
            Some(Act::Undo | Act::LockLost) => {
                world.procs.remove(p);
            }
            Some(Act::Listed(_)) => self.advance(world, p),
            None => {}
        }
    }

    fn answer(&self, at: &World, p: usize) -> World {
        let mut world = at.clone();
        let proc = world.procs[p].clone();
        let refused = matches!(proc.seen, Seen::Answering { refused: true });
        world.judge_answer(proc.task, refused);
        world.tell(proc.task, refused);
        if refused {
            world.procs.remove(p);
        } else {
            self.advance(&mut world, p);
        }
        world
    }

    /// Sends a call; the network may keep a copy.
    fn send(&self, world: &mut World, task: Task, held: Option<crate::cast::Held>) {
        if world.left.copies > 0 {
            world.sent.insert(task);
        }
        self.set_out(world, task, held);
    }

    fn moves_of_agent(&self, at: &World, a: u8, out: &mut Moves<World>) {
        let agent = &at.agents[usize::from(a)];
        let name = format!("agent {a} of f{}", agent.factory);
        match agent.belief {
            Belief::Idle => self.moves_of_idle(at, a, &name, out),
            Belief::Asking { request } => {
                for grant in at.grants.iter().filter(|g| g.agent == a && g.request == request) {
                    let mut world = at.clone();
                    world.take_grant(*grant);
                    out.add(|| format!("{name}: gets its grant"), world);
                }
            }
            Belief::Holding { held, generation, phase } => {
                self.moves_of_holder(at, a, phase, out);
                if at.left.restarts > 0 {
                    let mut world = at.clone();
                    world.left.restarts -= 1;
                    // It asks whether it may go on.
                    world.left.sides += 1;
                    let phase = Phase::Restarted;
                    let agent = &mut world.agents[usize::from(a)];
                    agent.belief = Belief::Holding { held, generation, phase };
                    agent.aside = false;
                    out.add(|| format!("{name}: starts anew"), world);
                }
            }
        }
    }

    fn moves_of_idle(&self, at: &World, a: u8, name: &str, out: &mut Moves<World>) {
        let agent = &at.agents[usize::from(a)];
        for job in 0..self.jobs {
            let standing = at.job(job);
            if standing.stage == Stage::Queued && agent.asks > 0 {
                let mut world = at.clone();
                let used = self.asks - agent.asks;
                let request = a * 8 + used + 1;
                let seen = standing.lease_epoch.get();
                world.agents[usize::from(a)].asks -= 1;
                world.agents[usize::from(a)].belief = Belief::Asking { request };
                self.send(&mut world, Task::Claim { agent: a, job, request, copy: 0, seen }, None);
                out.add(|| format!("{name}: asks for job{job}, seen at epoch {seen}"), world);
            }
            let same = standing.holder().is_some_and(|by| by.factory == factory(agent.factory));
            if same && at.left.bluffs > 0 {
                let mut world = at.clone();
                world.left.bluffs -= 1;
                let held = crate::cast::Held { nonce: 200, ..held_by(job, standing) };
                let task = Task::Release { agent: a, held, op: 200, ship: false };
                self.set_out(&mut world, task, Some(held));
                out.add(|| format!("{name}: speaks for job{job} without its nonce"), world);
            }
            if same && self.is(Mutant::InheritByName) {
                let mut world = at.clone();
                let (held, phase) = (held_by(job, standing), Phase::Restarted);
                let generation = standing.generation;
                world.agents[usize::from(a)].belief = Belief::Holding { held, generation, phase };
                out.add(|| format!("{name}: takes over job{job} by its name"), world);
            }
        }
    }

    fn moves_of_holder(&self, at: &World, a: u8, phase: Phase, out: &mut Moves<World>) {
        let Belief::Holding { held, generation, .. } = at.agents[usize::from(a)].belief else {
            return;
        };
        let name = format!("agent {a} of f{}", held.factory);
        // Operations are numbered by the hold they belong to.
        let (confirm, note, end) = (held.nonce * 4, held.nonce * 4 + 1, held.nonce * 4 + 2);
        let mut call = |task: Task, to: Phase, what: &str| {
            let mut world = at.clone();
            let agent = &mut world.agents[usize::from(a)];
            agent.belief = Belief::Holding { held, generation, phase: to };
            self.send(&mut world, task, Some(held));
            out.add(|| format!("{name}: {what}"), world);
        };
        let ends = |ship| Task::Release { agent: a, held, op: end + u8::from(ship), ship };
        match phase {
            Phase::Granted if !self.stalls => {
                let task = Task::Confirm { agent: a, held, op: confirm };
                call(task, Phase::Confirming, "begins to build");
            }
            Phase::Building => {
                call(ends(true), Phase::Releasing, "ships");
                if self.yields {
                    call(ends(false), Phase::Releasing, "yields");
                }
            }
            Phase::Restarted => call(ends(false), Phase::Releasing, "yields what it held"),
            Phase::Granted | Phase::Confirming | Phase::Releasing => {}
        }
        let busy = at.agents[usize::from(a)].aside;
        if !busy && at.left.sides > 0 {
            let mut world = at.clone();
            world.left.sides -= 1;
            world.agents[usize::from(a)].aside = true;
            self.set_out(&mut world, Task::Renew { agent: a, held }, Some(held));
            out.add(|| format!("{name}: renews"), world);
        }
        if !busy && at.left.notes > 0 && matches!(phase, Phase::Building | Phase::Releasing) {
            let mut world = at.clone();
            world.left.notes -= 1;
            world.agents[usize::from(a)].aside = true;
            self.set_out(&mut world, Task::Note { agent: a, held, op: note }, Some(held));
            out.add(|| format!("{name}: notes something"), world);
        }
    }

    fn moves_of_keepers(&self, at: &World, job: u8, out: &mut Moves<World>) {
        let at_work = at.procs.iter().filter(|proc| is_keeper(proc.task)).count();
        if at_work >= self.keepers {
            return;
        }
        let standing = at.job(job);
        let held_lease = at.lease(job).filter(|lease| lease.status == fleet::LeaseStatus::Held);
        if let Some(lease) = held_lease
            && at.left.keeps > 0
        {
            let epoch = lease.lease_epoch.get();
            let mut world = at.clone();
            world.left.keeps -= 1;
            self.set_out(&mut world, Task::Reap { job, epoch }, None);
            let last = world.procs.len() - 1;
            if !self.is(Mutant::ReaperTrustsAClock) {
                // What it saw unchanged for a whole term is what its write depends on.
                world.ghost.silent.insert(job);
                world = self.read(&world, last).swap_remove(0).1;
            }
            out.add(|| format!("a keeper finds the lease of job{job} silent for a term"), world);
        }
        let number = standing.lease_epoch;
        let orphan = standing.holder().is_some()
            && !at.lease(job).is_some_and(|lease| lease.is_held_for(number));
        let repairs = !self.is(Mutant::ReaperScansLeasesOnly);
        if orphan && repairs && at.left.keeps > 0 {
            let epoch = standing.lease_epoch.get();
            let mut world = at.clone();
            world.left.keeps -= 1;
            world.ghost.past.insert(job, epoch);
            self.set_out(&mut world, Task::Repair { job, epoch }, None);
            out.add(
                || format!("a keeper finds job{job} held, without lease, past its grant"),
                world,
            );
        }
        if is_running(standing) && at.left.overrules > 0 {
            let epoch = standing.lease_epoch.get();
            let mut world = at.clone();
            world.left.overrules -= 1;
            self.set_out(&mut world, Task::Overrule { job, epoch }, None);
            out.add(|| format!("a keeper finds job{job} beyond its timeout"), world);
        }
    }

    fn moves_of_people(&self, at: &World, job: u8, out: &mut Moves<World>) {
        let over = at.job(job).stage.has_ended();
        let mut act = |left: fn(&mut World) -> &mut u8, task: Task, what: &str| {
            let mut world = at.clone();
            let count = left(&mut world);
            if *count == 0 || over {
                return;
            }
            *count -= 1;
            self.set_out(&mut world, task, None);
            out.add(|| format!("{what} job{job}"), world);
        };
        act(|w| &mut w.left.cancels, Task::Cancel { job }, "an operator cancels");
        act(|w| &mut w.left.requeues, Task::Requeue { job }, "an operator requeues");
        act(|w| &mut w.left.supersedes, Task::Supersede { job }, "a producer supersedes");
    }

    fn moves_of_network(&self, at: &World, out: &mut Moves<World>) {
        if at.left.copies == 0 {
            return;
        }
        for task in &at.sent {
            let mut world = at.clone();
            world.left.copies -= 1;
            world.sent.remove(task);
            if world.left.copies == 0 {
                world.sent.clear();
            }
            let (task, held) = copy_of(*task);
            self.set_out(&mut world, task, held);
            out.add(|| format!("the network delivers a copy of {task:?}"), world);
        }
    }
}

fn copy_of(task: Task) -> (Task, Option<crate::cast::Held>) {
    match task {
        Task::Claim { agent, job, request, seen, .. } => {
            (Task::Claim { agent, job, request, copy: 1, seen }, None)
        }
        Task::Confirm { held, .. }
        | Task::Note { held, .. }
        | Task::Renew { held, .. }
        | Task::Release { held, .. } => (task, Some(held)),
        Task::Reap { .. }
        | Task::Repair { .. }
        | Task::Overrule { .. }
        | Task::Cancel { .. }
        | Task::Requeue { .. }
        | Task::Supersede { .. } => (task, None),
    }
}

pub(crate) fn is_keeper(task: Task) -> bool {
    match task {
        Task::Reap { .. } | Task::Repair { .. } | Task::Overrule { .. } => true,
        Task::Claim { .. }
        | Task::Confirm { .. }
        | Task::Note { .. }
        | Task::Renew { .. }
        | Task::Release { .. }
        | Task::Cancel { .. }
        | Task::Requeue { .. }
        | Task::Supersede { .. } => false,
    }
}

fn name_of(proc: &Proc) -> String {
    let called = |what: &str, agent: u8| format!("agent {agent}'s {what}");
    match proc.task {
        Task::Claim { agent, request, copy, .. } => {
            format!("claim {request}.{copy} of agent {agent}")
        }
        Task::Confirm { agent, .. } => called("first patch", agent),
        Task::Note { agent, .. } => called("note", agent),
        Task::Renew { agent, .. } => called("renewal", agent),
        Task::Release { agent, ship: true, held, .. } => {
            format!("{} at epoch {}", called("completion", agent), held.epoch)
        }
        Task::Release { agent, ship: false, held, .. } => {
            format!("{} at epoch {}", called("yield", agent), held.epoch)
        }
        Task::Reap { epoch, .. } => format!("reaper of epoch {epoch}"),
        Task::Repair { epoch, .. } => format!("repair of epoch {epoch}"),
        Task::Overrule { epoch, .. } => format!("overruling of epoch {epoch}"),
        Task::Cancel { .. } => "cancel".into(),
        Task::Requeue { .. } => "requeue".into(),
        Task::Supersede { .. } => "supersede".into(),
    }
}

fn step_of(act: Option<Act>) -> String {
    match act {
        Some(Act::Listed(step)) => format!(", {step:?}"),
        Some(Act::Undo) => ", giving its reservation back".into(),
        Some(Act::LockLost) => ", giving the job back".into(),
        Some(Act::JobAlone) | None => String::new(),
    }
}
