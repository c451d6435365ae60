//! The closed vocabularies that stand as tokens in a subject. Never decides who may say them.

/// What a viewer may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Query {
    Get,
    List,
    Runs,
    Events,
    Lease,
    Artifacts,
    Why,
    Dag,
    Stats,
    Factories,
    Locks,
    Budgets,
    Profiles,
    DeadLetters,
}

impl Query {
    pub const ALL: [Self; 14] = [
        Self::Get,
        Self::List,
        Self::Runs,
        Self::Events,
        Self::Lease,
        Self::Artifacts,
        Self::Why,
        Self::Dag,
        Self::Stats,
        Self::Factories,
        Self::Locks,
        Self::Budgets,
        Self::Profiles,
        Self::DeadLetters,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Runs => "runs",
            Self::Events => "events",
            Self::Lease => "lease",
            Self::Artifacts => "artifacts",
            Self::Why => "why",
            Self::Dag => "dag",
            Self::Stats => "stats",
            Self::Factories => "factories",
            Self::Locks => "locks",
            Self::Budgets => "budgets",
            Self::Profiles => "profiles",
            Self::DeadLetters => "dead-letters",
        }
    }

    pub(crate) fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == token)
    }
}

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Approve,
    SendBack,
    Ship,
    Requeue,
    Redrive,
    Cancel,
    Reject,
    Pause,
    Resume,
    Drain,
    Undrain,
    Verify,
}

impl Operation {
    pub const ALL: [Self; 12] = [
        Self::Approve,
        Self::SendBack,
        Self::Ship,
        Self::Requeue,
        Self::Redrive,
        Self::Cancel,
        Self::Reject,
        Self::Pause,
        Self::Resume,
        Self::Drain,
        Self::Undrain,
        Self::Verify,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::SendBack => "send-back",
            Self::Ship => "ship",
            Self::Requeue => "requeue",
            Self::Redrive => "redrive",
            Self::Cancel => "cancel",
            Self::Reject => "reject",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Drain => "drain",
            Self::Undrain => "undrain",
            Self::Verify => "verify",
        }
    }

    pub(crate) fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == token)
    }
}

/// What a factory asks of the services, in its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    Claim,
    Renew,
    Patch,
    Progress,
    Release,
    Heartbeat,
    Deregister,
    Get,
    ArtifactBegin,
    ArtifactCommit,
    ArtifactLink,
    Log,
}

impl Word {
    pub const ALL: [Self; 12] = [
        Self::Claim,
        Self::Renew,
        Self::Patch,
        Self::Progress,
        Self::Release,
        Self::Heartbeat,
        Self::Deregister,
        Self::Get,
        Self::ArtifactBegin,
        Self::ArtifactCommit,
        Self::ArtifactLink,
        Self::Log,
    ];

    /// One token, or two for the words about artifacts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Renew => "renew",
            Self::Patch => "patch",
            Self::Progress => "progress",
            Self::Release => "release",
            Self::Heartbeat => "heartbeat",
            Self::Deregister => "deregister",
            Self::Get => "get",
            Self::ArtifactBegin => "artifact.begin",
            Self::ArtifactCommit => "artifact.commit",
            Self::ArtifactLink => "artifact.link",
            Self::Log => "log",
        }
    }

    pub(crate) fn parse(tokens: &[&str]) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str().split('.').eq(tokens.iter().copied()))
    }
}

/// What people and the door ask of whoever keeps artifacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Custody {
    Begin,
    Commit,
    Keep,
    Link,
    Remove,
    Audit,
    Sweep,
}

impl Custody {
    pub const ALL: [Self; 7] =
        [Self::Begin, Self::Commit, Self::Keep, Self::Link, Self::Remove, Self::Audit, Self::Sweep];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Commit => "commit",
            Self::Keep => "keep",
            Self::Link => "link",
            Self::Remove => "remove",
            Self::Audit => "audit",
            Self::Sweep => "sweep",
        }
    }

    pub(crate) fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == token)
    }
}

/// Why a scheduler is told to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Queued,
    Freed,
    Due,
    Factory,
}

impl Reason {
    pub const ALL: [Self; 4] = [Self::Queued, Self::Freed, Self::Due, Self::Factory];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Freed => "freed",
            Self::Due => "due",
            Self::Factory => "factory",
        }
    }

    pub(crate) fn parse(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == token)
    }
}
