//! What operators do to factories and to a product, and what factories say of themselves, through
//! the HTTP door with every service behind it.

use std::time::Duration;

use client::{CallError, OverHttp};
use fleet::StageName;
use protocol::{
    AddChildren, Code, Deregister, FactoryAction, JobAction, Operate, OperateFactory,
    OperateProduct, ProductAction, RenewLeases, RenewOne, Verify,
};
use serde_json::{Value, json};

use crate::plain::Spoken;
use crate::town::{Town, refusal};

const NO_WAIT: Duration = Duration::ZERO;
const A_WHILE: Duration = Duration::from_secs(10);

fn draining(factory: &str, action: FactoryAction, now: bool) -> OperateFactory {
    OperateFactory { action, factory_id: factory.parse().unwrap(), now }
}

#[tokio::test]
async fn a_drained_factory_gets_no_work_and_gives_back_what_it_holds_only_at_once() {
    let town = Town::open().await;
    town.ask(&town.beat("f1")).await.unwrap();
    let first = town.submit("First.").await.job.id;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    let drained = town.ask(&draining("f1", FactoryAction::Drain, false)).await.unwrap();
    assert_eq!((&drained["draining"], &drained["factoryId"]), (&json!(true), &json!("f1")));
    assert!(town.ask(&town.beat("f1")).await.unwrap().draining);
    town.submit("Second.").await;
    assert!(town.claim("f1", NO_WAIT).await.is_none(), "it gets nothing new");
    assert_eq!(town.renew("f1", &held).await.stop, None, "what runs may finish");
    town.ask(&draining("f1", FactoryAction::Drain, true)).await.unwrap();
    assert_eq!(town.renew("f1", &held).await.stop.as_deref(), Some("drain"));
    let resumed = town.ask(&draining("f1", FactoryAction::Undrain, false)).await.unwrap();
    assert_eq!(resumed["draining"], json!(false));
    assert_eq!(town.renew("f1", &held).await.stop, None);
    town.ship("f1", &held).await.unwrap();
    assert_eq!(town.job(first).await["stage"], json!("shipped"));
    assert!(town.claim("f1", A_WHILE).await.is_some(), "it is given work again");
    town.close().await;
}

#[tokio::test]
async fn a_paused_product_gives_nothing_away_but_takes_in_and_finishes() {
    let town = Town::open().await;
    let running = town.submit("Running.").await.job.id;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    let pause = OperateProduct { action: ProductAction::Pause, reason: Some("a fire".into()) };
    let paused = town.ask(&pause).await.unwrap();
    assert_eq!(paused["pausedReason"], json!("a fire"));
    assert_eq!(paused["pausedBy"]["id"], json!("local"));
    town.submit("Waiting.").await;
    assert!(town.claim("f2", NO_WAIT).await.is_none());
    town.ship("f1", &held).await.unwrap();
    assert_eq!(town.job(running).await["stage"], json!("shipped"));
    let resume = OperateProduct { action: ProductAction::Resume, reason: None };
    let resumed = town.ask(&resume).await.unwrap();
    assert_eq!((&resumed["paused"], resumed.get("pausedReason")), (&json!(false), None));
    assert!(town.claim("f2", A_WHILE).await.is_some());
    town.close().await;
}

#[tokio::test]
async fn a_factory_that_deregisters_makes_room_for_its_next_start() {
    let town = Town::open().await;
    let first = town.beat("f1");
    town.ask(&first).await.unwrap();
    let mut second = town.beat("f1");
    second.incarnation = fleet::Incarnation::from_uuid(town.node.ids.mint());
    assert_eq!(refusal(town.ask(&second).await).reason.as_deref(), Some("incarnation_in_use"));
    let leave = |beat: &protocol::Beat| Deregister {
        factory_id: beat.factory_id.clone(),
        incarnation: beat.incarnation,
    };
    assert_eq!(refusal(town.ask(&leave(&second)).await).code, Code::Conflict);
    town.ask(&leave(&first)).await.unwrap();
    town.submit("Work.").await;
    assert!(town.claim("f1", NO_WAIT).await.is_none(), "who has left gets no work");
    town.ask(&leave(&first)).await.unwrap();
    town.ask(&second).await.unwrap();
    assert!(town.claim("f1", A_WHILE).await.is_some());
    town.close().await;
}

#[tokio::test]
async fn verify_finds_nothing_wrong_with_a_fleet_at_work() {
    let town = Town::open().await;
    town.submit("---\nidempotencyKey: a\n---\nWork.").await;
    town.submit("---\nidempotencyKey: b\ndeps: [a]\n---\nWork.").await;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    let verified = town.ask(&Verify {}).await.unwrap();
    assert_eq!((verified.jobs, verified.violations), (2, Vec::new()));
    town.close().await;
}

