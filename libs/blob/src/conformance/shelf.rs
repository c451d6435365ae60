//! What is there, what is not, and what is no more.

use futures_util::TryStreamExt;

use super::{LONG, bytes, key, nothing_is_left, read, write};
use crate::{Blobs, ReadError};

/// # Panics
/// When the law is broken.
pub async fn what_is_not_there_is_missing(blobs: Blobs) {
    let at = key("law/nowhere");
    assert!(matches!(blobs.read(&at, None).await, Err(ReadError::Missing)));
    assert!(matches!(blobs.read(&at, Some(0..1)).await, Err(ReadError::Missing)));
    assert!(matches!(blobs.count(&at).await, Err(ReadError::Missing)));
    assert_eq!(blobs.find(&at).await.expect("it is looked for"), None);
    blobs.remove(&at).await.expect("it is gone already");
}

/// # Panics
/// When the law is broken.
pub async fn what_is_removed_is_gone_and_stays_gone(blobs: Blobs) {
    for length in [10, LONG] {
        write(&blobs, "law/gone", &bytes(1, length)).await.expect("it is written");
        for _ in 0..2 {
            blobs.remove(&key("law/gone")).await.expect("it is removed");
            nothing_is_left(&blobs, "law/gone").await;
        }
    }
}

/// # Panics
/// When the law is broken.
pub async fn a_list_tells_of_all_below_a_key_and_of_nothing_else(blobs: Blobs) {
    let lengths = [("law/a/1", 1), ("law/a/2", 20), ("law/a/b/3", 0), ("law/ab/4", 4), ("l/5", 5)];
    for (at, length) in lengths {
        write(&blobs, at, &bytes(1, length)).await.expect("it is written");
    }
    assert_eq!(listed(&blobs, "law/a").await, ["law/a/1 1", "law/a/2 20", "law/a/b/3 0"]);
    assert_eq!(listed(&blobs, "law/a/b").await, ["law/a/b/3 0"]);
    assert_eq!(listed(&blobs, "law").await.len(), 4);
    assert_eq!(listed(&blobs, "nobody").await, [""; 0]);
    blobs.remove(&key("law/a/b/3")).await.expect("it is removed");
    assert_eq!(listed(&blobs, "law/a").await, ["law/a/1 1", "law/a/2 20"]);
}

/// # Panics
/// When the law is broken.
pub async fn a_place_that_is_there_is_reached_and_left_as_it_was(blobs: Blobs) {
    write(&blobs, "law/kept", &bytes(1, 5)).await.expect("it is written");
    for _ in 0..2 {
        blobs.reach().await.expect("it is reached");
    }
    nothing_is_left(&blobs, "law/other").await;
    assert_eq!(read(&blobs, "law/kept").await.expect("it is there"), bytes(1, 5));
}

async fn listed(blobs: &Blobs, under: &str) -> Vec<String> {
    let found: Vec<_> = blobs.list(&key(under)).try_collect().await.expect("it is listed");
    let mut told: Vec<String> =
        found.iter().map(|stored| format!("{} {}", stored.key, stored.size)).collect();
    told.sort();
    told
}
