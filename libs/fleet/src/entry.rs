//! What people and services did that is not one job's: tokens, factories, profiles, budgets,
//! pauses, users, purges. Written once, never changed.

use std::collections::BTreeMap;
use std::convert::Infallible;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::Actor;
use crate::record::{Head, Record};
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// A UUID of version 7.
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    pub at: Timestamp,
    pub actor: Actor,
    pub action: String,
    pub target: String,
    pub result: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

impl AuditEntry {
    #[must_use]
    pub fn new(id: uuid::Uuid, head: Head, actor: Actor, action: &str, target: &str) -> Self {
        Self {
            id: id.hyphenated().to_string(),
            at: head.created_at,
            head,
            actor,
            action: action.to_owned(),
            target: target.to_owned(),
            result: "ok".to_owned(),
            data: Map::new(),
            unknown: BTreeMap::new(),
        }
    }
}

impl Record for AuditEntry {
    type Command = Infallible;
    type Event = Infallible;
    type Rejection = Infallible;

    fn decide(&self, command: &Infallible, _: Timestamp) -> Result<Vec<Infallible>, Infallible> {
        match *command {}
    }

    fn evolve(self, event: &Infallible) -> Self {
        match *event {}
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}
