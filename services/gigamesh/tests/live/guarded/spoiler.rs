//! A factory in a stranger's hands: it says whatever the protocol can say, under its own name and
//! under another's. It spoils the job that it holds, and nothing else.

use clock::{Ids, System};
use serde_json::{Value, json};

use super::raw::Raw;
use super::town::Town;
use crate::mesh::Role;
use crate::process::eventually;

const PRODUCT: &str = "Acme";

/// All services in one process, with the credentials of that.
async fn services(town: &Town) -> Role {
    town.init().await;
    let url = town.url();
    let all = town.as_whom(&town.issue(&["all"]).await);
    let mut words = vec!["all", "--listen", "127.0.0.1:0"];
    words.extend(all.iter().map(String::as_str));
    Role::start(town.folder(), (&url, &town.server.monitor()), &words).await
}

fn submission(key: &str) -> Value {
    json!({ "file": format!("---\nengine: echo\nidempotencyKey: {key}\n---\nx\n") })
}

/// A factory by hand, with the one job that it holds.
struct Holder {
    raw: Raw,
    id: &'static str,
    time: System,
    job: String,
    epoch: Value,
    nonce: Value,
}

impl Holder {
    async fn with_a_job(town: &Town, id: &'static str) -> Self {
        let raw = town.raw(&["factory", "--product", PRODUCT, "--factory", id]).await;
        let (job, time) = (String::new(), System::start());
        let mut holder = Self { raw, id, time, job, epoch: Value::Null, nonce: Value::Null };
        let incarnation = holder.time.mint();
        let beat = json!({
            "factoryId": id, "incarnation": incarnation, "capabilities": [], "engines": ["echo"],
            "seatLimit": 1,
        });
        let beaten = holder.say("heartbeat", &beat).await;
        assert!(beaten.get("serverTime").is_some(), "{beaten}");
        let claim = json!({
            "claimRequestId": holder.time.mint(), "factoryId": id, "incarnation": incarnation,
            "capabilities": [], "engines": ["echo"], "freeSeats": 1, "waitMs": 15_000,
        });
        let granted = holder.say("claim", &claim).await;
        holder.job =
            granted["job"]["id"].as_str().unwrap_or_else(|| panic!("{granted}")).to_owned();
        (holder.epoch, holder.nonce) =
            (granted["leaseEpoch"].clone(), granted["claimNonce"].clone());
        holder
    }

    fn subject(&self, word: &str) -> String {
        format!("fleet.v1.{PRODUCT}.f.{}.{word}", self.id)
    }

    async fn say(&mut self, word: &str, body: &Value) -> Value {
        let subject = self.subject(word);
        self.raw.request(&subject, body).await
    }

