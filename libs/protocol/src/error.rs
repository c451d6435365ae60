//! The one error table: code, HTTP status, whether to repeat, and the sentence. Both doors print
//! from it. Never decides that something is an error.

use fleet::{Current, Fault, Invalid, Reason, Rejection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What went wrong, as programs read it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    Validation,
    DependencyCycle,
    UnknownAction,
    Unauthenticated,
    Forbidden,
    OutOfScope,
    NotFound,
    MethodNotAllowed,
    IdempotencyConflict,
    Conflict,
    ConcurrentUpdate,
    Fenced,
    EpochUnknown,
    LeaseNotHeld,
    LeaseLost,
    InvalidTransition,
    AlreadyFinished,
    RunClosed,
    TooLarge,
    UnsupportedMedia,
    Throttled,
    Unavailable,
    CommitUnknown,
    Internal,
}

impl Code {
    pub const ALL: [Self; 24] = [
        Self::Validation,
        Self::DependencyCycle,
        Self::UnknownAction,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::OutOfScope,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::IdempotencyConflict,
        Self::Conflict,
        Self::ConcurrentUpdate,
        Self::Fenced,
        Self::EpochUnknown,
        Self::LeaseNotHeld,
        Self::LeaseLost,
        Self::InvalidTransition,
        Self::AlreadyFinished,
        Self::RunClosed,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::Throttled,
        Self::Unavailable,
        Self::CommitUnknown,
        Self::Internal,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.line().0
    }

    #[must_use]
    pub fn http(self) -> u16 {
        self.line().1
    }

    /// Whether the same request, with the same ids, may succeed if it is simply sent again.
    #[must_use]
    pub fn retryable(self) -> bool {
        match self {
            Self::ConcurrentUpdate | Self::Throttled => true,
            Self::Unavailable | Self::CommitUnknown => true,
            Self::Validation | Self::DependencyCycle | Self::UnknownAction => false,
            Self::Unauthenticated | Self::Forbidden | Self::OutOfScope => false,
            Self::NotFound | Self::MethodNotAllowed => false,
            Self::IdempotencyConflict | Self::Conflict => false,
            Self::Fenced | Self::EpochUnknown | Self::LeaseNotHeld | Self::LeaseLost => false,
            Self::InvalidTransition | Self::AlreadyFinished | Self::RunClosed => false,
            Self::TooLarge | Self::UnsupportedMedia | Self::Internal => false,
        }
    }

    /// What people read where nothing more exact is known.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.line().2
    }

    fn line(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Validation => ("VALIDATION", 400, "the request is not well formed"),
            Self::DependencyCycle => ("DEPENDENCY_CYCLE", 400, "the dependencies form a cycle"),
            Self::UnknownAction => ("UNKNOWN_ACTION", 400, "there is no such action"),
            Self::Unauthenticated => ("UNAUTHENTICATED", 401, "the credential is missing or bad"),
            Self::Forbidden => ("FORBIDDEN", 403, "the role does not allow this"),
            Self::OutOfScope => ("OUT_OF_SCOPE", 403, "the credential does not reach this far"),
            Self::NotFound => ("NOT_FOUND", 404, "there is nothing of that id"),
            Self::MethodNotAllowed => ("METHOD_NOT_ALLOWED", 405, "the route has no such method"),
            Self::IdempotencyConflict => {
                ("IDEMPOTENCY_CONFLICT", 409, "the key names another content already")
            }
            Self::Conflict => ("CONFLICT", 409, "it is not as the request expects it"),
            Self::ConcurrentUpdate => {
                ("CONCURRENT_UPDATE", 409, "others kept changing it meanwhile; repeat")
            }
            Self::Fenced => ("FENCED", 409, "the job has moved on to another holder"),
            Self::EpochUnknown => ("EPOCH_UNKNOWN", 409, "the job has not had that epoch yet"),
            Self::LeaseNotHeld => ("LEASE_NOT_HELD", 409, "nobody holds the job"),
            Self::LeaseLost => ("LEASE_LOST", 409, "the lease ran out and was taken back"),
            Self::InvalidTransition => {
                ("INVALID_TRANSITION", 409, "the job's stage does not allow this")
            }
            Self::AlreadyFinished => ("ALREADY_FINISHED", 409, "the job ended otherwise"),
            Self::RunClosed => ("RUN_CLOSED", 409, "the run is over"),
            Self::TooLarge => ("TOO_LARGE", 413, "it is larger than allowed"),
            Self::UnsupportedMedia => ("UNSUPPORTED_MEDIA", 415, "the content type is not taken"),
            Self::Throttled => ("THROTTLED", 429, "too many requests; wait a little"),
            Self::Unavailable => ("UNAVAILABLE", 503, "a part that this needs is away; repeat"),
            Self::CommitUnknown => {
                ("COMMIT_UNKNOWN", 503, "it may have been written; repeat with the same id")
            }
            Self::Internal => ("INTERNAL", 500, "a defect on our side; quote the request id"),
        }
    }
}

