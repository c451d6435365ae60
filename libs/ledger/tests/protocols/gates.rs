//! Locks, budgets, families and stones: what a claim must pass, and what is left of a job.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Skewed};
use fleet::{Action, Code, RunResult, StageName};
use ledger::Verdict;
use store::{Memory, Store};
use tokio::sync::Barrier;

use crate::support::{Yard, code, noon, on_each_store, reason, someone, together};

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_jobs_with_one_lock_only_one_is_ever_granted() {
    on_each_store(of_jobs_with_one_lock_only_one_is_ever_granted_on).await;
}

async fn of_jobs_with_one_lock_only_one_is_ever_granted_on(store: Arc<dyn Store>) {
    let yard = Yard::racing(&store);
    let mut jobs = Vec::new();
    for n in 0..16 {
        jobs.push(yard.submit(&format!("locked-{n}"), r#""lock":"plat""#).await);
    }
    let free = yard.submit("free", r#""lock":"other""#).await;
    let barrier = Arc::new(Barrier::new(jobs.len()));
    let claims = jobs.iter().enumerate().map(|(n, job)| {
        let (yard, barrier, job) = (yard.clone(), Arc::clone(&barrier), *job);
        async move {
            barrier.wait().await;
            yard.claim(job, &format!("f{n}")).await
        }
    });
    let answers = together(claims).await;
    let granted = answers.iter().filter(|answer| code(*answer).is_none()).count();
    assert!(granted <= 1, "{granted} jobs under one lock");
    yard.granted(free, "f99").await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_passes_on_when_its_job_ends_and_waits_for_the_grace_after_a_reap() {
    on_each_store(a_lock_passes_on_when_its_job_ends_and_waits_for_the_grace_after_a_reap_on).await;
}

async fn a_lock_passes_on_when_its_job_ends_and_waits_for_the_grace_after_a_reap_on(
    store: Arc<dyn Store>,
) {
    let yard = Yard::paused(&store);
    let first = yard.submit("first", r#""lock":"plat""#).await;
    let second = yard.submit("second", r#""lock":"plat""#).await;
    let holding = yard.running(first, "f1").await;
    assert_eq!(reason(&yard.claim(second, "f2").await), Some("lock_held"));
    yard.ship(first, &holding).await.done().unwrap();
    yard.follow().await;
    yard.running(second, "f2").await;
    let third = yard.submit("third", r#""lock":"plat""#).await;
    let mut keeper = yard.keeper();
    keeper.watch(Duration::from_secs(31)).await;
    assert_eq!(yard.stage(second).await, StageName::Queued);
    assert_eq!(reason(&yard.claim(third, "f3").await), Some("lock_held"));
    yard.wait(Duration::from_secs(4)).await;
    yard.granted(third, "f3").await;
}

#[tokio::test(start_paused = true)]
async fn a_keeper_whose_clock_is_an_hour_off_takes_nothing_that_lives() {
    for ahead in [true, false] {
        let (store, clock, hour) = (memory(), noon(), Duration::from_secs(3600));
        let yard = Yard::new(&store, Arc::clone(&clock), 7);
        let wrong: Arc<dyn Clock> = Arc::new(if ahead {
            Skewed::ahead(Arc::clone(&clock), hour)
        } else {
            Skewed::behind(Arc::clone(&clock), hour)
        });
        let other = Yard::new(&store, wrong, 8);
        let job = yard.submit("living", "").await;
        let holding = yard.running(job, "f1").await;
        let mut keeper = other.keeper();
        for _ in 0..12 {
            keeper.watch(Duration::from_secs(9)).await;
            other.sweep().await;
            let renewed = yard.ledger.renew(&yard.product, job, &holding).await.unwrap();
            assert_eq!(code(&renewed), None, "ahead: {ahead}");
        }
        keeper.watch(Duration::from_secs(31)).await;
        assert_eq!(yard.stage(job).await, StageName::Queued, "silence is seen all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_asks_for_nothing_is_heard_no_more_within_thirty_two_seconds() {
    let yard = Yard::paused(&memory());
    let job = yard.submit("killed", "").await;
    let mut keeper = yard.keeper();
    keeper.round().await;
    yard.running(job, "f1").await;
    let died = yard.clock.uptime();
    while yard.stage(job).await != StageName::Queued {
        keeper.watch(Duration::from_secs(1)).await;
    }
    assert!(yard.clock.uptime() - died <= Duration::from_secs(32));
    yard.granted(job, "f2").await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_by_class_and_then_given_up() {
    on_each_store(failures_are_retried_by_class_and_then_given_up_on).await;
}

async fn failures_are_retried_by_class_and_then_given_up_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let retry = r#""retry":{"max":2,"backoff":60,"on":["crash"]}"#;
    let job = yard.submit("flaky", retry).await;
    let holding = yard.running(job, "f1").await;
    yard.fail(job, &holding, RunResult::Crash).await;
    assert_eq!(reason(&yard.claim(job, "f1").await), Some("retry_backoff"));
    yard.wait(Duration::from_secs(73)).await;
    let holding = yard.running(job, "f1").await;
    let given_up = yard.fail(job, &holding, RunResult::Crash).await;
    assert_eq!(given_up.stage.name(), StageName::DeadLetter);
    yard.operate(job, Action::Redrive).await.done().unwrap();
    let holding = yard.running(job, "f1").await;
    let over = yard.fail(job, &holding, RunResult::NoEngine).await;
    assert_eq!(over.stage.name(), StageName::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_graceful_cancel_that_is_not_followed_is_forced_after_a_minute() {
    let yard = Yard::paused(&memory());
    let job = yard.submit("stubborn", "").await;
    let holding = yard.running(job, "f1").await;
    yard.operate(job, Action::CancelGraceful).await.done().unwrap();
    let renewed = yard.ledger.renew(&yard.product, job, &holding).await.unwrap();
    assert_eq!(renewed.done().unwrap().stop, Some(ledger::Stop::Cancel));
    yard.wait(Duration::from_secs(61)).await;
    yard.sweep().await;
    let stands = yard.job(job).await;
    assert_eq!(stands.stage, fleet::Stage::Failed(fleet::FailureReason::Cancelled));
    assert_eq!(code(&yard.ship(job, &holding).await), Some(Code::Fenced));
}

#[tokio::test(start_paused = true)]
async fn a_family_ends_with_its_children_and_is_cancelled_with_them() {
    on_each_store(a_family_ends_with_its_children_and_is_cancelled_with_them_on).await;
}

async fn a_family_ends_with_its_children_and_is_cancelled_with_them_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    for (key, cancelled) in [("kept", false), ("dropped", true)] {
        let rest = r#""children":[{"engine":"echo","bodyMd":"a"},{"engine":"echo","bodyMd":"b"}]"#;
        let family = yard.accepted(key, rest);
        let children: Vec<_> = family.children.iter().map(|child| child.content.clone()).collect();
        let submitted = yard
            .ledger
            .submit_family(&yard.product, &family.content, &children, &someone())
            .await
            .unwrap();
        let parent = submitted.done().unwrap();
        assert_eq!(parent.verdict, Verdict::Created);
        assert_eq!(parent.job.stage.name(), StageName::Blocked);
        if cancelled {
            let operation = fleet::Operation { action: Action::CancelNow, op: None, reason: None };
            let by = someone();
            let answer = yard.ledger.cancel(&yard.product, parent.job.id, &by, operation).await;
            answer.unwrap().done().unwrap();
            assert_eq!(yard.stage(family.children[0].job).await, StageName::Failed);
            continue;
        }
        for child in &family.children {
            yard.ship_at_once(child.job).await;
        }
        yard.follow().await;
        assert_eq!(yard.stage(parent.job.id).await, StageName::Shipped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_purged_job_leaves_a_stone_that_keeps_its_key_taken() {
    on_each_store(a_purged_job_leaves_a_stone_that_keeps_its_key_taken_on).await;
}

async fn a_purged_job_leaves_a_stone_that_keeps_its_key_taken_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let job = yard.submit("old", "").await;
    let early = yard.ledger.purge(&yard.product, job, &someone()).await.unwrap();
    assert_eq!(code(&early), Some(Code::InvalidTransition));
    yard.ship_at_once(job).await;
    yard.follow().await;
    yard.ledger.purge(&yard.product, job, &someone()).await.unwrap().done().unwrap();
    assert!(yard.job(job).await.purged);
    assert!(yard.runs(job).await.is_empty() && yard.numbers(job).await.is_empty());
    let again = yard.submitting("old", "").await.done().unwrap();
    assert_eq!(again.verdict, Verdict::Existing);
    let other = yard.submitting("old", r#""priority":"high""#).await;
    assert_eq!(code(&other), Some(Code::IdempotencyConflict));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_by_priority_then_age_and_by_what_fits() {
    on_each_store(the_queue_is_by_priority_then_age_and_by_what_fits_on).await;
}

async fn the_queue_is_by_priority_then_age_and_by_what_fits_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let low = yard.submit("low", r#""priority":"low""#).await;
    let old = yard.submit("old", "").await;
    yard.wait(Duration::from_secs(1)).await;
    let young = yard.submit("young", "").await;
    let high = yard.submit("high", r#""priority":"high""#).await;
    yard.submit("picky", r#""priority":"critical","capabilities":["gpu"]"#).await;
    yard.submit("later", r#""priority":"critical","notBefore":"1h""#).await;
    let mut order = Vec::new();
    let bidder = crate::support::bidder("f1");
    while let Some(grant) = yard.claim_next(&bidder).await {
        order.push(grant.job.id);
    }
    assert_eq!(order, [high, old, young, low]);
}

#[tokio::test(start_paused = true)]
async fn the_wall_budget_ends_a_job_whose_holder_says_nothing_of_it() {
    on_each_store(the_wall_budget_ends_a_job_whose_holder_says_nothing_of_it_on).await;
}

async fn the_wall_budget_ends_a_job_whose_holder_says_nothing_of_it_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let job = yard.submit("dear", r#""budget":{"wall":60}"#).await;
    let holding = yard.running(job, "f1").await;
    yard.wait(Duration::from_secs(30)).await;
    yard.sweep().await;
    let renewed = yard.ledger.renew(&yard.product, job, &holding).await.unwrap();
    assert_eq!(renewed.done().unwrap().stop, None);
    yard.wait(Duration::from_secs(31)).await;
    let renewed = yard.ledger.renew(&yard.product, job, &holding).await.unwrap();
    assert_eq!(renewed.done().unwrap().stop, Some(ledger::Stop::Budget));
    yard.sweep().await;
    let stands = yard.job(job).await;
    assert_eq!(stands.stage, fleet::Stage::DeadLetter(fleet::DeadReason::BudgetExceeded));
    assert_eq!(code(&yard.ship(job, &holding).await), Some(Code::Fenced));
}
