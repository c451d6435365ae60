//! What may be asked of a job: wishes, who has them, and what the asker found out beforehand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::content::Content;
use crate::dependency::DepsView;
use crate::event::{Actor, Mention};
use crate::factory::Health;
use crate::id::{ArtifactId, EngineName, Epoch, FactoryId, JobId, Nonce, OpId, RequestId};
use crate::job::Jitter;
use crate::profile::Chosen;
use crate::report::{Checkpoint, Exit, Insights, RunResult, VerifyResult};
use crate::stage::StageName;
use crate::time::Timestamp;

#[derive(Clone, Debug)]
pub struct Command {
    pub by: Actor,
    pub given: Circumstances,
    pub wish: Wish,
}

/// What the rules need to know and cannot see in the job itself.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Its dependencies are satisfied, as read for this decision.
    pub ready: bool,
    pub paused: bool,
    pub max_reaps: u32,
    /// Chance, drawn by the caller, so that a decision can be repeated.
    pub jitter: Jitter,
    /// How the pointers stand that the wish names: the one that is furthest from ready.
    pub pointer: Pointer,
}

/// How an artifact's pointer was read for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pointer {
    Ready,
    Pending,
    Missing,
}

impl Default for Circumstances {
    fn default() -> Self {
        Self {
            ready: true,
            paused: false,
            max_reaps: 5,
            jitter: Jitter::NONE,
            pointer: Pointer::Ready,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Wish {
    Admit(Admission),
    Supersede(Box<Content>),
    /// Agree with the dependencies as they stand.
    Settle(DepsView),
    Claim(Box<Claim>),
    /// Changes no job; asks whether the caller still holds it.
    Renew(Holding),
    Patch(Box<Patch>),
    Release(Box<Release>),
    TakeBack(TakeBack),
    Operate(Operation),
    /// Wait for these children too.
    AddChildren(Vec<JobId>),
    /// The bytes of an artifact are there, and this is what was counted of them.
    Keep(Box<Keep>),
    /// An artifact goes, whether its bytes ever came or not.
    Remove(Box<Removal>),
    /// The events up to `through` are recorded.
    Trim {
        through: u64,
    },
    Purge,
}

#[derive(Clone, Debug)]
pub enum Admission {
    Acyclic,
    Cycle(Vec<JobId>),
}

/// What a caller says it holds. All three must equal the job's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    pub lease_epoch: Epoch,
    pub factory_id: FactoryId,
    pub claim_nonce: Nonce,
}

/// A factory that asks for work, as the claim is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Bidder {
    pub factory: FactoryId,
    pub capabilities: Vec<Capability>,
    pub engines: Vec<EngineName>,
    pub health: Health,
    pub draining: bool,
    pub stale: bool,
    pub free_seats: u32,
}

#[derive(Clone, Debug)]
pub struct Claim {
    pub bidder: Bidder,
    pub nonce: Nonce,
    pub request: RequestId,
    /// The epoch at which the job was offered or believed.
    pub epoch_seen: Epoch,
    /// What the profile that the job names was found to be, if it names one.
    pub profile: Option<Chosen>,
    pub grant_deadline: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Patch {
    pub holding: Holding,
    pub op: OpId,
    pub stage: Option<StageName>,
    pub checkpoint: Option<Checkpoint>,
    pub note: Option<String>,
    pub verify: Option<VerifyResult>,
    pub insights: Option<Insights>,
}

#[derive(Clone, Debug)]
pub struct Release {
    pub holding: Holding,
    pub op: OpId,
    /// Absent: yield before review, park after.
    pub disposition: Option<Disposition>,
    pub result: Option<RunResult>,
    pub exit: Option<Exit>,
    pub verify: Option<VerifyResult>,
    pub insights: Option<Insights>,
    pub checkpoint: Option<Checkpoint>,
    pub reason: Option<String>,
    /// Whose bytes have to be there.
    pub artifacts: Vec<ArtifactId>,
}

#[derive(Clone, Debug)]
pub struct Keep {
    pub mention: Mention,
    /// Absent where a person brings it.
    pub holding: Option<Holding>,
}

#[derive(Clone, Debug)]
pub struct Removal {
    pub mention: Mention,
    /// Absent where a person or a sweep removes it.
    pub holding: Option<Holding>,
    /// Only while its bytes are still awaited.
    pub unless_ready: bool,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    Ship,
    Fail,
    Yield,
    Park,
}

/// The coordinator ends a hold, or a wait, on its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeBack {
    /// The epoch that was judged; another one is none of this command's business.
    pub epoch: Epoch,
    pub cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The holder was silent for a whole term.
    Silent,
    /// The job is held but no lease says so, and the grant's deadline is past.
    NoLease,
    /// It runs beyond its timeout, whatever is renewed.
    Overrun,
    BudgetSpent,
    LockLost,
    /// A graceful cancel was not followed in time.
    CancelOverdue,
}

#[derive(Clone, Debug)]
pub struct Operation {
    pub action: Action,
    pub op: Option<OpId>,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Approve,
    SendBack,
    Ship { force: bool },
    Requeue,
    Redrive,
    CancelNow,
    CancelGraceful,
    Reject,
}

impl Wish {
    /// The caller's claim to be the holder, where the wish is a holder's.
    pub(crate) fn holding(&self) -> Option<&Holding> {
        match self {
            Self::Renew(holding) => Some(holding),
            Self::Patch(patch) => Some(&patch.holding),
            Self::Release(release) => Some(&release.holding),
            Self::Keep(keep) => keep.holding.as_ref(),
            Self::Remove(removal) => removal.holding.as_ref(),
            Self::Admit(_)
            | Self::Supersede(_)
            | Self::Settle(_)
            | Self::Claim(_)
            | Self::TakeBack(_)
            | Self::Operate(_)
            | Self::AddChildren(_)
            | Self::Trim { .. }
            | Self::Purge => None,
        }
    }

    pub(crate) fn op(&self) -> Option<OpId> {
        match self {
            Self::Patch(patch) => Some(patch.op),
            Self::Release(release) => Some(release.op),
            Self::Operate(operation) => operation.op,
            Self::Renew(_)
            | Self::Admit(_)
            | Self::Supersede(_)
            | Self::Settle(_)
            | Self::Claim(_)
            | Self::TakeBack(_)
            | Self::AddChildren(_)
            | Self::Keep(_)
            | Self::Remove(_)
            | Self::Trim { .. }
            | Self::Purge => None,
        }
    }
}
