//! The jobs of a world: contents made by the real reader of submissions.

use fleet::{Content, Submission, Terms, Timestamp, normalise};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::dice::Dice;
use super::plan::Plan;

/// What is submitted under one key, in the order of its submission.
pub(super) struct Order {
    pub contents: Vec<Content>,
}

pub(super) fn orders(plan: &Plan, now: Timestamp) -> Vec<Order> {
    let mut dice = Dice::new(plan.seed, 1);
    let mut orders: Vec<Order> = (0..plan.jobs)
        .map(|n| {
            let mut manifest = manifest(n, &mut dice);
            let mut contents = vec![content(&manifest, now)];
            if dice.chance(200) {
                manifest.insert("priority".into(), json!("high"));
                manifest.insert("bodyMd".into(), json!("another body"));
                contents.push(content(&manifest, now));
            }
            Order { contents }
        })
        .collect();
    if plan.cycle {
        for (key, dep) in [("x", "y"), ("y", "x")] {
            let manifest = named(key, json!({"deps": [dep], "onDepFailure": "fail"}));
            orders.push(Order { contents: vec![content(&manifest, now)] });
        }
    }
    orders
}

fn manifest(n: u64, dice: &mut Dice) -> Map<String, Value> {
    let deps: Vec<String> =
        (0..n).filter(|_| dice.chance(350)).map(|dep| format!("k{dep}")).collect();
    let mut manifest = named(&format!("k{n}"), json!({"deps": deps, "onDepFailure": "fail"}));
    if dice.chance(600) {
        let retry = json!({"max": 3, "backoff": "6s", "on": ["crash"]});
        manifest.insert("retry".into(), retry);
    }
    if dice.chance(400) {
        manifest.insert("lock".into(), json!("gpu"));
    }
    if dice.chance(150) {
        manifest.insert("reviewPolicy".into(), json!("manual"));
    }
    let priority = ["critical", "high", "medium", "low"][dice.index(4)];
    manifest.insert("priority".into(), json!(priority));
    manifest
}

pub(super) fn named(key: &str, rest: Value) -> Map<String, Value> {
    let mut manifest = match rest {
        Value::Object(manifest) => manifest,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    manifest.insert("idempotencyKey".into(), json!(key));
    manifest.insert("engine".into(), json!("echo"));
    manifest
}

pub(super) fn content(manifest: &Map<String, Value>, now: Timestamp) -> Content {
    let text = Value::Object(manifest.clone()).to_string();
    let submission = Submission::from_json(text.as_bytes()).expect("a JSON object");
    let terms = Terms {
        product: "acme".parse().expect("a name"),
        submitted_by: "ci".into(),
        now,
        auto_key: Uuid::nil(),
        defaults: Map::new(),
        profiles: std::collections::BTreeMap::new(),
        allow_yolo: false,
        dev_engine: None,
    };
    normalise(&submission, &terms).expect("a manifest without fault").content
}
