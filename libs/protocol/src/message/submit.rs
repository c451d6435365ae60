//! Handing a job in, and asking beforehand what would come of it.

use fleet::{JobId, ProductId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::{Ask, JobView};
use crate::subject::{Row, Subject, Topic};

/// A submission: a job file as it stands, or its keys as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitJob {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// `created`, `existing` or `superseded`.
    pub outcome: String,
    pub job: JobView,
    pub generation: u32,
    pub unknown_deps: Vec<JobId>,
    pub warnings: Vec<String>,
}

impl Ask for SubmitJob {
    type Reply = Receipt;

    fn row(&self) -> Row {
        Row::Submit
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Submit)
    }
}
