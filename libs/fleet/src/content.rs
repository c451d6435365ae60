//! What a job is asked to do: frozen by submit, changed only by supersede. Holds no rule of its
//! own; `manifest` makes it and `job` carries it.

mod frozen;
mod snapshot;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::capability::Capability;
use crate::grammar::{Glob, Span};
use crate::id::{EngineName, JobId, Key, LockName, ProfileName};
use crate::money::MicroUsd;
use crate::time::Timestamp;

pub use frozen::Frozen;
pub use snapshot::ManifestSnapshot;

/// The normalised submission, as every attempt at the job sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    pub idempotency_key: Key,
    pub manifest_snapshot: ManifestSnapshot,
    pub body_md: String,
    pub content_hash: String,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracker_item_id: Option<String>,
    pub priority: Priority,
    /// `priority` as a number, for stores that sort.
    pub priority_rank: u8,
    pub capabilities: Vec<Capability>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_class: Option<EngineClass>,
    pub prefers_engine: Vec<EngineName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<CommandLine>,
    /// Dependencies as they were named; `dep_ids` are the jobs they name.
    pub deps: Vec<String>,
    pub dep_ids: Vec<JobId>,
    pub deps_mode: DepsMode,
    pub on_dep_failure: OnDepFailure,
    pub locks: Vec<LockName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Ceiling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    pub review_policy: ReviewPolicy,
    pub timeout_sec: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    pub yolo: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    pub allowed_scope: Vec<Glob>,
    pub artifact_globs: Vec<Glob>,
    pub submitted_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

impl Content {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_sec)
    }

    /// A composite without instructions of its own ends when its children have.
    pub(crate) fn ships_with_its_children(&self) -> bool {
        self.kind == Kind::Composite && self.body_md.trim().is_empty()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "JobKind")]
pub enum Kind {
    #[default]
    Leaf,
    /// Its children must finish first.
    Composite,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    Critical,
    High,
    #[default]
    Medium,
    Low,
}

impl Priority {
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// 0 goes first.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Critical => 0,
            Self::High => 1,
            Self::Medium => 2,
            Self::Low => 3,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EngineClass {
    AgenticCoder,
    ChatCoder,
    Command,
}

/// `name`, or `name@version`; the name alone is the newest version at claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileRef {
    pub name: ProfileName,
    pub version: Option<u32>,
}

impl TryFrom<String> for ProfileRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text.as_str(), None),
        };
        let number = version.map(str::parse::<u32>).transpose();
        match (name.parse(), number) {
            (Ok(name), Ok(version)) if version != Some(0) => Ok(Self { name, version }),
            (Ok(_), _) => Err("a version is a whole number from 1, as in name@3".into()),
            (Err(bad), _) => Err(bad.why.into()),
        }
    }
}

impl FromStr for ProfileRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

impl From<ProfileRef> for String {
    fn from(profile: ProfileRef) -> Self {
        match profile.version {
            Some(version) => format!("{}@{version}", profile.name),
            None => profile.name.to_string(),
        }
    }
}

impl JsonSchema for ProfileRef {
    fn schema_name() -> Cow<'static, str> {
        "ProfileRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(@0*[1-9][0-9]*)?$",
        })
    }
}

/// A text is run by `sh -c`; words are run as they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CommandLine {
    Shell(String),
    Words(Vec<String>),
}

/// When a dependency is good enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DepsMode {
    /// Shipped.
    #[default]
    Hard,
    /// Testing or shipped.
    Soft,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDepFailure {
    #[default]
    Wait,
    Fail,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReviewPolicy {
    #[default]
    Auto,
    /// A person ships.
    Manual,
}

/// The most that a job may use, over all its attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ceiling {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<MicroUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RetryPolicy {
    /// All charged attempts, the first included.
    pub max: u32,
    pub backoff: Backoff,
    pub on: Vec<RetryClass>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RetryClass {
    Timeout,
    VerifyFailed,
    Crash,
}

/// How long to wait before the next attempt. Stored as the word `exp` or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// 30 s, doubled after each charged failure, at most an hour.
    Exp,
    /// The same number of seconds each time.
    Fixed(u64),
}

/// A text or number that is no wait between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a backoff: write exp, a number of seconds up to 604800 or a duration like 30s")]
pub struct NotABackoff;

impl Backoff {
    const EXP: &str = "exp";
    /// A week: as long as the longest attempt.
    const LONGEST: u64 = 604_800;

    /// # Errors
    /// Longer than a week.
    pub fn fixed(seconds: u64) -> Result<Self, NotABackoff> {
        if seconds <= Self::LONGEST { Ok(Self::Fixed(seconds)) } else { Err(NotABackoff) }
    }
}

impl FromStr for Backoff {
    type Err = NotABackoff;

    fn from_str(text: &str) -> Result<Self, NotABackoff> {
        if text == Self::EXP {
            return Ok(Self::Exp);
        }
        let span: Span = text.parse().map_err(|_| NotABackoff)?;
        Self::fixed(span.whole_seconds().ok_or(NotABackoff)?)
    }
}

impl JsonSchema for Backoff {
    fn schema_name() -> Cow<'static, str> {
        "Backoff".into()
    }

    /// As it is stored; the durations of a job file are read as well.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "const": Self::EXP },
            { "type": "integer", "minimum": 0, "maximum": Self::LONGEST },
        ] })
    }
}

impl Serialize for Backoff {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exp => out.serialize_str(Self::EXP),
            Self::Fixed(seconds) => out.serialize_u64(*seconds),
        }
    }
}

impl<'de> Deserialize<'de> for Backoff {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = Backoff;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("exp or a number of seconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Backoff, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Backoff, E> {
                Backoff::fixed(seconds).map_err(E::custom)
            }
        }
        input.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_backoff_is_stored_as_a_word_or_a_number() {
        for (written, stored) in [("exp", "\"exp\""), ("30s", "30"), ("2m", "120")] {
            let backoff: Backoff = written.parse().unwrap();
            assert_eq!(serde_json::to_string(&backoff).unwrap(), stored);
        }
        for text in ["fast", "", "0s", "10ms", "8d", "-1s"] {
            assert_eq!(text.parse::<Backoff>(), Err(NotABackoff), "{text}");
        }
        assert!(serde_json::from_str::<Backoff>("604801").is_err());
    }

    proptest! {
        #[test]
        fn a_stored_backoff_reads_back(seconds in 0..=604_800_u64) {
            let backoff = Backoff::fixed(seconds).unwrap();
            let stored = serde_json::to_string(&backoff).unwrap();
            prop_assert_eq!(serde_json::from_str::<Backoff>(&stored).unwrap(), backoff);
        }
    }
}
