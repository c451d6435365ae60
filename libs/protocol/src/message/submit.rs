//! Handing a job in, and asking beforehand what would come of it.

use std::borrow::Cow;

use fleet::{JobId, Key, ProductId};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::{Ask, JobView};
use crate::subject::{Row, Subject, Topic};

/// A submission: a job file as it stands, or its keys as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitJob {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SubmissionKeys>")]
    pub submission: Option<Map<String, Value>>,
    /// What a plan said that the job is now: its revision, or `absent`. Refused if that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Said by the door alone, on a subject of its own: whoever submits may let engines approve
    /// their own tools.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yolo: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// `created`, `existing` or `superseded`.
    pub outcome: String,
    pub job: JobView,
    pub generation: u32,
    pub unknown_deps: Vec<JobId>,
    pub warnings: Vec<String>,
}

/// The same submission, but nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanJob {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<SubmissionKeys>")]
    pub submission: Option<Map<String, Value>>,
    /// Whether it is judged as from somebody who may let engines approve their own tools.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yolo: bool,
}

/// What would come of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// `created`, `existing`, `superseded`, or `conflict`: the key is taken.
    pub outcome: String,
    pub job_id: JobId,
    pub idempotency_key: Key,
    /// With every default filled in.
    #[schemars(with = "Map<String, Value>")]
    pub manifest: Value,
    pub content_hash: String,
    pub unknown_deps: Vec<Key>,
    /// The keys of the cycle that its dependencies would close.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<Key>,
    /// Each factory of the product, whether it could run the job, and if not, why.
    #[schemars(with = "Vec<fleet::Suits>")]
    pub factories: Vec<Value>,
    /// To be sent with the submission, so that it is refused if anything changed meanwhile.
    pub expect: String,
    pub warnings: Vec<String>,
}

/// More children for a composite that still waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddChildren {
    /// The composite.
    pub job_id: JobId,
    /// Submissions as JSON, at most 50. One that names no key is another job each time.
    #[schemars(with = "Vec<SubmissionKeys>")]
    pub children: Vec<Map<String, Value>>,
    /// Said by the door alone, on a subject of its own: whoever submits may let engines approve
    /// their own tools.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yolo: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Added {
    /// The composite as it stands then.
    pub job: JobView,
    /// In the order in which they were given.
    pub children: Vec<JobId>,
    pub warnings: Vec<String>,
}

/// The keys of a submission, which its own reader judges and not the shape of the message.
struct SubmissionKeys;

impl JsonSchema for SubmissionKeys {
    fn schema_name() -> Cow<'static, str> {
        "Submission".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::try_from(fleet::submission_schema()).expect("a schema is an object")
    }
}

impl Ask for AddChildren {
    type Reply = Added;

    fn row(&self) -> Row {
        if self.yolo { Row::ChildrenYolo } else { Row::Children }
    }

    fn subject(&self, product: &ProductId) -> Subject {
        let topic = if self.yolo { Topic::ChildrenYolo } else { Topic::Children };
        Subject::new(product, topic)
    }
}

impl Ask for PlanJob {
    type Reply = Planned;

    fn row(&self) -> Row {
        Row::Plan
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Plan)
    }
}

impl Ask for SubmitJob {
    type Reply = Receipt;

    fn row(&self) -> Row {
        if self.yolo { Row::SubmitYolo } else { Row::Submit }
    }

    fn subject(&self, product: &ProductId) -> Subject {
        let topic = if self.yolo { Topic::SubmitYolo } else { Topic::Submit };
        Subject::new(product, topic)
    }
}
