//! What is told rather than asked: hints that may be lost, and what could not become a job.

use fleet::{Capability, EngineName, Epoch, JobId, Priority, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Problem;

/// A job that may be claimed now. It assigns nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    pub offer_id: Uuid,
    pub job_id: JobId,
    pub epoch_seen: Epoch,
    pub priority: Priority,
    pub capabilities: Vec<Capability>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    pub expires_at: Timestamp,
}

/// Look again: at this job, or where none is named, at whatever waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kick {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
}

/// A submission that was given up, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    pub error: Problem,
    /// The message as it came; what is not UTF-8 in it is replaced.
    pub submission: String,
}