/// The body of every answer that is an error: `{"error": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    pub error: Problem,
}

/// One error. `message` says what is wrong, `hint` what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    pub code: Code,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Every fault of a request that did not parse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// The cycle of `DEPENDENCY_CYCLE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// Of `TOO_LARGE`, in bytes, with `actual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<u64>,
    /// The truth about the job, with every conflict over one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Current>,
    pub request_id: Uuid,
    pub retryable: bool,
}

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detail {
    pub field: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl Problem {
    /// What the table says of this code, and nothing more.
    #[must_use]
    pub fn new(code: Code, request_id: Uuid) -> Self {
        Self {
            code,
            message: code.sentence().to_owned(),
            field: None,
            reason: None,
            hint: None,
            details: Vec::new(),
            path: Vec::new(),
            limit: None,
            actual: None,
            current: None,
            request_id,
            retryable: code.retryable(),
        }
    }
}

impl Problem {
    /// A refusal by the rules, in the words of the table.
    #[must_use]
    pub fn refused(rejection: &Rejection, request_id: Uuid) -> Self {
        Self {
            reason: rejection.reason.map(str::to_owned),
            path: rejection.path.iter().map(ToString::to_string).collect(),
            current: rejection.current.clone(),
            ..Self::new(rejection.code.into(), request_id)
        }
    }
}

impl Problem {
    /// A submission that did not parse: every fault, the first one leading.
    #[must_use]
    pub fn invalid(invalid: &Invalid, request_id: Uuid) -> Self {
        let leading = invalid.leading();
        let mut problem = Self::new(Code::of_fault(&leading.reason), request_id);
        problem.message.clone_from(&leading.message);
        problem.field = Some(leading.field.clone());
        problem.reason = Some(leading.reason.code().to_owned());
        problem.hint.clone_from(&leading.hint);
        problem.details = invalid.faults.iter().map(Detail::of).collect();
        if let Reason::TooLarge { limit, actual } = &leading.reason {
            problem.limit = u64::try_from(*limit).ok();
            problem.actual = u64::try_from(*actual).ok();
        }
        if let Reason::DependencyCycle { path } = &leading.reason {
            problem.path.clone_from(path);
        }
        problem
    }
}

impl Detail {
    fn of(fault: &Fault) -> Self {
        Self {
            field: fault.field.clone(),
            message: fault.message.clone(),
            line: fault.line.and_then(|line| u32::try_from(line).ok()),
        }
    }
}

impl Code {
    fn of_fault(reason: &Reason) -> Self {
        match reason {
            Reason::TooLarge { .. } => Self::TooLarge,
            Reason::DependencyCycle { .. } => Self::DependencyCycle,
            Reason::Yolo => Self::Forbidden,
            Reason::Malformed
            | Reason::FrontMatter
            | Reason::UnknownKey
            | Reason::DuplicateKey
            | Reason::BadType
            | Reason::BadEnum
            | Reason::BadValue
            | Reason::OutOfRange
            | Reason::TooMany
            | Reason::Missing
            | Reason::Disagrees
            | Reason::UnknownProfile => Self::Validation,
        }
    }
}

impl From<fleet::Code> for Code {
    fn from(code: fleet::Code) -> Self {
        match code {
            fleet::Code::Validation => Self::Validation,
            fleet::Code::DependencyCycle => Self::DependencyCycle,
            fleet::Code::NotFound => Self::NotFound,
            fleet::Code::IdempotencyConflict => Self::IdempotencyConflict,
            fleet::Code::Conflict => Self::Conflict,
            fleet::Code::ConcurrentUpdate => Self::ConcurrentUpdate,
            fleet::Code::Fenced => Self::Fenced,
            fleet::Code::EpochUnknown => Self::EpochUnknown,
            fleet::Code::LeaseNotHeld => Self::LeaseNotHeld,
            fleet::Code::LeaseLost => Self::LeaseLost,
            fleet::Code::InvalidTransition => Self::InvalidTransition,
            fleet::Code::AlreadyFinished => Self::AlreadyFinished,
            fleet::Code::RunClosed => Self::RunClosed,
            fleet::Code::TooLarge => Self::TooLarge,
        }
    }
}

impl From<Problem> for Envelope {
    fn from(error: Problem) -> Self {
        Self { error }
    }
}
