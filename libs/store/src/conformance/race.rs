//! Laws that only show when many act at once; a store that checks and then writes breaks them.
//! They never wait for a time: a barrier lets all go together.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};

use super::{created, key, read};
use crate::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};

/// Of two that create one key together, one is written, one conflicts; 256 times.
pub async fn of_2_creators_one_wins(store: Arc<dyn Store>) {
    creators(store, 2, 256).await;
}

/// Of ten that create one key together, one is written; 50 times.
pub async fn of_10_creators_one_wins(store: Arc<dyn Store>) {
    creators(store, 10, 50).await;
}

/// Of 64 that create one key together, one is written; eight times.
pub async fn of_64_creators_one_wins(store: Arc<dyn Store>) {
    creators(store, 64, 8).await;
}

/// Of 256 that create one key together, one is written; twice.
pub async fn of_256_creators_one_wins(store: Arc<dyn Store>) {
    creators(store, 256, 2).await;
}

/// Of 64 updates of one document at one revision, one is written and 63 conflict, and the
/// document is the winner's; in each of `rounds`.
pub async fn of_64_updaters_of_one_revision_one_wins(store: Arc<dyn Store>, rounds: usize) {
    let key = key("updated");
    let mut at = created(&store, &key, "first").await;
    for _ in 0..rounds {
        let expect = Expect::At(at);
        let answers = together(&store, 64, |store, n| {
            let (key, expect) = (key.clone(), expect.clone());
            async move { store.put(&key, Bytes::from(n.to_string()), &expect).await }
        });
        at = only_winner(&store, &key, answers.await).await;
    }
}

/// Of 64 removals of one document at one revision, one is written; the others find it gone
/// or moved; eight times.
pub async fn of_64_removers_one_wins(store: Arc<dyn Store>) {
    for round in 0..8 {
        let key = key(&format!("removed{round}"));
        let at = created(&store, &key, "x").await;
        let answers = together(&store, 64, |store, _| {
            let (key, at) = (key.clone(), at.clone());
            async move { store.remove(&key, &at).await }
        });
        let won = answers.await.iter().filter(|put| matches!(put, Put::Written(_))).count();
        assert_eq!(won, 1, "one removal wins");
        assert_eq!(read(&store, &key).await, None);
    }
}

/// Five that add one ten times each, reading, then writing at what they read, and trying again
/// after a conflict, lose no increment.
pub async fn five_times_ten_concurrent_increments_make_50(store: Arc<dyn Store>) {
    let key = key("counter");
    created(&store, &key, "0").await;
    let store: Arc<dyn Store> = Arc::new(Yielding(store));
    let answers = together(&store, 5, |store, _| {
        let key = key.clone();
        async move { ten_increments(&store, &key).await }
    });
    assert_eq!(answers.await.len(), 5);
    let total = read(&store, &key).await.expect("the counter is there");
    assert_eq!(total.value, "50".as_bytes(), "an increment was lost");
}

async fn creators(store: Arc<dyn Store>, many: usize, rounds: usize) {
    for round in 0..rounds {
        let key = key(&format!("created{round}"));
        let answers = together(&store, many, |store, n| {
            let key = key.clone();
            async move { store.put(&key, Bytes::from(n.to_string()), &Expect::Absent).await }
        });
        only_winner(&store, &key, answers.await).await;
    }
}

/// Checks that one of the answers is `Written` and the document is that contender's.
async fn only_winner(store: &Arc<dyn Store>, key: &Key, answers: Vec<Put>) -> Revision {
    let mut winners = answers.iter().enumerate().filter_map(|(n, answer)| match answer {
        Put::Written(revision) => Some((n, revision.clone())),
        Put::Conflict => None,
        Put::Missing => panic!("nobody removes this document"),
    });
    let (winner, revision) = winners.next().expect("somebody wins");
    assert_eq!(winners.next(), None, "two were told that they won");
    let value = Bytes::from(winner.to_string());
    let expected = Versioned { value, revision: revision.clone() };
    assert_eq!(read(store, key).await, Some(expected), "the document is the winner's");
    revision
}

/// Runs `act` for contenders `0..many`, all let go at once; the answers in their order.
async fn together<A>(
    store: &Arc<dyn Store>,
    many: usize,
    act: impl Fn(Arc<dyn Store>, usize) -> A,
) -> Vec<Put>
where
    A: Future<Output = Result<Put, StoreError>> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(many));
    let mut contenders = JoinSet::new();
    for n in 0..many {
        let (barrier, act) = (Arc::clone(&barrier), act(Arc::clone(store), n));
        contenders.spawn(async move {
            barrier.wait().await;
            (n, act.await.expect("the write is answered"))
        });
    }
    let mut answers = contenders.join_all().await;
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn ten_increments(store: &Arc<dyn Store>, key: &Key) -> Result<Put, StoreError> {
    let mut answer = Put::Missing;
    for _ in 0..10 {
        answer = increment(store, key).await?;
        assert!(matches!(answer, Put::Written(_)), "nobody removes this document");
    }
    Ok(answer)
}

async fn increment(store: &Arc<dyn Store>, key: &Key) -> Result<Put, StoreError> {
    // Each failure means that another of the five got one step further.
    for _ in 0..1_000 {
        let Some(found) = store.get(key).await? else { return Ok(Put::Missing) };
        let text = std::str::from_utf8(&found.value).expect("a number");
        let next: u32 = 1 + text.parse::<u32>().expect("a number");
        let expect = Expect::At(found.revision);
        let answer = store.put(key, next.to_string().into(), &expect).await?;
        if answer != Put::Conflict {
            return Ok(answer);
        }
    }
    panic!("a counter that never lets a write through");
}

/// Lets others run between a read and the write that follows it.
#[derive(Debug)]
struct Yielding(Arc<dyn Store>);

#[async_trait]
impl Store for Yielding {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let answer = self.0.get(key).await;
        yield_now().await;
        answer
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        yield_now().await;
        self.0.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        yield_now().await;
        self.0.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.scan(scope, from, limit).await
    }
}
