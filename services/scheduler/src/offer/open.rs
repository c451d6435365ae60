//! Which jobs are to be offered and when: each by its epoch, few at a time and of one class not
//! more than so many in a second. Bounded, since whatever is not offered is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet::{Capability, EngineName, Epoch, FactoryId, Job, JobId, LockName, ProductId};

/// Jobs remembered; further ones are left to those who ask.
const JOBS: usize = 1 << 12;
/// Twenty in a second for each class: more would tell nobody anything new.
const APART: Duration = Duration::from_millis(50);
/// A class whose next offer lies further ahead than this has enough of them.
const AHEAD: Duration = Duration::from_secs(5);
/// Rounds of few before all are told.
const ROUNDS: usize = 2;

/// What jobs of one kind ask of a factory.
type Class = (ProductId, Vec<Capability>, Option<EngineName>);

#[derive(Debug, Default)]
pub(super) struct Open {
    jobs: BTreeMap<JobId, Entry>,
    due: BTreeSet<(Duration, JobId)>,
    /// When the next offer of a class may be made.
    free_at: BTreeMap<Class, Duration>,
    /// When a factory was last seen with a job.
    worked_at: BTreeMap<FactoryId, Duration>,
}

#[derive(Clone, Debug)]
struct Entry {
    turn: Turn,
    class: Class,
    locks: Vec<LockName>,
    due: Option<Due>,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at: Duration,
    /// The moment is one of the class's own.
    paced: bool,
}

/// One job's turn to be offered.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) product: ProductId,
    pub(super) job: JobId,
    pub(super) epoch: Epoch,
    pub(super) heard: Heard,
}

/// Who was told of the job at this epoch.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// In so many rounds, and these.
    By(usize, Vec<FactoryId>),
    ByAll,
}

impl Open {
    /// A job that can be had from `at` on. At an epoch that it is known at already it is no news.
    pub(super) fn note(&mut self, job: &Job, at: Duration) {
        let class = class_of(job);
        let known = self.jobs.get(&job.id);
        if known.is_some_and(|it| it.turn.epoch == job.lease_epoch && it.class == class) {
            return;
        }
        self.forget(job.id);
        if self.jobs.len() >= JOBS {
            // Whoever was told of these need not be told again.
            self.jobs.retain(|_, entry| entry.due.is_some());
        }
        if self.jobs.len() >= JOBS {
            return;
        }
        let heard = Heard::By(0, Vec::new());
        let (product, epoch) = (job.product().clone(), job.lease_epoch);
        let turn = Turn { product, job: job.id, epoch, heard };
        let locks = job.content.locks.clone();
        self.jobs.insert(job.id, Entry { turn, class, locks, due: None });
        self.plan(job.id, Some(Due { at, paced: false }));
    }

    /// A job that nobody can have any more; who waits for one of its locks is looked at again.
    pub(super) fn close(&mut self, job: JobId, freed: &[LockName], uptime: Duration) {
        self.forget(job);
        if freed.is_empty() {
            return;
        }
        let waits = |entry: &&Entry| {
            let later = entry.due.is_some_and(|due| due.at > uptime);
            later && entry.locks.iter().any(|lock| freed.contains(lock))
        };
        let waiting: Vec<JobId> =
            self.jobs.values().filter(waits).map(|entry| entry.turn.job).collect();
        for job in waiting {
            self.plan(job, Some(Due { at: uptime, paced: false }));
        }
    }

    pub(super) fn works(&mut self, factory: FactoryId, uptime: Duration) {
        if self.worked_at.len() >= JOBS {
            self.worked_at.clear();
        }
        self.worked_at.insert(factory, uptime);
    }

    /// Not at all, as far as is known.
    pub(super) fn worked_at(&self, factory: &FactoryId) -> Duration {
        self.worked_at.get(factory).copied().unwrap_or_default()
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The jobs whose turn it is, each class at its pace.
    pub(super) fn take_due(&mut self, uptime: Duration) -> Vec<Turn> {
        let mut turns = Vec::new();
        while let Some((_, job)) = self.due.first().copied().filter(|(at, _)| *at <= uptime) {
            let Some(entry) = self.jobs.get(&job) else {
                self.due.pop_first();
                continue;
            };
            let (turn, class) = (entry.turn.clone(), entry.class.clone());
            if entry.due.is_some_and(|due| due.paced) {
                self.plan(job, None);
                turns.push(turn);
                continue;
            }
            let free_at = self.free_at.get(&class).copied().unwrap_or_default().max(uptime);
            if free_at > uptime + AHEAD {
                self.forget(job);
                continue;
            }
            self.pace(class, free_at, uptime);
            self.plan(job, Some(Due { at: free_at, paced: true }));
        }
        turns
    }

    /// These were told; unless one of them claims it, others are told at `at`.
    pub(super) fn heard_by(&mut self, turn: &Turn, few: Vec<FactoryId>, at: Duration) {
        let Heard::By(rounds, before) = &turn.heard else { return };
        let told = before.iter().cloned().chain(few).collect();
        self.set(turn, Heard::By(rounds + 1, told), Some(Due { at, paced: false }));
    }

    pub(super) fn heard_by_all(&mut self, turn: &Turn) {
        self.set(turn, Heard::ByAll, None);
    }

    pub(super) fn put_off(&mut self, turn: &Turn, at: Duration) {
        self.set(turn, turn.heard.clone(), Some(Due { at, paced: false }));
    }

    /// Unless there was news of the job while its turn was taken.
    fn set(&mut self, turn: &Turn, heard: Heard, due: Option<Due>) {
        let same = |it: &&mut Entry| it.turn.epoch == turn.epoch && it.due.is_none();
        if let Some(entry) = self.jobs.get_mut(&turn.job).filter(same) {
            entry.turn.heard = heard;
            self.plan(turn.job, due);
        }
    }

    fn pace(&mut self, class: Class, taken: Duration, uptime: Duration) {
        if self.free_at.len() >= JOBS {
            self.free_at.retain(|_, free_at| *free_at > uptime);
        }
        self.free_at.insert(class, taken + APART);
    }

    fn plan(&mut self, job: JobId, due: Option<Due>) {
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        let before = std::mem::replace(&mut entry.due, due);
        if let Some(before) = before {
            self.due.remove(&(before.at, job));
        }
        if let Some(due) = due {
            self.due.insert((due.at, job));
        }
    }

    fn forget(&mut self, job: JobId) {
        self.plan(job, None);
        self.jobs.remove(&job);
    }
}

impl Turn {
    /// Those who know already, while only few are to be told.
    pub(super) fn told(&self) -> Option<&[FactoryId]> {
        match &self.heard {
            Heard::By(rounds, told) if *rounds < ROUNDS => Some(told),
            Heard::By(..) | Heard::ByAll => None,
        }
    }
}

fn class_of(job: &Job) -> Class {
    let content = &job.content;
    (job.product().clone(), content.capabilities.clone(), content.engine.clone())
}
