//! The stored form of every record as JSON Schema, derived from the very types that are read and
//! written. Describes; what may be is for the rules to say.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::artifact::Artifact;
use crate::budget::Budget;
use crate::control::Control;
use crate::entry::AuditEntry;
use crate::event::EventRecord;
use crate::factory::Factory;
use crate::job::{Job, Tombstone};
use crate::lease::Lease;
use crate::lock::Lock;
use crate::product::Product;
use crate::profile::{Lineage, Profile};
use crate::run::Run;

/// One schema for each form that a container may hold: the form's name and its schema, whose
/// title begins with the record's name in the table of kinds.
#[must_use]
pub fn record_schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("job", of::<Job>("FleetJob")),
        ("tombstone", of::<Tombstone>("FleetJob, purged")),
        ("run", of::<Run>("FleetRun")),
        ("lease", of::<Lease>("FleetLease")),
        ("factory", of::<Factory>("FleetFactory")),
        ("profile", of::<Profile>("FleetProfile")),
        ("lineage", of::<Lineage>("FleetLineage")),
        ("event", of::<EventRecord>("FleetEvent")),
        ("artifact", of::<Artifact>("FleetArtifact")),
        ("lock", of::<Lock>("FleetLock")),
        ("budget", of::<Budget>("FleetBudget")),
        ("product", of::<Product>("FleetProduct")),
        ("audit", of::<AuditEntry>("FleetAudit")),
        ("control", of::<Control>("FleetControl")),
    ]
}

/// How every schema of this product is made.
#[must_use]
pub fn schema_settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with_transform(RecursiveTransform(bound))
}

/// A number that is read into so many bits has no more of them.
fn bound(schema: &mut Schema) {
    let (least, most): (Value, Value) = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (0.into(), u8::MAX.into()),
        Some("uint16") => (0.into(), u16::MAX.into()),
        Some("uint32") => (0.into(), u32::MAX.into()),
        Some("uint" | "uint64") => (0.into(), u64::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some(_) | None => return,
    };
    for (bound, number) in [("minimum", least), ("maximum", most)] {
        if schema.get(bound).is_none() {
            schema.insert(bound.to_owned(), number);
        }
    }
}

fn of<R: JsonSchema>(title: &str) -> Value {
    let generator = schema_settings().into_generator();
    let mut schema: Schema = generator.into_root_schema_for::<R>();
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}
