//! Where a job stands. A stage carries what belongs to it, so that a job without holder cannot be
//! building and a failed one cannot lack a reason.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::id::{FactoryId, Nonce};

/// Who may speak for a job in its present epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub factory: FactoryId,
    pub nonce: Nonce,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub enum Stage {
    Queued,
    Blocked,
    /// Granted, not confirmed.
    Assigned(Holder),
    Building(Holder),
    /// The command ended well; held while it is verified, or parked for a person.
    Review(Option<Holder>),
    /// Verified, acceptance pending; held, or parked for a person.
    Testing(Option<Holder>),
    Shipped,
    Failed(FailureReason),
    DeadLetter(DeadReason),
}

/// The nine words for a stage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    Queued,
    Blocked,
    Assigned,
    Building,
    Review,
    Testing,
    Shipped,
    Failed,
    DeadLetter,
}

/// Why a job failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    Failed,
    Timeout,
    VerifyFailed,
    Crash,
    CapabilityMismatch,
    NoEngine,
    CwdRefused,
    DependencyCycle,
    DependencyFailed,
    Cancelled,
}

/// Why the fleet gave a job up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    RetriesExhausted,
    BudgetExceeded,
    Poison,
    Rejected,
}

impl StageName {
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Blocked,
        Self::Assigned,
        Self::Building,
        Self::Review,
        Self::Testing,
        Self::Shipped,
        Self::Failed,
        Self::DeadLetter,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Blocked => "blocked",
            Self::Assigned => "assigned",
            Self::Building => "building",
            Self::Review => "review",
            Self::Testing => "testing",
            Self::Shipped => "shipped",
            Self::Failed => "failed",
            Self::DeadLetter => "dead_letter",
        }
    }

    /// Nothing but a person moves it on.
    #[must_use]
    pub fn has_ended(self) -> bool {
        match self {
            Self::Shipped | Self::Failed | Self::DeadLetter => true,
            Self::Queued
            | Self::Blocked
            | Self::Assigned
            | Self::Building
            | Self::Review
            | Self::Testing => false,
        }
    }
}

impl Stage {
    #[must_use]
    pub fn name(&self) -> StageName {
        match self {
            Self::Queued => StageName::Queued,
            Self::Blocked => StageName::Blocked,
            Self::Assigned(_) => StageName::Assigned,
            Self::Building(_) => StageName::Building,
            Self::Review(_) => StageName::Review,
            Self::Testing(_) => StageName::Testing,
            Self::Shipped => StageName::Shipped,
            Self::Failed(_) => StageName::Failed,
            Self::DeadLetter(_) => StageName::DeadLetter,
        }
    }

    #[must_use]
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Assigned(holder) | Self::Building(holder) => Some(holder),
            Self::Review(holder) | Self::Testing(holder) => holder.as_ref(),
            Self::Queued
            | Self::Blocked
            | Self::Shipped
            | Self::Failed(_)
            | Self::DeadLetter(_) => None,
        }
    }

    /// In review or testing without a holder: a person is awaited.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        matches!(self, Self::Review(None) | Self::Testing(None))
    }

    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Shipped | Self::Failed(_) | Self::DeadLetter(_))
    }
}

/// The flat form that the document has.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stored {
    pub(crate) stage: StageName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) holder_factory_id: Option<FactoryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) claim_nonce: Option<Nonce>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure_reason: Option<Reason>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Reason {
    Failure(FailureReason),
    Dead(DeadReason),
}

/// What goes together, so that a stage which contradicts itself fails its schema too.
impl JsonSchema for Stage {
    fn schema_name() -> Cow<'static, str> {
        "Stage".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let factory = generator.subschema_for::<FactoryId>().to_value();
        let nonce = generator.subschema_for::<Nonce>().to_value();
        let failure = generator.subschema_for::<FailureReason>().to_value();
        let dead = generator.subschema_for::<DeadReason>().to_value();
        let held = [("holderFactoryId", factory), ("claimNonce", nonce)];
        json_schema!({ "oneOf": [
            form(&[StageName::Queued, StageName::Blocked, StageName::Shipped], &[]),
            form(
                &[StageName::Assigned, StageName::Building, StageName::Review, StageName::Testing],
                &held,
            ),
            form(&[StageName::Review, StageName::Testing], &[]),
            form(&[StageName::Failed], &[("failureReason", failure)]),
            form(&[StageName::DeadLetter], &[("failureReason", dead)]),
        ] })
    }
}

