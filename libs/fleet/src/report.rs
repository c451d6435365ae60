//! What a holder reports of its work: how it ended, what it cost, where it can be resumed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::money::MicroUsd;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    Shipped,
    Yielded,
    Failed,
    Timeout,
    VerifyFailed,
    Crash,
    CapabilityMismatch,
    NoEngine,
    CwdRefused,
    BudgetExceeded,
    Cancelled,
    LeaseExpired,
    Requeued,
    SentBack,
    Rejected,
    LockLost,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exit {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResult {
    pub passed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// What an agent reports of itself. Unknown is absent; an unpriced token is not a free one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Insights {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_cached: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<MicroUsd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_changed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines_added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines_deleted: Option<u64>,
}

impl Insights {
    /// What a token budget counts.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens_in.unwrap_or(0).saturating_add(self.tokens_out.unwrap_or(0))
    }

    /// The later value wins, field by field; counters never fall.
    #[must_use]
    pub fn merged(self, later: Self) -> Self {
        Self {
            model: later.model.or(self.model),
            tokens_in: self.tokens_in.max(later.tokens_in),
            tokens_out: self.tokens_out.max(later.tokens_out),
            tokens_cached: self.tokens_cached.max(later.tokens_cached),
            cost_usd: self.cost_usd.max(later.cost_usd),
            estimated: later.estimated.or(self.estimated),
            turns: self.turns.max(later.turns),
            tool_calls: self.tool_calls.max(later.tool_calls),
            files_changed: self.files_changed.max(later.files_changed),
            lines_added: self.lines_added.max(later.lines_added),
            lines_deleted: self.lines_deleted.max(later.lines_deleted),
        }
    }
}

/// Where the next attempt resumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    pub wip_branch: String,
    pub wip_base: String,
    pub wip_commit: String,
}
