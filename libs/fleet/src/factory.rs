//! A worker host as the fleet knows it: what it has, how it is, and which start of it speaks.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::capability::Capability;
use crate::id::{EngineName, FactoryId, Incarnation, ProductId};
use crate::record::{Head, Record};
use crate::rejection::{Code, Rejection};
use crate::time::Timestamp;

/// A factory that was silent for so long gets no work.
pub const STALE_AFTER: Duration = Duration::from_secs(30);
const HIGHEST_LOAD: f64 = 1000.0;
const MOST_SEATS: u32 = 1024;
/// What one factory advertises; a job asks for 64 at most.
pub const MOST_ADVERTISED: usize = 256;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Factory {
    /// The name once more.
    pub id: FactoryId,
    pub factory_id: FactoryId,
    #[serde(flatten)]
    pub head: Head,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<Incarnation>,
    pub descriptor: Descriptor,
    pub capabilities: Vec<Capability>,
    pub engines: Vec<EngineName>,
    pub health: Health,
    pub load: f64,
    pub seat_limit: u32,
    pub draining: bool,
    /// Draining, it also gives back what it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub draining_now: bool,
    pub last_heartbeat_at: Timestamp,
    pub registered_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    #[default]
    Ok,
    Degraded,
    Down,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Descriptor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub arch: String,
    #[serde(default)]
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    pub incarnation: Incarnation,
    pub descriptor: Option<Descriptor>,
    pub capabilities: Vec<Capability>,
    pub engines: Vec<EngineName>,
    pub health: Health,
    pub load: f64,
    pub seat_limit: u32,
    /// The newest renewal of any of its leases: a sign of life too.
    pub last_renewal: Option<Timestamp>,
}

impl Heartbeat {
    /// The first field that says what no factory can be. A load above the highest is none of them:
    /// it is taken for the highest.
    #[must_use]
    pub fn out_of_range(&self) -> Option<(&'static str, String)> {
        if self.seat_limit > MOST_SEATS {
            return Some(("seatLimit", format!("a factory has at most {MOST_SEATS} seats")));
        }
        if self.load < 0.0 {
            return Some(("load", "a load is not below 0".to_owned()));
        }
        let many = self.capabilities.len() > MOST_ADVERTISED;
        many.then(|| ("capabilities", format!("at most {MOST_ADVERTISED} are advertised")))
    }
}

#[derive(Clone, Debug)]
pub enum FactoryCommand {
    Heartbeat(Box<Heartbeat>),
    Drain {
        now: bool,
    },
    Resume,
    Retire,
    /// It ends by intent: the next start need not wait until it is silent.
    Leave(Incarnation),
}

#[derive(Clone, Debug)]
pub enum FactoryEvent {
    Beat(Box<Heartbeat>, Timestamp),
    Drained { now: bool },
    Resumed,
    Retired(Timestamp),
}

impl Factory {
    /// A factory before its first heartbeat.
    #[must_use]
    pub fn absent(factory: FactoryId, product: ProductId, now: Timestamp) -> Self {
        Self {
            id: factory.clone(),
            factory_id: factory,
            head: Head::new(product, now),
            incarnation: None,
            descriptor: Descriptor::default(),
            capabilities: Vec::new(),
            engines: Vec::new(),
            health: Health::Ok,
            load: 0.0,
            seat_limit: 0,
            draining: false,
            draining_now: false,
            last_heartbeat_at: now,
            registered_at: now,
            retired_at: None,
            unknown: BTreeMap::new(),
        }
    }

    /// Silent for too long, or gone by its own word until it is heard again.
    #[must_use]
    pub fn is_stale(&self, last_renewal: Option<Timestamp>, now: Timestamp) -> bool {
        let heard =
            last_renewal.map_or(self.last_heartbeat_at, |at| at.max(self.last_heartbeat_at));
        self.retired_at.is_some() || now.since(heard) > STALE_AFTER
    }

    /// Two agents never share a name silently.
    fn is_another(&self, beat: &Heartbeat, now: Timestamp) -> bool {
        let same = self.incarnation.is_none_or(|known| known == beat.incarnation);
        !same && !self.is_stale(beat.last_renewal, now)
    }
}

