//! An expected no: what was refused, why, and the truth that the caller needs to mend itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Epoch, FactoryId, JobId};
use crate::stage::StageName;

/// A refusal changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: Code,
    pub reason: Option<&'static str>,
    /// What a refusal about a job always carries.
    pub current: Option<Current>,
    /// The way round, for a dependency cycle.
    pub path: Vec<JobId>,
}

/// The codes of the one error table that a rule can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    Validation,
    DependencyCycle,
    NotFound,
    IdempotencyConflict,
    Conflict,
    ConcurrentUpdate,
    /// A lower epoch, or the same with another holder or nonce.
    Fenced,
    /// A higher epoch than the job has.
    EpochUnknown,
    LeaseNotHeld,
    LeaseLost,
    InvalidTransition,
    AlreadyFinished,
    RunClosed,
    TooLarge,
}

/// The job as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    pub stage: StageName,
    pub lease_epoch: Epoch,
    pub rev: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_factory_id: Option<FactoryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<crate::report::RunResult>,
}

impl Rejection {
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, reason: None, current: None, path: Vec::new() }
    }

    /// With the truth about the job.
    #[must_use]
    pub fn about(mut self, current: Current) -> Self {
        self.current = Some(current);
        self
    }

    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }
}
