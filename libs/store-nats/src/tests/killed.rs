//! What was acknowledged is there after a server was killed; what was not is told as unknown, and
//! a read settles it. Waiting is for answers, never for a time.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use servers::{Cluster, Nats};
use store::conformance::{BY_ID, KINDS};
use store::{Expect, Key, Put, Revision, Store, StoreError, Versioned};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use super::{key, made, opened, put, written};
use crate::{NatsKv, Options, Plan};

/// For what must happen by itself; then the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
const WRITERS: usize = 8;
const KILLS: usize = 3;
const ACKNOWLEDGED_BEFORE_A_KILL: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_kill_9() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    let mut last = vec![0; WRITERS];
    for round in 0..KILLS {
        last = write_until_killed(&server, last).await;
        server.restart().unwrap();
        let store = opened(&server.url()).await;
        for (writer, last) in last.iter_mut().enumerate() {
            let found = number(store.get(&counter(writer)).await.unwrap());
            // One write of each was under way, and nothing says whether it happened.
            assert!(found == *last || found == *last + 1, "round {round}: {last} of {found}");
            *last = found;
        }
    }
}

/// The reply is lost because the server is killed between its freezing and its answer; what the
/// store says is `Unknown`, and reading afterwards tells.
#[tokio::test]
async fn a_write_whose_reply_was_lost_is_unknown_and_a_read_settles_it() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    let store = impatient(&server.url()).await;
    let first = written(put(&store, "k", "one", &Expect::Absent).await);
    server.freeze().unwrap();
    let answer = put(&store, "k", "two", &Expect::At(first.clone())).await;
    assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
    let read = store.get(&key("k")).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    server.thaw().unwrap();
    // It had been sent: once the server goes on, it is stored. The caller is told so by a read.
    let store = opened(&server.url()).await;
    let found = store.get(&key("k")).await.unwrap().expect("it is there");
    assert_eq!(found.value, "two", "a frozen server has the message in its socket");
    assert_ne!(found.revision, first);
    let again = put(&store, "k", "two", &Expect::At(first)).await.unwrap();
    assert_eq!(again, Put::Conflict, "a repetition of a stored write is refused");
}

#[tokio::test]
async fn without_a_connection_nothing_is_sent_and_later_all_goes_on() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    let store = impatient(&server.url()).await;
    let at = written(put(&store, "k", "one", &Expect::Absent).await);
    server.kill();
    let cause = timeout(PATIENCE, unsent(&store, &at)).await.expect("the client notices");
    assert_eq!(cause, "not connected to NATS");
    server.restart().unwrap();
    let found = timeout(PATIENCE, readable(&store)).await.expect("the client connects again");
    written(put(&store, "k", "three", &Expect::At(found.revision)).await);
}

/// Until the client has noticed, a write is unknown; from then on it is not sent at all.
async fn unsent(store: &NatsKv, at: &Revision) -> String {
    loop {
        match put(store, "k", "two", &Expect::At(at.clone())).await {
            Err(StoreError::Unavailable(cause)) => return cause.to_string(),
            Err(StoreError::Unknown(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn readable(store: &NatsKv) -> Versioned {
    loop {
        match store.get(&key("k")).await {
            Ok(found) => return found.expect("it is there"),
            Err(StoreError::Unavailable(_)) => yield_now().await,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// One node of three is killed under load, whichever it is: what was acknowledged is there, and
/// writing goes on with the other two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_loses_a_node_loses_no_acknowledged_write() {
    let cluster = servers::cluster();
    made(&cluster.url(), Plan { partitions: 2, replicas: 3, ..Plan::default() }).await;
    let store = impatient(&cluster.url()).await;
    let mut at = written(put(&store, "k", "0", &Expect::Absent).await);
    for (n, node) in cluster.nodes().iter().enumerate() {
        node.kill();
        for m in 0..20 {
            at = settled(&store, &format!("{n}.{m}"), at).await;
        }
        node.restart().unwrap();
        cluster_is_whole(&cluster);
    }
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "2.19");
}

/// As the ledger does: write, and where that is not answered, read and look for what was meant.
async fn settled(store: &NatsKv, text: &str, mut at: Revision) -> Revision {
    loop {
        match put(store, "k", text, &Expect::At(at.clone())).await {
            Ok(Put::Written(revision)) => return revision,
            Ok(Put::Missing) => panic!("an acknowledged document is gone"),
            Ok(Put::Conflict) | Err(StoreError::Unknown(_) | StoreError::Unavailable(_)) => {}
            Err(error @ (StoreError::TooLarge { .. } | StoreError::Corrupt(_))) => {
                panic!("{error}: {:?}", error.source())
            }
        }
        let Ok(found) = store.get(&key("k")).await else { continue };
        let found = found.expect("an acknowledged document is there");
        if found.value == text {
            return found.revision;
        }
        assert_eq!(found.revision, at, "nobody else writes here");
        at = found.revision;
    }
}

fn cluster_is_whole(cluster: &Cluster) {
    for node in cluster.nodes() {
        node.ready().unwrap();
    }
}

/// Eight count until the server is killed, after so many acknowledgements; the last of each.
async fn write_until_killed(server: &Nats, from: Vec<u64>) -> Vec<u64> {
    let store: Arc<dyn Store> = Arc::new(impatient(&server.url()).await);
    let (told, mut heard) = mpsc::channel(WRITERS);
    let mut writers = JoinSet::new();
    for (writer, from) in from.into_iter().enumerate() {
        let (store, told) = (Arc::clone(&store), told.clone());
        writers.spawn(async move { (writer, count(&store, writer, (from, told)).await) });
    }
    drop(told);
    for _ in 0..ACKNOWLEDGED_BEFORE_A_KILL {
        heard.recv().await.expect("the writers write");
    }
    server.kill();
    // What was told meanwhile is drained, so that no writer waits for us.
    while heard.recv().await.is_some() {}
    let mut last = writers.join_all().await;
    last.sort_unstable();
    last.into_iter().map(|(_, last)| last).collect()
}

async fn count(
    store: &Arc<dyn Store>,
    writer: usize,
    (from, told): (u64, mpsc::Sender<()>),
) -> u64 {
    let key = counter(writer);
    let found = store.get(&key).await.unwrap();
    let mut expect = found.map_or(Expect::Absent, |found| Expect::At(found.revision));
    let mut last = from;
    loop {
        let value = Bytes::from((last + 1).to_string());
        match store.put(&key, value, &expect).await {
            Ok(Put::Written(revision)) => expect = Expect::At(revision),
            Ok(refused) => panic!("nobody else writes here: {refused:?}"),
            Err(StoreError::Unknown(_) | StoreError::Unavailable(_)) => return last,
            Err(error) => panic!("{error}"),
        }
        last += 1;
        told.send(()).await.expect("it is heard to the end");
    }
}

fn counter(writer: usize) -> Key {
    Key::new(BY_ID, "p", format!("w{writer}")).unwrap()
}

fn number(found: Option<Versioned>) -> u64 {
    found.map_or(0, |found| std::str::from_utf8(&found.value).unwrap().parse().unwrap())
}

/// With a short patience, where a test waits for it to end.
async fn impatient(url: &str) -> NatsKv {
    let options = Options { timeout: Duration::from_millis(500), ..Options::new(url) };
    let store = NatsKv::open(&options, &KINDS).await;
    store.unwrap_or_else(|error| panic!("{error}"))
}
