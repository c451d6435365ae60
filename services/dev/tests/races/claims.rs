//! Claims against each other, and against those who change the job meanwhile: R1, R2, R3, R34.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fleet::StageName;
use futures_util::future::join_all;
use protocol::{Code, Granted, JobAction};
use serde_json::json;
use store::Store;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::stores::{On, Witness, shuffled};
use super::world::{World, id_of, refusal, secs, submission};

const SEEDS: u64 = 6;

/// How many grants 32 claimers, let go together, got of so many jobs from two sets of services.
async fn let_go_together(world: &World, jobs: usize) -> Vec<Granted> {
    let _hosts = world.hosts(2).await;
    for n in 0..jobs {
        world.submit(&format!("k{n}"), "").await;
    }
    let barrier = Arc::new(Barrier::new(32));
    let mut claimers = JoinSet::new();
    for n in 0..32 {
        let (hand, barrier) = (world.hand(&format!("f{n}")), Arc::clone(&barrier));
        claimers.spawn(async move {
            barrier.wait().await;
            let mut grants = Vec::new();
            while let Some(grant) = hand.claim(Duration::ZERO).await {
                grants.push(grant);
            }
            grants
        });
    }
    claimers.join_all().await.into_iter().flatten().collect()
}

fn jobs_of(grants: &[Granted]) -> usize {
    grants.iter().map(|grant| grant.job.id).collect::<BTreeSet<_>>().len()
}

