//! Where each record of identity is kept, and its stored form as JSON Schema, as `fleet` has it of
//! its own. Describes; what may be is for the rules to say.

use fleet::{Container, Partition, schema_settings};
use schemars::JsonSchema;
use serde_json::Value;

use crate::account::Account;
use crate::session::Session;
use crate::token::Token;
use crate::user::User;
use crate::verification::Verification;

pub const CONTAINERS: &[Container] = &[
    of("fleet_tokens", "FleetToken"),
    of("fleet_users", "User"),
    of("fleet_accounts", "Account"),
    of("fleet_sessions", "Session"),
    of("fleet_verifications", "Verification"),
];

/// One schema for each form that a container may hold.
#[must_use]
pub fn record_schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("token", schema::<Token>("FleetToken")),
        ("user", schema::<User>("User")),
        ("account", schema::<Account>("Account")),
        ("session", schema::<Session>("Session")),
        ("verification", schema::<Verification>("Verification")),
    ]
}

const fn of(name: &'static str, record: &'static str) -> Container {
    Container { name, record, partition: Partition::Id }
}

fn schema<R: JsonSchema>(title: &str) -> Value {
    let mut schema = schema_settings().into_generator().into_root_schema_for::<R>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}