/// Of the fields beside these stages, those that stand there; the others are absent or null.
fn form(stages: &[StageName], there: &[(&str, Value)]) -> Value {
    let mut form = json!({
        "type": "object",
        "properties": {
            "stage": { "enum": stages },
            "holderFactoryId": { "type": "null" },
            "claimNonce": { "type": "null" },
            "failureReason": { "type": "null" },
        },
        "required": ["stage"],
    });
    for (field, shape) in there {
        form["properties"][field] = shape.clone();
        form["required"].as_array_mut().expect("it is a list").push((*field).into());
    }
    form
}

impl From<Stage> for Stored {
    fn from(stage: Stage) -> Self {
        let failure_reason = match stage {
            Stage::Failed(reason) => Some(Reason::Failure(reason)),
            Stage::DeadLetter(reason) => Some(Reason::Dead(reason)),
            Stage::Queued
            | Stage::Blocked
            | Stage::Assigned(_)
            | Stage::Building(_)
            | Stage::Review(_)
            | Stage::Testing(_)
            | Stage::Shipped => None,
        };
        Self {
            stage: stage.name(),
            holder_factory_id: stage.holder().map(|holder| holder.factory.clone()),
            claim_nonce: stage.holder().map(|holder| holder.nonce),
            failure_reason,
        }
    }
}

impl TryFrom<Stored> for Stage {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let holder = match (stored.holder_factory_id, stored.claim_nonce) {
            (Some(factory), Some(nonce)) => Some(Holder { factory, nonce }),
            (None, None) => None,
            _ => return Err("holderFactoryId and claimNonce are both present or both absent"),
        };
        Ok(match (stored.stage, holder, stored.failure_reason) {
            (StageName::Queued, None, None) => Self::Queued,
            (StageName::Blocked, None, None) => Self::Blocked,
            (StageName::Assigned, Some(holder), None) => Self::Assigned(holder),
            (StageName::Building, Some(holder), None) => Self::Building(holder),
            (StageName::Review, holder, None) => Self::Review(holder),
            (StageName::Testing, holder, None) => Self::Testing(holder),
            (StageName::Shipped, None, None) => Self::Shipped,
            (StageName::Failed, None, Some(Reason::Failure(reason))) => Self::Failed(reason),
            (StageName::DeadLetter, None, Some(Reason::Dead(reason))) => Self::DeadLetter(reason),
            _ => return Err("stage, holder and failureReason do not go together"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NONCE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn a_stage_is_stored_flat_and_reads_back() {
        let holder = || Holder { factory: "f1".parse().unwrap(), nonce: NONCE.parse().unwrap() };
        for (stage, stored) in [
            (Stage::Queued, json!({"stage": "queued"})),
            (
                Stage::Building(holder()),
                json!({"stage": "building", "holderFactoryId": "f1", "claimNonce": NONCE}),
            ),
            (Stage::Review(None), json!({"stage": "review"})),
            (
                Stage::DeadLetter(DeadReason::Poison),
                json!({"stage": "dead_letter", "failureReason": "poison"}),
            ),
        ] {
            assert_eq!(serde_json::to_value(&stage).unwrap(), stored);
            assert_eq!(serde_json::from_value::<Stage>(stored).unwrap(), stage);
        }
    }

    #[test]
    fn a_stage_that_contradicts_itself_is_refused() {
        for stored in [
            json!({"stage": "queued", "holderFactoryId": "f1", "claimNonce": NONCE}),
            json!({"stage": "building"}),
            json!({"stage": "building", "holderFactoryId": "f1"}),
            json!({"stage": "failed"}),
            json!({"stage": "failed", "failureReason": "poison"}),
            json!({"stage": "shipped", "failureReason": "timeout"}),
            json!({"stage": "done"}),
        ] {
            assert!(serde_json::from_value::<Stage>(stored.clone()).is_err(), "{stored}");
        }
    }
}
