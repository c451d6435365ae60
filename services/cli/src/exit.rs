//! How a command ends, as a number that scripts can branch on. The one place that knows the numbers.

use std::process::ExitCode;

use protocol::Code;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Done,
    /// A refusal or a defect that no other number tells.
    Error,
    /// Accepted, but nothing can run it now.
    NothingCanRunIt,
    Conflict,
    /// Fenced, or the lease is lost.
    Fenced,
    /// A budget or a rate refused it.
    Refused,
    NotFound,
    /// Not signed in, or not allowed.
    NotAllowed,
    /// Unreachable, unavailable, or the outcome is unknown.
    Unknown,
    /// The job that was waited for ended badly, or `verify` found something.
    Failed,
    /// Usage or configuration.
    Usage,
    TimedOut,
    Interrupted,
}

impl Exit {
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::NothingCanRunIt => 2,
            Self::Conflict => 3,
            Self::Fenced => 4,
            Self::Refused => 5,
            Self::NotFound => 6,
            Self::NotAllowed => 7,
            Self::Unknown => 8,
            Self::Failed => 9,
            Self::Usage => 64,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
        }
    }

    /// What an error of the one table comes to.
    #[must_use]
    pub fn of(code: Code) -> Self {
        match code {
            Code::Validation
            | Code::DependencyCycle
            | Code::UnknownAction
            | Code::MethodNotAllowed
            | Code::TooLarge
            | Code::UnsupportedMedia
            | Code::Internal => Self::Error,
            Code::Unauthenticated | Code::Forbidden | Code::OutOfScope => Self::NotAllowed,
            Code::NotFound => Self::NotFound,
            Code::IdempotencyConflict
            | Code::Conflict
            | Code::ConcurrentUpdate
            | Code::InvalidTransition
            | Code::AlreadyFinished
            | Code::RunClosed => Self::Conflict,
            Code::Fenced | Code::EpochUnknown | Code::LeaseNotHeld | Code::LeaseLost => {
                Self::Fenced
            }
            Code::Throttled => Self::Refused,
            Code::Unavailable | Code::CommitUnknown => Self::Unknown,
        }
    }

    /// Of several outcomes the one that is told: the gravest, and among these the last word of
    /// the list.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        self.max(other)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_table_has_its_exit() {
        let exits = Code::ALL.map(|code| (code.as_str(), Exit::of(code).code()));
        let expected = [
            ("VALIDATION", 1),
            ("DEPENDENCY_CYCLE", 1),
            ("UNKNOWN_ACTION", 1),
            ("UNAUTHENTICATED", 7),
            ("FORBIDDEN", 7),
            ("OUT_OF_SCOPE", 7),
            ("NOT_FOUND", 6),
            ("METHOD_NOT_ALLOWED", 1),
            ("IDEMPOTENCY_CONFLICT", 3),
            ("CONFLICT", 3),
            ("CONCURRENT_UPDATE", 3),
            ("FENCED", 4),
            ("EPOCH_UNKNOWN", 4),
            ("LEASE_NOT_HELD", 4),
            ("LEASE_LOST", 4),
            ("INVALID_TRANSITION", 3),
            ("ALREADY_FINISHED", 3),
            ("RUN_CLOSED", 3),
            ("TOO_LARGE", 1),
            ("UNSUPPORTED_MEDIA", 1),
            ("THROTTLED", 5),
            ("UNAVAILABLE", 8),
            ("COMMIT_UNKNOWN", 8),
            ("INTERNAL", 1),
        ];
        assert_eq!(exits, expected);
    }

    #[test]
    fn of_several_outcomes_the_worst_is_told() {
        assert_eq!(Exit::Done.worse(Exit::Conflict), Exit::Conflict);
        assert_eq!(Exit::Unknown.worse(Exit::Error), Exit::Unknown);
        assert_eq!(Exit::TimedOut.worse(Exit::Failed), Exit::TimedOut);
    }
}
