//! The wrong designs by name, each with the check that must say so and the seeds it may take.

use super::check::Check;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// The design as it is.
    Right,
    UnconditionalWrite,
    NoEpochFence,
    HolderFence,
    ReaperRereads,
    NoClaimNonce,
    ConflictFinalInClaim,
    ConflictFinalInRelease,
    LeaseWithoutRepair,
    ReleaseNotRepeatable,
    SkewedExpiry,
    NoOfferedEpoch,
    DepsBeforeWrite,
    CycleBeforeWrite,
    LockWithoutConfirm,
    TwoFinishers,
    BeyondSeats,
    EventsAfterWrite,
    RetryInMemory,
    VolatileOutbox,
    StaleReplica,
}

/// A wrong design and what the seeds must find of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub mutant: Mutant,
    /// As the spec names it.
    pub name: &'static str,
    /// Its own invariant: what any of these says counts, nothing else.
    pub said_by: &'static [Check],
    pub seeds: u64,
}

const fn wanted(
    mutant: Mutant,
    name: &'static str,
    said_by: &'static [Check],
    seeds: u64,
) -> Wanted {
    Wanted { mutant, name, said_by, seeds }
}

pub(super) const WANTED: &[Wanted] = &[
    wanted(
        Mutant::UnconditionalWrite,
        "unconditional write",
        &[Check::LostUpdate, Check::TwoHolders],
        20,
    ),
    wanted(Mutant::NoEpochFence, "no epoch fence", &[Check::StaleWord], 60),
    wanted(Mutant::HolderFence, "fence by holder name only", &[Check::StaleWord], 200),
    wanted(
        Mutant::ReaperRereads,
        "reaper re-reads the revision before writing",
        &[Check::LiveLeaseTaken],
        200,
    ),
    wanted(Mutant::NoClaimNonce, "no claim nonce", &[Check::ToldItLost], 60),
    wanted(
        Mutant::ConflictFinalInClaim,
        "conflict treated as final in claim",
        &[Check::ToldItLost],
        100,
    ),
    wanted(
        Mutant::ConflictFinalInRelease,
        "conflict treated as final in complete",
        &[Check::ToldItLost],
        250,
    ),
    wanted(
        Mutant::LeaseWithoutRepair,
        "lease record without repair from the job",
        &[Check::NeverEnds],
        200,
    ),
    wanted(
        Mutant::ReleaseNotRepeatable,
        "complete not idempotent",
        &[Check::AppliedButRefused],
        200,
    ),
    wanted(Mutant::SkewedExpiry, "expiry judged on a skewed clock", &[Check::LiveLeaseTaken], 20),
    wanted(Mutant::CycleBeforeWrite, "cycle check before write", &[Check::Cycle], 120),
    wanted(
        Mutant::BeyondSeats,
        "factory keeps a grant beyond its seats",
        &[Check::TooManySeats],
        400,
    ),
    wanted(
        Mutant::EventsAfterWrite,
        "event appended after the write without outbox",
        &[Check::Log],
        60,
    ),
    wanted(Mutant::RetryInMemory, "retry timer held in memory", &[Check::NeverEnds], 300),
    wanted(
        Mutant::VolatileOutbox,
        "outbox of the factory not durable",
        &[Check::FinalWordLost],
        150,
    ),
    wanted(
        Mutant::StaleReplica,
        "reply \"not found\" from a stale replica",
        &[Check::ToldItLost, Check::LostSubmission],
        20,
    ),
];
