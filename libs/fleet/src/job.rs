//! The job: the authority on who holds it and under which epoch. One arm per command here, the
//! rules behind each in `job/`; every rule answers for every stage.

mod admit;
mod chronicle;
mod claim;
mod create;
mod custody;
mod depend;
mod evolve;
mod fit;
mod flat;
mod guard;
mod operate;
mod patch;
mod purge;
mod reap;
mod release;
mod retry;
mod wish;
mod written;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::content::{Frozen, ProfileRef};
use crate::event::{Actor, Entry};
use crate::id::{Epoch, JobId, Nonce, OpId, ProductId, RequestId};
use crate::money::MicroUsd;
use crate::record::{Head, Record, naming_the_field};
use crate::rejection::{Code, Current, Rejection};
use crate::report::{Checkpoint, RunResult};
use crate::stage::{Holder, Stage, StageName};
use crate::time::Timestamp;

pub use create::{Submitted, submit};
pub use depend::waits_for;
pub use evolve::{Change, Event, Leaving, Left, Report, Rest, Tally};
pub(crate) use fit::DEGRADED_WAITS;
pub use fit::{Unfit, unclaimable, unfit, unsuited};
pub use purge::Tombstone;
pub(crate) use reap::CANCEL_GRACE;
pub use retry::Jitter;
pub use wish::{
    Action, Admission, Bidder, Cause, Circumstances, Claim, Command, Disposition, Holding, Keep,
    Operation, Patch, Pointer, Release, Removal, TakeBack, Wish,
};

/// Operations whose answers a job remembers.
const OPS_KEPT: usize = 8;
/// Unpublished events a job may hold before its next writer publishes them first.
pub const OUTBOX_LIMIT: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: JobId,
    #[serde(flatten)]
    pub head: Head,
    /// Never changed in place and the bulk of the record: its copies share it.
    #[serde(flatten)]
    pub content: Frozen,
    /// How often the content was superseded.
    pub generation: u32,
    #[serde(flatten)]
    pub stage: Stage,
    /// False: its dependencies have not been checked, so nobody may claim it.
    pub admitted: bool,
    pub lease_epoch: Epoch,
    #[serde(flatten)]
    pub claim: Claimed,
    /// Claims so far.
    pub attempts: u32,
    /// `attempts` when the counters last began anew.
    pub attempts_base: u32,
    /// Charged failures since then.
    pub failures: u32,
    /// Takings-back for silence since then.
    pub reaps: u32,
    #[serde(flatten)]
    pub used: Used,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_requested: Option<CancelRequest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced_by: Option<FencedBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_queued_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Dependencies whose bad end was already told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubled_deps: Vec<JobId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_ops: Vec<DoneOp>,
    pub event_seq: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<Entry>,
    pub purged: bool,
    /// What a newer version wrote and this one does not know.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// What is known of the newest claim, also after its holder left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claimed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Nonce>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_request_id: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building_at: Option<Timestamp>,
    /// Which version of the job's profile it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_version: Option<u32>,
    /// How the newest run ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<RunResult>,
    /// Verify passed in this claim.
    #[serde(default)]
    pub verified: bool,
    /// Reported by this claim's run so far.
    #[serde(default)]
    pub claim_usd: MicroUsd,
    #[serde(default)]
    pub claim_tokens: u64,
}

/// What the ended runs used since the counters last began anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    pub wall_used_sec: u64,
    pub usd_used: MicroUsd,
    pub tokens_used: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CancelRequest {
    pub at: Timestamp,
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What made a holder's word worthless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FencedBy {
    Reap,
    Repair,
    Timeout,
    Budget,
    Cancel,
    Requeue,
    Ship,
    Reject,
    LockLost,
}

/// The answer to an operation that may be asked again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoneOp {
    pub op_id: OpId,
    pub epoch: Epoch,
    pub by: Actor,
    pub status: u16,
    pub code: String,
    pub stage: StageName,
}

