//! The order of writes of each protocol. The ledger executes these lists and the model enumerates
//! them with a crash after every entry, so that the two cannot drift apart.

/// One conditional write of a protocol, or a second look before an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// † reservations of a nonce that no job carries: free after their life.
    ReserveGates,
    /// The commit of a claim. † assigned and nobody told: the claim is repeated, or repair.
    ClaimJob,
    /// † as after the claim.
    ConfirmLocks,
    /// † the first renewal may create the lease, or repair takes the job back.
    HoldLease,
    /// † the relay finds the run in the job's outbox.
    OpenRun,
    /// One write: nothing to heal.
    RenewLease,
    /// † the lease is still held and the run open: the reaper only closes, the relay tells.
    ReleaseJob,
    /// † the run is open: the relay.
    ReleaseLease,
    /// † the locks name a nonce that no job carries: anyone may take them.
    CloseRun,
    /// A lock whose owner was fenced for its silence stays where it is, since its grace binds all
    /// other jobs: whoever comes next judges it.
    FreeGates,
    /// † job held, lease dead: repair.
    ExpireLease,
    /// The lease is missing or older than the job's epoch. Held for it by now: the protocol ends
    /// here, a late first renewal won. † as after `ExpireLease`.
    MarkLease,
    /// † the lease stands an epoch behind: harmless.
    TakeJobBack,
    /// To the epoch that `TakeJobBack` gave, never to the job's present one.
    RaiseLease,
    /// † unadmitted: finished by the next submit or by the sweep.
    CreateJob,
    /// Reads the graph after the write, so that of two who close a cycle one must see it. Begins
    /// with the job itself.
    WalkGraph,
    /// Upon the version that `WalkGraph` began with; a conflict walks again, since the verdict is
    /// on that version's dependencies. † dependencies that were satisfied meanwhile: the sweep.
    AdmitJob,
    /// Without it a dependency that ships in between is a lost wake-up. Reads the job first, then
    /// its dependencies, and writes upon that version: the other way round, an old look at them
    /// puts a job back to sleep that another one just woke.
    LookAgain,
    /// Reads as `LookAgain` does. † the same for whoever is next.
    SettleDependents,
}

pub const CLAIM: &[Step] =
    &[Step::ReserveGates, Step::ClaimJob, Step::ConfirmLocks, Step::HoldLease, Step::OpenRun];
pub const RENEW: &[Step] = &[Step::RenewLease];
pub const RELEASE: &[Step] = &[
    Step::ReleaseJob,
    Step::ReleaseLease,
    Step::CloseRun,
    Step::FreeGates,
    Step::SettleDependents,
];
/// For a lease that was silent for a whole term.
pub const REAP: &[Step] =
    &[Step::ExpireLease, Step::TakeJobBack, Step::RaiseLease, Step::CloseRun, Step::FreeGates];
/// For a job that is held while no lease says so.
pub const REPAIR: &[Step] =
    &[Step::MarkLease, Step::TakeJobBack, Step::RaiseLease, Step::CloseRun, Step::FreeGates];
/// For a holder that overstays, whatever it renews: the job is fenced first.
pub const OVERRULE: &[Step] =
    &[Step::TakeJobBack, Step::ExpireLease, Step::RaiseLease, Step::CloseRun, Step::FreeGates];
pub const SUBMIT: &[Step] = &[Step::CreateJob, Step::WalkGraph, Step::AdmitJob, Step::LookAgain];
