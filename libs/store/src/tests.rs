//! The laws on the reference and the decorator, the mutant that must break them, and each fault.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::conformance::{ROUNDS, check, key, race};
use crate::{Broken, Expect, Faults, Faulty, Memory, Put, Revision, Scope, Store, StoreError};

mod memory {
    use super::*;

    async fn make() -> (Arc<dyn Store>, ()) {
        (Arc::new(Memory::new()), ())
    }
    crate::conformance!(make);
}

mod faulty_without_faults {
    use super::*;

    async fn make() -> (Arc<dyn Store>, ()) {
        (Arc::new(Faulty::new(Memory::new(), 1, Faults::default())), ())
    }
    crate::conformance!(make);
}

mod faulty_with_delays_and_reordering {
    use super::*;

    async fn make() -> (Arc<dyn Store>, ()) {
        let longest_delay = Duration::from_millis(1);
        let faults = Faults { delay: 20, reorder: 20, longest_delay, ..Faults::default() };
        (Arc::new(Faulty::new(Memory::new(), 2, faults)), ())
    }
    crate::conformance!(make);
}

#[test]
fn the_race_laws_catch_a_broken_store() {
    let caught = |law: &dyn Fn()| catch_unwind(AssertUnwindSafe(law)).is_err();
    let broken = async || (Arc::new(Broken::new()) as Arc<dyn Store>, ());
    assert!(caught(&|| check(broken, race::of_2_creators_one_wins)), "2 creators");
    assert!(caught(&|| check(broken, race::of_10_creators_one_wins)), "10 creators");
    assert!(caught(&|| check(broken, race::of_64_creators_one_wins)), "64 creators");
    assert!(caught(&|| check(broken, race::of_256_creators_one_wins)), "256 creators");
    assert!(caught(&|| check(broken, race::of_64_removers_one_wins)), "removers");
    let updaters = async |store| {
        race::of_64_updaters_of_one_revision_one_wins(store, ROUNDS).await;
    };
    assert!(caught(&|| check(broken, updaters)), "updaters");
    let counters = race::five_times_ten_concurrent_increments_make_50;
    // Five alone may by luck come one after the other, on a busy machine even in every step.
    let caught_once = (0..20).any(|_| caught(&|| check(broken, counters)));
    assert!(caught_once, "counters");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_that_was_applied_is_visible_on_the_next_read() {
    let store = always(Faults { unknown_applied: 1000, ..Faults::default() });
    let answer = store.put(&key("a"), "x".into(), &Expect::Absent).await;
    assert!(matches!(answer, Err(StoreError::Unknown(_))));
    let found = store.get(&key("a")).await.unwrap().expect("it was written");
    assert_eq!(found.value, Bytes::from("x"));
    assert!(matches!(store.remove(&key("a"), &found.revision).await, Err(StoreError::Unknown(_))));
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(store.injected().unknown_applied, 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_that_was_lost_is_not_there() {
    let store = always(Faults { unknown_lost: 1000, ..Faults::default() });
    let answer = store.put(&key("a"), "x".into(), &Expect::Absent).await;
    assert!(matches!(answer, Err(StoreError::Unknown(_))));
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(store.injected().unknown_lost, 1);
}

#[tokio::test(start_paused = true)]
async fn an_injected_conflict_writes_nothing() {
    let store = always(Faults { conflict: 1000, ..Faults::default() });
    assert_eq!(store.put(&key("a"), "x".into(), &Expect::Absent).await.unwrap(), Put::Conflict);
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(store.injected().conflicts, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_refuses_everything_until_it_is_healed() {
    let store = always(Faults { outage: 1000, longest_outage: 5, ..Faults::default() });
    let revision = Revision::number(1);
    let scope = Scope::Kind(key("a").kind());
    assert!(matches!(store.get(&key("a")).await, Err(StoreError::Unavailable(_))));
    let put = store.put(&key("a"), "x".into(), &Expect::Absent).await;
    assert!(matches!(put, Err(StoreError::Unavailable(_))));
    let removed = store.remove(&key("a"), &revision).await;
    assert!(matches!(removed, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.scan(&scope, None, 9).await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.injected().outages, 4);
    store.heal();
    assert_eq!(store.get(&key("a")).await.unwrap(), None, "what was refused was not written");
}

#[tokio::test(start_paused = true)]
async fn a_reordered_put_is_overtaken_by_the_next() {
    let longest_delay = Duration::from_secs(1);
    let store = always(Faults { reorder: 1000, longest_delay, ..Faults::default() });
    let (slow, quick) = (key("a"), key("a"));
    let first = store.put(&slow, "first".into(), &Expect::Absent);
    let second = async {
        tokio::task::yield_now().await;
        store.heal();
        store.put(&quick, "second".into(), &Expect::Absent).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.unwrap(), Put::Conflict);
    assert!(matches!(second.unwrap(), Put::Written(_)));
    assert_eq!(store.injected().reorders, 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_faults() {
    let (first, again, other) = (transcript(7).await, transcript(7).await, transcript(8).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    for word in ["Written", "Conflict", "Unavailable", "Unknown"] {
        assert!(first.contains(word), "no {word} in {first}");
    }
}

async fn transcript(seed: u64) -> String {
    let faults = Faults {
        conflict: 100,
        outage: 50,
        longest_outage: 3,
        unknown_applied: 100,
        unknown_lost: 100,
        delay: 300,
        reorder: 100,
        longest_delay: Duration::from_secs(2),
    };
    let store = Faulty::new(Memory::new(), seed, faults);
    let mut said = String::new();
    for n in 0..100 {
        let key = key(&format!("k{}", n % 20));
        said += &format!("{:?}\n", store.put(&key, "x".into(), &Expect::Absent).await);
        said += &format!("{:?}\n", store.get(&key).await.map(|found| found.is_some()));
    }
    said + &format!("{:?}", store.injected())
}

fn always(faults: Faults) -> Faulty<Memory> {
    Faulty::new(Memory::new(), 0, faults)
}