    /// Its word about a job, with everything that it could know of it.
    fn word(&self, about: &Self, more: &Value) -> Value {
        let mut body = json!({
            "jobId": about.job, "factoryId": self.id, "leaseEpoch": about.epoch,
            "claimNonce": about.nonce, "opId": self.time.mint(),
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    }
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or("none")
}

async fn job(raw: &mut Raw, key: &str) -> Value {
    let found = raw
        .request(&format!("fleet.v1.{PRODUCT}.q.get"), &json!({ "query": "get", "job": key }))
        .await;
    found["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_in_a_strangers_hands_spoils_the_job_that_it_holds_and_nothing_else() {
    let town = Town::plain().await;
    let services = services(&town).await;
    let mut producer = town.raw(&["producer", "--product", PRODUCT, "--name", "ci"]).await;
    for key in ["its-own", "anothers"] {
        let subject = format!("fleet.v1.{PRODUCT}.submit");
        let receipt = producer.request(&subject, &submission(key)).await;
        assert_eq!(receipt["outcome"], "created", "{receipt}");
    }
    let mut spoiler = Holder::with_a_job(&town, "F1").await;
    let mut honest = Holder::with_a_job(&town, "F2").await;
    // It knows the other's job, epoch and even nonce, as if it had read them off the other's disk.
    let failure = json!({ "disposition": "fail" });
    let words = [
        ("release", failure.clone()),
        ("release", json!({ "disposition": "ship" })),
        ("patch", json!({ "stage": "building" })),
        ("progress", json!({ "seq": 1, "percent": 50 })),
    ];
    for (word, more) in &words {
        let mut body = spoiler.word(&honest, more);
        if *word == "progress" {
            body.as_object_mut().unwrap().remove("opId");
        }
        let under_its_name = spoiler.say(word, &body).await;
        let refusals = ["FENCED", "OUT_OF_SCOPE", "LEASE_NOT_HELD", "RUN_CLOSED"];
        assert!(refusals.contains(&code(&under_its_name)), "{word}: {under_its_name}");
        body["factoryId"] = json!("F2");
        let in_anothers_name = spoiler.say(word, &body).await;
        assert_eq!(code(&in_anothers_name), "OUT_OF_SCOPE", "{word}: {in_anothers_name}");
        let stolen = spoiler.raw.publish(&honest.subject(word), &body.to_string()).await;
        assert!(stolen.unwrap_err().contains("Permissions Violation"), "{word}");
    }
    let renewed = json!({ "factoryId": "F1", "leases": [{
        "jobId": honest.job, "leaseEpoch": honest.epoch, "claimNonce": honest.nonce }] });
    let answer = spoiler.say("renew", &renewed).await;
    assert_ne!(answer["leases"][0]["outcome"], "ok", "{answer}");
    let leave = spoiler.raw.publish(&honest.subject("deregister"), "{}").await;
    leave.unwrap_err();
    // What it holds it may spoil.
    let own = spoiler.word(&spoiler, &failure);
    let answer = spoiler.say("release", &own).await;
    assert_eq!(code(&answer), "none", "{answer}");
    // And nothing of it reached the other: the same nonce goes on and ends the same run.
    let on = honest.word(&honest, &json!({ "stage": "building" }));
    let answer = honest.say("patch", &on).await;
    assert_eq!(code(&answer), "none", "{answer}");
    let end = honest.word(&honest, &json!({ "disposition": "ship" }));
    let answer = honest.say("release", &end).await;
    assert_eq!(code(&answer), "none", "{answer}");
    let held: Vec<_> = [job(&mut producer, "its-own").await, job(&mut producer, "anothers").await]
        .into_iter()
        .map(|job| (job["id"].as_str().unwrap().to_owned(), job))
        .collect();
    for (id, job) in held {
        let (stage, failures) = (&job["stage"], &job["failures"]);
        if id == honest.job {
            assert_eq!((stage, failures), (&json!("shipped"), &json!(0)), "{job}");
        } else {
            assert_ne!(stage, "shipped", "{job}");
        }
    }
    assert_eq!(services.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_to_an_inbox_alone_and_headers_of_the_servers_are_not_heard() {
    let town = Town::plain().await;
    let services = services(&town).await;
    let mut producer = town.raw(&["producer", "--product", PRODUCT, "--name", "ci"]).await;
    let mut witness = town.witness().await;
    let submit = format!("fleet.v1.{PRODUCT}.submit");
    let places = [
        "$KV.fleet_jobs_0.Acme.j",
        "$JS.API.STREAM.DELETE.FLEET_EVENTS",
        "fleet.v1.Acme.op.pause",
        "fleet.v1.Acme.f.F1.release",
        "_INBOXES.x",
        "anywhere",
    ];
    for (number, place) in places.into_iter().enumerate() {
        let body = submission(&format!("bad-{number}")).to_string();
        producer.publish_to(&submit, place, &body).await.expect("the request itself is allowed");
    }
    let headers = "Nats-Rollup: all\r\nNats-Expected-Last-Sequence: 99\r\n\
                   Nats-Expected-Last-Subject-Sequence: 7\r\nNats-Expected-Stream: NONE\r\n\
                   Nats-TTL: 1s\r\nNats-Msg-Id: x";
    let body = submission("good").to_string();
    let heard = producer.request_with(&submit, headers, &body).await;
    let receipt: Value = serde_json::from_slice(&heard.body).unwrap();
    assert_eq!(receipt["outcome"], "created", "{receipt}");
    assert!(!heard.headers.contains("Nats-Rollup"), "{}", heard.headers);
    // The good one was taken in after the bad ones, on the same line.
    let list = format!("fleet.v1.{PRODUCT}.q.list");
    let listed = producer.request(&list, &json!({})).await;
    let items = listed["items"].as_array().unwrap();
    let keys: Vec<_> = items.iter().map(|job| job["idempotencyKey"].clone()).collect();
    assert_eq!(keys, [json!("good")], "none of the others had an effect: {listed}");
    witness.say("").await;
    for place in places {
        let there = witness.heard.iter().filter(|heard| heard.subject == place);
        assert_eq!(there.count(), 0, "nobody spoke to {place}");
    }
    // What is kept is kept by the stream's own rules: a producer cannot clear it by a header.
    let intake = format!("fleet.v1.{PRODUCT}.in");
    let refused = producer.request_with(&intake, "Nats-Rollup: all", &body).await;
    let refused: Value = serde_json::from_slice(&refused.body).unwrap();
    assert!(refused["error"]["err_code"].is_number(), "{refused}");
    let kept = producer.request(&intake, &submission("kept")).await;
    assert_eq!(kept["stream"], "FLEET_INTAKE", "{kept}");
    let looking = std::sync::Arc::new(tokio::sync::Mutex::new(producer));
    eventually("what was kept is taken in", async || {
        let found = job(&mut *looking.lock().await, "kept").await;
        found.is_object().then_some(())
    })
    .await;
    assert_eq!(services.stop().await, Some(0));
}
