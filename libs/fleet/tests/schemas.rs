//! The schemas of the records and their readers agree: whatever is stored fits its schema, and
//! what is changed in it fits exactly if it can still be read.
#![cfg(test)]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/samples.rs"]
mod samples;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "each target tells other stories")]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fleet::{
    Artifact, AuditEntry, Budget, CONTAINERS, Control, EventRecord, Factory, Job, Lease, Lineage,
    Lock, MicroUsd, Product, Profile, Record, Run, Tombstone, record_schemas,
};
use jsonschema::Validator;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A stored form: its fixture, the schema that it fits, and whether a text reads as it.
struct Form {
    fixture: &'static str,
    schema: &'static str,
    reads: fn(&Value) -> bool,
}

const FORMS: [Form; 15] = [
    form::<Job>("job", "job"),
    form::<Job>("job-held", "job"),
    form::<Tombstone>("tombstone", "tombstone"),
    form::<Run>("run", "run"),
    form::<Lease>("lease", "lease"),
    form::<Factory>("factory", "factory"),
    form::<Profile>("profile", "profile"),
    form::<Lineage>("lineage", "lineage"),
    form::<EventRecord>("event", "event"),
    form::<Artifact>("artifact", "artifact"),
    form::<Lock>("lock", "lock"),
    form::<Budget>("budget", "budget"),
    form::<Product>("product", "product"),
    form::<AuditEntry>("audit", "audit"),
    form::<Control>("control", "control"),
];

const fn form<R: DeserializeOwned>(fixture: &'static str, schema: &'static str) -> Form {
    Form { fixture, schema, reads: reads::<R> }
}

fn reads<R: DeserializeOwned>(stored: &Value) -> bool {
    serde_json::from_str::<R>(&stored.to_string()).is_ok()
}

#[test]
fn every_kind_has_its_schema_and_every_schema_its_fixture() {
    let schemas = record_schemas();
    let titles = schemas.iter().map(|(_, schema)| schema["title"].as_str().unwrap());
    let told: BTreeSet<&str> =
        titles.map(|title| title.split(',').next().unwrap_or(title)).collect();
    let kinds: BTreeSet<&str> = CONTAINERS.iter().map(|container| container.record).collect();
    assert_eq!(told, kinds);
    let named: BTreeSet<&str> = schemas.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, FORMS.iter().map(|form| form.schema).collect());
    let files: BTreeSet<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, FORMS.iter().map(|form| format!("{}-v1.json", form.fixture)).collect());
}

#[test]
fn what_is_stored_fits_its_schema() {
    let schemas = validators();
    for form in FORMS {
        fits(&schemas[form.schema], &stored(form.fixture), form.fixture);
    }
    for (schema, record) in written() {
        fits(&schemas[schema], &record, schema);
    }
}

#[test]
fn a_changed_record_fits_exactly_if_it_can_still_be_read() {
    let schemas = validators();
    for Form { fixture, schema, reads } in FORMS {
        let mut refused = 0;
        for (change, record) in changes::of(&stored(fixture)) {
            let readable = reads(&record);
            refused += usize::from(!readable);
            assert_eq!(schemas[schema].is_valid(&record), readable, "{fixture}: {change}");
        }
        assert!(refused > 50, "{fixture}: {refused} changes refused");
    }
}

#[test]
fn what_a_newer_version_added_still_fits() {
    let schemas = validators();
    for form in FORMS.iter().filter(|form| form.schema != "tombstone") {
        let mut newer = stored(form.fixture);
        newer["fromTheFuture"] = json!({"why": [1, 2.5, null]});
        fits(&schemas[form.schema], &newer, form.fixture);
        newer["schemaVersion"] = json!(2);
        assert!(!schemas[form.schema].is_valid(&newer), "{}: a newer schema", form.fixture);
    }
}

proptest! {
    #[test]
    fn every_amount_fits_its_schema(micros in 0..=fleet::MAX_COUNT / 1024) {
        let schema = schemars::schema_for!(MicroUsd).to_value();
        let amount = json!(MicroUsd::from_micros(micros));
        prop_assert!(jsonschema::is_valid(&schema, &amount), "{amount}");
    }
}

/// One of each record as the rules make it and the store gets it.
fn written() -> Vec<(&'static str, Value)> {
    fn bytes(record: &impl Record) -> Value {
        serde_json::from_slice(&record.encode().unwrap()).unwrap()
    }
    vec![
        ("job", bytes(&samples::job())),
        ("job", bytes(&samples::held_job())),
        ("tombstone", bytes(&samples::tombstone())),
        ("run", bytes(&samples::run())),
        ("lease", bytes(&samples::lease())),
        ("factory", bytes(&samples::factory())),
        ("profile", bytes(&samples::profile())),
        ("lineage", bytes(&samples::lineage())),
        ("event", bytes(&samples::event())),
        ("artifact", bytes(&samples::artifact())),
        ("lock", bytes(&samples::lock())),
        ("budget", bytes(&samples::budget())),
        ("product", bytes(&samples::product())),
        ("audit", bytes(&samples::audit())),
        ("control", bytes(&samples::control())),
    ]
}

fn validators() -> BTreeMap<&'static str, Validator> {
    let validator = |schema: &Value| {
        jsonschema::options().should_validate_formats(true).build(schema).expect("a schema")
    };
    record_schemas().into_iter().map(|(name, schema)| (name, validator(&schema))).collect()
}

fn fits(schema: &Validator, record: &Value, what: &str) {
    let faults: Vec<String> = schema
        .iter_errors(record)
        .map(|fault| format!("{what}: {}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn stored(fixture: &str) -> Value {
    let text = std::fs::read_to_string(fixtures().join(format!("{fixture}-v1.json")));
    serde_json::from_str(&text.unwrap_or_else(|no| panic!("{fixture}: {no}"))).unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
