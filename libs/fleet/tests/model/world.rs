//! One world for claim, renew, release, reap, repair and locks: the stored records, the processes
//! that are under way, and the agents with what they believe.

use std::collections::BTreeSet;
use std::rc::Rc;

use fleet::{Event, Job, Lease, LeaseEvent, LeaseStatus, Lock, LockEvent, SlotState};

use crate::cast::{ByJob, Held, Stored, factory_number, number_of, stage_word};
use crate::mutant::Mutant;
use crate::search::{hash_of, wide_hash_of};

/// Who takes part in a model, and how much may go wrong.
#[derive(Clone)]
pub(crate) struct Cast {
    /// The factory of each agent: the same number twice is a clone.
    pub(crate) agents: &'static [u8],
    /// How often each agent asks.
    pub(crate) asks: u8,
    pub(crate) jobs: u8,
    pub(crate) locks: bool,
    /// Renewals and notes beside an agent's main call.
    pub(crate) sides: u8,
    pub(crate) notes: u8,
    /// Keepers at work at the same time, and how often they set out in all.
    pub(crate) keepers: usize,
    pub(crate) keeps: u8,
    pub(crate) overrules: u8,
    pub(crate) crashes: u8,
    pub(crate) copies: u8,
    pub(crate) unknowns: u8,
    pub(crate) restarts: u8,
    pub(crate) bluffs: u8,
    pub(crate) cancels: u8,
    pub(crate) requeues: u8,
    pub(crate) supersedes: u8,
    pub(crate) yields: bool,
    /// Agents do nothing with what they get, and the first of them asks but once.
    pub(crate) stalls: bool,
    pub(crate) mutant: Option<Mutant>,
}

/// One agent, one claim, one keeper: every story adds what it is about.
pub(crate) const SMALL: Cast = Cast {
    agents: &[1],
    asks: 1,
    jobs: 1,
    locks: false,
    sides: 0,
    notes: 0,
    keepers: 1,
    keeps: 0,
    overrules: 0,
    crashes: 0,
    copies: 0,
    unknowns: 0,
    restarts: 0,
    bluffs: 0,
    cancels: 0,
    requeues: 0,
    supersedes: 0,
    yields: false,
    stalls: false,
    mutant: None,
};

impl Cast {
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn with(&self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self.clone() }
    }
}

/// What may still happen; every source of trouble is counted, so that the world is finite.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) sides: u8,
    pub(crate) notes: u8,
    pub(crate) keeps: u8,
    pub(crate) overrules: u8,
    pub(crate) crashes: u8,
    pub(crate) copies: u8,
    pub(crate) unknowns: u8,
    pub(crate) restarts: u8,
    pub(crate) bluffs: u8,
    pub(crate) cancels: u8,
    pub(crate) requeues: u8,
    pub(crate) supersedes: u8,
}

impl Left {
    pub(crate) fn of(cast: &Cast) -> Self {
        Self {
            sides: cast.sides,
            notes: cast.notes,
            keeps: cast.keeps,
            overrules: cast.overrules,
            crashes: cast.crashes,
            copies: cast.copies,
            unknowns: cast.unknowns,
            restarts: cast.restarts,
            bluffs: cast.bluffs,
            cancels: cast.cancels,
            requeues: cast.requeues,
            supersedes: cast.supersedes,
        }
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) jobs: Vec<Stored<Job>>,
    pub(crate) leases: Vec<Option<Stored<Lease>>>,
    pub(crate) lock: Stored<Lock>,
    pub(crate) procs: Vec<Proc>,
    pub(crate) agents: Vec<Agent>,
    /// Calls of which the network may still deliver a copy.
    pub(crate) sent: BTreeSet<Task>,
    /// Grants on their way: late, twice or never.
    pub(crate) grants: BTreeSet<Grant>,
    pub(crate) left: Left,
    pub(crate) ghost: Ghost,
    pub(crate) wrong: Option<String>,
    pub(crate) news: Vec<&'static str>,
}

/// What nobody in the world can see, and the invariants are about.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ghost {
    /// Per job and epoch: the nonce and the request that were granted it.
    pub(crate) granted: ByJob<Vec<(u64, u8, u8)>>,
    /// Per job: the newest epoch whose grant deadline is known to be past.
    pub(crate) past: ByJob<u64>,
    /// Operations that were applied.
    pub(crate) applied: BTreeSet<u8>,
    /// The job whose fenced holder may still be running in its lock.
    pub(crate) in_grace: Option<u8>,
    /// The jobs that were taken back once.
    pub(crate) taken_back: BTreeSet<u8>,
    /// The jobs whose lease was seen unchanged for a whole term, up to now.
    pub(crate) silent: BTreeSet<u8>,
}

