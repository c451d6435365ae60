//! The laws on an emulated account, in good and in bad weather, and what the store says of lost
//! replies, throttling and accounts that are not as they must be.

mod bulky;
mod opening;
mod weather;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cosmos_emulator::{Consistency, Emulator, Faults, KEY, Settings};
use store::conformance::{BY_ID, KINDS, acknowledged_writes_are_there_after_reopening};
use store::{Expect, Key, Put, Revision, Store, StoreError};

use crate::{Access, Container, Cosmos, Options, Trouble, init};

mod laws {
    use super::*;

    async fn make() -> (Arc<dyn Store>, Emulator) {
        let emulator = cosmos_emulator::emulator();
        (Arc::new(made(&emulator).await), emulator)
    }
    store::conformance!(make, rounds = 20);
}

/// Every fifth request is refused and comes again; a refusal that comes to nothing is no answer.
mod laws_while_throttled {
    use super::*;

    async fn make() -> (Arc<dyn Store>, Emulator) {
        let emulator = cosmos_emulator::emulator();
        let store = made(&emulator).await;
        let retry_after = Duration::from_millis(1);
        emulator.set(Faults { throttled: 200, retry_after, ..Faults::default() });
        (Arc::new(store), emulator)
    }
    store::conformance!(make, rounds = 5);
}

/// Writes reach the second region only after a while.
mod laws_beside_a_region_that_is_behind {
    use super::*;

    async fn make() -> (Arc<dyn Store>, Emulator) {
        let second_region = Some(Duration::from_millis(50));
        let settings = Settings { second_region, ..Settings::default() };
        let emulator = Emulator::start(settings).unwrap();
        (Arc::new(made(&emulator).await), emulator)
    }
    store::conformance!(make, rounds = 5);
}

#[tokio::test]
async fn what_one_process_wrote_another_sees_and_after_reopening_too() {
    let emulator = cosmos_emulator::emulator();
    let (one, other) = (made(&emulator).await, made(&emulator).await);
    for n in 0..20 {
        let at = written(put(&one, &format!("k{n}"), "one", &Expect::Absent).await);
        let seen = other.get(&key(&format!("k{n}"))).await.unwrap().expect("it was written");
        assert_eq!((seen.value, seen.revision), ("one".into(), at));
    }
    let open = async || Arc::new(made(&emulator).await) as Arc<dyn Store>;
    acknowledged_writes_are_there_after_reopening(open).await;
}

#[tokio::test]
async fn a_value_above_the_limit_is_refused_before_it_is_sent() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    let before = store.charges();
    let value = Bytes::from(vec![7; store::MAX_VALUE + 1]);
    let refused = store.put(&key("k"), value, &Expect::Absent).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    assert_eq!(store.charges(), before);
}

#[tokio::test]
async fn every_operation_is_charged_by_its_sort() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    assert_eq!(store.charges(), []);
    let first = written(put(&store, "k", "one", &Expect::Absent).await);
    let second = written(put(&store, "k", "two", &Expect::At(first.clone())).await);
    assert_eq!(put(&store, "k", "late", &Expect::At(first)).await.unwrap(), Put::Conflict);
    store.get(&key("k")).await.unwrap();
    store.scan(&store::Scope::Kind(BY_ID), None, 10).await.unwrap();
    written(store.remove(&key("k"), &second).await);
    let told: Vec<_> = store.charges().iter().map(|one| (one.deed.name(), one.times)).collect();
    let wanted = [("read", 1), ("create", 1), ("replace", 2), ("remove", 1), ("query", 1)];
    assert_eq!(told, wanted);
    let of = |name| store.charges().into_iter().find(|one| one.deed.name() == name).unwrap();
    assert!(of("read").units >= 1.0 && of("create").units > of("read").units);
    assert_eq!(of("create").requests, 1);
}

async fn made(emulator: &Emulator) -> Cosmos {
    let made = init(&options(emulator), &containers(), false, "first").await;
    made.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    let opened = Cosmos::open(&options(emulator), &containers()).await;
    opened.unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

/// Fields that lie beside a record where they are large.
const APART: &[&str] = &["body"];

fn options(emulator: &Emulator) -> Options {
    Options::new(emulator.url(), "fleet", Access::Key(KEY.into()))
}

fn containers() -> Vec<Container> {
    KINDS.map(|kind| Container { kind, partitioned_by: "part", apart: APART }).to_vec()
}

fn key(id: &str) -> Key {
    Key::new(BY_ID, "p", id).unwrap()
}

async fn put(store: &Cosmos, id: &str, text: &str, expect: &Expect) -> Result<Put, StoreError> {
    store.put(&key(id), Bytes::from(text.to_owned()), expect).await
}

fn written(answer: Result<Put, StoreError>) -> Revision {
    match answer.expect("the write is answered") {
        Put::Written(revision) => revision,
        Put::Conflict => panic!("a conflict"),
        Put::Missing => panic!("nothing there"),
    }
}
