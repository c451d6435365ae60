//! What the steps of submit and of dependency release read and decide.

use fleet::{
    Actor, Admission, Circumstances, Command, DepsView, Disposition, Job, JobId, Record, Stage,
    Step, Submitted, Walk, Wish, submit,
};

use crate::cast::{content, coordinator, evolved, factory, job_id, now, product, stored_job};
use crate::graph::{Errand, Errander, Graph, Seen, Waiting};
use crate::mutant::Mutant;
use crate::wishes::release;

impl Graph {
    /// One read of one record; what it was, for people.
    pub(crate) fn read(&self, world: &mut Waiting, p: usize, step: Step) -> String {
        let errand = self.errands[world.procs[p].errand];
        match (step, errand) {
            (Step::CreateJob, Errand::Submit { job, version, deps }) => {
                self.read_for_create(world, p, (job, version, deps));
                format!("reads job{job}")
            }
            (Step::WalkGraph, Errand::Submit { job, deps, .. }) => self.walk(world, p, job, deps),
            (Step::AdmitJob, Errand::Submit { job, .. }) => {
                self.look(world, p, job, Step::AdmitJob)
            }
            (Step::LookAgain, Errand::Submit { job, .. }) => {
                self.look(world, p, job, Step::LookAgain)
            }
            (Step::LookAgain, Errand::Finish { job, .. }) => self.look_before(world, p, job),
            (Step::ReleaseJob, Errand::Finish { job, held }) => {
                let wish = release(held, 3, Disposition::Ship);
                let by = Actor::factory(&factory(held.factory));
                self.decide(world, p, job, (by, Wish::Release(Box::new(wish)), true));
                format!("reads job{job}")
            }
            (Step::SettleDependents, Errand::Finish { job, .. }) => {
                match self.dependent_of(world, job) {
                    Some(dependent) => self.look(world, p, dependent, Step::SettleDependents),
                    None => {
                        self.advance(world, p);
                        "finds no dependent".into()
                    }
                }
            }
            (other, _) => unreachable!("{other:?} is no step of this errand"),
        }
    }

    fn read_for_create(&self, world: &mut Waiting, p: usize, what: (u8, u8, &[u8])) {
        let (job, version, deps) = what;
        let content = content(job, version, deps);
        let producer = Actor::user("u");
        let standing = world.job(job).cloned();
        match submit(standing.as_ref(), &content, &product(), &producer, now()) {
            Ok(Submitted::Create(fresh)) => {
                if let Some(old) = &standing {
                    world.tell_gap(old, &fresh);
                    world.news.push("a rejected job was replaced");
                }
                world.procs[p].seen = Seen::Decided(job, stored_job(*fresh));
            }
            // Unadmitted: the submitter finishes what another began.
            Ok(Submitted::Existing) => self.advance(world, p),
            Ok(Submitted::Supersede) => {
                world.news.push("a job was superseded");
                let wish = Wish::Supersede(Box::new(content));
                self.decide(world, p, job, (producer, wish, deps.is_empty()));
            }
            Err(_) => {
                world.procs.remove(p);
            }
        }
    }

    fn decide(&self, world: &mut Waiting, p: usize, job: u8, what: (Actor, Wish, bool)) {
        let (by, wish, ready) = what;
        let old = world.job(job).cloned().expect("a job that is decided on");
        let given = Circumstances { ready, ..Circumstances::default() };
        match old.decide(&Command { by, given, wish }, now()) {
            Ok(events) if events.is_empty() => self.advance(world, p),
            Ok(events) => {
                let next = evolved(&old, &events, now());
                world.tell_gap(&old, &next);
                world.procs[p].seen = Seen::Decided(job, stored_job(next));
            }
            Err(_) => {
                world.procs.remove(p);
            }
        }
    }

    /// The walk begins with the job itself, as its verdict will be written upon it.
    fn walk(&self, world: &mut Waiting, p: usize, job: u8, deps: &[u8]) -> String {
        if self.is(Mutant::WalkBeforeCreate) && world.procs[p].walked.is_empty() {
            world.procs[p].walked.push((job, deps.to_vec()));
        }
        let Some(next) = self.next_of(&world.procs[p], job) else {
            self.advance(world, p);
            return "has walked".into();
        };
        if next == job {
            let standing = world.jobs[usize::from(job)].clone();
            let Some(stands) = standing.filter(|job| is_unadmitted(&job.record)) else {
                world.procs.remove(p);
                return "finds it admitted".into();
            };
            world.procs[p].walked.push((job, numbers(&stands.record)));
            world.procs[p].base = Some(stands);
        } else {
            let deps = world.job(next).map_or(Vec::new(), numbers);
            world.procs[p].walked.push((next, deps));
        }
        format!("reads job{next}")
    }

