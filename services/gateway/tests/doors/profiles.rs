//! Recipes through the door: made by admins, each version once, looked at by everybody else, and
//! run as they were when somebody claimed.

use std::time::Duration;

use fleet::ProfileRef;
use futures_util::future::join_all;
use protocol::{AboutJob, AboutProduct, Code, OfJob, OfProduct, PutProfile, Role};
use serde_json::{Value, json};

use crate::plain::{Said, Spoken};
use crate::roles::token_of;
use crate::town::{Town, refusal};

const A_WHILE: Duration = Duration::from_secs(10);

fn recipe(model: &str) -> Value {
    json!({"snapshot": {"engine": "echo", "model": model}})
}

async fn put(town: &Town, place: &str, body: &Value) -> Said {
    let line = format!("PUT /fleet/profiles/{place}");
    Spoken::new(&line).json(body.to_string()).to(town.address).await
}

async fn get(town: &Town, place: &str) -> Said {
    Spoken::new(&format!("GET /fleet/profiles{place}")).to(town.address).await
}

#[tokio::test]
async fn a_version_put_again_is_the_same_or_refused() {
    let town = Town::open().await;
    let made = put(&town, "fast/versions/3", &recipe("a")).await;
    assert_eq!((made.status, made.json()["outcome"].clone()), (201, json!("created")));
    let again = put(&town, "fast/versions/3", &recipe("a")).await;
    assert_eq!((again.status, again.json()["outcome"].clone()), (200, json!("existing")));
    assert_eq!(again.json()["profile"], made.json()["profile"], "the same record");
    let other = put(&town, "fast/versions/3", &recipe("b")).await;
    let error = other.json()["error"].clone();
    assert_eq!((other.status, &error["code"]), (409, &json!("CONFLICT")));
    assert_eq!(error["reason"], "immutable");
    assert_eq!(get(&town, "/fast/versions/3").await.json()["snapshot"]["model"], "a");
    town.close().await;
}

