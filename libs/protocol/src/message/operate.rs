//! What a person does to a job, a factory or a product.

use fleet::{JobId, OpId, ProductId};
use serde::{Deserialize, Serialize};

use crate::message::{Ask, JobView};
use crate::subject::{Row, Subject, Topic};
use crate::verb::Operation;

/// An action on one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operated {
    pub job: JobView,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Ask for Operate {
    type Reply = Operated;

    fn row(&self) -> Row {
        Row::Operate
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Operate(self.action.into()))
    }
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