    /// The real walk, told what was read so far.
    fn walked(&self, proc: &Errander, job: u8) -> (Option<u8>, Option<Vec<JobId>>) {
        let mut walk = Walk::from(job_id(job));
        let mut reads = proc.walked.iter();
        while let Some(next) = walk.next() {
            let Some((read, deps)) = reads.next() else {
                return (Some(number_of(next)), None);
            };
            assert_eq!(job_id(*read), next, "a walk goes the same way again");
            let edges: Vec<JobId> = deps.iter().map(|dep| job_id(*dep)).collect();
            walk.visit(next, &edges).expect("a small graph");
        }
        (None, walk.cycle())
    }

    fn next_of(&self, proc: &Errander, job: u8) -> Option<u8> {
        self.walked(proc, job).0
    }

    /// Reads `job`, then its dependencies one by one, and judges: the job comes first, since what
    /// the dependencies said is written upon that very version.
    fn look(&self, world: &mut Waiting, p: usize, job: u8, step: Step) -> String {
        let last = self.is(Mutant::DependentReadLast);
        let base = world.procs[p].base.clone().filter(|base| base.record.id == job_id(job));
        let Some(base) = base else {
            world.procs[p].base.clone_from(&world.jobs[usize::from(job)]);
            return format!("reads job{job}");
        };
        let had = world.procs[p].view.len();
        if let Some(dep) = base.record.content.dep_ids.get(had) {
            let number = number_of(*dep);
            let read = world.jobs[usize::from(number)].clone();
            world.procs[p].view.push(read);
            return format!("reads job{number}");
        }
        let fresh = last || (step == Step::AdmitJob && self.is(Mutant::AdmitOnFreshRead));
        let standing = if fresh { world.job(job).cloned() } else { None };
        let standing = standing.unwrap_or_else(|| (*base.record).clone());
        self.judge_look(world, p, &standing, (job, step));
        if fresh { format!("reads job{job} again") } else { "decides".into() }
    }

    fn judge_look(&self, world: &mut Waiting, p: usize, standing: &Job, what: (u8, Step)) {
        let (job, step) = what;
        let read = std::mem::take(&mut world.procs[p].view);
        let find = |id: &JobId| read.iter().flatten().map(|job| &*job.record).find(|j| j.id == *id);
        let mut view = DepsView::of(standing, find);
        if self.is(Mutant::LookBeforeRelease)
            && let Errand::Finish { job: own, .. } = self.errands[world.procs[p].errand]
        {
            view.unmet.retain(|dep| *dep != job_id(own));
        }
        let ready = view.is_satisfied();
        let wish = if step == Step::AdmitJob {
            match self.walked(&world.procs[p], job).1 {
                Some(path) => Wish::Admit(Admission::Cycle(path)),
                None => Wish::Admit(Admission::Acyclic),
            }
        } else {
            Wish::Settle(view)
        };
        if matches!(wish, Wish::Admit(Admission::Cycle(_))) {
            world.news.push("a cycle was refused");
        }
        self.decide(world, p, job, (coordinator(), wish, ready));
    }

    /// The wrong order: the others are read while the own end is not yet written.
    fn look_before(&self, world: &mut Waiting, p: usize, own: u8) -> String {
        let dependent = self.dependent_of(world, own).and_then(|job| world.job(job).cloned());
        let had = world.procs[p].view.len();
        let next = dependent.and_then(|job| job.content.dep_ids.get(had).copied());
        let Some(dep) = next else {
            self.advance(world, p);
            return "has looked".into();
        };
        let number = number_of(dep);
        let read = world.jobs[usize::from(number)].clone();
        world.procs[p].view.push(read);
        format!("reads job{number}")
    }

    /// What the sweep does for each job, twice over: admission is finished, waiting settled.
    pub(crate) fn sweep(&self, world: &mut Waiting) {
        let jobs = u8::try_from(world.jobs.len()).expect("few jobs");
        for number in (0..jobs).chain(0..jobs) {
            let Some(job) = world.job(number).cloned() else { continue };
            let view = DepsView::of(&job, |id| world.find(id));
            let ready = view.is_satisfied();
            let given = Circumstances { ready, ..Circumstances::default() };
            let wish = if job.admitted {
                Wish::Settle(view)
            } else {
                Wish::Admit(self.verdict(world, number))
            };
            let command = Command { by: coordinator(), given, wish };
            let events = job.decide(&command, now()).unwrap_or_default();
            let next = stored_job(evolved(&job, &events, now()));
            world.jobs[usize::from(number)] = Some(next);
        }
    }

    fn verdict(&self, world: &Waiting, job: u8) -> Admission {
        let mut walk = Walk::from(job_id(job));
        while let Some(next) = walk.next() {
            let edges = world.find(&next).map_or(Vec::new(), fleet::waits_for);
            walk.visit(next, &edges).expect("a small graph");
        }
        walk.cycle().map_or(Admission::Acyclic, Admission::Cycle)
    }
}

fn is_unadmitted(job: &Job) -> bool {
    !job.admitted && job.stage == Stage::Blocked
}

fn numbers(job: &Job) -> Vec<u8> {
    fleet::waits_for(job).into_iter().map(number_of).collect()
}

fn number_of(id: JobId) -> u8 {
    (0..9).find(|number| job_id(*number) == id).expect("a job of this world")
}
