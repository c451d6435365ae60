//! Bytes come back as they went, and what does not end well leaves nothing.

use std::task::Poll;

use bytes::Bytes;
use futures_util::{StreamExt, poll, stream};

use super::{
    LONG, NO_LIMIT, breaking, bytes, counted, flowing, gathered, key, nothing_is_left, read, write,
};
use crate::{Blobs, ReadError, WriteError};

const AT: &str = "law/flow";
const PART: usize = 5 << 20;
const PART_OF_FILE: usize = 1 << 20;
/// About one part and about two.
const EDGES: [usize; 12] = [
    0,
    1,
    60_000,
    PART_OF_FILE - 1,
    PART_OF_FILE,
    PART_OF_FILE + 1,
    PART - 1,
    PART,
    PART + 1,
    2 * PART - 1,
    2 * PART,
    2 * PART + 1,
];

/// # Panics
/// When the law is broken.
pub async fn what_is_read_is_what_was_written_at_every_length(blobs: Blobs) {
    for (n, length) in (0_u8..).zip(EDGES) {
        let (at, whole) = (format!("law/flow-{length}"), bytes(n, length));
        let told = write(&blobs, &at, &whole).await.expect("it is written");
        assert_eq!(told, counted(&whole), "{length}");
        assert!(read(&blobs, &at).await.expect("it is read") == whole, "{length}");
        assert_eq!(blobs.count(&key(&at)).await.expect("it is counted"), told, "{length}");
        let found = blobs.find(&key(&at)).await.expect("it is looked for").expect("it is there");
        assert_eq!(found.size, length as u64);
    }
}

/// # Panics
/// When the law is broken.
pub async fn twenty_four_mebibytes_come_back_as_they_went(blobs: Blobs) {
    let whole = bytes(9, 24 << 20);
    let told = write(&blobs, AT, &whole).await.expect("it is written");
    assert_eq!(told, counted(&whole));
    assert!(read(&blobs, AT).await.expect("it is read") == whole);
}

/// # Panics
/// When the law is broken.
pub async fn any_part_is_read_and_says_of_how_much(blobs: Blobs) {
    let whole = bytes(5, LONG);
    write(&blobs, AT, &whole).await.expect("it is written");
    let end = LONG as u64;
    for part in [0..1, 0..end, 5..70_000, end - 1..end, end - 5..end + 100, 4 << 20..5 << 20] {
        let reading = blobs.read(&key(AT), Some(part.clone())).await.expect("it is read");
        let kept = part.start..part.end.min(end);
        assert_eq!((reading.size, reading.part.clone()), (end, kept.clone()));
        let place = |at: u64| usize::try_from(at).expect("it fits");
        let expected = whole.slice(place(kept.start)..place(kept.end));
        assert!(gathered(reading.bytes).await.expect("it is read") == expected, "{part:?}");
    }
    for beyond in [end..end + 1, end + 5..end + 6] {
        let refused = blobs.read(&key(AT), Some(beyond)).await;
        assert!(matches!(refused, Err(ReadError::Beyond { size }) if size == end), "{refused:?}");
    }
}

/// # Panics
/// When the law is broken.
pub async fn what_breaks_off_leaves_nothing(blobs: Blobs) {
    for length in [0, 1_000, PART, LONG] {
        let broken = blobs.write(&key(AT), breaking(&bytes(1, length)), NO_LIMIT).await;
        assert!(matches!(broken, Err(WriteError::Broken(_))), "{broken:?}");
        nothing_is_left(&blobs, AT).await;
    }
    write(&blobs, AT, &bytes(2, 10)).await.expect("the key is free");
}

/// # Panics
/// When the law is broken.
pub async fn what_is_too_long_leaves_nothing(blobs: Blobs) {
    for length in [1_000, PART, LONG] {
        let (whole, most) = (bytes(1, length), length as u64 - 1);
        let refused = blobs.write(&key(AT), flowing(&whole), most).await;
        assert!(
            matches!(refused, Err(WriteError::TooLarge { most: told }) if told == most),
            "{refused:?}"
        );
        nothing_is_left(&blobs, AT).await;
        let fits = blobs.write(&key(&format!("{AT}-{length}")), flowing(&whole), most + 1).await;
        assert_eq!(fits.expect("exactly as long as it may be"), counted(&whole));
    }
}

/// # Panics
/// When the law is broken.
pub async fn what_nobody_waits_for_any_more_leaves_nothing(blobs: Blobs) {
    let whole = bytes(1, LONG);
    // Everything flowed, and the end never comes.
    let endless = flowing(&whole).chain(stream::pending::<std::io::Result<Bytes>>());
    let at = key(AT);
    let mut writing = Box::pin(blobs.write(&at, endless, NO_LIMIT));
    for _ in 0..1_000 {
        assert!(matches!(poll!(&mut writing), Poll::Pending));
        tokio::task::yield_now().await;
    }
    drop(writing);
    assert!(matches!(read(&blobs, AT).await, Err(ReadError::Missing)));
    let told = write(&blobs, AT, &whole).await.expect("the key is free");
    assert_eq!(told, counted(&whole));
}
