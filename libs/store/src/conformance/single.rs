//! Laws that one caller can see. They never run two operations at once.

use std::sync::Arc;

use bytes::Bytes;

use super::{BY_ID, KINDS, created, key, key_in, put, read, updated, written};
use crate::{Expect, LONGEST_PART, Put, Revision, Store, StoreError, Versioned};

/// A create at an absent key is written and can be read, in every kind.
pub async fn an_absent_key_is_created_once(store: Arc<dyn Store>) {
    for kind in KINDS {
        let key = key_in(kind, "p", "a");
        assert_eq!(read(&store, &key).await, None, "nothing is there before");
        let revision = created(&store, &key, "first").await;
        let expected = Versioned { value: Bytes::from("first"), revision };
        assert_eq!(read(&store, &key).await, Some(expected));
    }
}

/// A create where a document is conflicts, even with the same bytes, and changes nothing.
pub async fn a_second_create_conflicts(store: Arc<dyn Store>) {
    let key = key("a");
    created(&store, &key, "first").await;
    let before = read(&store, &key).await;
    for text in ["first", "second"] {
        assert_eq!(put(&store, &key, text, &Expect::Absent).await, Put::Conflict);
    }
    assert_eq!(read(&store, &key).await, before, "a refused create writes nothing");
}

/// A put at a revision that is no longer the document's conflicts and changes nothing.
pub async fn a_stale_revision_conflicts_and_writes_nothing(store: Arc<dyn Store>) {
    let key = key("a");
    let first = created(&store, &key, "first").await;
    updated(&store, &key, "second", first.clone()).await;
    let before = read(&store, &key).await;
    assert_eq!(put(&store, &key, "late", &Expect::At(first)).await, Put::Conflict);
    assert_eq!(read(&store, &key).await, before, "a stale put writes nothing");
}

/// A put at a revision of a key that is not there is missing, and creates nothing.
pub async fn a_put_at_an_absent_key_is_missing(store: Arc<dyn Store>) {
    let (there, absent) = (key("there"), key("absent"));
    let elsewhere = created(&store, &there, "x").await;
    assert_eq!(put(&store, &absent, "x", &Expect::At(elsewhere)).await, Put::Missing);
    assert_eq!(read(&store, &absent).await, None, "nothing was created");
}

/// Every write changes the revision, even with the same bytes; the answer is what a read shows.
pub async fn every_write_changes_the_revision(store: Arc<dyn Store>) {
    let key = key("a");
    let mut seen = vec![created(&store, &key, "same").await];
    for _ in 0..20 {
        let last = seen[seen.len() - 1].clone();
        let next = updated(&store, &key, "same", last).await;
        assert!(!seen.contains(&next), "a write repeated a revision");
        assert_eq!(read(&store, &key).await.map(|found| found.revision), Some(next.clone()));
        seen.push(next);
    }
}

/// A removal at a stale revision conflicts, at the right one removes, after that is missing.
pub async fn removal_needs_the_revision(store: Arc<dyn Store>) {
    let key = key("a");
    let first = created(&store, &key, "first").await;
    let second = updated(&store, &key, "second", first.clone()).await;
    assert_eq!(remove(&store, &key, &first).await, Put::Conflict);
    assert!(read(&store, &key).await.is_some(), "a refused removal removes nothing");
    let mark = written(remove(&store, &key, &second).await);
    assert_ne!(mark, second, "a removal is a write of its own");
    assert_eq!(read(&store, &key).await, None);
    assert_eq!(remove(&store, &key, &second).await, Put::Missing);
    assert_eq!(put(&store, &key, "late", &Expect::At(second)).await, Put::Missing);
}

/// After removal and a new create, no revision from before is good for anything.
pub async fn a_recreated_key_never_revives_an_old_revision(store: Arc<dyn Store>) {
    let key = key("a");
    let mut old = Vec::new();
    for _ in 0..5 {
        let now = created(&store, &key, "same").await;
        assert!(!old.contains(&now), "a new document has an old revision");
        for stale in &old {
            assert_eq!(put(&store, &key, "late", &Expect::At(stale.clone())).await, Put::Conflict);
            assert_eq!(remove(&store, &key, stale).await, Put::Conflict);
        }
        let mark = written(remove(&store, &key, &now).await);
        old.extend([now, mark]);
    }
}

/// A read that begins after a write was answered sees it, from any task.
pub async fn a_read_after_a_write_sees_it(store: Arc<dyn Store>) {
    let key = key("a");
    let mut last = created(&store, &key, "0").await;
    for n in 1..50 {
        last = updated(&store, &key, &n.to_string(), last).await;
        let mut reader = tokio::task::JoinSet::new();
        let (store, key) = (Arc::clone(&store), key.clone());
        reader.spawn(async move { read(&store, &key).await });
        let found = reader.join_next().await.expect("one reader").expect("it ends");
        let expected = Versioned { value: n.to_string().into(), revision: last.clone() };
        assert_eq!(found, Some(expected));
    }
}

/// A value as long as the limit comes back byte by byte; one byte more is refused, naming both
/// sizes, and writes nothing. An empty value is a value.
pub async fn bytes_survive_at_the_size_limit_and_are_refused_above_it(store: Arc<dyn Store>) {
    let (full, empty, over) = (key("full"), key("empty"), key("over"));
    let far_above = Bytes::from(vec![0; 16 << 20]);
    let limit = match store.put(&over, far_above, &Expect::Absent).await {
        Err(StoreError::TooLarge { limit, actual }) => {
            assert_eq!(actual, 16 << 20);
            limit
        }
        other => panic!("16 MiB must be refused as too large, not {other:?}"),
    };
    let value: Bytes = (0u8..=255).cycle().take(limit).collect();
    written(store.put(&full, value.clone(), &Expect::Absent).await.expect("the limit is good"));
    assert!(read(&store, &full).await.is_some_and(|found| found.value == value));
    written(store.put(&empty, Bytes::new(), &Expect::Absent).await.expect("empty is good"));
    assert!(read(&store, &empty).await.is_some_and(|found| found.value.is_empty()));
    let above = Bytes::from(vec![7; limit + 1]);
    let answer = store.put(&over, above, &Expect::Absent).await;
    assert!(
        matches!(answer, Err(StoreError::TooLarge { limit: l, actual }) if (l, actual) == (limit, limit + 1)),
        "one byte above the limit: {answer:?}"
    );
    assert_eq!(read(&store, &over).await, None, "a refused value writes nothing");
}

/// The shortest and longest parts, every letter of the alphabet, and keys that differ only in
/// case, in length, or in where one part ends are all documents of their own.
pub async fn keys_at_the_edge_of_the_alphabet_work(store: Arc<dyn Store>) {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    let longest = "z".repeat(LONGEST_PART);
    let almost = "z".repeat(LONGEST_PART - 1);
    let parts = ["-", "_", "--", "__", "a", "A", "0", ALPHABET, &almost, &longest];
    let pairs = parts.iter().flat_map(|left| parts.iter().map(move |right| (left, right)));
    let keys: Vec<_> = pairs.map(|(left, right)| key_in(BY_ID, left, right)).collect();
    for (n, key) in keys.iter().enumerate() {
        created(&store, key, &n.to_string()).await;
    }
    for (n, key) in keys.iter().enumerate() {
        let found = read(&store, key).await.expect("every key is there");
        assert_eq!(found.value, n.to_string().as_bytes(), "{key:?} has another key's bytes");
    }
}

async fn remove(store: &Arc<dyn Store>, key: &crate::Key, at: &Revision) -> Put {
    store.remove(key, at).await.expect("the remove is answered")
}