#[tokio::test(start_paused = true)]
async fn thirty_two_claimers_get_as_many_grants_as_there_are_jobs() {
    for seed in 0..SEEDS {
        let (store, witness) = shuffled(On::Memory, seed);
        let grants = let_go_together(&World::of(store), 20).await;
        assert_eq!((grants.len(), jobs_of(&grants)), (20, 20), "seed {seed}");
        assert_eq!(witness.violations(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn thirty_two_claimers_catch_a_broken_store() {
    let mut grants = 0;
    for seed in 0..SEEDS {
        let (store, _) = shuffled(On::Broken, seed);
        grants += let_go_together(&World::of(store), 20).await.len();
    }
    assert!(grants > 20 * 6, "{grants} grants of {} jobs", 20 * SEEDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_claimers_on_four_threads_get_as_many_grants_as_there_are_jobs() {
    let witness = Arc::new(Witness::of(On::Memory));
    let grants = let_go_together(&World::racing(Arc::clone(&witness) as _), 40).await;
    assert_eq!((grants.len(), jobs_of(&grants)), (40, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thirty_two_claimers_on_four_threads_catch_a_broken_store() {
    let mut grants = 0;
    for _ in 0..4 {
        let store: Arc<dyn Store> = Arc::new(Witness::of(On::Broken));
        grants += let_go_together(&World::racing(store), 40).await.len();
    }
    assert!(grants > 160, "{grants} grants of 160 jobs");
}

/// New content arrives while the job is claimed. Says what is wrong afterwards.
async fn replaced_while_claimed(on: On, seed: u64) -> (bool, Vec<String>) {
    let (store, _) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    let job = world.submit("k", "").await;
    let (hand, other) = (world.hand("f1"), submission("k", "", "Other work."));
    let (held, replaced) = tokio::join!(hand.claim(secs(5)), world.ask(&other));
    let held = held.expect("there is a job");
    let stored = world.job(job).await;
    let ran = &held.job.fields()["contentHash"];
    let mut wrong = Vec::new();
    if *ran != json!(stored.content.content_hash) {
        wrong.push(format!("{ran} runs, {:?} is stored", stored.content.content_hash));
    }
    if stored.holder().is_none_or(|holder| holder.nonce != held.claim_nonce) {
        wrong.push("the grant stands no more".to_owned());
    }
    match &replaced {
        Ok(receipt) if receipt.job.fields()["contentHash"] == *ran => {}
        Err(_) if refusal(&replaced) == Some(Code::IdempotencyConflict) => {}
        other => wrong.push(format!("told {other:?} and yet {ran} runs")),
    }
    (replaced.is_ok(), wrong)
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_what_was_granted_though_new_content_came_meanwhile() {
    let mut ways = BTreeSet::new();
    for seed in 0..24 {
        let (replaced, wrong) = replaced_while_claimed(On::Memory, seed).await;
        assert_eq!(wrong, Vec::<String>::new(), "seed {seed}");
        ways.insert(replaced);
    }
    assert_eq!(ways.len(), 2, "each of the two wins sometimes");
}

#[tokio::test(start_paused = true)]
async fn new_content_during_a_claim_catches_a_broken_store() {
    let mut wrong = 0;
    for seed in 0..24 {
        wrong += replaced_while_claimed(On::Broken, seed).await.1.len();
    }
    assert!(wrong > 0);
}

/// A person cancels while a factory claims.
async fn cancelled_while_claimed(on: On, seed: u64) -> (bool, Vec<String>) {
    let (store, _) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    let job = world.submit("k", "").await;
    let hand = world.hand("f1");
    let (held, cancelled) =
        tokio::join!(hand.claim(Duration::ZERO), world.operate(job, JobAction::Cancel));
    let mut wrong = Vec::new();
    if let Err(error) = cancelled {
        wrong.push(format!("the cancel was refused: {error}"));
    }
    let stored = world.job(job).await;
    match &held {
        None if stored.stage.name() == StageName::Failed => {}
        None => wrong.push(format!("nobody holds it and it is {:?}", stored.stage)),
        Some(held) if stored.holder().is_none_or(|one| one.nonce != held.claim_nonce) => {
            wrong.push(format!("granted, and yet {:?}", stored.stage));
        }
        Some(held) => {
            let stop = hand.renew(held).await.stop;
            let told = stop.as_deref() == Some("cancel");
            wrong.extend((!told).then(|| "its holder was not told to stop".to_owned()));
        }
    }
    (held.is_some(), wrong)
}

#[tokio::test(start_paused = true)]
async fn a_job_cancelled_while_it_is_claimed_is_ended_or_its_holder_told() {
    let mut ways = BTreeSet::new();
    for seed in 0..24 {
        let (granted, wrong) = cancelled_while_claimed(On::Memory, seed).await;
        assert_eq!(wrong, Vec::<String>::new(), "seed {seed}");
        ways.insert(granted);
    }
    assert_eq!(ways.len(), 2, "each of the two wins sometimes");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_during_a_claim_catches_a_broken_store() {
    let mut wrong = 0;
    for seed in 0..24 {
        wrong += cancelled_while_claimed(On::Broken, seed).await.1.len();
    }
    assert!(wrong > 0);
}

/// R34: a hundred and fifty factories wait at two schedulers for one job.
#[tokio::test(start_paused = true)]
async fn one_job_and_a_crowd_that_waits_cost_a_few_writes() {
    let (store, witness) = shuffled(On::Memory, 1);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    let crowd = (0..150).map(|n| {
        let hand = world.hand(&format!("f{n}"));
        async move { hand.claim(secs(10)).await }
    });
    let submitting = async {
        world.wait(secs(1)).await;
        let before = witness.puts.load(Ordering::Relaxed);
        world.submit("k", "").await;
        before
    };
    let (grants, before) = tokio::join!(join_all(crowd), submitting);
    assert_eq!(grants.iter().flatten().count(), 1);
    let writes = witness.puts.load(Ordering::Relaxed) - before;
    let conflicts = witness.conflicts.load(Ordering::Relaxed);
    assert_eq!(witness.entries(&id_of("k").to_string(), "assigned"), 1);
    assert!(conflicts <= 8 && writes <= 24, "{conflicts} conflicts, {writes} writes");
}

/// Factories that wait for a job whose lock is taken look now and then, and at once when it is free.
#[tokio::test(start_paused = true)]
async fn a_crowd_that_waits_for_a_lock_does_not_spin() {
    let (store, witness) = shuffled(On::Memory, 1);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    world.submit("k0", "lock: press").await;
    let first = world.hand("f0");
    let held = first.building(secs(5)).await;
    world.submit("k1", "lock: press").await;
    world.wait(secs(1)).await;
    let before = witness.gets.load(Ordering::Relaxed);
    let crowd = (1..=10).map(|n| {
        let hand = world.hand(&format!("f{n}"));
        async move { hand.claim(secs(10)).await }
    });
    let working = async {
        world.wait(secs(8)).await;
        let reads = witness.gets.load(Ordering::Relaxed) - before;
        first.ship(&held).await.unwrap();
        reads
    };
    let (grants, reads) = tokio::join!(join_all(crowd), working);
    assert_eq!(grants.iter().flatten().count(), 1, "one of them has it within two seconds");
    assert!(reads < 5_000, "{reads} reads in eight seconds");
}
