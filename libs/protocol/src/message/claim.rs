//! A factory asks for work.

use fleet::{
    Capability, Checkpoint, EngineName, Epoch, FactoryId, Incarnation, JobId, Nonce, ProductId,
    RequestId, Snapshot, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::message::{Ask, JobView};
use crate::subject::{Row, Subject};
use crate::verb::Word;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimWork {
    /// The same for every copy of this request.
    pub claim_request_id: RequestId,
    pub factory_id: FactoryId,
    pub incarnation: Incarnation,
    pub capabilities: Vec<Capability>,
    pub engines: Vec<EngineName>,
    pub free_seats: u32,
    /// How long to wait for work that is not there yet; at most 20 s.
    #[serde(default)]
    pub wait_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferSeen>,
    /// Said for the first time, so that nobody can have granted anything for it: whoever does not
    /// know yet who holds what may answer it all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

/// A job that was offered, and the epoch it had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferSeen {
    pub job_id: JobId,
    pub epoch_seen: Epoch,
}

/// The job as the claim wrote it, and what its holder must present from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    pub job: JobView,
    pub run_id: Nonce,
    pub attempt: u32,
    pub lease_epoch: Epoch,
    pub claim_nonce: Nonce,
    pub expires_at: Timestamp,
    pub ttl_sec: u64,
    pub renew_every_sec: u64,
    pub stop_margin_sec: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// What the profile that the job names says of this run: the same however often it is granted,
    /// whatever is put later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_snapshot: Option<Snapshot>,
    pub server_time: Timestamp,
}

impl Ask for ClaimWork {
    /// Nothing: there is no work now.
    type Reply = Option<Granted>;

    fn row(&self) -> Row {
        Row::Spoken(Word::Claim)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::spoken(product, &self.factory_id, Word::Claim)
    }
}
