//! A recipe of an engine, by name and version. A version never changes: a run can always be
//! traced to what it was started with. Which version is the newest is the lineage's to say.

mod lineage;
mod snapshot;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{EngineName, ProductId, ProfileName};
use crate::record::{Head, Record};
use crate::rejection::{Code, Rejection};
use crate::time::Timestamp;

pub use lineage::{Lineage, LineageCommand, LineageEvent};
pub use snapshot::{Env, Snapshot};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// `<name>-v<version>`.
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    pub name: ProfileName,
    pub version: u32,
    pub snapshot: Snapshot,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// The version that a claim is to run, and what runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub version: u32,
    pub engine: EngineName,
}

#[derive(Clone, Debug)]
pub enum ProfileCommand {
    /// This version is to be this.
    Put(Box<Snapshot>),
}

/// A version is written once; nothing ever happens to it.
#[derive(Clone, Copy, Debug)]
pub enum ProfileEvent {}

impl Profile {
    #[must_use]
    pub fn new(
        name: ProfileName,
        version: u32,
        snapshot: Snapshot,
        product: ProductId,
        now: Timestamp,
    ) -> Self {
        let id = Self::id_of(&name, version);
        let head = Head::new(product, now);
        Self { id, head, name, version, snapshot, unknown: BTreeMap::new() }
    }

    #[must_use]
    pub fn id_of(name: &ProfileName, version: u32) -> String {
        format!("{name}-v{version}")
    }

    #[must_use]
    pub fn chosen(&self) -> Chosen {
        Chosen { version: self.version, engine: self.snapshot.engine.clone() }
    }
}

impl Record for Profile {
    type Command = ProfileCommand;
    type Event = ProfileEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: &ProfileCommand,
        _: Timestamp,
    ) -> Result<Vec<ProfileEvent>, Rejection> {
        let ProfileCommand::Put(snapshot) = command;
        if **snapshot == self.snapshot {
            Ok(Vec::new())
        } else {
            Err(Rejection::new(Code::Conflict).because("immutable"))
        }
    }

    fn evolve(self, event: &ProfileEvent) -> Self {
        match *event {}
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_it_was_first() {
        let snapshot = |engine: &str| -> Snapshot {
            serde_json::from_value(serde_json::json!({"engine": engine})).unwrap()
        };
        let (name, product) = ("fast".parse().unwrap(), "acme".parse().unwrap());
        let profile = Profile::new(name, 3, snapshot("echo"), product, Timestamp::EPOCH);
        let put = |engine| ProfileCommand::Put(Box::new(snapshot(engine)));
        assert_eq!(profile.id, "fast-v3");
        assert!(profile.decide(&put("echo"), Timestamp::EPOCH).unwrap().is_empty());
        let no = profile.decide(&put("shell"), Timestamp::EPOCH).unwrap_err();
        assert_eq!((no.code, no.reason), (Code::Conflict, Some("immutable")));
    }
}
