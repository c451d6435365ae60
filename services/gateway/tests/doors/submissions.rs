//! Submissions that are wrong, through both doors: each says what the rules say of that very input,
//! word for word, and nothing of it is kept.

use std::collections::BTreeMap;

use fleet::{Invalid, Submission, Terms, normalise};
use protocol::{Problem, SubmitJob};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::bad_input::{case, hold, refused};
use crate::plain::Spoken;
use crate::town::{Ground, Town, refusal};
use crate::wrong::{Input, rows};

/// What is right here, where nobody has profiles and today is another day.
const RIGHT_HERE: [&str; 1] = ["31 a notBefore 367 days ahead"];
/// Judged by the door before the rules see them, with what is named then.
const AS_ANY_BODY: [(&str, &str); 4] = [
    ("16 a key twice", "malformed"),
    ("16 a key twice, within", "malformed"),
    ("18 a submission of 8 MiB + 1", ""),
    ("19 a job beyond 900 KiB by escapes", "bodyMd"),
];
/// Larger ones are refused by the bus itself.
const LARGEST_MESSAGE: usize = 700 << 10;

fn terms(town: &Town, allow_yolo: bool) -> Terms {
    Terms {
        product: "acme".parse().unwrap(),
        submitted_by: "local".into(),
        now: town.node.clock.now(),
        auto_key: Uuid::nil(),
        defaults: Map::new(),
        profiles: BTreeMap::new(),
        allow_yolo,
        dev_engine: None,
    }
}

/// What the rules say, as an answer says it.
fn by_the_rules(judged: Result<Submission, Invalid>, terms: &Terms) -> Option<Value> {
    let judged = judged.and_then(|submission| normalise(&submission, terms));
    judged.err().map(|invalid| nameless(json!(Problem::invalid(&invalid, Uuid::nil()))))
}

fn nameless(mut error: Value) -> Value {
    error["requestId"].take();
    error
}

async fn nothing_is_kept(town: &Town) {
    let list = Spoken::new("GET /fleet/jobs?admitted=any").to(town.address).await;
    assert_eq!(list.json()["items"], json!([]));
}

/// A town where nothing runs a job that names no engine.
async fn strict() -> Town {
    Town::on(Ground { engine: None, ..Ground::default() }).await
}

#[tokio::test]
async fn every_wrong_submission_is_answered_over_http_as_the_rules_say() {
    let town = strict().await;
    let terms = terms(&town, true);
    let mut judged = 0;
    for (name, input) in rows() {
        let (expected, media, bytes) = match input {
            Input::File(bytes) => {
                (by_the_rules(Submission::from_markdown(&bytes), &terms), "text/markdown", bytes)
            }
            Input::Json(bytes) => {
                (by_the_rules(Submission::from_json(&bytes), &terms), "application/json", bytes)
            }
        };
        let Some(expected) = expected else {
            assert!(RIGHT_HERE.contains(&name) || name.starts_with("54 "), "{name} is taken");
            continue;
        };
        let spoken = Spoken::new("POST /fleet/jobs").with(&format!("Content-Type: {media}"));
        let said = spoken.body(bytes).to(town.address).await;
        let code = expected["code"].as_str().unwrap();
        let by_the_door = AS_ANY_BODY.iter().find(|(row, _)| *row == name);
        refused(name, &said, code, by_the_door.map_or("", |(_, named)| named));
        let status = if code == "TOO_LARGE" { 413 } else { 400 };
        assert_eq!(said.status, status, "{name}");
        if by_the_door.is_none() {
            assert_eq!(nameless(said.json()["error"].clone()), expected, "{name}");
        }
        judged += 1;
    }
    assert!(judged > 150, "{judged}");
    nothing_is_kept(&town).await;
    town.close().await;
}

#[tokio::test]
async fn every_wrong_submission_is_answered_over_the_bus_as_the_rules_say() {
    let town = strict().await;
    let terms = terms(&town, false);
    let mut judged = 0;
    for (name, input) in rows() {
        let Some((submission, ask)) = as_a_message(name, input) else { continue };
        let Some(expected) = by_the_rules(submission, &terms) else {
            assert!(RIGHT_HERE.contains(&name), "{name} is taken");
            continue;
        };
        let said = refusal(town.ask_bus(&ask).await);
        assert_eq!(nameless(json!(said)), expected, "{name}");
        judged += 1;
    }
    assert!(judged > 130, "{judged}");
    nothing_is_kept(&town).await;
    town.close().await;
}

