//! What a store says of itself: which life of it this is, and how it was laid out. Made by an
//! explicit first initialisation, never by a service.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::ProductId;
use crate::record::{Head, Record};
use crate::rejection::{Code, Rejection};
use crate::time::Timestamp;

/// The one control record of a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// Always `meta`.
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    /// A store that lost what it had acknowledged begins a new one.
    pub generation: u64,
    /// Over how many buckets the busy kinds are spread; fixed at creation.
    pub partitions: u32,
    pub replicas: u32,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug)]
pub enum ControlCommand {
    /// Whoever saw the former generation must not believe this store any more.
    Renew { generation: u64 },
}

#[derive(Clone, Copy, Debug)]
pub enum ControlEvent {
    Renewed { generation: u64 },
}

impl Control {
    pub const ID: &'static str = "meta";

    #[must_use]
    pub fn new(partitions: u32, replicas: u32, now: Timestamp) -> Self {
        Self {
            id: Self::ID.to_owned(),
            head: Head::new(ProductId::system(), now),
            generation: 1,
            partitions,
            replicas,
            unknown: BTreeMap::new(),
        }
    }
}

impl Record for Control {
    type Command = ControlCommand;
    type Event = ControlEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: &ControlCommand,
        _: Timestamp,
    ) -> Result<Vec<ControlEvent>, Rejection> {
        let ControlCommand::Renew { generation } = *command;
        if generation < self.generation {
            return Err(Rejection::new(Code::Conflict).because("store_generation"));
        }
        let risen = generation > self.generation;
        Ok(risen.then_some(ControlEvent::Renewed { generation }).into_iter().collect())
    }

    fn evolve(mut self, event: &ControlEvent) -> Self {
        let ControlEvent::Renewed { generation } = *event;
        self.generation = generation;
        self
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
    fn a_generation_only_rises() {
        let control = Control::new(8, 1, Timestamp::EPOCH);
        let renew =
            |generation| control.decide(&ControlCommand::Renew { generation }, Timestamp::EPOCH);
        assert_eq!(renew(2).map(|facts| facts.len()), Ok(1));
        assert_eq!(renew(1).map(|facts| facts.len()), Ok(0));
        assert_eq!(renew(0).map(|facts| facts.len()).unwrap_err().code, Code::Conflict);
        let bytes = control.encode().unwrap();
        assert_eq!(Control::decode(&bytes).unwrap(), control);
    }
}
