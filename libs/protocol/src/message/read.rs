//! Looking at jobs and what belongs to them.

use std::borrow::Cow;

use fleet::{FactoryId, Job, JobId, Key, Priority, ProductId, StageName, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::message::Ask;
use crate::subject::{Row, Subject, Topic};
use crate::verb::Query;

/// A job as it is shown: its record without the bulky and the internal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    pub id: JobId,
    pub idempotency_key: String,
    pub stage: StageName,
    pub attempts: u32,
    pub etag: String,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// Of a record, what no list shows.
const KEPT_BACK: [&str; 4] = ["bodyMd", "manifestSnapshot", "outbox", "lastOps"];

impl JobView {
    /// What a list shows of `job` at the revision that prints as `etag`.
    #[must_use]
    pub fn of(job: &Job, etag: &str) -> Self {
        Self::without(job, etag, &KEPT_BACK)
    }

    /// With its instructions, for those who may read them.
    #[must_use]
    pub fn whole(job: &Job, etag: &str) -> Self {
        Self::without(job, etag, &KEPT_BACK[2..])
    }

    fn without(job: &Job, etag: &str, kept_back: &[&str]) -> Self {
        // Kept back from everyone, and not worth taking apart first.
        let job = &Job { outbox: Vec::new(), last_ops: Vec::new(), ..job.clone() };
        let record = serde_json::to_value(job).expect("string keys and finite numbers encode");
        let mut rest = match record {
            Value::Object(rest) => rest,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        for field in ["id", "idempotencyKey", "stage", "attempts"].iter().chain(kept_back) {
            rest.remove(*field);
        }
        Self {
            id: job.id,
            idempotency_key: job.content.idempotency_key.to_string(),
            stage: job.stage.name(),
            attempts: job.attempts,
            etag: etag.to_owned(),
            rest,
        }
    }
}

/// The record's own schema with what `of` and `whole` do to it.
impl JsonSchema for JobView {
    fn schema_name() -> Cow<'static, str> {
        "JobView".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut view = Job::json_schema(generator);
        view.insert(
            "description".to_owned(),
            "A job as it is shown: its record without the bulky and the internal.".into(),
        );
        if let Some(shown) = view.get_mut("properties").and_then(Value::as_object_mut) {
            shown.retain(|field, _| !KEPT_BACK[2..].contains(&field.as_str()));
            let etag = json!({ "type": "string", "description": "The revision, to be sent back." });
            shown.insert("etag".to_owned(), etag);
        }
        if let Some(required) = view.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|field| !KEPT_BACK.iter().any(|kept| field == kept));
            required.push("etag".into());
        }
        view
    }
}

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
    /// Only the one of this name.
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
        }
    }
}
