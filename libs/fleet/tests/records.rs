//! The stored form of every record: what was ever written can be read for ever, what a newer
//! version added is kept, and what cannot be read is named.
#![cfg(test)]

#[path = "support/samples.rs"]
mod samples;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "each target tells other stories")]
mod world;

use std::fmt::{Debug, Write};
use std::path::PathBuf;

use expect_test::expect_file;
use fleet::{
    Artifact, AuditEntry, Budget, CONTAINERS, Control, EventRecord, Factory, Job, Lease, Lineage,
    Lock, Product, Profile, Record, Run,
};
use serde_json::{Value, json};

#[test]
fn every_kind_has_its_container_and_its_partition() {
    let mut told = String::new();
    for container in CONTAINERS {
        let path = container.partition.path();
        let _ = writeln!(told, "{:<16} {:<14} {path}", container.name, container.record);
    }
    expect_file!["kinds.txt"].assert_eq(&told);
}

/// The stored form, a field that must be named when it is spoiled, and how it is spoiled.
struct Spoiled(&'static str, Value);

fn check<R: Record + Debug + PartialEq>(kind: &str, sample: &R, spoiled: &[Spoiled]) {
    let again = R::decode(&sample.encode().unwrap()).unwrap();
    assert_eq!(again, *sample, "{kind} reads as it was written");
    let stored = fixture(kind);
    assert_eq!(stored["schemaVersion"], 1);
    let read = R::decode(stored.to_string().as_bytes()).unwrap_or_else(|no| panic!("{kind}: {no}"));
    let written: Value = serde_json::from_slice(&read.encode().unwrap()).unwrap();
    assert_eq!(written, stored, "{kind} is rewritten as it was");
    keeps_what_it_does_not_know::<R>(kind, &stored);
    refuses_a_newer_schema::<R>(kind, &stored);
    for Spoiled(field, value) in spoiled {
        let mut bad = stored.clone();
        bad[*field] = value.clone();
        names::<R>(kind, field, &bad);
    }
    for field in ["productId", "schemaVersion", "id", "rev", "createdAt"] {
        let mut bad = stored.clone();
        bad.as_object_mut().unwrap().remove(field).unwrap_or_else(|| panic!("{kind} has {field}"));
        names::<R>(kind, field, &bad);
    }
}

fn keeps_what_it_does_not_know<R: Record>(kind: &str, stored: &Value) {
    let mut newer = stored.clone();
    newer["fromTheFuture"] = json!({"why": [1, 2.5, null]});
    let read = R::decode(newer.to_string().as_bytes()).unwrap_or_else(|no| panic!("{kind}: {no}"));
    let written: Value = serde_json::from_slice(&read.encode().unwrap()).unwrap();
    assert_eq!(written, newer, "{kind} keeps what it does not know");
}

fn refuses_a_newer_schema<R: Record>(kind: &str, stored: &Value) {
    let mut newer = stored.clone();
    newer["schemaVersion"] = json!(2);
    let no = R::decode(newer.to_string().as_bytes()).err().unwrap_or_else(|| panic!("{kind}"));
    assert!(no.to_string().contains("schema_too_new"), "{kind}: {no}");
}

fn names<R: Record>(kind: &str, field: &str, bad: &Value) {
    let no = R::decode(bad.to_string().as_bytes()).err();
    let no = no.unwrap_or_else(|| panic!("{kind} with a bad {field} is read"));
    assert!(no.to_string().contains(field), "{kind}: {field} is not named: {no}");
}

fn fixture(kind: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = std::fs::read_to_string(folder.join(format!("{kind}-v1.json")));
    serde_json::from_str(&text.unwrap_or_else(|no| panic!("{kind}: {no}"))).unwrap()
}

#[test]
fn a_job_is_stored_for_ever() {
    let spoiled = [
        Spoiled("stage", json!("done")),
        Spoiled("priority", json!("urgent")),
        Spoiled("depsMode", json!("weak")),
        Spoiled("leaseEpoch", json!(-1)),
        Spoiled("idempotencyKey", json!(" ")),
        Spoiled("holderFactoryId", json!("a.b")),
        Spoiled("capabilities", json!(["node>>1"])),
        Spoiled("checkpoint", json!({"wipBranch": "x"})),
        Spoiled("notBefore", json!("soon")),
        Spoiled("budget", json!({"usd": -1})),
    ];
    check::<Job>("job", &samples::job(), &spoiled);
    check::<Job>("job-held", &samples::held_job(), &spoiled[..5]);
}

#[test]
fn a_tombstone_is_stored_for_ever() {
    let stone = samples::tombstone();
    assert_eq!(Job::decode(&stone.encode().unwrap()).unwrap(), stone);
    let stored = fixture("tombstone");
    let read = Job::decode(stored.to_string().as_bytes()).unwrap();
    assert!(read.purged);
    assert_eq!(serde_json::from_slice::<Value>(&read.encode().unwrap()).unwrap(), stored);
}

#[test]
fn a_run_is_stored_for_ever() {
    let spoiled = [
        Spoiled("result", json!("done")),
        Spoiled("attempt", json!(-1)),
        Spoiled("runId", json!("936da01f-9abd-4d9d-80c7-02af85c822a8")),
    ];
    check::<Run>("run", &samples::run(), &spoiled);
}

#[test]
fn a_lease_is_stored_for_ever() {
    let spoiled = [Spoiled("status", json!("lost")), Spoiled("leaseEpoch", json!(0.5))];
    check::<Lease>("lease", &samples::lease(), &spoiled);
}

#[test]
fn a_factory_is_stored_for_ever() {
    let spoiled = [
        Spoiled("health", json!("fine")),
        Spoiled("seatLimit", json!(-1)),
        Spoiled("load", json!("x")),
    ];
    check::<Factory>("factory", &samples::factory(), &spoiled);
}

#[test]
fn a_profile_is_stored_for_ever() {
    let spoiled = [Spoiled("version", json!("3")), Spoiled("snapshot", json!({"args": []}))];
    check::<Profile>("profile", &samples::profile(), &spoiled);
}

#[test]
fn a_lineage_is_stored_for_ever() {
    let spoiled = [Spoiled("newest", json!("3"))];
    check::<Lineage>("lineage", &samples::lineage(), &spoiled);
}

#[test]
fn an_event_is_stored_for_ever() {
    let spoiled = [
        Spoiled("type", json!("exploded")),
        Spoiled("actor", json!({"kind": "robot", "id": "x"})),
        Spoiled("at", json!("2026")),
    ];
    check::<EventRecord>("event", &samples::event(), &spoiled);
}

#[test]
fn an_artifact_is_stored_for_ever() {
    let spoiled = [
        Spoiled("kind", json!("video")),
        Spoiled("state", json!("gone")),
        Spoiled("id", json!("a_x_y")),
    ];
    check::<Artifact>("artifact", &samples::artifact(), &spoiled);
}

#[test]
fn a_lock_is_stored_for_ever() {
    let spoiled = [Spoiled("name", json!("a.b")), Spoiled("slots", json!([{"state": "lost"}]))];
    check::<Lock>("lock", &samples::lock(), &spoiled);
}

#[test]
fn a_budget_is_stored_for_ever() {
    let spoiled = [Spoiled("window", json!("week")), Spoiled("limitUsd", json!(-1))];
    check::<Budget>("budget", &samples::budget(), &spoiled);
}

#[test]
fn a_product_is_stored_for_ever() {
    let spoiled = [Spoiled("paused", json!("yes")), Spoiled("maxReaps", json!(-1))];
    check::<Product>("product", &samples::product(), &spoiled);
}

#[test]
fn an_audit_entry_is_stored_for_ever() {
    check::<AuditEntry>("audit", &samples::audit(), &[Spoiled("actor", json!("olga"))]);
}

#[test]
fn the_control_record_is_stored_for_ever() {
    check::<Control>("control", &samples::control(), &[Spoiled("partitions", json!("8"))]);
}

#[test]
fn no_caller_can_name_the_system_product() {
    assert!("_system".parse::<fleet::ProductId>().is_err());
    assert!(serde_json::from_value::<fleet::ProductId>(json!("_system")).is_err());
}
