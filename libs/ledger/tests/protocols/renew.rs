//! A holder's sign of life: against its own copies, against the keeper, and without any lease.

use std::sync::Arc;

use fleet::{Code, StageName};
use futures_util::future::join_all;
use ledger::{Outcome, Stop};
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged, Twist};
use crate::support::{Yard, bidder, code, noon, on_each_store, secs};

/// How many of so many renewals at once were granted, and how many writes they made.
async fn renew_together(store: Arc<dyn Store>, count: usize, seed: u64) -> (usize, u64) {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    let id = yard.submit("j", "").await;
    let holding = yard.running(id, "f1").await;
    let before = yard.lease(id).await.unwrap();
    let renewals = (0..count).map(|_| yard.ledger.renew(&yard.product, id, &holding));
    let answers = join_all(renewals).await;
    let renewed = answers.into_iter().filter(|answer| code(answer.as_ref().unwrap()).is_none());
    let renewed = renewed.count();
    let lease = yard.lease(id).await.unwrap();
    assert!(lease.is_held_for(holding.lease_epoch));
    assert_eq!(lease.head.rev - before.head.rev, lease.renewals, "each write is one renewal");
    (renewed, lease.renewals)
}

#[tokio::test(start_paused = true)]
async fn of_many_renewals_at_once_all_are_told_that_the_lease_is_theirs() {
    for seed in 0..50 {
        for count in [2, 10, 64] {
            let (renewed, writes) = renew_together(Arc::new(Memory::new()), count, seed).await;
            assert_eq!(renewed, count, "seed {seed}");
            assert!(writes >= 1 && writes <= count as u64);
        }
    }
    on_each_store(async |store| {
        let (renewed, _) = renew_together(store, 64, 1).await;
        assert_eq!(renewed, 64);
    })
    .await;
}

/// R4: of a renewal and a taking-back, one wins and the other knows it.
async fn renew_against_reap(store: Arc<dyn Store>, seed: u64) -> (bool, bool) {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    let id = yard.submit("j", "").await;
    let holding = yard.running(id, "f1").await;
    let mut keeper = yard.keeper();
    keeper.round().await;
    yard.wait(secs(31)).await;
    let (renewed, reaped) = tokio::join!(yard.ledger.renew(&yard.product, id, &holding), async {
        // The keeper looks once where the holder looks twice.
        for _ in 0..seed % 16 {
            tokio::task::yield_now().await;
        }
        keeper.round().await
    });
    let renewed = code(&renewed.unwrap()).is_none();
    let held = yard.job(id).await.holder().is_some();
    assert_eq!(held, reaped.expired == 0, "seed {seed}: what the keeper says is so");
    (renewed, held)
}

#[tokio::test(start_paused = true)]
async fn a_renewal_and_a_taking_back_never_both_win() {
    let mut kept = 0;
    for seed in 0..200 {
        let (renewed, held) = renew_against_reap(Arc::new(Memory::new()), seed).await;
        assert_eq!(renewed, held, "seed {seed}");
        kept += usize::from(held);
    }
    assert!(kept > 20 && kept < 180, "both orders must occur: {kept}");
    on_each_store(async |store| {
        let (renewed, held) = renew_against_reap(store, 3).await;
        assert_eq!(renewed, held);
    })
    .await;
    let mut wrong = 0;
    for seed in 0..200 {
        let (renewed, held) = renew_against_reap(Arc::new(Broken::new()), seed).await;
        wrong += usize::from(renewed && !held);
    }
    assert!(wrong > 0, "checking before writing must take what was just renewed");
}

#[tokio::test(start_paused = true)]
async fn after_the_lease_was_taken_a_renewal_is_told_that_it_is_lost() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        let mut keeper = yard.keeper();
        keeper.round().await;
        yard.wait(secs(31)).await;
        // The keeper has taken the lease and not yet the job.
        staged.hold("fleet_jobs");
        let late = async {
            staged.reached().await;
            let lost = yard.ledger.renew(&yard.product, id, &holding).await.unwrap();
            staged.let_go();
            lost
        };
        let (_, lost) = tokio::join!(keeper.round(), late);
        let Outcome::Rejected(no) = lost else { panic!("the lease was taken") };
        assert_eq!(no.code, Code::LeaseLost);
        assert_eq!(no.current.unwrap().stage, StageName::Building);
        let fenced = yard.ledger.renew(&yard.product, id, &holding).await.unwrap();
        assert_eq!(code(&fenced), Some(Code::Fenced));
    })
    .await;
}

/// The claim's follower was lost: the first renewal makes the lease.
#[tokio::test(start_paused = true)]
async fn the_first_renewal_makes_a_lease_that_is_missing() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", "").await;
        let holding = yard.granted(id, "f1").await.holding;
        assert!(yard.lease(id).await.is_none());
        let renewed = yard.ledger.renew(&yard.product, id, &holding).await.unwrap();
        assert_eq!(renewed.done().unwrap().expires_at, yard.clock.now().plus(secs(30)));
        assert!(yard.lease(id).await.unwrap().is_held_for(holding.lease_epoch));
        yard.follow().await;
        assert_eq!(yard.lease(id).await.unwrap().head.rev, 1, "the follower finds it made");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_renewal_is_a_renewal() {
    for twist in [Twist::UnknownAfterWrite, Twist::UnknownBeforeWrite, Twist::ConflictAfterWrite] {
        on_each_store(async |inner| {
            let staged = Staged::over(&inner);
            let yard = Yard::paused(&staged.store());
            let id = yard.submit("j", "").await;
            let holding = yard.running(id, "f1").await;
            yard.wait(secs(9)).await;
            staged.twist("fleet_leases", twist);
            let renewed = yard.ledger.renew(&yard.product, id, &holding).await.unwrap();
            let until = renewed.done().unwrap().expires_at;
            assert!(until >= yard.clock.now().plus(secs(29)), "{twist:?}");
            assert_eq!(yard.lease(id).await.unwrap().expires_at, Some(until));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_tells_its_holder_to_stop_and_why() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let stop = async |id, holding| {
            let renewed = yard.ledger.renew(&yard.product, id, &holding).await.unwrap();
            renewed.done().unwrap().stop
        };
        let id = yard.submit("j", r#""budget":{"wall":"20s"}"#).await;
        let holding = yard.running(id, "f1").await;
        assert_eq!(stop(id, holding.clone()).await, None);
        let name = bidder("f1").factory;
        let beat = fleet::Heartbeat {
            incarnation: fleet::Incarnation::from_uuid(yard.ids.mint()),
            descriptor: None,
            capabilities: Vec::new(),
            engines: Vec::new(),
            health: fleet::Health::Ok,
            load: 0.0,
            seat_limit: 1,
            last_renewal: None,
        };
        yard.ledger.heartbeat(&yard.product, &name, beat).await.unwrap().done().unwrap();
        yard.ledger.drain(&yard.product, &name, false).await.unwrap().done().unwrap();
        assert_eq!(stop(id, holding.clone()).await, None, "what runs may finish");
        yard.ledger.drain(&yard.product, &name, true).await.unwrap().done().unwrap();
        assert_eq!(stop(id, holding.clone()).await, Some(Stop::Drain));
        yard.wait(secs(20)).await;
        assert_eq!(stop(id, holding.clone()).await, Some(Stop::Budget));
        yard.operate(id, fleet::Action::CancelGraceful).await.done().unwrap();
        assert_eq!(stop(id, holding).await, Some(Stop::Cancel));
    })
    .await;
}
