//! An answer that is not what was asked for: an expected no, too often, or a store that is away.
//! Carries no secret, and nothing of a person that the caller did not send.

use std::time::Duration;

use fleet::Rejection;
use ledger::LedgerError;
use protocol::{Code, Problem};
use uuid::Uuid;

#[derive(Debug, thiserror::Error)]
pub enum Declined {
    #[error("{}", .0.code.sentence())]
    Refused(Refusal),
    /// Come again after so long.
    #[error("too many attempts; wait {} s", .0.as_secs())]
    Throttled(Duration),
    #[error("the store gave no answer")]
    Away(#[source] LedgerError),
}

/// An expected no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub reason: Option<&'static str>,
    pub field: Option<&'static str>,
    /// More exact than the sentence of the code.
    pub message: Option<String>,
}

impl Declined {
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Throttled(_) => Code::Throttled,
            Self::Away(error) => code_of(error),
        }
    }

    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled(wait) => Some(*wait),
            Self::Refused(_) | Self::Away(_) => None,
        }
    }

    /// As a door answers it.
    #[must_use]
    pub fn problem(&self, request_id: Uuid) -> Problem {
        let mut problem = Problem::new(self.code(), request_id);
        match self {
            Self::Refused(Refusal { reason, field, message, .. }) => {
                problem.reason = reason.map(str::to_owned);
                problem.field = field.map(str::to_owned);
                if let Some(message) = message {
                    problem.message.clone_from(message);
                }
            }
            Self::Throttled(_) => {}
            Self::Away(LedgerError::SchemaTooNew { .. }) => {
                problem.reason = Some("schema_too_new".to_owned());
            }
            Self::Away(_) => {}
        }
        problem
    }
}

impl Refusal {
    pub(crate) fn new(code: Code) -> Self {
        Self { code, reason: None, field: None, message: None }
    }

    /// A field that cannot be so.
    pub(crate) fn of(field: &'static str, reason: &'static str, message: String) -> Self {
        let (reason, field, message) = (Some(reason), Some(field), Some(message));
        Self { code: Code::Validation, reason, field, message }
    }

    pub(crate) fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }
}

impl From<Refusal> for Declined {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Rejection> for Declined {
    fn from(rejection: Rejection) -> Self {
        let refusal = Refusal::new(rejection.code.into());
        Self::Refused(Refusal { reason: rejection.reason, ..refusal })
    }
}

impl From<LedgerError> for Declined {
    fn from(error: LedgerError) -> Self {
        Self::Away(error)
    }
}

/// What a door says of a store that gave no answer.
pub(crate) fn code_of(error: &LedgerError) -> Code {
    match error {
        LedgerError::Unavailable(_) | LedgerError::BusAway(_) => Code::Unavailable,
        LedgerError::CommitUnknown => Code::CommitUnknown,
        LedgerError::TooLarge { .. } => Code::TooLarge,
        LedgerError::SchemaTooNew { .. } => Code::Unavailable,
        LedgerError::Corrupt { .. } => Code::Internal,
    }
}
