//! Factories by name and by start: two never share a name, and what one says survives a store that
//! hesitates.

use fleet::{Heartbeat, Incarnation};
use futures_util::future::join_all;

use crate::stage::{Shuffled, Staged, Twist};
use crate::support::{Yard, bidder, code, noon, on_each_store, reason, secs};

fn beat(yard: &Yard) -> Heartbeat {
    Heartbeat {
        incarnation: Incarnation::from_uuid(yard.ids.mint()),
        descriptor: None,
        capabilities: Vec::new(),
        engines: Vec::new(),
        health: fleet::Health::Ok,
        load: 0.5,
        seat_limit: 2,
        last_renewal: None,
    }
}

/// R39: the second start of a name waits until the first is silent.
#[tokio::test(start_paused = true)]
async fn a_name_in_use_is_refused_to_another_start_until_the_first_is_silent() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let name = bidder("f1").factory;
        let (first, second) = (beat(&yard), beat(&yard));
        let say = async |beat: &Heartbeat| {
            yard.ledger.heartbeat(&yard.product, &name, beat.clone()).await.unwrap()
        };
        assert!(say(&first).await.done().is_some());
        assert_eq!(reason(&say(&second).await), Some("incarnation_in_use"));
        yard.wait(secs(20)).await;
        assert!(say(&first).await.done().is_some());
        yard.wait(secs(20)).await;
        assert_eq!(reason(&say(&second).await), Some("incarnation_in_use"));
        yard.wait(secs(11)).await;
        assert!(say(&second).await.done().is_some());
        assert_eq!(reason(&say(&first).await), Some("incarnation_in_use"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_two_starts_of_one_name_at_once_one_is_refused() {
    on_each_store(async |store| {
        for seed in 0..20 {
            let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
            let name = format!("f{seed}").parse().unwrap();
            let beats = (0..2).map(|_| yard.ledger.heartbeat(&yard.product, &name, beat(&yard)));
            let answers = join_all(beats).await;
            let heard = answers.into_iter().filter_map(|answer| answer.unwrap().done()).count();
            assert_eq!(heard, 1, "seed {seed}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_survives_a_lost_answer_and_a_heartbeat() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let name = bidder("f1").factory;
        let first = beat(&yard);
        yard.ledger.heartbeat(&yard.product, &name, first.clone()).await.unwrap().done().unwrap();
        staged.twist("fleet_factories", Twist::UnknownAfterWrite);
        let drained = yard.ledger.drain(&yard.product, &name, true).await.unwrap().done().unwrap();
        assert!(drained.draining && drained.draining_now);
        let beaten = yard.ledger.heartbeat(&yard.product, &name, first).await.unwrap();
        assert!(beaten.done().unwrap().draining);
        assert!(!yard.ledger.resume(&yard.product, &name).await.unwrap().done().unwrap().draining);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nobody_becomes_known_by_being_drained() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let name = bidder("f1").factory;
        let drained = yard.ledger.drain(&yard.product, &name, false).await.unwrap();
        assert_eq!(code(&drained), Some(fleet::Code::NotFound));
        let resumed = yard.ledger.resume(&yard.product, &name).await.unwrap();
        assert_eq!(code(&resumed), Some(fleet::Code::NotFound));
        assert!(yard.ledger.factory(&yard.product, &name).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_leaves_makes_room_for_its_next_start_at_once() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let name = bidder("f1").factory;
        let (first, second) = (beat(&yard), beat(&yard));
        let say = async |beat: &Heartbeat| {
            yard.ledger.heartbeat(&yard.product, &name, beat.clone()).await.unwrap()
        };
        let leave = async |beat: &Heartbeat| {
            yard.ledger.leave(&yard.product, &name, beat.incarnation).await.unwrap()
        };
        assert_eq!(code(&leave(&first).await), Some(fleet::Code::NotFound));
        assert!(say(&first).await.done().is_some());
        assert_eq!(reason(&leave(&second).await), Some("another_incarnation"));
        staged.twist("fleet_factories", Twist::UnknownAfterWrite);
        assert!(leave(&first).await.done().unwrap().retired_at.is_some());
        assert!(leave(&first).await.done().is_some());
        assert!(say(&second).await.done().is_some());
        assert_eq!(reason(&leave(&first).await), Some("another_incarnation"));
    })
    .await;
}
