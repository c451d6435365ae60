//! Words to stop: heard at once where there is a bus, and no more than a hint.

use std::time::Duration;

use client::CallError;
use fleet::{Epoch, Nonce};
use ledger::Terms;
use protocol::{AboutJob, Code, FactoryAction, JobAction, OperateFactory, StopReason, StopWork};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::town::{Town, eventually, is_gone, pid_in};

const HANG: &str = "---\ncommand: echo $$ > leader; exec sleep 1000\n---\nHang.\n";
/// Renewals of a term of 30 s are 10 s apart: what takes less was told, not asked.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn town() -> Town {
    Town::with(Terms::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_is_stopped_long_before_its_next_renewal() {
    let town = town().await;
    let factory = town.factory().await;
    let job = town.submit(HANG).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    town.operate(job, JobAction::Cancel).await;
    timeout(AT_ONCE, is_gone(leader)).await.expect("the holder was told");
    let ended = town.stage_is(job, "failed").await;
    assert_eq!(ended["failureReason"], json!("cancelled"));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_overruled_stops_long_before_its_next_renewal() {
    for action in [JobAction::Requeue, JobAction::Ship] {
        let town = town().await;
        let factory = town.factory().await;
        let job = town.submit(HANG).await;
        let leader = pid_in(&town.in_work(job, 1, "leader")).await;
        town.force(job, action).await;
        timeout(AT_ONCE, is_gone(leader)).await.expect("the holder was told");
        let aside = town.home.path().join(format!("f1/quarantine/{job}-1.json"));
        eventually("the lost run is put aside", async || aside.exists().then_some(())).await;
        factory.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_factory_drained_now_hands_back_long_before_its_next_renewal() {
    let town = town().await;
    let factory = town.factory().await;
    let job = town.submit(HANG).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    let drain = OperateFactory {
        action: FactoryAction::Drain,
        factory_id: "f1".parse().unwrap(),
        now: true,
    };
    town.ask(&drain).await;
    timeout(AT_ONCE, is_gone(leader)).await.expect("the factory was told");
    let back = town.stage_is(job, "queued").await;
    assert_eq!(back["failures"], json!(0), "a drain is nobody's failure");
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_with_another_epoch_or_nonce_stops_nothing() {
    let town = town().await;
    let factory = town.factory().await;
    let job = town.submit("---\ncommand: echo $$ > leader; sleep 2\n---\nShort.\n").await;
    pid_in(&town.in_work(job, 1, "leader")).await;
    let held: Value = town.found(AboutJob::Lease, job).await.remove(0);
    let nonce: Nonce = held["claimNonce"].as_str().unwrap().parse().unwrap();
    let word = |epoch, claim_nonce| StopWork {
        factory_id: "f1".parse().unwrap(),
        job_id: job,
        lease_epoch: Epoch::new(epoch),
        claim_nonce,
        reason: StopReason::Fenced,
    };
    let forged: Nonce = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    for forged in [word(1, forged), word(2, nonce), word(0, nonce)] {
        match town.link.call(&forged, town.patience()).await {
            Err(CallError::Refused(problem)) => assert_eq!(problem.code, Code::LeaseNotHeld),
            other => panic!("{other:?}"),
        }
    }
    let shipped = town.stage_is(job, "shipped").await;
    assert_eq!(shipped["attempts"], json!(1), "it was never disturbed");
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_factory_that_hears_nobody_is_stopped_by_its_renewal() {
    let town = Town::new().await;
    let mut deaf = town.options("f1", "f1");
    deaf.product = None;
    let factory = town.start(town.link.clone(), town.processes(), deaf).await;
    let job = town.submit(HANG).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    town.operate(job, JobAction::Cancel).await;
    is_gone(leader).await;
    town.stage_is(job, "failed").await;
    factory.stop().await;
}
