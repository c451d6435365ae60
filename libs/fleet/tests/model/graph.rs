//! Submit, admission and dependency release: jobs that wait for one another, read one at a time.

use std::collections::BTreeSet;

use fleet::{DepsView, Job, JobId, RELEASE, SUBMIT, Stage, Step, satisfies};

use crate::cast::{Held, Stored, job_id, numbered, stage_word};
use crate::mutant::Mutant;
use crate::search::{Model, Moves, hash_of, wide_hash_of};

/// What is sent at some time, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Errand {
    /// A producer submits this job; `version` tells its contents apart.
    Submit { job: u8, version: u8, deps: &'static [u8] },
    /// The holder ships this job.
    Finish { job: u8, held: Held },
}

#[derive(Clone)]
pub(crate) struct Graph {
    pub(crate) jobs: Vec<Option<Stored<Job>>>,
    pub(crate) errands: Vec<Errand>,
    pub(crate) crashes: u8,
    pub(crate) mutant: Option<Mutant>,
}

#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) jobs: Vec<Option<Stored<Job>>>,
    /// Not yet set out.
    pub(crate) errands: BTreeSet<usize>,
    pub(crate) procs: Vec<Errander>,
    pub(crate) crashes: u8,
    pub(crate) crashed: bool,
    pub(crate) wrong: Option<String>,
    pub(crate) news: Vec<&'static str>,
}

/// A process on an errand.
#[derive(Clone, Hash)]
pub(crate) struct Errander {
    pub(crate) errand: usize,
    pub(crate) at: usize,
    pub(crate) seen: Seen,
    /// The version that the walk began with: what the verdict is written upon.
    pub(crate) base: Option<Stored<Job>>,
    /// The jobs walked over so far, as they were read.
    pub(crate) walked: Vec<(u8, Vec<u8>)>,
    /// The dependencies as they were read, in order.
    pub(crate) view: Vec<Option<Stored<Job>>>,
}

#[derive(Clone, Hash)]
pub(crate) enum Seen {
    Unread,
    Decided(u8, Stored<Job>),
}

const WALK_FIRST: &[Step] = &[Step::WalkGraph, Step::CreateJob, Step::AdmitJob, Step::LookAgain];
const ONE_LOOK: &[Step] = &[Step::CreateJob, Step::WalkGraph, Step::AdmitJob];
const LOOK_FIRST: &[Step] = &[Step::LookAgain, Step::ReleaseJob, Step::SettleDependents];

