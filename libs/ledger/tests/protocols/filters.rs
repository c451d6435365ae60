//! Which job goes to whom: order, and each reason for which a job is not given out.

use std::sync::Arc;

use fleet::{Action, Actor, Bidder, Health, StageName};
use store::{Memory, Store};

use crate::support::{Yard, bidder, on_each_store, reason, secs, someone};

#[tokio::test(start_paused = true)]
async fn the_highest_priority_goes_first_and_then_the_oldest() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let mut jobs = Vec::new();
        for (key, priority) in
            [("a", "low"), ("b", "high"), ("c", "medium"), ("d", "high"), ("e", "critical")]
        {
            jobs.push(yard.submit(key, &format!(r#""priority":"{priority}""#)).await);
            yard.wait(secs(1)).await;
        }
        for expected in [4, 1, 3, 2, 0] {
            let grant = yard.claim_next(&bidder("f1")).await.expect("there is one more");
            assert_eq!(grant.job.id, jobs[expected]);
        }
        assert!(yard.claim_next(&bidder("f1")).await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_time_has_not_come_is_not_given_out() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("later", r#""notBefore":"60s""#).await;
        assert_eq!(reason(&yard.claim(id, "f1").await), Some("not_before"));
        assert!(yard.claim_next(&bidder("f1")).await.is_none());
        yard.wait(secs(60)).await;
        assert!(yard.claim_next(&bidder("f1")).await.is_some());
    })
    .await;
}

/// R33: the wait stands in the document; no process needs to remember it.
#[tokio::test(start_paused = true)]
async fn a_retry_waits_out_its_backoff_whoever_asks() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let retry = r#""retry":{"max":3,"backoff":"60s","on":["crash"]}"#;
        let id = yard.submit("j", retry).await;
        let holding = yard.running(id, "f1").await;
        yard.fail(id, &holding, fleet::RunResult::Crash).await;
        let restarted = yard.beside(&store, 9);
        assert_eq!(reason(&restarted.claim(id, "f2").await), Some("retry_backoff"));
        yard.wait(secs(73)).await;
        assert_eq!(restarted.granted(id, "f2").await.attempt, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_product_gives_nothing_out_and_what_runs_goes_on() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let running = yard.submit("running", "").await;
        let holding = yard.running(running, "f1").await;
        let id = yard.submit("j", "").await;
        yard.ledger.pause(&yard.product, &someone(), None).await.unwrap().done().unwrap();
        assert_eq!(reason(&yard.claim(id, "f1").await), Some("paused"));
        assert!(yard.claim_next(&bidder("f1")).await.is_none());
        assert!(yard.ship(running, &holding).await.done().is_some());
        yard.ledger.unpause(&yard.product).await.unwrap().done().unwrap();
        assert!(yard.claim_next(&bidder("f1")).await.is_some());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_may_not_have_the_job_is_told_why() {
    let fit = || bidder("f1");
    let cases: [(&str, Bidder); 7] = [
        ("no_factory", Bidder { draining: true, ..fit() }),
        ("no_factory", Bidder { stale: true, ..fit() }),
        ("no_factory", Bidder { health: Health::Down, ..fit() }),
        ("unroutable", fit()),
        ("engine_unavailable", Bidder { engines: Vec::new(), ..able() }),
        ("no_seat", Bidder { free_seats: 0, ..able() }),
        ("degraded_only", Bidder { health: Health::Degraded, ..able() }),
    ];
    for (why, bidder) in cases {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""capabilities":["gpu","rust>=1.80"]"#).await;
        let asking = ledger::ClaimRequest { bidder: bidder.clone(), ..yard.asking(id, "f1", 0) };
        assert_eq!(reason(&yard.ledger.claim(&asking).await.unwrap()), Some(why));
        assert!(yard.claim_next(&bidder).await.is_none(), "{why}");
        assert_eq!(yard.job(id).await.head.rev, 1, "{why}: nothing was written");
        assert!(yard.claim_next(&able()).await.is_some(), "{why}: another may");
    }
}

fn able() -> Bidder {
    let capabilities = vec!["gpu".parse().unwrap(), "rust=1.95".parse().unwrap()];
    Bidder { capabilities, ..bidder("f1") }
}

#[tokio::test(start_paused = true)]
async fn a_degraded_factory_gets_what_is_urgent_after_five_seconds() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    let degraded = Bidder { health: Health::Degraded, ..bidder("f1") };
    yard.submit("urgent", r#""priority":"high""#).await;
    yard.submit("idle", "").await;
    assert!(yard.claim_next(&degraded).await.is_none());
    yard.wait(secs(5)).await;
    let grant = yard.claim_next(&degraded).await.expect("nobody healthier came");
    assert_eq!(grant.job.content.idempotency_key.as_str(), "urgent");
    assert!(yard.claim_next(&degraded).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_dependencies_or_admission_is_never_given_out() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("child", r#""deps":["nobody"]"#).await;
        assert_eq!(yard.stage(id).await, StageName::Blocked);
        assert_eq!(reason(&yard.claim(id, "f1").await), Some("not_claimable"));
        assert!(yard.claim_next(&bidder("f1")).await.is_none());
    })
    .await;
}

/// A lowered capability or a cancelled wish never reaches a job that is gone.
#[tokio::test(start_paused = true)]
async fn what_ended_is_not_given_out() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    let id = yard.submit("j", "").await;
    yard.operate(id, Action::CancelNow).await.done().unwrap();
    assert_eq!(reason(&yard.claim(id, "f1").await), Some("not_claimable"));
    assert!(yard.claim_next(&bidder("f1")).await.is_none());
    let _: Actor = someone();
}
