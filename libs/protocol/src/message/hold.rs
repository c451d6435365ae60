//! What a holder says while it holds, and what a factory says of itself.

use fleet::{
    ArtifactId, Capability, Checkpoint, Descriptor, Disposition, EngineName, Epoch, Exit,
    FactoryId, Health, Incarnation, Insights, JobId, Nonce, OpId, ProductId, RunResult, StageName,
    Timestamp, VerifyResult,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::message::{Ask, JobView};
use crate::subject::{Row, Subject};
use crate::verb::Word;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewLeases {
    pub factory_id: FactoryId,
    /// At most 256.
    pub leases: Vec<RenewOne>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewOne {
    pub job_id: JobId,
    pub lease_epoch: Epoch,
    pub claim_nonce: Nonce,
}

/// One answer for each lease, in the order in which they were named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenewAnswer {
    pub leases: Vec<Renewed>,
    pub server_time: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Renewed {
    pub job_id: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// `cancel`, `budget` or `drain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchJob {
    pub job_id: JobId,
    pub factory_id: FactoryId,
    pub lease_epoch: Epoch,
    pub claim_nonce: Nonce,
    pub op_id: OpId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_result: Option<VerifyResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insights: Option<Insights>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportProgress {
    pub job_id: JobId,
    pub factory_id: FactoryId,
    pub lease_epoch: Epoch,
    pub claim_nonce: Nonce,
    pub seq: u64,
    pub percent: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseJob {
    pub job_id: JobId,
    pub factory_id: FactoryId,
    pub lease_epoch: Epoch,
    pub claim_nonce: Nonce,
    pub op_id: OpId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_result: Option<VerifyResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insights: Option<Insights>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only once the bytes of all of these are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactId>,
}

/// A factory's sign of life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Beat {
    pub factory_id: FactoryId,
    pub incarnation: Incarnation,
    pub capabilities: Vec<Capability>,
    pub engines: Vec<EngineName>,
    #[serde(default)]
    pub health: Health,
    #[serde(default)]
    pub load: f64,
    pub seat_limit: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Beaten {
    pub server_time: Timestamp,
    pub draining: bool,
}

/// A factory that ends by intent: its place is free at once for its next start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deregister {
    pub factory_id: FactoryId,
    pub incarnation: Incarnation,
}

impl Ask for Deregister {
    type Reply = ();

    fn row(&self) -> Row {
        Row::Spoken(Word::Deregister)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::spoken(product, &self.factory_id, Word::Deregister)
    }
}

impl Ask for RenewLeases {
    type Reply = RenewAnswer;

    fn row(&self) -> Row {
        Row::Spoken(Word::Renew)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::spoken(product, &self.factory_id, Word::Renew)
    }
}

impl Ask for PatchJob {
    type Reply = JobView;

    fn row(&self) -> Row {
        Row::Spoken(Word::Patch)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::spoken(product, &self.factory_id, Word::Patch)
    }
}

impl Ask for ReportProgress {
    type Reply = ();

    fn row(&self) -> Row {
        Row::Spoken(Word::Progress)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::spoken(product, &self.factory_id, Word::Progress)
    }
}

impl Ask for ReleaseJob {
    type Reply = JobView;

    fn row(&self) -> Row {
        Row::Spoken(Word::Release)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::spoken(product, &self.factory_id, Word::Release)
    }
}

impl Ask for Beat {
    type Reply = Beaten;

    fn row(&self) -> Row {
        Row::Spoken(Word::Heartbeat)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::spoken(product, &self.factory_id, Word::Heartbeat)
    }
}
