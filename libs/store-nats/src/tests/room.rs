//! Buckets with a bound: full ones refuse and lose nothing, and are given more room while they are
//! in use.

use bytes::Bytes;
use store::conformance::KINDS;
use store::{Expect, Full, Put, Store};

use super::{key, made, opened, put, written};
use crate::{Options, Plan, Trouble, init};

const MIB: u64 = 1 << 20;
const SMALL: Plan =
    Plan { partitions: 1, replicas: 1, new_generation: false, most_bytes: Some(16 * MIB) };

#[tokio::test]
async fn a_full_bucket_refuses_what_is_new_keeps_what_is_there_and_can_be_given_more() {
    let server = servers::nats();
    made(&server.url(), SMALL).await;
    let store = opened(&server.url()).await;
    let first = written(put(&store, "first", "one", &Expect::Absent).await);
    let large = Bytes::from(vec![7; 900 << 10]);
    let mut taken = 0;
    let refused = loop {
        let name = format!("large-{taken}");
        match store.put(&key(&name), large.clone(), &Expect::Absent).await {
            Ok(Put::Written(_)) => taken += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(refused.is_for::<Full>(), "{refused:?}");
    assert_eq!(taken, 18, "of 16 MiB each takes a little more than 900 KiB");
    let fullest = store.fullest().await.unwrap().unwrap();
    assert_eq!((fullest.bucket.as_str(), fullest.most), ("law_0", 16 * MIB));
    assert!(fullest.permille() > 900, "{fullest}");
    assert_eq!(store.report().await.unwrap().fullest, Some(fullest));
    let update = store.put(&key("large-0"), large.clone(), &Expect::At(first.clone())).await;
    assert!(matches!(update, Ok(Put::Conflict)), "what lost its race is told so: {update:?}");
    assert_eq!(store.get(&key("first")).await.unwrap().unwrap().value, "one");
    assert_eq!(store.get(&key("large-18")).await.unwrap(), None, "what was refused is not there");
    written(store.remove(&key("first"), &first).await);
    let options = Options::new(server.url());
    let more = Plan { most_bytes: Some(32 * MIB), ..SMALL };
    init(&options, more, &KINDS, "second").await.unwrap();
    written(store.put(&key("large-18"), large.clone(), &Expect::Absent).await);
    init(&options, Plan { most_bytes: None, ..SMALL }, &KINDS, "third").await.unwrap();
    assert_eq!(store.fullest().await.unwrap().unwrap().most, 32 * MIB, "it stays as it was");
    init(&options, Plan { most_bytes: Some(0), ..SMALL }, &KINDS, "third").await.unwrap();
    assert_eq!(store.fullest().await.unwrap(), None);
    assert_eq!(store.generation(), "first");
}

#[tokio::test]
async fn a_bound_that_is_too_tight_or_more_than_the_server_has_is_refused_with_the_reason() {
    let server = servers::nats();
    let options = Options::new(server.url());
    let tight = Plan { partitions: 8, most_bytes: Some(64 * MIB), ..SMALL };
    let refused = init(&options, tight, &KINDS, "first").await.unwrap_err();
    assert!(refused.to_string().contains("each of its 8 buckets needs 16 MiB"), "{refused}");
    let streams = server.monitored("/jsz").unwrap()["streams"].clone();
    assert_eq!(streams, 0, "nothing was made");
    let boundless = Plan { most_bytes: Some(1 << 60), ..SMALL };
    let refused = init(&options, boundless, &KINDS, "first").await.unwrap_err();
    assert!(matches!(refused, Trouble::BadPlan { .. }), "{refused:?}");
    assert!(refused.to_string().contains("insufficient storage"), "{refused}");
    made(&server.url(), SMALL).await;
    assert_eq!(opened(&server.url()).await.fullest().await.unwrap().unwrap().most, 16 * MIB);
}