/// What a claim tells the agent that asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Grant {
    pub(crate) agent: u8,
    pub(crate) request: u8,
    pub(crate) held: Held,
    pub(crate) generation: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Agent {
    pub(crate) factory: u8,
    pub(crate) asks: u8,
    pub(crate) belief: Belief,
    /// A renewal or a note is under way beside the main call.
    pub(crate) aside: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Belief {
    Idle,
    Asking { request: u8 },
    Holding { held: Held, generation: u32, phase: Phase },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Granted,
    Confirming,
    Building,
    Releasing,
    /// Started anew, with the nonce from its disk.
    Restarted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Task {
    Claim { agent: u8, job: u8, request: u8, copy: u8, seen: u64 },
    Confirm { agent: u8, held: Held, op: u8 },
    Note { agent: u8, held: Held, op: u8 },
    Renew { agent: u8, held: Held },
    Release { agent: u8, held: Held, op: u8, ship: bool },
    Reap { job: u8, epoch: u64 },
    Repair { job: u8, epoch: u64 },
    Overrule { job: u8, epoch: u64 },
    Cancel { job: u8 },
    Requeue { job: u8 },
    Supersede { job: u8 },
}

/// A service on its way through a protocol.
#[derive(Clone, Hash)]
pub(crate) struct Proc {
    pub(crate) task: Task,
    pub(crate) at: usize,
    /// For whom it writes: the claim's own hold, or that of the call.
    pub(crate) held: Option<Held>,
    pub(crate) generation: u32,
    /// The epoch that taking the job back gave.
    pub(crate) gave: u64,
    pub(crate) seen: Seen,
}

#[derive(Clone, Hash)]
pub(crate) enum Seen {
    /// Before a read; `lost` after a conflict or an unknown outcome.
    Unread { lost: bool },
    /// The job was read and agrees; the lease is next.
    JobAgrees,
    /// Decided on what was read, and about to write on that revision.
    Decided(Change),
    /// Written, and about to answer.
    Answering { refused: bool },
}

/// A decided write, with the events for those who write them elsewhere.
#[derive(Clone)]
pub(crate) enum Change {
    Job(u8, Stored<Job>, Rc<Vec<Event>>),
    Lease(u8, Stored<Lease>, Rc<Vec<LeaseEvent>>),
    Lock(Stored<Lock>, Rc<Vec<LockEvent>>),
}

impl std::hash::Hash for Change {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Job(job, next, _) => (0, job, next.key).hash(state),
            Self::Lease(job, next, _) => (1, job, next.key).hash(state),
            Self::Lock(next, _) => (2, next.key).hash(state),
        }
    }
}

impl Change {
    pub(crate) fn is_of_the_same_record(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Job(one, ..), Self::Job(two, ..)) => one == two,
            (Self::Lease(one, ..), Self::Lease(two, ..)) => one == two,
            (Self::Lock(..), Self::Lock(..)) => true,
            (Self::Job(..) | Self::Lease(..) | Self::Lock(..), _) => false,
        }
    }
}

impl World {
    pub(crate) fn job(&self, number: u8) -> &Job {
        &self.jobs[usize::from(number)].record
    }

    pub(crate) fn lease(&self, number: u8) -> Option<&Lease> {
        self.leases[usize::from(number)].as_ref().map(|lease| &*lease.record)
    }

    pub(crate) fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.get_or_insert_with(|| what.into());
    }

    pub(crate) fn judge(&mut self, fine: bool, what: &str) {
        if !fine {
            self.wrong(what);
        }
    }

    /// The records alone: what is left when everyone has stopped.
    pub(crate) fn store_key(&self) -> u128 {
        wide_hash_of(&(&self.jobs, &self.leases, &self.lock))
    }

    /// Processes are a set: the order in which they set out is nobody's business.
    pub(crate) fn key(&self) -> u128 {
        let mut procs: Vec<u64> = self.procs.iter().map(hash_of).collect();
        procs.sort_unstable();
        let known = (&self.agents, &self.sent, &self.grants);
        let store = (&self.jobs, &self.leases, &self.lock);
        wide_hash_of(&(store, procs, known, &self.left, &self.ghost, &self.wrong))
    }

    pub(crate) fn show(&self) -> String {
        let jobs = (0u8..).zip(&self.jobs).map(|(number, job)| {
            format!("{}, {}", show_job(number, &job.record), show_lease(self.lease(number)))
        });
        let jobs = jobs.collect::<Vec<_>>().join("; ");
        match self.lock.record.slot() {
            Some(slot) => {
                let state = match slot.state {
                    SlotState::Reserved => "reserved",
                    SlotState::Confirmed => "confirmed",
                };
                format!("{jobs}; lock {state} by nonce {}", number_of(slot.claim_nonce))
            }
            None => jobs,
        }
    }
}

fn show_job(number: u8, job: &Job) -> String {
    let holder = job.holder().map_or(String::new(), |holder| {
        format!(" f{} nonce {}", factory_number(&holder.factory), number_of(holder.nonce))
    });
    format!("job{number} {} epoch {}{holder}", stage_word(&job.stage), job.lease_epoch)
}

fn show_lease(lease: Option<&Lease>) -> String {
    let Some(lease) = lease else { return "no lease".into() };
    let status = match lease.status {
        LeaseStatus::Held => "held",
        LeaseStatus::Expired => "expired",
        LeaseStatus::Released => "released",
    };
    format!("lease {status}({})", lease.lease_epoch)
}
