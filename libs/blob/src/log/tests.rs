//! Whatever is written, repeated, merged and broken off in whatever order: the same bytes.

use std::future::Future;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use clock::System;
use futures_util::TryStreamExt;
use proptest::prelude::*;

use super::{Named, Piece, Pieces, RunLog};
use crate::Blobs;

/// What the log says: each byte tells its place.
fn text(from: u64, length: u64) -> Bytes {
    (from..from + length).map(|at| u8::try_from(at % 251).expect("below 251")).collect()
}

fn named(epoch: u64) -> Named {
    Named {
        product: "acme".parse().unwrap(),
        job: "j_aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap(),
        epoch: fleet::Epoch::new(epoch),
    }
}

fn memory() -> Blobs {
    Blobs::memory(Arc::new(System::start()))
}

async fn read(log: &RunLog, from: u64) -> Bytes {
    let read = log.read(from..u64::MAX).try_fold(BytesMut::new(), |mut all, next| {
        all.extend_from_slice(&next);
        std::future::ready(Ok(all))
    });
    read.await.unwrap().freeze()
}

fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

#[derive(Clone, Debug)]
enum Step {
    /// So many bytes more, after a repetition that began so many bytes earlier.
    Write {
        more: u64,
        again: u64,
    },
    Merge {
        at_least: usize,
    },
    /// A merge that wrote its piece and removed only some of those within it.
    MergeCut {
        left: usize,
    },
    Read {
        from: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..400_u64, 0..500_u64).prop_map(|(more, again)| Step::Write { more, again }),
        1 => (2..5_usize).prop_map(|at_least| Step::Merge { at_least }),
        1 => (0..4_usize).prop_map(|left| Step::MergeCut { left }),
        1 => (0..2_000_u64).prop_map(|from| Step::Read { from }),
    ]
}

async fn carry_out(log: &RunLog, step: Step, end: &mut u64) {
    match step {
        Step::Write { more, again } => {
            let from = end.saturating_sub(again);
            *end += more;
            log.write(from, text(from, *end - from)).await.unwrap();
        }
        Step::Merge { at_least } => log.merge(at_least, u64::MAX).await.unwrap(),
        Step::MergeCut { left } => {
            let before = log.pieces().await.unwrap();
            log.merge(2, u64::MAX).await.unwrap();
            for piece in before.0.into_iter().take(left) {
                log.write(piece.from, text(piece.from, piece.length)).await.unwrap();
            }
        }
        Step::Read { from } => {
            assert_eq!(read(log, from).await, text(from, end.saturating_sub(from)));
        }
    }
    assert_eq!(log.pieces().await.unwrap().end(), *end);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_order_of_writes_repeats_merges_and_crashes_the_bytes_are_the_same(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        now(async {
            let log = RunLog::of(&memory(), &named(1));
            let mut end = 0;
            for step in steps {
                carry_out(&log, step, &mut end).await;
            }
            assert_eq!(read(&log, 0).await, text(0, end));
            log.merge(usize::MAX, u64::MAX).await.unwrap();
            assert_eq!(read(&log, 0).await, text(0, end));
        });
    }

    #[test]
    fn clearing_away_loses_no_byte_and_keeps_no_piece_that_is_within_another(
        found in proptest::collection::vec((0..40_u64, 1..20_u64), 0..20),
    ) {
        let mut found: Vec<_> = found.into_iter().map(|(from, length)| Piece { from, length }).collect();
        found.sort_unstable();
        found.dedup();
        let kept = Pieces(found.clone()).without_covered();
        for at in 0..60 {
            let within = |pieces: &[Piece]| pieces.iter().any(|one| one.from <= at && at < one.end());
            prop_assert_eq!(within(&kept.0), within(&found));
        }
        for one in &kept.0 {
            let others = kept.0.iter().filter(|other| *other != one);
            prop_assert!(others.clone().all(|other| one.from < other.from || other.end() < one.end()));
        }
    }
}

#[test]
fn a_reader_is_not_lost_when_the_pieces_are_merged_under_it() {
    now(async {
        let log = RunLog::of(&memory(), &named(1));
        for at in 0..100 {
            log.write(at * 10, text(at * 10, 10)).await.unwrap();
        }
        let mut reading = log.read(0..u64::MAX);
        let mut all = BytesMut::new();
        while let Some(bytes) = reading.try_next().await.unwrap() {
            all.extend_from_slice(&bytes);
            log.merge(2, u64::MAX).await.unwrap();
        }
        assert_eq!(all.freeze(), text(0, 1000));
        assert_eq!(log.pieces().await.unwrap().len(), 1);
    });
}

#[test]
fn a_gap_ends_the_reading_there() {
    now(async {
        let log = RunLog::of(&memory(), &named(1));
        log.write(0, text(0, 10)).await.unwrap();
        log.write(20, text(20, 10)).await.unwrap();
        assert_eq!(log.pieces().await.unwrap().end(), 10);
        assert_eq!(read(&log, 4).await, text(4, 6));
        log.merge(2, u64::MAX).await.unwrap();
        assert_eq!(log.pieces().await.unwrap().len(), 2, "nothing is merged over a gap");
    });
}

#[test]
fn a_log_that_is_removed_while_it_is_merged_stays_removed() {
    now(async {
        let log = RunLog::of(&memory(), &named(1));
        log.write(0, text(0, 10)).await.unwrap();
        log.write(10, text(10, 10)).await.unwrap();
        let gone = Piece { from: 0, length: 30 };
        log.join(gone).await.unwrap_err();
        assert_eq!(log.pieces().await.unwrap().len(), 2, "nothing short bears a long name");
    });
}

#[test]
fn a_long_log_is_few_pieces_and_each_byte_is_moved_seldom() {
    now(async {
        let log = RunLog::of(&memory(), &named(1));
        let mut most = 0;
        for at in 0..4_000 {
            log.write(at * 7, text(at * 7, 7)).await.unwrap();
            if at % 64 == 63 {
                log.merge(64, u64::MAX).await.unwrap();
                most = most.max(log.pieces().await.unwrap().len());
            }
        }
        assert!(most <= 64, "{most} pieces");
        assert_eq!(read(&log, 0).await.len(), 28_000);
    });
}

#[tokio::test]
async fn on_a_disk_the_runs_are_found_until_their_last_piece_is_removed() {
    let place = tempfile::tempdir().unwrap();
    let blobs = Blobs::disk(place.path(), Arc::new(System::start())).unwrap();
    assert_eq!(blobs.logs().await.unwrap().len(), 0);
    let (first, second) = (RunLog::of(&blobs, &named(1)), RunLog::of(&blobs, &named(12)));
    assert!(first.pieces().await.unwrap().is_empty());
    for log in [&first, &second] {
        log.write(0, text(0, 10)).await.unwrap();
        log.write(10, text(10, 5)).await.unwrap();
        log.write(10, text(10, 5)).await.unwrap();
        log.merge(2, u64::MAX).await.unwrap();
        assert_eq!(log.pieces().await.unwrap().0, [Piece { from: 0, length: 15 }]);
        assert_eq!(read(log, 3).await, text(3, 12));
    }
    let both = [named(1), named(12)].into();
    assert_eq!(blobs.logs().await.unwrap(), both);
    assert_eq!(blobs.logs_of(&named(1).product, named(1).job).await.unwrap(), both);
    first.remove().await.unwrap();
    assert_eq!(blobs.logs().await.unwrap(), [named(12)].into());
}
