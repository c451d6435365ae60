//! What the door only passes on arrives as it was asked: behind this door stand no services but
//! ones that say back what they were asked.

use std::future::{Ready, ready};

use client::OverHttp;
use clock::Clock;
use fleet::{Priority, StageName};
use node::{Asked, Group, Node};
use protocol::{
    AboutJob, AboutProduct, Ask, Code, Found, ListJobs, Listed, OfJob, OfProduct, PlanJob, Planned,
    Problem, Query, Row, SubmitJob,
};
use serde_json::{Value, json};

use crate::closing::alone;
use crate::plain::Spoken;
use crate::town::{TOKEN, options, refusal};

const ECHO: Group = Group("echo");

/// A door before services that repeat what they hear.
async fn echoing() -> (Node, std::net::SocketAddr, OverHttp) {
    let node = alone();
    let surveys = [Query::Stats, Query::Factories, Query::Locks, Query::Budgets];
    for query in surveys {
        node.serve(Row::Query(query), ECHO, |asked: Asked<OfProduct>| repeated(&asked))
            .await
            .unwrap();
    }
    node.serve(Row::Query(Query::Why), ECHO, |asked: Asked<OfJob>| repeated(&asked)).await.unwrap();
    let list = |asked: Asked<ListJobs>| async move {
        let said = serde_json::to_string(&asked.ask).unwrap();
        Ok(Listed { items: Vec::new(), next_cursor: Some(said) })
    };
    node.serve(Row::Query(Query::List), ECHO, list).await.unwrap();
    node.serve(Row::Plan, ECHO, |asked: Asked<PlanJob>| async move { Ok(planned(&asked.ask)) })
        .await
        .unwrap();
    let submit = |asked: Asked<SubmitJob>| async move {
        let mut problem = Box::new(Problem::new(Code::Conflict, asked.request_id));
        problem.reason = asked.ask.expect;
        Err(problem)
    };
    node.serve(Row::SubmitYolo, ECHO, submit).await.unwrap();
    let address = gateway::serve(node.clone(), options("127.0.0.1:0")).await.unwrap();
    let http = OverHttp::new(&format!("http://{address}"), TOKEN).unwrap();
    (node, address, http)
}

fn repeated<A: Ask<Reply = Found>>(asked: &Asked<A>) -> Ready<Result<Found, Box<Problem>>> {
    ready(Ok(Found { items: vec![json!(asked.ask)] }))
}

fn planned(ask: &PlanJob) -> Planned {
    Planned {
        outcome: "created".into(),
        job_id: "j_aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        idempotency_key: "k".parse().unwrap(),
        manifest: json!(ask),
        content_hash: String::new(),
        unknown_deps: Vec::new(),
        cycle: Vec::new(),
        factories: Vec::new(),
        expect: "absent".into(),
        warnings: Vec::new(),
    }
}

fn patience(node: &Node) -> client::Patience {
    let span = std::time::Duration::from_secs(10);
    let clock: &dyn Clock = &*node.clock;
    client::Patience { request_id: node.ids.mint(), until: clock.now().plus(span), span }
}

#[tokio::test]
async fn every_filter_of_a_list_arrives_as_it_was_asked() {
    let (node, _, http) = echoing().await;
    let ask = ListJobs {
        stage: vec![StageName::DeadLetter, StageName::Queued],
        priority: vec![Priority::High, Priority::Low],
        idempotency_key: Some("a/b ü&?".parse().unwrap()),
        parent_id: Some("j_aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap()),
        factory_id: Some("f1".parse().unwrap()),
        q: Some("100 % + more".into()),
        created_after: Some("2026-01-02T03:04:05.678Z".parse().unwrap()),
        created_before: Some("2027-01-02T03:04:05.678Z".parse().unwrap()),
        unadmitted: true,
        limit: Some(7),
        cursor: Some("any=thing/at+all".into()),
    };
    let said = http.call(&ask, patience(&node)).await.unwrap().next_cursor.unwrap();
    assert_eq!(serde_json::from_str::<ListJobs>(&said).unwrap(), ask);
    let said = http.call(&ListJobs::default(), patience(&node)).await.unwrap();
    let said = said.next_cursor.unwrap();
    assert_eq!(serde_json::from_str::<ListJobs>(&said).unwrap(), ListJobs::default());
    node.tasks.stop();
}

#[tokio::test]
async fn surveys_plans_and_reasons_arrive_as_they_were_asked() {
    let (node, address, http) = echoing().await;
    for query in
        [AboutProduct::Stats, AboutProduct::Factories, AboutProduct::Locks, AboutProduct::Budgets]
    {
        let ask = OfProduct { query, named: None };
        let found = http.call(&ask, patience(&node)).await.unwrap();
        assert_eq!(found.items, [json!(ask)]);
    }
    let ask = OfProduct { query: AboutProduct::Factories, named: Some("f-1".into()) };
    assert_eq!(http.call(&ask, patience(&node)).await.unwrap().items, [json!(ask)]);
    for job in ["j_aaaaaaaaaaaaaaaaaaaaaaaaaa", "j_aaaaaa", "aaaaaa", "a key/with ü"] {
        let ask = OfJob { query: AboutJob::Why, job: job.into() };
        assert_eq!(http.call(&ask, patience(&node)).await.unwrap().items, [json!(ask)]);
    }
    let keys = json!({ "bodyMd": "Work.", "priority": "high" });
    for ask in [
        PlanJob { file: Some("Work.".into()), ..PlanJob::default() },
        PlanJob { submission: keys.as_object().cloned(), ..PlanJob::default() },
    ] {
        let heard = PlanJob { yolo: true, ..ask.clone() };
        assert_eq!(http.call(&ask, patience(&node)).await.unwrap().manifest, json!(heard));
    }
    let ask = SubmitJob {
        file: Some("Work.".into()),
        expect: Some("12+a".into()),
        ..SubmitJob::default()
    };
    let refused = refusal(http.call(&ask, patience(&node)).await);
    assert_eq!(refused.reason.as_deref(), Some("12+a"));
    let one = Spoken::new("GET /fleet/stats").to(address).await;
    assert_eq!(one.json(), json!({ "query": "stats" }), "one thing stands alone");
    node.tasks.stop();
}

#[tokio::test]
async fn what_nobody_serves_is_away_and_not_missing() {
    let node = alone();
    let address = gateway::serve(node.clone(), options("127.0.0.1:0")).await.unwrap();
    let lines = ["GET /fleet/stats", "GET /fleet/factories/f1", "GET /fleet/jobs/x/why"];
    for line in lines {
        let said = Spoken::new(line).to(address).await;
        let error: Value = said.json()["error"].take();
        assert_eq!((said.status, &error["code"]), (503, &json!("UNAVAILABLE")), "{line}");
    }
    node.tasks.stop();
}
