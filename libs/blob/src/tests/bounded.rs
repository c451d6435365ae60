//! How far ahead of what takes its bytes a source is pulled, told by counting.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use clock::System;
use futures_util::{StreamExt, poll};
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};

use super::disk;
use crate::Blobs;
use crate::conformance::{NO_LIMIT, bytes, flowing, gathered, key, write};

const WHOLE: usize = 64 << 20;

#[tokio::test]
async fn a_place_that_takes_nothing_stops_its_source() {
    let never = Duration::from_hours(1);
    let config = ThrottleConfig { wait_put_per_call: never, ..ThrottleConfig::default() };
    let store = ThrottledStore::new(InMemory::new(), config);
    let blobs = Blobs::behind(store, Arc::new(System::start()));
    let pulled = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&pulled);
    let source = flowing(&bytes(1, WHOLE)).inspect(move |piece| {
        let length = piece.as_ref().map_or(0, Bytes::len);
        counts.fetch_add(length as u64, Ordering::SeqCst);
    });
    let at = key("bounded");
    let mut writing = Box::pin(blobs.write(&at, source, NO_LIMIT));
    for _ in 0..10_000 {
        assert!(matches!(poll!(&mut writing), Poll::Pending));
        tokio::task::yield_now().await;
    }
    let ahead = pulled.load(Ordering::SeqCst);
    // Two parts on their way, one that fills, and the piece in hand.
    assert!(ahead <= (12 << 20) + 60_000, "{ahead} bytes were pulled");
    assert!(ahead > 4 << 20, "it did not begin: {ahead} bytes were pulled");
}

/// What is changed on the disk further on is seen, so it had not been read yet.
#[tokio::test]
async fn a_reader_that_waits_stops_the_reading() {
    let (blobs, place) = disk();
    write(&blobs, "read", &bytes(1, WHOLE)).await.unwrap();
    let mut reading = blobs.read(&key("read"), None).await.unwrap();
    let first = reading.bytes.next().await.unwrap().unwrap();
    assert!(first.len() <= 1 << 20, "{} bytes at once", first.len());
    let file = std::fs::OpenOptions::new().write(true).open(place.path().join("read")).unwrap();
    let changed = bytes(99, 1000);
    file.write_all_at(&changed, 4 << 20).unwrap();
    let rest = gathered(reading.bytes).await.unwrap();
    let at = (4 << 20) - first.len();
    assert!(rest.slice(at..at + 1000) == changed, "it was read ahead");
    assert_eq!(first.len() + rest.len(), WHOLE);
}

#[tokio::test]
async fn a_blob_that_was_cut_while_it_is_read_breaks_the_reading() {
    let (blobs, place) = disk();
    write(&blobs, "cut", &bytes(1, WHOLE)).await.unwrap();
    let mut reading = blobs.read(&key("cut"), None).await.unwrap();
    reading.bytes.next().await.unwrap().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(place.path().join("cut")).unwrap();
    file.set_len(WHOLE as u64 / 2).unwrap();
    gathered(reading.bytes).await.expect_err("half of it passed for all");
}