#[tokio::test]
async fn a_profile_is_found_by_its_name_and_by_its_version() {
    let town = Town::open().await;
    for (place, model) in
        [("fast/versions/3", "c"), ("fast/versions/1", "a"), ("slow/versions/1", "s")]
    {
        assert_eq!(put(&town, place, &recipe(model)).await.status, 201);
    }
    assert_eq!(get(&town, "/fast").await.json()["version"], 3);
    assert_eq!(get(&town, "/fast/versions/1").await.json()["snapshot"]["model"], "a");
    let all = get(&town, "").await.json();
    let told: Vec<Value> = all["items"].as_array().unwrap().clone();
    let told: Vec<_> =
        told.iter().map(|one| (&one["name"], &one["version"], &one["versions"])).collect();
    let (fast, slow) = (json!("fast"), json!("slow"));
    assert_eq!(told, [(&fast, &json!(3), &json!(2)), (&slow, &json!(1), &json!(1))]);
    for nothing in
        ["/none", "/fast/versions/2", "/fast/versions/0", "/fast/versions/x", "/a.b", "/fast@3"]
    {
        assert_eq!(get(&town, nothing).await.status, 404, "{nothing}");
    }
    // The bus tells the same.
    let ask = OfProduct { query: AboutProduct::Profiles, named: Some("fast".to_owned()) };
    let found = town.ask_bus(&ask).await.unwrap().items;
    assert_eq!(found, [get(&town, "/fast").await.json()]);
    let ask = OfProduct { query: AboutProduct::Profiles, named: Some("fast@2".to_owned()) };
    assert_eq!(refusal(town.ask_bus(&ask).await).code, Code::NotFound);
    // Another product has its own.
    let elsewhere = token_of(&town, "other", Role::Admin).await;
    let stranger =
        |line: &str| Spoken::bare(line).with(&format!("Authorization: Bearer {elsewhere}"));
    for line in ["GET /fleet/profiles/fast", "GET /fleet/profiles/fast/versions/3"] {
        assert_eq!(stranger(line).to(town.address).await.status, 404, "{line}");
    }
    let none = stranger("GET /fleet/profiles").to(town.address).await.json();
    assert_eq!(none["items"], json!([]));
    town.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_named() {
    let town = Town::open().await;
    let large = json!({"snapshot": {"engine": "echo", "promptTemplate": "x".repeat(65 << 10)}});
    let of = |snapshot: Value| json!({ "snapshot": snapshot });
    let wrong = [
        ("fast/versions/0", recipe("a"), "version"),
        ("fast/versions/x", recipe("a"), "version"),
        ("fast/versions/4294967296", recipe("a"), "version"),
        ("a.b/versions/1", recipe("a"), "name"),
        ("_x/versions/1", recipe("a"), "name"),
        ("fast/versions/1", json!({}), "snapshot"),
        ("fast/versions/1", json!({"snapshot": {"engine": "echo"}, "more": 1}), "more"),
        ("fast/versions/1", of(json!({"args": []})), "snapshot.engine"),
        ("fast/versions/1", of(json!({"engine": "a.b"})), "snapshot.engine"),
        ("fast/versions/1", of(json!({"engine": "echo", "args": "x"})), "snapshot.args"),
        ("fast/versions/1", of(json!({"engine": "echo", "timeout": "8d"})), "snapshot.timeout"),
        ("fast/versions/1", of(json!({"engine": "echo", "evn": {}})), "snapshot.evn"),
        ("fast/versions/1", of(json!({"engine": "echo", "env": {"A=B": ""}})), "snapshot.env.A=B"),
        (
            "fast/versions/1",
            of(json!({"engine": "echo", "capabilities": ["a b"]})),
            "snapshot.capabilities[0]",
        ),
        ("fast/versions/1", large, "snapshot"),
    ];
    for (place, body, field) in wrong {
        let said = put(&town, place, &body).await;
        let error = said.json()["error"].clone();
        assert_eq!((said.status, &error["code"]), (400, &json!("VALIDATION")), "{place} {error}");
        assert_eq!(error["field"], field, "{place} {error}");
    }
    assert_eq!(get(&town, "").await.json()["items"], json!([]), "nothing is kept");
    town.close().await;
}

/// Each through a connection of its own, to several replicas of the service.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_who_put_one_version_at_once_exactly_one_is_told_that_it_is_theirs() {
    let town = Town::open().await;
    for version in 1..=8 {
        let place = format!("fast/versions/{version}");
        let bodies: Vec<Value> = (0..8).map(|n| recipe(&format!("m{n}"))).collect();
        let said = join_all(bodies.iter().map(|body| put(&town, &place, body))).await;
        let won: Vec<&Said> = said.iter().filter(|said| said.status == 201).collect();
        assert_eq!(won.len(), 1);
        let lost = said.iter().filter(|said| said.status == 409);
        assert!(lost.clone().all(|said| said.json()["error"]["reason"] == "immutable"));
        assert_eq!(lost.count(), 7);
        assert_eq!(get(&town, &format!("/{place}")).await.json(), won[0].json()["profile"]);
    }
    town.close().await;
}

#[tokio::test]
async fn a_put_is_an_admins_and_is_noted() {
    let town = Town::open().await;
    let admin = token_of(&town, "acme", Role::Admin).await;
    let by = |token: &str, line: &str| {
        Spoken::bare(line).with(&format!("Authorization: Bearer {token}"))
    };
    let line = "PUT /fleet/profiles/fast/versions/1";
    let operator = token_of(&town, "acme", Role::Operator).await;
    let refused = by(&operator, line).json(recipe("a").to_string()).to(town.address).await;
    assert_eq!(refused.status, 403);
    for (model, result) in [("a", "ok"), ("b", "CONFLICT")] {
        by(&admin, line).json(recipe(model).to_string()).to(town.address).await;
        let trail = by(&admin, "GET /fleet/audit?limit=1").to(town.address).await.json();
        let note = &trail["items"][0];
        assert_eq!((&note["action"], &note["result"]), (&json!("profile.put"), &json!(result)));
        assert_eq!(note["target"], line);
    }
    town.close().await;
}

