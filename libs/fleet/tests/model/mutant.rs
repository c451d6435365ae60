//! The wrong designs, each a switch of the models and never of the product.

/// One way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Writes ask for no revision.
    CheckThenWrite,
    /// A call is heard whenever its epoch is not smaller than the job's.
    FenceOnSmallerEpochOnly,
    /// A call is heard whenever it comes from the factory that holds.
    FenceOnHolderOnly,
    /// A keeper that lost writes its old decision on the fresh revision.
    ReaperKeepsItsDecision,
    /// Repair does not exist.
    ReaperScansLeasesOnly,
    /// Repair goes on although the lease turned out to be held.
    RepairTakesWhatIsHeld,
    ReaperRaisesLeaseFirst,
    /// The lease is raised to the job's epoch as it stands by then.
    ReaperCopiesJobsEpoch,
    /// A lease is due by a clock, not after a whole term of silence. What silence is, is judged by
    /// the ledger and not by these rules: here the keeper merely did not watch.
    ReaperTrustsAClock,
    /// A claim cannot tell its own write from another's.
    ClaimWithoutNonce,
    ConflictIsFinalInClaim,
    /// A late copy of a claim is judged against the job as it stands.
    ClaimWithoutOfferedEpoch,
    CompletionNotRepeatable,
    ConflictIsFinalInComplete,
    LockWithoutConfirm,
    /// What a reaped holder had locked is freed at once.
    ReaperFreesLocks,
    /// A restarted or cloned agent takes over what its name holds.
    InheritByName,
    WalkBeforeCreate,
    /// The verdict of an old walk is written on a fresh revision.
    AdmitOnFreshRead,
    NoSecondLook,
    /// The relay trims the outbox before the events are recorded.
    TrimBeforeTelling,
    /// A run takes in whatever entries it is shown, again and over its result.
    RunFollowsBlindly,
    /// Dependencies are read first, and what they said is written on whatever stands by then.
    DependentReadLast,
    /// A finisher looks at the other dependencies before its own end is written.
    LookBeforeRelease,
}
