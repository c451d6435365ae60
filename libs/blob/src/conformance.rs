//! The laws of blobs, for every kind of place to run in its tests.
//! They never look behind the seam: what cannot be seen through `Blobs` is no law.

pub mod flow;
pub mod shelf;
pub mod single;

use std::io;

use bytes::Bytes;
use fleet::Timestamp;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::runtime::Builder;

use crate::{BlobKey, Blobs, Counted, Flow, ReadError, WriteError};

/// More than is kept of a short one, and no whole number of parts.
pub(crate) const LONG: usize = (11 << 20) + 17;
/// What a source gives at once.
const PIECE: usize = 60_000;
pub(crate) const NO_LIMIT: u64 = u64::MAX;

/// Runs one law on a fresh place, on a runtime with several threads.
/// `make` gives the place and whatever must live as long as the law runs.
///
/// # Panics
/// When the law is broken.
pub fn check<Keep>(make: impl AsyncFnOnce() -> (Blobs, Keep), law: impl AsyncFnOnce(Blobs)) {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let (blobs, keep) = make().await;
        law(blobs).await;
        drop(keep);
    });
}

/// One `#[test]` for each law. `make` is an `async fn() -> (Blobs, Keep)` that gives a new, empty
/// place.
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance!(@each $make,
            single: a_short_blob_is_written_once,
            single: a_long_blob_is_written_once,
            single: of_2_writers_of_a_short_blob_one_wins,
            single: of_10_writers_of_a_short_blob_one_wins,
            single: of_2_writers_of_a_long_blob_one_wins,
            single: of_10_writers_of_a_long_blob_one_wins,
            flow: what_is_read_is_what_was_written_at_every_length,
            flow: twenty_four_mebibytes_come_back_as_they_went,
            flow: any_part_is_read_and_says_of_how_much,
            flow: what_breaks_off_leaves_nothing,
            flow: what_is_too_long_leaves_nothing,
            flow: what_nobody_waits_for_any_more_leaves_nothing,
            shelf: what_is_not_there_is_missing,
            shelf: what_is_removed_is_gone_and_stays_gone,
            shelf: a_list_tells_of_all_below_a_key_and_of_nothing_else,
            shelf: a_place_that_is_there_is_reached_and_left_as_it_was,
        );
    };
    (@each $make:expr, $($family:ident: $law:ident,)+) => {
        $(
            #[test]
            fn $law() {
                $crate::conformance::check($make, $crate::conformance::$family::$law);
            }
        )+
    };
}

pub(crate) fn key(text: &str) -> BlobKey {
    text.parse().expect("the laws use good keys")
}

/// Bytes that follow from a number, and repeat after no round length.
pub(crate) fn bytes(seed: u8, length: usize) -> Bytes {
    (0..251).map(|n: u8| n.wrapping_mul(7).wrapping_add(seed)).cycle().take(length).collect()
}

pub(crate) fn flowing(bytes: &Bytes) -> impl Flow + use<> {
    let pieces: Vec<_> = bytes.chunks(PIECE).map(Bytes::copy_from_slice).map(Ok).collect();
    stream::iter(pieces)
}

/// Flows for a while, and then breaks off.
pub(crate) fn breaking(bytes: &Bytes) -> impl Flow + use<> {
    let broken = stream::iter([Err(io::Error::from(io::ErrorKind::ConnectionReset))]);
    flowing(bytes).chain(broken)
}

pub(crate) fn counted(bytes: &Bytes) -> Counted {
    let digest = Sha256::digest(bytes);
    let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Counted { size: bytes.len() as u64, sha256 }
}

pub(crate) async fn write(blobs: &Blobs, at: &str, bytes: &Bytes) -> Result<Counted, WriteError> {
    blobs.write(&key(at), flowing(bytes), NO_LIMIT).await
}

pub(crate) async fn read(blobs: &Blobs, at: &str) -> Result<Bytes, ReadError> {
    let reading = blobs.read(&key(at), None).await?;
    gathered(reading.bytes).await
}

pub(crate) async fn gathered(
    pieces: stream::BoxStream<'static, Result<Bytes, ReadError>>,
) -> Result<Bytes, ReadError> {
    let pieces: Vec<Bytes> = pieces.try_collect().await?;
    Ok(pieces.concat().into())
}

/// Nothing is under the key, nor lies anywhere as a part of it.
pub(crate) async fn nothing_is_left(blobs: &Blobs, at: &str) {
    assert!(matches!(read(blobs, at).await, Err(ReadError::Missing)), "{at} can be read");
    assert_eq!(blobs.find(&key(at)).await.expect("it is looked for"), None);
    let in_a_thousand_years = Timestamp::from_millis(32_000_000_000_000);
    let swept = blobs.sweep_staged(std::time::Duration::ZERO, in_a_thousand_years).await;
    assert_eq!(swept.expect("it is swept"), 0, "something lies about");
}