#[tokio::test]
async fn children_join_a_composite_that_waits() {
    let town = Town::open().await;
    let family = "---\nidempotencyKey: family\nchildren:\n- { bodyMd: One. }\n---\n";
    let parent = town.submit(family).await.job.id;
    let child = |keys: Value| keys.as_object().cloned().unwrap();
    let late = child(json!({ "idempotencyKey": "late", "bodyMd": "Late." }));
    let ask = AddChildren { job_id: parent, children: vec![late], yolo: false };
    let added = town.ask(&ask).await.unwrap();
    assert_eq!((added.job.id, added.children.len()), (parent, 1));
    assert_eq!(town.job(added.children[0]).await["parentId"], json!(parent));
    let again = town.ask(&ask).await.unwrap();
    assert_eq!(again.children, added.children, "said twice, added once");
    let faulty = AddChildren {
        job_id: parent,
        children: vec![child(json!({ "bodyMd": "x" })), child(json!({ "priorty": "high" }))],
        yolo: false,
    };
    let refused = refusal(town.ask(&faulty).await);
    assert_eq!(refused.field.as_deref(), Some("children[1].priorty"));
    let by_key = Spoken::new("POST /fleet/jobs/family/children");
    let none = by_key.clone().json(r#"{"children":[]}"#).to(town.address).await.json();
    assert_eq!(none["error"]["field"], json!("children"));
    let foreign = json!({ "children": [{ "bodyMd": "x", "parent": "other" }] }).to_string();
    let foreign = by_key.json(foreign).to(town.address).await.json();
    assert_eq!(foreign["error"]["field"], json!("children[0].parent"));
    let leaf = town.submit("Alone.").await.job.id;
    let ask =
        AddChildren { job_id: leaf, children: vec![child(json!({ "bodyMd": "x" }))], yolo: false };
    assert_eq!(refusal(town.ask(&ask).await).code, Code::InvalidTransition);
    assert_eq!(town.ask(&protocol::ListJobs::default()).await.unwrap().items.len(), 4);
    town.close().await;
}

#[tokio::test]
async fn one_request_renews_several_leases_and_tells_of_each() {
    let town = Town::open().await;
    town.submit("One.").await;
    town.submit("Two.").await;
    let mut leases = Vec::new();
    for _ in 0..2 {
        let held = town.claim("f1", A_WHILE).await.unwrap();
        town.build("f1", &held).await.unwrap();
        let (job_id, lease_epoch) = (held.job.id, held.lease_epoch);
        leases.push(RenewOne { job_id, lease_epoch, claim_nonce: held.claim_nonce });
    }
    leases[1].lease_epoch = fleet::Epoch::new(9);
    let ask = RenewLeases { factory_id: "f1".parse().unwrap(), leases };
    let said = Spoken::new("POST /fleet/leases/renew").json(json!(ask).to_string());
    let said = said.to(town.address).await;
    let told = &said.json()["leases"];
    assert_eq!(said.status, 200);
    assert!(told[0]["expiresAt"].is_string() && told[0].get("error").is_none(), "{told}");
    assert_eq!(told[1]["error"]["code"], json!("EPOCH_UNKNOWN"));
    let none = RenewLeases { factory_id: "f1".parse().unwrap(), leases: Vec::new() };
    assert_eq!(town.ask(&none).await.unwrap().leases, Vec::new());
    town.close().await;
}

#[tokio::test]
async fn an_action_names_its_job_by_key_and_what_it_expects_of_it() {
    let town = Town::open().await;
    let job = town.submit("---\nidempotencyKey: a/b\n---\nWork.").await.job;
    let act =
        |body: Value| Spoken::new("POST /fleet/jobs/a%2Fb/actions/cancel").json(body.to_string());
    let stale = act(json!({ "expect": "nothing-like-it" })).to(town.address).await;
    let error = &stale.json()["error"];
    assert_eq!((stale.status, &error["reason"]), (409, &json!("changed_since_plan")));
    assert_eq!(error["current"]["stage"], json!("queued"));
    for (body, field) in [
        (json!({ "expect": 7 }), "expect"),
        (json!({ "mode": "soon" }), "mode"),
        (json!({ "cascade": "yes" }), "cascade"),
        (json!({ "raeson": "x" }), "raeson"),
    ] {
        let said = act(body).to(town.address).await;
        assert_eq!((said.status, &said.json()["error"]["field"]), (400, &json!(field)));
    }
    // Its events are still being told, and each round of that is a revision of its own.
    let mut tries = 0;
    let said = loop {
        tries += 1;
        let etag = town.job(job.id).await["etag"].clone();
        let body = json!({ "expect": etag, "mode": "now", "cascade": false, "reason": "enough" });
        let said = act(body).to(town.address).await;
        if said.status != 409 || tries == 1000 {
            break said;
        }
    };
    assert_eq!((said.status, &said.json()["job"]["stage"]), (200, &json!("failed")));
    let again = Operate {
        action: JobAction::Cancel,
        job_id: job.id,
        op_id: None,
        reason: None,
        force: false,
        now: true,
        alone: false,
    };
    let again = town.ask(&again).await.unwrap();
    assert_eq!(again.job.stage, StageName::Failed, "said twice, done once");
    town.close().await;
}

#[tokio::test]
async fn a_factory_that_nobody_knows_is_not_found_by_any_verb() {
    let town = Town::open().await;
    for action in [FactoryAction::Drain, FactoryAction::Undrain] {
        let refused: Result<Value, CallError> = town.ask(&draining("f9", action, false)).await;
        assert_eq!(refusal(refused).code, Code::NotFound);
    }
    let leave =
        Deregister { factory_id: "f9".parse().unwrap(), incarnation: town.beat("f9").incarnation };
    let http: &OverHttp = &town.http;
    assert_eq!(refusal(http.call(&leave, town.patience()).await).code, Code::NotFound);
    town.close().await;
}