impl Record for Job {
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: &Command, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        if self.purged {
            return self.answer_from_the_grave(&command.wish);
        }
        if self.answered(command)? {
            return Ok(Vec::new());
        }
        let now = now.max(self.head.updated_at);
        let given = &command.given;
        let change = match &command.wish {
            Wish::Admit(admission) => self.admit(admission, given),
            Wish::Supersede(content) => self.supersede(content, given)?,
            Wish::Settle(deps) => self.settle(deps, given),
            Wish::Claim(claim) => self.claim(claim, given, now)?,
            Wish::Renew(_) => None,
            Wish::Patch(patch) => self.patch(patch, given, now)?,
            Wish::Release(release) => self.release(release, given, now)?,
            Wish::TakeBack(cause) => self.take_back(cause, given, now),
            Wish::Operate(operation) => self.operate(operation, given)?,
            Wish::AddChildren(children) => self.add_children(children)?,
            Wish::Keep(keep) => self.keep(keep, given.pointer)?,
            Wish::Remove(removal) => self.remove(removal, given.pointer)?,
            Wish::Trim { through } => self.trim(*through),
            Wish::Purge => self.purge()?,
        };
        let event =
            |change| Event { at: now, by: command.by.clone(), op: command.wish.op(), change };
        Ok(change.into_iter().map(event).collect())
    }

    fn evolve(self, event: &Event) -> Self {
        self.after(event)
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn encode(&self) -> serde_json::Result<Vec<u8>> {
        if self.purged {
            return serde_json::to_vec(&Tombstone::of(self));
        }
        written::encoded(self)
    }

    fn decode(bytes: &[u8]) -> serde_json::Result<Self> {
        match serde_json::from_slice(bytes) {
            Ok(job) => Ok(job),
            Err(error) => serde_json::from_slice::<Tombstone>(bytes).map_or_else(
                |_| Err(naming_the_field::<Self>(bytes, error)),
                |stone| Ok(stone.into()),
            ),
        }
    }
}

impl Job {
    #[must_use]
    pub fn product(&self) -> &ProductId {
        &self.head.product_id
    }

    #[must_use]
    pub fn holder(&self) -> Option<&Holder> {
        self.stage.holder()
    }

    /// The truth that a refusal carries.
    #[must_use]
    pub fn current(&self) -> Current {
        Current {
            stage: self.stage.name(),
            lease_epoch: self.lease_epoch,
            rev: self.head.rev,
            holder_factory_id: self.holder().map(|holder| holder.factory.clone()),
            content_hash: Some(self.content.content_hash.clone()),
            result: self.claim.last_result,
        }
    }

    /// What the job will have used once the present run has ended at `now`.
    #[must_use]
    pub fn used_by(&self, now: Timestamp) -> Used {
        let running = self.holder().and(self.claim.assigned_at);
        let wall = running.map_or(0, |since| now.since(since).as_secs());
        let (usd, tokens) = match running {
            Some(_) => (self.claim.claim_usd, self.claim.claim_tokens),
            None => (MicroUsd::ZERO, 0),
        };
        Used {
            wall_used_sec: self.used.wall_used_sec.saturating_add(wall),
            usd_used: self.used.usd_used.plus(usd),
            tokens_used: self.used.tokens_used.saturating_add(tokens),
        }
    }

    /// The very recipe that the newest claim runs.
    #[must_use]
    pub fn profile_claimed(&self) -> Option<ProfileRef> {
        let (named, version) = (self.content.profile.as_ref()?, self.claim.profile_version?);
        Some(ProfileRef { name: named.name.clone(), version: Some(version) })
    }

    pub(crate) fn reject(&self, code: Code) -> Rejection {
        Rejection::new(code).about(self.current())
    }

    pub(crate) fn no_transition(&self, reason: &'static str) -> Rejection {
        self.reject(Code::InvalidTransition).because(reason)
    }
}

impl Used {
    /// Whether nothing is left of a ceiling.
    #[must_use]
    pub fn exhausts(&self, ceiling: &crate::content::Ceiling) -> bool {
        ceiling.usd.is_some_and(|limit| self.usd_used >= limit)
            || ceiling.tokens.is_some_and(|limit| self.tokens_used >= limit)
            || ceiling.wall.is_some_and(|limit| self.wall_used_sec >= limit)
    }
}