/// What the rules read and what the bus carries, where a message can carry it.
fn as_a_message(name: &str, input: Input) -> Option<(Result<Submission, Invalid>, SubmitJob)> {
    match input {
        Input::File(bytes) if bytes.len() < LARGEST_MESSAGE => {
            let file = String::from_utf8(bytes).ok()?;
            let submission = Submission::from_markdown(file.as_bytes());
            Some((submission, SubmitJob { file: Some(file), ..SubmitJob::default() }))
        }
        // What is no JSON is no message either, and is judged before anybody looks inside.
        Input::Json(bytes) if bytes.len() < LARGEST_MESSAGE && !name.starts_with("16 ") => {
            let keys: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
            let submission = Submission::from_object(&keys);
            Some((submission, SubmitJob { submission: Some(keys), ..SubmitJob::default() }))
        }
        Input::File(_) | Input::Json(_) => None,
    }
}

fn job(keys: &str) -> SubmitJob {
    let file = Some(format!("---\nengine: echo\n{keys}\n---\nWork.\n"));
    SubmitJob { file, ..SubmitJob::default() }
}

/// The way round, as both doors tell it.
async fn cycle(town: &Town, ask: &SubmitJob) -> Vec<String> {
    let over_http = refusal(town.ask(ask).await);
    let over_bus = refusal(town.ask_bus(ask).await);
    assert_eq!(over_http.code.as_str(), "DEPENDENCY_CYCLE", "{over_http:?}");
    assert_eq!((over_http.code, &over_http.path), (over_bus.code, &over_bus.path));
    over_http.path
}

#[tokio::test]
async fn a_circle_is_refused_at_the_door_with_the_way_round() {
    let town = Town::open().await;
    town.ask(&job("idempotencyKey: a\ndeps: [b]")).await.unwrap();
    let two = cycle(&town, &job("idempotencyKey: b\ndeps: [a]")).await;
    assert_eq!(two.len(), 3, "there and back: {two:?}");
    town.ask(&job("idempotencyKey: b\ndeps: [c]")).await.unwrap();
    let three = cycle(&town, &job("idempotencyKey: c\ndeps: [a]")).await;
    assert_eq!(three.len(), 4, "{three:?}");
    // By new content of a job that waits.
    town.ask(&job("idempotencyKey: d")).await.unwrap();
    town.ask(&job("idempotencyKey: e\ndeps: [d]")).await.unwrap();
    cycle(&town, &job("idempotencyKey: d\ndeps: [e]")).await;
    // Through a parent, which waits for its children.
    town.ask(&job("idempotencyKey: f\ndeps: [family]")).await.unwrap();
    let family = "idempotencyKey: family\nchildren: [{engine: echo, deps: [f]}]";
    cycle(&town, &job(family)).await;
    town.close().await;
}

#[tokio::test]
async fn a_circle_of_a_thousand_is_refused_too() {
    let town = Town::open().await;
    for at in 0..999 {
        let next = at + 1;
        town.ask(&job(&format!("idempotencyKey: k{at}\ndeps: [k{next}]"))).await.unwrap();
    }
    let last = job("idempotencyKey: k999\ndeps: [k0]");
    let refused = refusal(town.ask(&last).await);
    assert_eq!((refused.code.as_str(), refused.path.len()), ("DEPENDENCY_CYCLE", 1001));
    town.close().await;
}

#[tokio::test]
async fn a_dependency_that_must_exist_and_does_not_is_named() {
    let town = Town::open().await;
    let ask = job("deps: [never]\nrequireDepsExist: true");
    for refused in [refusal(town.ask(&ask).await), refusal(town.ask_bus(&ask).await)] {
        assert_eq!(
            (refused.code.as_str(), refused.field.as_deref(), refused.reason.as_deref()),
            ("VALIDATION", Some("deps"), Some("unknown_dependency"))
        );
    }
    nothing_is_kept(&town).await;
    town.close().await;
}

#[tokio::test]
async fn a_key_whose_job_has_begun_takes_no_other_content() {
    let town = Town::open().await;
    let submit = |body: &str| {
        let keys = json!({ "idempotencyKey": "one", "engine": "echo", "bodyMd": body });
        Spoken::new("POST /fleet/jobs").json(keys.to_string())
    };
    assert_eq!(submit("One.").to(town.address).await.status, 201);
    let held = town.claim("f1", std::time::Duration::from_secs(10)).await.unwrap();
    let conflict = (409, "IDEMPOTENCY_CONFLICT", "");
    hold(&town, vec![case("36 assigned", submit("Two."), conflict)]).await;
    let told = submit("Two.").to(town.address).await.json();
    assert_eq!(told["error"]["current"]["stage"], json!("assigned"), "{told}");
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    hold(&town, vec![case("36 shipped", submit("Two."), conflict)]).await;
    assert_eq!(submit("One.").to(town.address).await.status, 200, "the same is the same");
    let yolo = job("yolo: true");
    assert_eq!(
        refusal(town.ask_bus(&yolo).await).reason.as_deref(),
        Some("yolo"),
        "54: nobody says it on the bus"
    );
    town.close().await;
}
