//! The tenant's own settings. A product without record has the defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::Actor;
use crate::id::ProductId;
use crate::money::MicroUsd;
use crate::record::{Head, Record};
use crate::rejection::Rejection;
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// The product once more.
    pub id: ProductId,
    #[serde(flatten)]
    pub head: Head,
    pub paused: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_reason: Option<String>,
    /// Manifest keys that a submission may leave out.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub defaults: Map<String, Value>,
    pub aging_step_sec: u64,
    pub max_reaps: u32,
    pub default_estimate_usd: MicroUsd,
    pub default_estimate_tokens: u64,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Debug)]
pub enum ProductCommand {
    Pause { by: Actor, reason: Option<String> },
    Unpause,
}

#[derive(Clone, Debug)]
pub enum ProductEvent {
    Paused { by: Actor, reason: Option<String> },
    Unpaused,
}

impl Product {
    #[must_use]
    pub fn absent(product: ProductId, now: Timestamp) -> Self {
        Self {
            id: product.clone(),
            head: Head::new(product, now),
            paused: false,
            paused_by: None,
            paused_reason: None,
            defaults: Map::new(),
            aging_step_sec: 1800,
            max_reaps: 5,
            default_estimate_usd: MicroUsd::ZERO,
            default_estimate_tokens: 0,
            unknown: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn ageing(&self) -> Duration {
        Duration::from_secs(self.aging_step_sec)
    }
}

impl Record for Product {
    type Command = ProductCommand;
    type Event = ProductEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: &ProductCommand,
        _: Timestamp,
    ) -> Result<Vec<ProductEvent>, Rejection> {
        Ok(match command {
            ProductCommand::Pause { by, reason } if !self.paused => {
                vec![ProductEvent::Paused { by: by.clone(), reason: reason.clone() }]
            }
            ProductCommand::Unpause if self.paused => vec![ProductEvent::Unpaused],
            ProductCommand::Pause { .. } | ProductCommand::Unpause => Vec::new(),
        })
    }

    fn evolve(mut self, event: &ProductEvent) -> Self {
        match event {
            ProductEvent::Paused { by, reason } => {
                self.paused = true;
                self.paused_by = Some(by.clone());
                self.paused_reason.clone_from(reason);
            }
            ProductEvent::Unpaused => {
                self.paused = false;
                self.paused_by = None;
                self.paused_reason = None;
            }
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
