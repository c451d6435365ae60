//! From a file to a shipped job through the HTTP door, and the same refusals at both doors.

use std::time::Duration;

use fleet::{OpId, StageName};
use futures_util::StreamExt;
use protocol::{
    AboutJob, Ask, Code, Found, JobAction, ListJobs, OfJob, Operate, ReportProgress, SubmitJob,
};
use serde_json::json;

use crate::plain::Spoken;
use crate::town::{Town, refusal};

const NO_WAIT: Duration = Duration::ZERO;
const A_WHILE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_file_becomes_a_job_that_a_factory_ships_over_http() {
    let town = Town::open().await;
    let receipt =
        town.submit("---\npriority: high\nidempotencyKey: a/b ü\n---\nSay hello.\n").await;
    assert_eq!(receipt.outcome, "created");
    assert!(!town.ask(&town.beat("f1")).await.unwrap().draining);
    let held = town.claim("f1", A_WHILE).await.unwrap();
    assert_eq!(held.job.fields()["bodyMd"], json!("Say hello.\n"));
    town.build("f1", &held).await.unwrap();
    let renewed = town.renew("f1", &held).await;
    assert!(renewed.expires_at.is_some() && renewed.error.is_none(), "{renewed:?}");
    let progress = ReportProgress {
        job_id: held.job.id,
        factory_id: "f1".parse().unwrap(),
        lease_epoch: held.lease_epoch,
        claim_nonce: held.claim_nonce,
        seq: 1,
        percent: 50,
        step: None,
        message: None,
    };
    town.ask(&progress).await.unwrap();
    let done = town.ship("f1", &held).await.unwrap();
    assert_eq!(done.stage, StageName::Shipped);
    let by_key = OfJob { query: AboutJob::Get, job: "a/b ü".into() };
    assert_eq!(town.ask(&by_key).await.unwrap().items[0]["stage"], json!("shipped"));
    town.close().await;
}

#[tokio::test]
async fn both_doors_show_the_same() {
    let town = Town::open().await;
    let job = town.submit("---\nidempotencyKey: k\n---\nWork.").await.job.id;
    let never_claimed = OfJob { query: AboutJob::Lease, job: job.to_string() };
    assert_eq!(town.ask(&never_claimed).await.unwrap().items, Vec::<serde_json::Value>::new());
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    for query in [AboutJob::Get, AboutJob::Runs, AboutJob::Lease] {
        let ask = OfJob { query, job: job.to_string() };
        agreed(&town, &ask, |_| {}).await;
    }
    // The door tells nobody what a holder proves itself with.
    let ask = OfJob { query: AboutJob::Events, job: job.to_string() };
    let without_nonces = |found: &mut Found| {
        let data = found.items.iter_mut().filter_map(|event| event.get_mut("data"));
        let data = data.filter_map(|data| data.as_object_mut());
        data.for_each(|data| drop(data.remove("claimNonce")));
    };
    agreed(&town, &ask, without_nonces).await;
    let list = ListJobs {
        stage: vec![StageName::Shipped, StageName::Queued],
        limit: Some(1),
        ..ListJobs::default()
    };
    assert_eq!(agreed(&town, &list, |_| {}).await.items.len(), 1);
    town.close().await;
}

/// What both doors say, once what follows a completion has followed.
async fn agreed<A: Ask<Reply: PartialEq>>(
    town: &Town,
    ask: &A,
    as_the_door_tells_it: impl Fn(&mut A::Reply),
) -> A::Reply {
    for _ in 0..1000 {
        let (over_http, mut over_bus) =
            (town.ask(ask).await.unwrap(), town.ask_bus(ask).await.unwrap());
        as_the_door_tells_it(&mut over_bus);
        if over_http == over_bus {
            return over_http;
        }
    }
    panic!("the doors do not agree");
}

#[tokio::test]
async fn both_doors_refuse_in_the_same_words() {
    let town = Town::open().await;
    let unknown = OfJob { query: AboutJob::Get, job: "j_aaaaaaaaaaaaaaaaaaaaaaaaaa".into() };
    let file = "---\npriorty: high\ntimeout: soon\n---\nWork.";
    let faulty = SubmitJob { file: Some(file.into()), ..SubmitJob::default() };
    let keys = json!({ "priorty": "high", "bodyMd": "Work." });
    let faulty_keys = SubmitJob { submission: keys.as_object().cloned(), ..SubmitJob::default() };
    let nothing = SubmitJob::default();
    for ask in [faulty, faulty_keys, nothing] {
        let patience = town.patience();
        let over_http = refusal(town.http.call(&ask, patience).await);
        let over_bus = refusal(town.bus.call(&ask, patience).await);
        assert_eq!(over_http, over_bus);
    }
    let patience = town.patience();
    let over_http = refusal(town.http.call(&unknown, patience).await);
    assert_eq!(over_http, refusal(town.bus.call(&unknown, patience).await));
    assert_eq!(over_http.code, Code::NotFound);
    town.close().await;
}

