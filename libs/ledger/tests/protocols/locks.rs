//! Named locks: one delivered grant for each, whatever is raced, lost or late.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use fleet::{Action, Code, FencedBy, StageName};
use futures_util::future::join_all;
use ledger::Outcome;
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged, dying_after};
use crate::support::{Yard, bidder, code, noon, on_each_store, reason, secs};

/// Thirty-two claimers on jobs of three locks: how often a lock had two holders, and how many
/// jobs were shipped.
async fn scramble(store: Arc<dyn Store>, seed: u64) -> (usize, usize) {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    for n in 0..12 {
        yard.submit(&format!("j{n}"), &format!(r#""lock":"l{}""#, n % 3)).await;
    }
    let inside = Mutex::new(BTreeSet::new());
    let (double, shipped) = (Mutex::new(0), Mutex::new(0));
    let claimers = (0..32).map(async |n| {
        for _ in 0..8 {
            let Some(grant) = yard.claim_next(&bidder(&format!("f{n}"))).await else {
                yard.wait(secs(1)).await;
                continue;
            };
            let (id, lock) = (grant.job.id, grant.job.content.locks[0].clone());
            if !inside.lock().unwrap().insert(lock.clone()) {
                *double.lock().unwrap() += 1;
            }
            yard.patch(id, yard.moving(&grant.holding, StageName::Building)).await;
            yard.wait(secs(1)).await;
            inside.lock().unwrap().remove(&lock);
            *shipped.lock().unwrap() +=
                usize::from(yard.ship(id, &grant.holding).await.done().is_some());
        }
    });
    join_all(claimers).await;
    (double.into_inner().unwrap(), shipped.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_lock_never_has_two_holders_however_many_ask() {
    for seed in 0..10 {
        let (double, shipped) = scramble(Arc::new(Memory::new()), seed).await;
        assert_eq!((double, shipped), (0, 12), "seed {seed}");
    }
    on_each_store(async |store| assert_eq!(scramble(store, 1).await.0, 0)).await;
    let mut wrong = 0;
    for seed in 0..10 {
        wrong += scramble(Arc::new(Broken::new()), seed).await.0;
    }
    assert!(wrong > 0, "checking before writing must let two in");
}

#[tokio::test(start_paused = true)]
async fn different_locks_go_side_by_side_and_the_same_one_waits_in_its_place() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let first = yard.submit("first", r#""lock":"a""#).await;
        let holding = yard.running(first, "f1").await;
        let waits = yard.submit("waits", r#""lock":"a""#).await;
        let other = yard.submit("other", r#""lock":"b""#).await;
        let refused = yard.claim(waits, "f2").await;
        assert_eq!((code(&refused), reason(&refused)), (Some(Code::Conflict), Some("lock_held")));
        assert_eq!(yard.job(waits).await.head.rev, 1, "a lock costs its waiter nothing");
        assert_eq!(yard.claim_next(&bidder("f2")).await.unwrap().job.id, other);
        yard.ship(first, &holding).await.done().unwrap();
        assert_eq!(yard.claim_next(&bidder("f2")).await.unwrap().job.id, waits);
    })
    .await;
}

/// A queue of waiters must not hide the one job that could run.
#[tokio::test(start_paused = true)]
async fn behind_many_that_wait_for_one_lock_the_next_free_job_is_found() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    let first = yard.submit("first", r#""lock":"a""#).await;
    yard.running(first, "f1").await;
    for n in 0..12 {
        yard.submit(&format!("w{n}"), r#""lock":"a","priority":"high""#).await;
    }
    let free = yard.submit("free", "").await;
    assert_eq!(yard.claim_next(&bidder("f2")).await.unwrap().job.id, free);
}

/// The claim died between its reservation and its commit.
#[tokio::test(start_paused = true)]
async fn a_reservation_that_no_claim_followed_is_free_after_half_a_minute() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let dead = yard.submit("dead", r#""lock":"a""#).await;
        assert!(dying_after(&staged, 1, yard.claim(dead, "f1")).await.is_none());
        let next = yard.submit("next", r#""lock":"a""#).await;
        assert_eq!(reason(&yard.claim(next, "f2").await), Some("lock_held"));
        yard.wait(secs(31)).await;
        yard.granted(next, "f2").await;
    })
    .await;
}

/// A claim that took longer than its reservation lived: nobody is let in by it.
#[tokio::test(start_paused = true)]
async fn a_claim_whose_lock_was_taken_meanwhile_is_no_grant() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let other = yard.beside(&inner, 8);
        let slow = yard.submit("slow", r#""lock":"a""#).await;
        let quick = yard.submit("quick", r#""lock":"a""#).await;
        staged.hold("fleet_jobs");
        let overtake = async {
            staged.reached().await;
            other.wait(secs(31)).await;
            let grant = other.granted(quick, "f2").await;
            staged.let_go();
            grant
        };
        let (lost, grant) = tokio::join!(yard.claim(slow, "f1"), overtake);
        assert_eq!((code(&lost), reason(&lost)), (Some(Code::Conflict), Some("lock_lost")));
        let job = yard.job(slow).await;
        assert_eq!(
            (job.stage.name(), job.fenced_by),
            (StageName::Queued, Some(FencedBy::LockLost))
        );
        assert_eq!((job.failures, job.reaps), (0, 0), "it is nobody's failure");
        other.patched(quick, other.moving(&grant.holding, StageName::Building)).await;
        assert!(other.ship(quick, &grant.holding).await.done().is_some());
    })
    .await;
}

/// A repeat of a granted claim confirms again before it answers.
#[tokio::test(start_paused = true)]
async fn a_repeated_grant_has_its_lock_still() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""locks":["a","b"]"#).await;
        let asking = yard.asking(id, "f1", 0);
        let first = yard.ledger.claim(&asking).await.unwrap().done().unwrap();
        let again = yard.ledger.claim(&asking).await.unwrap().done().unwrap();
        assert_eq!(first.holding, again.holding);
        let other = yard.submit("other", r#""lock":"b""#).await;
        assert_eq!(reason(&yard.claim(other, "f2").await), Some("lock_held"));
    })
    .await;
}

/// A host that was fenced may still be running: others wait, the job itself need not.
#[tokio::test(start_paused = true)]
async fn the_grace_after_a_taking_back_binds_the_others_only() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""lock":"a""#).await;
        let other = yard.submit("other", r#""lock":"a""#).await;
        yard.running(id, "f1").await;
        let mut keeper = yard.keeper();
        while keeper.round().await.requeued == 0 {
            yard.wait(secs(1)).await;
        }
        assert_eq!(reason(&yard.claim(other, "f2").await), Some("lock_held"));
        let grant = yard.granted(id, "f2").await;
        yard.yielded(id, &grant.holding).await;
        assert_eq!(reason(&yard.claim(other, "f2").await), Some("lock_held"), "grace outlives it");
        yard.wait(secs(3)).await;
        yard.granted(other, "f2").await;
    })
    .await;
}

/// A parked job holds no lock.
#[tokio::test(start_paused = true)]
async fn a_lock_ends_with_the_hold_and_not_with_the_job() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""lock":"a","reviewPolicy":"manual""#).await;
        let other = yard.submit("other", r#""lock":"a""#).await;
        let holding = yard.running(id, "f1").await;
        for stage in [StageName::Review, StageName::Testing] {
            yard.patched(id, yard.moving(&holding, stage)).await;
        }
        let park = yard.letting_go(&holding, fleet::Disposition::Park);
        assert!(matches!(yard.release(id, park).await, Outcome::Done(_)));
        yard.granted(other, "f2").await;
        assert!(yard.operate(id, Action::Ship { force: false }).await.done().is_some());
    })
    .await;
}