#[tokio::test]
async fn a_submission_names_only_what_there_is_and_takes_its_defaults() {
    let town = Town::open().await;
    let body = json!({"snapshot": {"engine": "echo", "timeout": "7m", "verify": "true",
        "capabilities": ["gpu"]}});
    assert_eq!(put(&town, "coder/versions/2", &body).await.status, 201);
    let submit = async |profile: &str| {
        let file = format!("---\nprofile: {profile}\n---\nWork.\n");
        let spoken = Spoken::new("POST /fleet/jobs").with("Content-Type: text/markdown");
        spoken.body(file).to(town.address).await
    };
    for unknown in ["painter", "coder@1", "coder@3"] {
        let said = submit(unknown).await;
        let error = said.json()["error"].clone();
        assert_eq!((said.status, &error["reason"]), (400, &json!("unknown_profile")), "{unknown}");
        assert_eq!((&error["field"], &error["details"][0]["line"]), (&json!("profile"), &json!(2)));
    }
    let pinned = submit("coder@2").await;
    assert_eq!(pinned.status, 201, "{}", pinned.body);
    let job = &pinned.json()["job"];
    assert_eq!((&job["engine"], &job["timeoutSec"]), (&json!("echo"), &json!(420)));
    assert_eq!((&job["verify"], &job["capabilities"]), (&json!("true"), &json!(["gpu"])));
    let named = submit("coder").await;
    assert_eq!((named.status, named.json()["job"].get("engine")), (201, None));
    town.close().await;
}

#[tokio::test]
async fn what_was_newest_at_the_claim_runs_whatever_is_put_afterwards() {
    let town = Town::open().await;
    assert_eq!(put(&town, "fast/versions/1", &recipe("a")).await.status, 201);
    let job = town.submit("---\nprofile: fast\n---\nWork.\n").await.job.id;
    assert_eq!(put(&town, "fast/versions/2", &recipe("b")).await.status, 201);
    let claim = town.claiming("f1", A_WHILE);
    let held = town.ask(&claim).await.unwrap().unwrap();
    assert_eq!(held.job.id, job);
    assert_eq!(put(&town, "fast/versions/3", &recipe("c")).await.status, 201);
    let again = town.ask(&claim).await.unwrap().unwrap();
    assert_eq!(again.claim_nonce, held.claim_nonce, "the same grant");
    for granted in [&held, &again] {
        let frozen = granted.profile_snapshot.as_ref().unwrap();
        assert_eq!(frozen.model.as_deref(), Some("b"));
    }
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    let ask = OfJob { query: AboutJob::Runs, job: job.to_string() };
    let run = loop {
        let run = town.ask(&ask).await.unwrap().items.remove(0);
        if run.get("result").is_some() {
            break run;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(run["profileSnapshot"]["model"], "b");
    assert_eq!((&run["engine"], &run["result"]), (&json!("echo"), &json!("shipped")));
    town.close().await;
}

/// Nobody knows beforehand what engine a profile without a version will ask for.
#[tokio::test]
async fn jobs_whose_profiles_do_not_suit_a_factory_keep_no_other_job_from_it() {
    let town = Town::open().await;
    let alien = json!({"snapshot": {"engine": "alien"}});
    assert_eq!(put(&town, "alien/versions/1", &alien).await.status, 201);
    for n in 0..20 {
        let file = format!("---\nprofile: alien\npriority: high\n---\nWork {n}.\n");
        town.submit(&file).await;
    }
    let last = town.submit("Work.").await.job.id;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    assert_eq!(held.job.id, last);
    let mut other = town.claiming("f2", A_WHILE);
    other.engines = vec!["alien".parse().unwrap()];
    let held = town.ask(&other).await.unwrap().unwrap();
    assert_eq!(held.profile_snapshot.unwrap().engine.as_str(), "alien");
    town.close().await;
}

#[tokio::test]
async fn the_client_says_at_the_door_what_it_says_on_the_bus() {
    let town = Town::open().await;
    let ProfileRef { name, .. } = "fast".parse().unwrap();
    let snapshot = serde_json::from_value(recipe("a")["snapshot"].clone()).unwrap();
    let ask = PutProfile { name, version: 1.try_into().unwrap(), snapshot };
    let first = town.ask(&ask).await.unwrap();
    let second = town.ask_bus(&ask).await.unwrap();
    assert_eq!((first.outcome.as_str(), second.outcome.as_str()), ("created", "existing"));
    assert_eq!(first.profile, second.profile);
    for named in [None, Some("fast".to_owned()), Some("fast@1".to_owned())] {
        let ask = OfProduct { query: AboutProduct::Profiles, named };
        assert_eq!(town.ask(&ask).await.unwrap(), town.ask_bus(&ask).await.unwrap());
    }
    town.close().await;
}
