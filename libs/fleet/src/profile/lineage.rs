//! Which version of a profile is the newest. Versions need not follow each other, so that nobody
//! could find it by looking for the next one, and a claim has no time to look through them all.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ProductId, ProfileName};
use crate::record::{Head, Record};
use crate::rejection::Rejection;
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lineage {
    /// The name of the profile.
    pub id: ProfileName,
    #[serde(flatten)]
    pub head: Head,
    /// Never falls.
    pub newest: u32,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug)]
pub enum LineageCommand {
    /// This version is stored.
    Reach(u32),
}

#[derive(Clone, Copy, Debug)]
pub enum LineageEvent {
    Reached(u32),
}

impl Lineage {
    /// Of a profile without a version.
    #[must_use]
    pub fn absent(name: ProfileName, product: ProductId, now: Timestamp) -> Self {
        Self { id: name, head: Head::new(product, now), newest: 0, unknown: BTreeMap::new() }
    }
}

impl Record for Lineage {
    type Command = LineageCommand;
    type Event = LineageEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: &LineageCommand,
        _: Timestamp,
    ) -> Result<Vec<LineageEvent>, Rejection> {
        let LineageCommand::Reach(version) = *command;
        Ok((version > self.newest).then_some(LineageEvent::Reached(version)).into_iter().collect())
    }

    fn evolve(mut self, event: &LineageEvent) -> Self {
        let LineageEvent::Reached(version) = *event;
        self.newest = self.newest.max(version);
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
    fn the_newest_is_the_highest_in_whatever_order_they_come() {
        let (name, product) = ("fast".parse().unwrap(), "acme".parse().unwrap());
        let mut lineage = Lineage::absent(name, product, Timestamp::EPOCH);
        for (version, newest) in [(3, 3), (1, 3), (3, 3), (7, 7), (4, 7)] {
            let events = lineage.decide(&LineageCommand::Reach(version), Timestamp::EPOCH).unwrap();
            assert_eq!(events.is_empty(), newest == lineage.newest, "{version}");
            lineage = events.iter().fold(lineage, Lineage::evolve);
            assert_eq!(lineage.newest, newest);
        }
    }
}
