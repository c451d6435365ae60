//! The laws on genuine servers, one and three, and what the store says of lost replies, killed
//! servers and buckets that are not as they must be.

mod killed;
mod long;
mod opening;
mod room;

use std::sync::Arc;

use bytes::Bytes;
use servers::{Cluster, Nats};
use store::conformance::{BY_ID, KINDS, acknowledged_writes_are_there_after_reopening};
use store::{Expect, Key, MAX_VALUE, Put, Revision, Store, StoreError};

use crate::{NatsKv, Options, Plan, init};

mod laws_on_one_server {
    use super::*;

    async fn make() -> (Arc<dyn Store>, Nats) {
        let server = servers::nats();
        made(&server.url(), Plan::default()).await;
        (Arc::new(opened(&server.url()).await), server)
    }
    store::conformance!(make, rounds = 50);
}

mod laws_on_three_servers {
    use super::*;

    async fn make() -> (Arc<dyn Store>, Cluster) {
        let cluster = servers::cluster();
        made(&cluster.url(), Plan { partitions: 3, replicas: 3, ..Plan::default() }).await;
        (Arc::new(opened(&cluster.url()).await), cluster)
    }
    store::conformance!(make, rounds = 20);
}

#[tokio::test]
async fn a_write_acknowledged_before_a_crash_is_there_after_it() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    let open = async || {
        server.restart().unwrap();
        Arc::new(opened(&server.url()).await) as Arc<dyn Store>
    };
    acknowledged_writes_are_there_after_reopening(open).await;
}

/// A mark of a removal is no revision of a document: a put at it must not bring one back.
#[tokio::test]
async fn nothing_is_written_at_the_mark_of_a_removal_or_at_zero() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    let store = opened(&server.url()).await;
    let first = written(put(&store, "k", "one", &Expect::Absent).await);
    let mark = written(store.remove(&key("k"), &first).await);
    assert_eq!(mark.as_number(), None);
    for at in [mark, Revision::number(0), first, Revision::text("x")] {
        assert_eq!(put(&store, "k", "back", &Expect::At(at.clone())).await.unwrap(), Put::Missing);
        assert_eq!(put(&store, "new", "x", &Expect::At(at.clone())).await.unwrap(), Put::Missing);
        assert_eq!(store.remove(&key("k"), &at).await.unwrap(), Put::Missing);
    }
    assert_eq!(store.get(&key("k")).await.unwrap(), None);
    written(put(&store, "k", "two", &Expect::Absent).await);
}

#[tokio::test]
async fn where_messages_may_be_a_little_longer_the_limit_is_that_of_every_store() {
    let most = MAX_VALUE + 1024;
    let options = servers::Options { max_payload: Some(most), ..servers::Options::default() };
    let server = Nats::start(options).unwrap();
    made(&server.url(), Plan::default()).await;
    let store = opened(&server.url()).await;
    let full = Bytes::from(vec![7; MAX_VALUE]);
    written(store.put(&key("full"), full.clone(), &Expect::Absent).await);
    assert_eq!(store.get(&key("full")).await.unwrap().unwrap().value, full);
    let over = store.put(&key("over"), vec![7; MAX_VALUE + 1].into(), &Expect::Absent).await;
    assert!(matches!(over, Err(StoreError::TooLarge { limit: MAX_VALUE, .. })), "{over:?}");
}

async fn made(url: &str, plan: Plan) {
    let made = init(&Options::new(url), plan, &KINDS, "first").await;
    made.unwrap_or_else(|error| panic!("{error}"));
}

async fn opened(url: &str) -> NatsKv {
    let store = NatsKv::open(&Options::new(url), &KINDS).await;
    store.unwrap_or_else(|error| panic!("{error}"))
}

fn key(id: &str) -> Key {
    Key::new(BY_ID, "p", id).unwrap()
}

async fn put(store: &NatsKv, id: &str, text: &str, expect: &Expect) -> Result<Put, StoreError> {
    store.put(&key(id), Bytes::from(text.to_owned()), expect).await
}

fn written(answer: Result<Put, StoreError>) -> Revision {
    match answer.expect("the write is answered") {
        Put::Written(revision) => revision,
        Put::Conflict => panic!("a conflict"),
        Put::Missing => panic!("nothing there"),
    }
}