impl Graph {
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn list(&self, errand: usize) -> &'static [Step] {
        match self.errands[errand] {
            Errand::Submit { .. } if self.is(Mutant::WalkBeforeCreate) => WALK_FIRST,
            Errand::Submit { .. } if self.is(Mutant::NoSecondLook) => ONE_LOOK,
            Errand::Submit { .. } => SUBMIT,
            Errand::Finish { .. } if self.is(Mutant::LookBeforeRelease) => LOOK_FIRST,
            Errand::Finish { .. } => RELEASE,
        }
    }

    /// Leases, runs and gates have models of their own.
    pub(crate) fn step(&self, proc: &Errander) -> Option<Step> {
        self.list(proc.errand).get(proc.at).copied()
    }

    fn pass_over(&self, proc: &mut Errander) {
        while let Some(Step::ReleaseLease | Step::CloseRun | Step::FreeGates) = self.step(proc) {
            proc.at += 1;
        }
    }

    pub(crate) fn advance(&self, world: &mut Waiting, p: usize) {
        let mut proc = world.procs.remove(p);
        let walked = self.step(&proc) == Some(Step::WalkGraph);
        proc.at += 1;
        proc.seen = Seen::Unread;
        if !walked {
            proc.base = None;
        }
        if !self.is(Mutant::LookBeforeRelease) {
            proc.view.clear();
        }
        self.pass_over(&mut proc);
        if self.step(&proc).is_some() {
            world.procs.insert(p, proc);
        }
    }

    fn moves_of_process(&self, at: &Waiting, p: usize, out: &mut Moves<Waiting>) {
        let proc = &at.procs[p];
        let Some(step) = self.step(proc) else { return };
        let name = || format!("{} {step:?}", told(self.errands[proc.errand]));
        match &proc.seen {
            Seen::Unread => {
                let mut world = at.clone();
                let what = self.read(&mut world, p, step);
                out.add(|| format!("{}: {what}", name()), world);
            }
            Seen::Decided(job, next) => {
                let mut world = at.clone();
                world.judge(*job, next);
                world.jobs[usize::from(*job)] = Some(next.clone());
                self.overtake(&mut world, p, *job);
                self.advance(&mut world, p);
                out.add(|| format!("{}: writes", name()), world);
            }
        }
        if at.crashes > 0 && proc.at > 0 && matches!(proc.seen, Seen::Unread) {
            let mut world = at.clone();
            world.crashes -= 1;
            world.crashed = true;
            world.procs.remove(p);
            out.add(|| format!("{}: dies", name()), world);
        }
    }

    /// Whoever read the job that was just written to write upon it has lost, and begins anew; a
    /// verdict goes back to the start of its walk.
    fn overtake(&self, world: &mut Waiting, p: usize, job: u8) {
        for (_, proc) in world.procs.iter_mut().enumerate().filter(|(other, _)| *other != p) {
            let decided = matches!(&proc.seen, Seen::Decided(theirs, _) if *theirs == job);
            if decided {
                proc.seen = Seen::Unread;
            }
            let based = proc.base.as_ref().is_some_and(|base| base.record.id == job_id(job));
            let judges = matches!(self.step(proc), Some(Step::WalkGraph | Step::AdmitJob));
            let keeps = match self.mutant {
                Some(Mutant::AdmitOnFreshRead) => judges,
                Some(Mutant::DependentReadLast) => !judges,
                Some(_) | None => false,
            };
            if !based || keeps {
                continue;
            }
            proc.base = None;
            proc.view.clear();
            if judges {
                proc.walked.clear();
                let list = self.list(proc.errand);
                proc.at = list.iter().position(|step| *step == Step::WalkGraph).unwrap_or(0);
            }
        }
    }

    pub(crate) fn dependent_of(&self, world: &Waiting, job: u8) -> Option<u8> {
        let known = (0u8..).zip(&world.jobs);
        known
            .filter_map(|(number, job)| job.as_ref().map(|job| (number, job)))
            .find(|(_, other)| other.record.content.dep_ids.contains(&job_id(job)))
            .map(|(number, _)| number)
    }

    fn quiet(&self, world: &Waiting) -> bool {
        world.procs.is_empty() && world.errands.is_empty()
    }
}

impl Waiting {
    pub(crate) fn job(&self, number: u8) -> Option<&Job> {
        self.jobs[usize::from(number)].as_ref().map(|job| &*job.record)
    }

    pub(crate) fn find(&self, id: &JobId) -> Option<&Job> {
        let mut known = self.jobs.iter().flatten();
        known.find(|job| job.record.id == *id).map(|job| &*job.record)
    }

    fn judge(&mut self, number: u8, next: &Stored<Job>) {
        let new = &next.record;
        let Some(old) = &self.jobs[usize::from(number)] else { return };
        let old = &old.record;
        let wrong = if new.attempts < old.attempts {
            Some("I12: attempts fell: the next run would take an old one's name")
        } else if new.lease_epoch < old.lease_epoch {
            Some("I3: the epoch of a job fell")
        } else if old.generation != new.generation
            && !matches!(old.stage, Stage::Queued | Stage::Blocked | Stage::Failed(_))
        {
            Some("I21: the content of a held job changed")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.wrong = Some(wrong.into());
        }
    }

    pub(crate) fn tell_gap(&mut self, old: &Job, new: &Job) {
        if let Err(gap) = numbered(old, new) {
            self.wrong = Some(gap);
        }
    }

    /// A job that can be reached from itself over admitted jobs.
    fn has_cycle(&self) -> bool {
        self.jobs.iter().flatten().any(|start| self.reaches_itself(&start.record.id))
    }

    fn reaches_itself(&self, start: &JobId) -> bool {
        let edges = |id: &JobId| -> Vec<JobId> {
            let job = self.find(id).filter(|job| job.admitted);
            job.map_or(Vec::new(), |job| job.content.dep_ids.clone())
        };
        let mut met = BTreeSet::new();
        let mut ahead = edges(start);
        while let Some(id) = ahead.pop() {
            if met.insert(id) {
                ahead.extend(edges(&id));
            }
        }
        met.contains(start)
    }