impl Record for Factory {
    type Command = FactoryCommand;
    type Event = FactoryEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: &FactoryCommand,
        now: Timestamp,
    ) -> Result<Vec<FactoryEvent>, Rejection> {
        Ok(match command {
            FactoryCommand::Heartbeat(beat) if self.is_another(beat, now) => {
                return Err(Rejection::new(Code::Conflict).because("incarnation_in_use"));
            }
            FactoryCommand::Heartbeat(beat) => vec![FactoryEvent::Beat(beat.clone(), now)],
            FactoryCommand::Drain { now } if !self.draining || (*now && !self.draining_now) => {
                vec![FactoryEvent::Drained { now: *now }]
            }
            FactoryCommand::Resume if self.draining => vec![FactoryEvent::Resumed],
            FactoryCommand::Retire if self.retired_at.is_none() => {
                vec![FactoryEvent::Retired(now)]
            }
            FactoryCommand::Leave(incarnation) if self.incarnation != Some(*incarnation) => {
                return Err(Rejection::new(Code::Conflict).because("another_incarnation"));
            }
            FactoryCommand::Leave(_) if self.retired_at.is_none() => {
                vec![FactoryEvent::Retired(now)]
            }
            FactoryCommand::Drain { .. } | FactoryCommand::Resume => Vec::new(),
            FactoryCommand::Retire | FactoryCommand::Leave(_) => Vec::new(),
        })
    }

    fn evolve(mut self, event: &FactoryEvent) -> Self {
        match event {
            FactoryEvent::Beat(beat, at) => {
                self.incarnation = Some(beat.incarnation);
                if let Some(descriptor) = &beat.descriptor {
                    self.descriptor = descriptor.clone();
                }
                self.capabilities.clone_from(&beat.capabilities);
                self.engines.clone_from(&beat.engines);
                self.health = beat.health;
                self.load = beat.load.clamp(0.0, HIGHEST_LOAD);
                self.seat_limit = beat.seat_limit;
                self.last_heartbeat_at = self.last_heartbeat_at.max(*at);
                self.retired_at = None;
            }
            FactoryEvent::Drained { now } => {
                self.draining = true;
                self.draining_now |= now;
            }
            FactoryEvent::Resumed => {
                self.draining = false;
                self.draining_now = false;
            }
            FactoryEvent::Retired(at) => self.retired_at = Some(*at),
        }
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

    const FIRST: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const SECOND: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

    fn beat(incarnation: &str, load: f64) -> FactoryCommand {
        FactoryCommand::Heartbeat(Box::new(Heartbeat {
            incarnation: incarnation.parse().unwrap(),
            descriptor: None,
            capabilities: vec!["gpu".parse().unwrap()],
            engines: Vec::new(),
            health: Health::Degraded,
            load,
            seat_limit: 3,
            last_renewal: None,
        }))
    }

    fn told(factory: Factory, command: &FactoryCommand, now: Timestamp) -> Factory {
        let events = factory.decide(command, now).unwrap();
        events.iter().fold(factory, Factory::evolve)
    }

    fn after(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.plus(Duration::from_secs(seconds))
    }

    fn young() -> Factory {
        Factory::absent("f1".parse().unwrap(), "acme".parse().unwrap(), after(0))
    }

    #[test]
    fn a_heartbeat_says_how_a_factory_is_and_silence_makes_it_stale() {
        let factory = told(young(), &beat(FIRST, 5000.0), after(10));
        assert_eq!((factory.health, factory.seat_limit), (Health::Degraded, 3));
        assert!((factory.load - HIGHEST_LOAD).abs() < f64::EPSILON);
        assert_eq!(factory.last_heartbeat_at, after(10));
        assert!(!factory.is_stale(None, after(40)));
        assert!(factory.is_stale(None, after(41)));
        assert!(!factory.is_stale(Some(after(30)), after(41)));
    }

    #[test]
    fn two_agents_never_share_a_name_while_the_first_lives() {
        let factory = told(young(), &beat(FIRST, 0.0), after(0));
        let refused = factory.decide(&beat(SECOND, 0.0), after(30)).unwrap_err();
        assert_eq!(refused.reason, Some("incarnation_in_use"));
        let taken_over = told(factory, &beat(SECOND, 0.0), after(31));
        assert_eq!(taken_over.incarnation, Some(SECOND.parse().unwrap()));
    }

    #[test]
    fn a_drain_said_twice_is_one_and_is_undone() {
        let drain = |now| FactoryCommand::Drain { now };
        let drained = told(young(), &drain(false), after(0));
        assert!(drained.draining && !drained.draining_now);
        assert!(drained.decide(&drain(false), after(0)).unwrap().is_empty());
        let at_once = told(drained, &drain(true), after(0));
        assert!(at_once.draining && at_once.draining_now);
        for now in [true, false] {
            assert!(at_once.decide(&drain(now), after(0)).unwrap().is_empty());
        }
        let resumed = told(at_once, &FactoryCommand::Resume, after(0));
        assert!(!resumed.draining && !resumed.draining_now);
    }

    #[test]
    fn a_factory_that_leaves_frees_its_name_at_once_and_only_itself_may() {
        let factory = told(young(), &beat(FIRST, 0.0), after(0));
        let leave = |incarnation: &str| FactoryCommand::Leave(incarnation.parse().unwrap());
        let refused = factory.decide(&leave(SECOND), after(1)).unwrap_err();
        assert_eq!(refused.reason, Some("another_incarnation"));
        let gone = told(factory, &leave(FIRST), after(1));
        assert!(gone.is_stale(Some(after(1)), after(1)), "it gets no work");
        assert!(gone.decide(&leave(FIRST), after(2)).unwrap().is_empty());
        let next = told(gone, &beat(SECOND, 0.0), after(2));
        assert!(!next.is_stale(None, after(2)));
        assert!(next.decide(&leave(FIRST), after(3)).is_err(), "a late word of the one before");
    }
}
