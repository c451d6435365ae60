//! What a person does to a job, a factory or a product.

use fleet::{FactoryId, JobId, OpId, ProductId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Ask, JobView};
use crate::subject::{Row, Subject, Topic};
use crate::verb::Operation;

/// An action on one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operate {
    pub action: JobAction,
    pub job_id: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_id: Option<OpId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Ships from any stage that has not ended.
    #[serde(default)]
    pub force: bool,
    /// Cancels at once, without asking the holder to come to an end.
    #[serde(default)]
    pub now: bool,
    /// Spares the children of a composite.
    #[serde(default)]
    pub alone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobAction {
    Approve,
    SendBack,
    Ship,
    Requeue,
    Redrive,
    Cancel,
    Reject,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operated {
    pub job: JobView,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Whether a factory is given work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperateFactory {
    pub action: FactoryAction,
    pub factory_id: FactoryId,
    /// Draining, it also gives back what it holds instead of finishing it.
    #[serde(default)]
    pub now: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FactoryAction {
    Drain,
    Undrain,
}

/// Whether a product's jobs are given to anybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperateProduct {
    pub action: ProductAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProductAction {
    Pause,
    Resume,
}

/// Looks through all that is stored of a product for what must never be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub jobs: u64,
    pub events: u64,
    /// Artifacts whose bytes were looked for; absent where nobody who keeps them answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<u64>,
    pub violations: Vec<Finding>,
}

/// One thing that must never be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub job_id: JobId,
    /// The broken invariant's name, like `I4`.
    pub invariant: String,
    pub detail: String,
}

impl Ask for Verify {
    type Reply = Verified;

    fn row(&self) -> Row {
        Row::Operate(Operation::Verify)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Operate(Operation::Verify))
    }
}

impl Ask for Operate {
    type Reply = Operated;

    fn row(&self) -> Row {
        Row::Operate(self.action.into())
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Operate(self.action.into()))
    }
}

impl Ask for OperateFactory {
    /// The factory's record as it stands then.
    type Reply = Value;

    fn row(&self) -> Row {
        Row::Operate(self.action.into())
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Operate(self.action.into()))
    }
}

impl Ask for OperateProduct {
    /// The product's record as it stands then.
    type Reply = Value;

    fn row(&self) -> Row {
        Row::Operate(self.action.into())
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Operate(self.action.into()))
    }
}

impl JobAction {
    pub const ALL: [Self; 7] = [
        Self::Approve,
        Self::SendBack,
        Self::Ship,
        Self::Requeue,
        Self::Redrive,
        Self::Cancel,
        Self::Reject,
    ];
}

impl From<JobAction> for Operation {
    fn from(action: JobAction) -> Self {
        match action {
            JobAction::Approve => Self::Approve,
            JobAction::SendBack => Self::SendBack,
            JobAction::Ship => Self::Ship,
            JobAction::Requeue => Self::Requeue,
            JobAction::Redrive => Self::Redrive,
            JobAction::Cancel => Self::Cancel,
            JobAction::Reject => Self::Reject,
        }
    }
}

impl From<FactoryAction> for Operation {
    fn from(action: FactoryAction) -> Self {
        match action {
            FactoryAction::Drain => Self::Drain,
            FactoryAction::Undrain => Self::Undrain,
        }
    }
}

impl From<ProductAction> for Operation {
    fn from(action: ProductAction) -> Self {
        match action {
            ProductAction::Pause => Self::Pause,
            ProductAction::Resume => Self::Resume,
        }
    }
}
