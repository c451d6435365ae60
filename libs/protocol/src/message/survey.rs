//! A product at a glance, and its factories, locks and budgets as they are shown.

use std::collections::BTreeMap;

use fleet::{
    Budget, Epoch, Factory, FactoryId, JobId, Key, LockName, Priority, SlotState, StageName,
    Standing, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A job as others name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobName {
    pub job_id: JobId,
    pub key: Key,
}

/// A factory's record, and what it is busy with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FactoryView {
    #[serde(flatten)]
    pub factory: Factory,
    /// Silent for too long to be given work.
    pub stale: bool,
    pub seats_used: usize,
    pub jobs: Vec<JobName>,
}

/// A lock, who has it and who waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockView {
    pub name: LockName,
    pub holders: Vec<LockHolder>,
    /// Queued jobs that name it, first come first.
    pub waiters: Vec<JobName>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockHolder {
    pub job_id: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    pub factory_id: FactoryId,
    pub epoch: Epoch,
    pub state: SlotState,
    pub since: Timestamp,
}

/// A budget's record, and how it stands in the present window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetView {
    #[serde(flatten)]
    pub budget: Budget,
    pub now: Standing,
}

/// One product in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub server_time: Timestamp,
    pub paused: bool,
    /// Every stage, also those without a job.
    pub jobs: BTreeMap<StageName, usize>,
    /// Every priority, also those without a job.
    pub queued: BTreeMap<Priority, usize>,
    /// How long the oldest queued job has waited, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_queued_sec: Option<u64>,
    /// Queued jobs that nothing but a free factory is missing for, locks and budgets aside.
    pub claimable: usize,
    pub factories: FactoryNumbers,
    pub seats: Seats,
    pub leases_active: usize,
    pub locks_held: usize,
    pub board: BoardNumbers,
}

/// Each factory is counted once, under the first that applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FactoryNumbers {
    pub retired: usize,
    pub stale: usize,
    pub down: usize,
    pub draining: usize,
    pub degraded: usize,
    pub ok: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seats {
    /// Of factories that may be given work.
    pub total: usize,
    /// Jobs in somebody's hands.
    pub used: usize,
}

/// What the scheduler that answered believes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoardNumbers {
    pub queued: usize,
    pub claimable: usize,
}
