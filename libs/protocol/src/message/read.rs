//! Looking at jobs and what belongs to them.

use fleet::{FactoryId, JobId, Key, Priority, ProductId, StageName, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Ask, JobView};
use crate::subject::{Row, Subject, Topic};
use crate::verb::Query;

/// What is asked of one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfJob {
    /// Which of the questions about one job this is.
    pub query: AboutJob,
    /// An id, a unique beginning of one, or a key.
    pub job: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AboutJob {
    Get,
    Runs,
    Events,
    Lease,
    /// What keeps it from moving, or what it is doing: one explanation.
    Why,
}

/// What is asked of a whole product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfProduct {
    /// Which of the questions about a product this is.
    pub query: AboutProduct,
    /// Only the one of this name; of a profile a version too, like `fast@3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AboutProduct {
    Stats,
    Factories,
    Locks,
    Budgets,
    Profiles,
}

/// The records that answer, as they are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub items: Vec<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListJobs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stage: Vec<StageName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority: Vec<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<JobId>,
    /// Held by this factory now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
    /// A text that the key, the instructions or the tracker item contain, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_after: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Timestamp>,
    /// Also those whose dependencies have not been looked at.
    pub unadmitted: bool,
    pub limit: Option<usize>,
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub items: Vec<JobView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Ask for OfJob {
    type Reply = Found;

    fn row(&self) -> Row {
        Row::Query(self.query.into())
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Query(self.query.into()))
    }
}

impl Ask for OfProduct {
    type Reply = Found;

    fn row(&self) -> Row {
        Row::Query(self.query.into())
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Query(self.query.into()))
    }
}

impl Ask for ListJobs {
    type Reply = Listed;

    fn row(&self) -> Row {
        Row::Query(Query::List)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Query(Query::List))
    }
}

impl From<AboutJob> for Query {
    fn from(about: AboutJob) -> Self {
        match about {
            AboutJob::Get => Self::Get,
            AboutJob::Runs => Self::Runs,
            AboutJob::Events => Self::Events,
            AboutJob::Lease => Self::Lease,
            AboutJob::Why => Self::Why,
        }
    }
}

impl From<AboutProduct> for Query {
    fn from(about: AboutProduct) -> Self {
        match about {
            AboutProduct::Stats => Self::Stats,
            AboutProduct::Factories => Self::Factories,
            AboutProduct::Locks => Self::Locks,
            AboutProduct::Budgets => Self::Budgets,
            AboutProduct::Profiles => Self::Profiles,
        }
    }
}