    /// A job that nothing keeps waiting and that waits all the same.
    fn forgotten(&self) -> Option<String> {
        (0u8..).zip(&self.jobs).find_map(|(number, job)| {
            let job = &*job.as_ref()?.record;
            let view = DepsView::of(job, |id| self.find(id));
            let waits = job.stage == Stage::Blocked;
            let lost = waits && (view.is_satisfied() || !job.admitted);
            let admitted = if job.admitted { "" } else { ", not admitted" };
            let why = format!("L2: job{number} stays blocked{admitted}, and nobody looks at it");
            lost.then_some(why)
        })
    }

    fn hopeless(&self) -> Option<String> {
        (0u8..).zip(&self.jobs).find_map(|(number, job)| {
            let job = &*job.as_ref()?.record;
            let view = DepsView::of(job, |id| self.find(id));
            let wrong = job.stage == Stage::Queued && !view.is_satisfied();
            wrong.then(|| format!("job{number} is queued before its dependencies have shipped"))
        })
    }
}

impl Model for Graph {
    type State = Waiting;

    fn start(&self) -> Waiting {
        Waiting {
            jobs: self.jobs.clone(),
            errands: (0..self.errands.len()).collect(),
            procs: Vec::new(),
            crashes: self.crashes,
            crashed: false,
            wrong: None,
            news: Vec::new(),
        }
    }

    fn moves(&self, at: &Waiting, out: &mut Moves<Waiting>) {
        for errand in &at.errands {
            let mut world = at.clone();
            world.errands.remove(errand);
            let proc = Errander {
                errand: *errand,
                at: 0,
                seen: Seen::Unread,
                base: None,
                walked: Vec::new(),
                view: Vec::new(),
            };
            world.procs.push(proc);
            out.add(|| format!("{} begins", told(self.errands[*errand])), world);
        }
        for p in 0..at.procs.len() {
            self.moves_of_process(at, p, out);
        }
        out.hear(|world| std::mem::take(&mut world.news));
    }

    fn key(&self, state: &Waiting) -> u128 {
        let mut procs: Vec<u64> = state.procs.iter().map(hash_of).collect();
        procs.sort_unstable();
        let trouble = (state.crashes, &state.wrong);
        wide_hash_of(&(&state.jobs, &state.errands, procs, trouble))
    }

    fn check(&self, state: &Waiting) -> Result<(), String> {
        if let Some(wrong) = &state.wrong {
            return Err(wrong.clone());
        }
        if state.has_cycle() {
            return Err("I10: admitted jobs wait for one another in a circle".into());
        }
        if let Some(wrong) = state.hopeless() {
            return Err(wrong);
        }
        if !self.quiet(state) {
            return Ok(());
        }
        // Without a crash nothing waits for the sweep; with one the sweep mends it.
        let mut swept = state.clone();
        if state.crashed {
            self.sweep(&mut swept);
        }
        match swept.forgotten() {
            Some(lost) => Err(lost),
            None => Ok(()),
        }
    }

    fn show(&self, state: &Waiting) -> String {
        let jobs = (0u8..).zip(&state.jobs).map(|(number, job)| {
            let Some(job) = job else { return format!("job{number} absent") };
            let admitted = if job.record.admitted { "" } else { ", not admitted" };
            let mode = job.record.content.deps_mode;
            let met = job
                .record
                .content
                .dep_ids
                .iter()
                .all(|id| state.find(id).is_some_and(|dep| satisfies(dep.stage.name(), mode)));
            let ready = if met { "" } else { ", unmet" };
            let deps: Vec<u8> =
                (0..9).filter(|dep| job.record.content.dep_ids.contains(&job_id(*dep))).collect();
            let after = if deps.is_empty() { String::new() } else { format!(" after {deps:?}") };
            format!("job{number} {}{after}{admitted}{ready}", stage_word(&job.record.stage))
        });
        jobs.collect::<Vec<_>>().join("; ")
    }
}

fn told(errand: Errand) -> String {
    match errand {
        Errand::Submit { job, version, deps } => {
            format!("submit of job{job} version {version} after {deps:?}")
        }
        Errand::Finish { job, .. } => format!("completion of job{job}"),
    }
}
