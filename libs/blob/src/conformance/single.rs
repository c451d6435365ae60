//! A blob is written once, whoever comes second, and at the same time.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Barrier;

use super::{LONG, bytes, counted, flowing, key, nothing_is_left, read, write};
use crate::{Blobs, WriteError};

const AT: &str = "law/once";

/// # Panics
/// When the law is broken.
pub async fn a_short_blob_is_written_once(blobs: Blobs) {
    written_once(blobs, 100).await;
}

/// # Panics
/// When the law is broken.
pub async fn a_long_blob_is_written_once(blobs: Blobs) {
    written_once(blobs, LONG).await;
}

/// # Panics
/// When the law is broken.
pub async fn of_2_writers_of_a_short_blob_one_wins(blobs: Blobs) {
    one_wins(blobs, 2, 1_000).await;
}

/// # Panics
/// When the law is broken.
pub async fn of_10_writers_of_a_short_blob_one_wins(blobs: Blobs) {
    one_wins(blobs, 10, 1_000).await;
}

/// # Panics
/// When the law is broken.
pub async fn of_2_writers_of_a_long_blob_one_wins(blobs: Blobs) {
    one_wins(blobs, 2, LONG).await;
}

/// # Panics
/// When the law is broken.
pub async fn of_10_writers_of_a_long_blob_one_wins(blobs: Blobs) {
    one_wins(blobs, 10, LONG).await;
}

async fn written_once(blobs: Blobs, length: usize) {
    let first = bytes(1, length);
    assert_eq!(write(&blobs, AT, &first).await.expect("nobody was there"), counted(&first));
    for again in [&first, &bytes(2, length), &bytes(3, 10), &bytes(4, LONG)] {
        let second = write(&blobs, AT, again).await;
        assert!(matches!(second, Err(WriteError::Taken)), "{second:?}");
    }
    assert_eq!(read(&blobs, AT).await.expect("it is there"), first);
}

/// All of them begin with everything but the end written, where that can be said.
async fn one_wins(blobs: Blobs, writers: u8, length: usize) {
    let gate = Arc::new(Barrier::new(writers.into()));
    let attempts = (0..writers).map(|n| {
        let (blobs, gate) = (blobs.clone(), Arc::clone(&gate));
        async move {
            let whole = bytes(n, length);
            gate.wait().await;
            let written = blobs.write(&key(AT), flowing(&whole), u64::MAX).await;
            (n, written)
        }
    });
    let (mut winners, mut losers) = (Vec::new(), 0);
    for (n, written) in join_all(attempts).await {
        match written {
            Ok(told) => winners.push((n, told)),
            Err(WriteError::Taken) => losers += 1,
            Err(other) => panic!("writer {n}: {other:?}"),
        }
    }
    assert_eq!((winners.len(), losers), (1, usize::from(writers) - 1), "{winners:?}");
    let (winner, told) = winners.remove(0);
    let kept = read(&blobs, AT).await.expect("it is there");
    assert!(kept == bytes(winner, length), "what is kept is not the winner's");
    assert_eq!(told, counted(&kept));
    blobs.remove(&key(AT)).await.expect("it is removed");
    nothing_is_left(&blobs, AT).await;
}
