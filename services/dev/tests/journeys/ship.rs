//! From a file to a shipped job, whatever happens on the way.

use std::sync::Arc;
use std::time::Duration;

use protocol::{AboutJob, Code, OfJob, SubmitJob};
use serde_json::json;

use super::town::{Town, refusal, shipped};

const TWENTY: Duration = Duration::from_secs(20);

async fn town() -> Town {
    Town::start().await
}

#[tokio::test(start_paused = true)]
async fn a_file_becomes_a_job_that_a_factory_ships() {
    let town = town().await;
    let receipt = town.submit("---\npriority: high\n---\nSay hello.\n").await;
    assert_eq!(receipt.outcome, "created");
    town.beat("f1").await;
    let held = town.claim("f1", TWENTY).await.unwrap();
    assert_eq!(held.job.fields()["bodyMd"], json!("Say hello.\n"));
    assert_eq!((held.attempt, held.lease_epoch.get()), (1, 1));
    town.build("f1", &held).await.unwrap();
    assert!(town.renew("f1", &held).await.expires_at.is_some());
    let done = town.ship("f1", &held).await.unwrap();
    assert_eq!(json!(done.stage), shipped());
    town.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_waits_is_given_what_comes() {
    let town = Arc::new(town().await);
    let waiting = {
        let town = Arc::clone(&town);
        async move { town.claim("f1", TWENTY).await }
    };
    let submitting = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        town.submit("Late work.").await
    };
    let began = town.node.clock.uptime();
    let (held, receipt) = tokio::join!(waiting, submitting);
    assert_eq!(held.unwrap().job.id, receipt.job.id);
    assert!(town.node.clock.uptime() - began < Duration::from_secs(6), "the news woke it");
}

#[tokio::test(start_paused = true)]
async fn a_silent_factory_loses_its_job_and_is_not_heard_any_more() {
    let town = town().await;
    let receipt = town.submit("Long work.").await;
    let lost = town.claim("f1", TWENTY).await.unwrap();
    town.build("f1", &lost).await.unwrap();
    let silent_since = town.node.clock.uptime();
    let again = loop {
        if let Some(held) = town.claim("f2", TWENTY).await {
            break held;
        }
    };
    let silence = town.node.clock.uptime() - silent_since;
    assert_eq!((again.job.id, again.attempt), (receipt.job.id, 2));
    assert!(silence <= Duration::from_secs(32), "taken back after {silence:?}");
    assert_eq!(refusal(town.ship("f1", &lost).await), Code::Fenced);
    assert!(town.renew("f1", &lost).await.error.is_some());
    town.build("f2", &again).await.unwrap();
    town.ship("f2", &again).await.unwrap();
    assert_eq!(town.stage(receipt.job.id).await, shipped());
}

#[tokio::test(start_paused = true)]
async fn dependents_follow_their_dependency() {
    let town = town().await;
    let second = town.submit("---\nidempotencyKey: b\ndeps: [a]\n---\nSecond.").await;
    assert_eq!(json!(second.job.stage), json!("blocked"));
    town.submit("---\nidempotencyKey: a\n---\nFirst.").await;
    assert_eq!(town.work_off("f1", Duration::from_secs(40)).await, 2);
    assert_eq!(town.stage(second.job.id).await, shipped());
}

#[tokio::test(start_paused = true)]
async fn a_file_with_faults_is_answered_with_all_of_them() {
    let town = town().await;
    let file = "---\npriorty: high\ntimeout: soon\n---\nWork.";
    let ask = SubmitJob { file: Some(file.into()), ..SubmitJob::default() };
    let Err(client::CallError::Refused(problem)) = town.ask(&ask).await else {
        panic!("it was accepted");
    };
    assert_eq!(problem.code, Code::Validation);
    assert_eq!(problem.details.len(), 2);
    assert_eq!(problem.details[0].line, Some(2));
    let nothing = OfJob { query: AboutJob::Get, job: "j_nothing".into() };
    assert_eq!(refusal(town.ask(&nothing).await), Code::NotFound);
}