#[tokio::test]
async fn a_zombie_is_refused_with_the_truth_about_its_job() {
    let town = Town::open().await;
    let job = town.submit("Long work.").await.job.id;
    let lost = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &lost).await.unwrap();
    let requeue = Operate {
        action: JobAction::Requeue,
        job_id: job,
        op_id: Some(OpId::from_uuid(town.node.ids.mint())),
        reason: Some("its host is gone".into()),
        force: false,
        now: false,
        alone: false,
    };
    town.ask(&requeue).await.unwrap();
    let again = town.claim("f2", A_WHILE).await.unwrap();
    assert_eq!(again.job.id, job);
    let zombie = town.shipping("f1", &lost);
    let mut body = json!(zombie);
    body.as_object_mut().unwrap().remove("jobId");
    let line = format!("POST /fleet/jobs/{job}/lease/release");
    let said = Spoken::new(&line).json(body.to_string()).to(town.address).await;
    assert_eq!(said.status, 409);
    let error = &said.json()["error"];
    assert_eq!(error["code"], json!("FENCED"));
    assert_eq!(error["current"]["leaseEpoch"], json!(again.lease_epoch));
    assert_eq!(error["current"]["holderFactoryId"], json!("f2"));
    let line = format!("POST /fleet/jobs/{job}/lease/renew");
    let lease = json!({ "factoryId": "f1", "leaseEpoch": lost.lease_epoch,
        "claimNonce": lost.claim_nonce });
    let said = Spoken::new(&line).json(lease.to_string()).to(town.address).await;
    assert_eq!((said.status, &said.json()["error"]["code"]), (409, &json!("FENCED")));
    assert_eq!(town.renew("f1", &lost).await.error.unwrap().code, Code::Fenced);
    town.build("f2", &again).await.unwrap();
    town.ship("f2", &again).await.unwrap();
    assert_eq!(town.job(job).await["stage"], json!("shipped"));
    town.close().await;
}

#[tokio::test]
async fn a_claim_that_waits_is_woken_by_a_submission() {
    let town = Town::open().await;
    let began = town.node.clock.uptime();
    let waiting = town.claim("f1", Duration::from_secs(20));
    let mut asked = town.hear_claims("f1").await;
    let submitting = async {
        asked.next().await.expect("the claim is on the bus");
        // All is one thread here: those who have something to do have done it, and the claim waits.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        town.submit("Late work.").await
    };
    let (held, receipt) = tokio::join!(waiting, submitting);
    assert_eq!(held.unwrap().job.id, receipt.job.id);
    assert!(town.node.clock.uptime() - began < Duration::from_secs(5), "the news woke it");
    town.close().await;
}

#[tokio::test]
async fn without_work_a_claim_is_told_when_to_come_back() {
    let town = Town::open().await;
    let body = json!(town.claiming("f1", NO_WAIT)).to_string();
    let said = Spoken::new("POST /fleet/claim").json(body).to(town.address).await;
    assert_eq!((said.status, said.body.as_str()), (204, ""));
    assert_eq!(said.header("retry-after"), Some("1"));
    town.close().await;
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let town = Town::open().await;
    let made = Spoken::new("POST /fleet/jobs").with("Content-Type: text/markdown; charset=UTF-8");
    let made = made.body("---\nidempotencyKey: once\n---\nWork.");
    let first = made.to(town.address).await;
    let again = made.to(town.address).await;
    assert_eq!((first.status, again.status), (201, 200));
    let job = first.json()["job"]["id"].as_str().unwrap().to_owned();
    let get = Spoken::new(&format!("GET /fleet/jobs/{job}"));
    let shown = get.to(town.address).await;
    let etag = shown.header("etag").unwrap().to_owned();
    let known = get.clone().with(&format!("If-None-Match: \"x\", {etag}")).to(town.address).await;
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    let other = get.with("If-None-Match: \"other\"").to(town.address).await;
    assert_eq!(other.status, 200);
    let cancel = Spoken::new(&format!("POST /fleet/jobs/{job}/cancel"));
    let stale = cancel.clone().with("If-Match: \"other\"").to(town.address).await;
    assert_eq!(stale.status, 409);
    assert_eq!(stale.json()["error"]["reason"], json!("etag_mismatch"));
    assert_eq!(stale.json()["error"]["current"]["stage"], json!("queued"));
    let cancelled = cancel.with(&format!("If-Match: {etag}")).to(town.address).await;
    assert_eq!((cancelled.status, &cancelled.json()["job"]["stage"]), (200, &json!("failed")));
    town.close().await;
}

#[tokio::test]
async fn a_request_keeps_its_name() {
    let town = Town::open().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let named = Spoken::new("GET /fleet/jobs").with(&format!("Fleet-Request-Id: {id}"));
    let said = named.to(town.address).await;
    assert_eq!((said.header("fleet-request-id"), said.header("fleet-api")), (Some(id), Some("1")));
    let junk = Spoken::new("GET /fleet/jobs").with("Fleet-Request-Id: junk").to(town.address).await;
    let made = junk.header("fleet-request-id").unwrap();
    assert!(made.len() == 36 && made != id, "{made}");
    town.close().await;
}

#[tokio::test]
async fn a_door_says_whether_it_can_work() {
    let town = Town::open().await;
    let alive = Spoken::bare("GET /healthz").to(town.address).await;
    let ready = Spoken::bare("GET /readyz").to(town.address).await;
    assert_eq!((alive.status, ready.status), (200, 200));
    town.close().await;
    let deaf = crate::closing::without_services().await;
    let ready = Spoken::bare("GET /readyz").to(deaf).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["error"]["reason"], json!("no_responders"));
    assert_eq!(Spoken::bare("GET /healthz").to(deaf).await.status, 200);
}
