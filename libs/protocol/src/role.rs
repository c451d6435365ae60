//! What somebody is in a product. Never says who is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Each includes the one before it, but for the factory, which stands apart.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads, but no bodies of jobs.
    Viewer,
    /// Submits, and cancels what it submitted.
    Producer,
    /// Acts on any job, drains, pauses.
    Operator,
    /// Tokens, enrolment, budgets, bindings, audit.
    Admin,
    /// Claims, and speaks for what it holds.
    Factory,
}

impl Role {
    pub const ALL: [Self; 5] =
        [Self::Viewer, Self::Producer, Self::Operator, Self::Admin, Self::Factory];

    #[must_use]
    pub fn includes(self, needed: Self) -> bool {
        self == needed || (self != Self::Factory && needed != Self::Factory && self > needed)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Producer => "producer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Factory => "factory",
        }
    }
}
