//! A job as it is shown: its record without the bulky and the internal. It travels as one text, of
//! which a reader takes what it needs; nobody takes it apart only to pass it on.

use std::borrow::Cow;

use fleet::{Job, JobId, StageName};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use self::shown::Shown;

mod shown;

/// What every reader looks at, and the whole text beside it.
#[derive(Clone, Debug)]
pub struct JobView {
    pub id: JobId,
    pub idempotency_key: String,
    pub stage: StageName,
    pub attempts: u32,
    pub etag: String,
    text: Box<RawValue>,
}

impl JobView {
    /// What a list shows of `job` at the revision that prints as `etag`.
    #[must_use]
    pub fn of(job: &Job, etag: &str) -> Self {
        Self::showing(job, etag, false)
    }

    /// With its instructions, for those who may read them.
    #[must_use]
    pub fn whole(job: &Job, etag: &str) -> Self {
        Self::showing(job, etag, true)
    }

    fn showing(job: &Job, etag: &str, whole: bool) -> Self {
        let shown = Shown::of(job, etag, whole);
        let text = serde_json::value::to_raw_value(&shown);
        Self {
            id: job.id,
            idempotency_key: job.content.idempotency_key.to_string(),
            stage: job.stage.name(),
            attempts: job.attempts,
            etag: etag.to_owned(),
            text: text.expect("string keys and finite numbers encode"),
        }
    }

    /// Every field that is shown.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(self.text.get()).expect("it was read as an object")
    }

    /// As much of it as `T` asks for.
    ///
    /// # Errors
    /// A field is missing, or of another type.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text.get())
    }
}

impl PartialEq for JobView {
    fn eq(&self, other: &Self) -> bool {
        self.fields() == other.fields()
    }
}

impl Serialize for JobView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JobView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Looked {
            id: JobId,
            idempotency_key: String,
            stage: StageName,
            attempts: u32,
            etag: String,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let looked: Looked = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let Looked { id, idempotency_key, stage, attempts, etag } = looked;
        Ok(Self { id, idempotency_key, stage, attempts, etag, text })
    }
}

/// The record's own schema with what showing does to it.
impl JsonSchema for JobView {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("JobView")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut view = Job::json_schema(generator);
        view.insert(
            "description".to_owned(),
            "A job as it is shown: its record without the bulky and the internal.".into(),
        );
        if let Some(shown) = view.get_mut("properties").and_then(Value::as_object_mut) {
            shown.retain(|field, _| !shown::KEPT_BACK.contains(&field.as_str()));
            let etag = json!({ "type": "string", "description": "The revision, to be sent back." });
            shown.insert("etag".to_owned(), etag);
        }
        if let Some(required) = view.get_mut("required").and_then(Value::as_array_mut) {
            let may_lack = |field: &Value| {
                let mut kept_back = shown::KEPT_BACK.iter().chain(&shown::TEXTS);
                kept_back.any(|kept| field == kept)
            };
            required.retain(|field| !may_lack(field));
            required.push("etag".into());
        }
        view
    }
}
