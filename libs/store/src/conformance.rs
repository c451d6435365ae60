//! The laws of the store, for every provider and decorator to run in its tests.
//! They never look behind the seam: what cannot be seen through `Store` is no law.

pub mod race;
pub mod scan;
pub mod single;

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Builder;

use crate::{Expect, Key, Kind, Put, Revision, Spread, Store, Versioned};

/// The kinds the laws write to; a provider that must prepare kinds prepares these.
pub const KINDS: [Kind; 3] = [BY_ID, BY_PARTITION, WHOLE];
pub const BY_ID: Kind = Kind { name: "law", spread: Spread::ById };
pub const BY_PARTITION: Kind = Kind { name: "law-part", spread: Spread::ByPartition };
pub const WHOLE: Kind = Kind { name: "law_whole", spread: Spread::Whole };

/// Rounds of the longest race law, unless the provider asks for fewer.
pub const ROUNDS: usize = 1_000;

/// Runs one law on a fresh store, on a runtime with several threads.
/// `make` gives the store and whatever must live as long as the law runs.
///
/// # Panics
/// When the law is broken.
pub fn check<Keep>(
    make: impl AsyncFnOnce() -> (Arc<dyn Store>, Keep),
    law: impl AsyncFnOnce(Arc<dyn Store>),
) {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let (store, keep) = make().await;
        law(store).await;
        drop(keep);
    });
}

/// One `#[test]` for each law. `make` is an `async fn() -> (Arc<dyn Store>, Keep)` that gives
/// a new, empty store; `rounds` shortens the longest race law for slow providers.
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance!($make, rounds = $crate::conformance::ROUNDS);
    };
    ($make:expr, rounds = $rounds:expr) => {
        $crate::conformance!(@each $make,
            single: an_absent_key_is_created_once,
            single: a_second_create_conflicts,
            single: a_stale_revision_conflicts_and_writes_nothing,
            single: a_put_at_an_absent_key_is_missing,
            single: every_write_changes_the_revision,
            single: removal_needs_the_revision,
            single: a_recreated_key_never_revives_an_old_revision,
            single: a_read_after_a_write_sees_it,
            single: bytes_survive_at_the_size_limit_and_are_refused_above_it,
            single: keys_at_the_edge_of_the_alphabet_work,
            scan: a_scan_of_a_partition_is_complete_in_key_order_without_the_removed,
            scan: a_scan_of_a_partition_resumes_at_any_cursor,
            scan: a_scan_of_a_kind_sees_at_least_once_whatever_stayed,
            scan: partitions_do_not_leak,
            race: of_2_creators_one_wins,
            race: of_10_creators_one_wins,
            race: of_64_creators_one_wins,
            race: of_256_creators_one_wins,
            race: of_64_removers_one_wins,
            race: five_times_ten_concurrent_increments_make_50,
        );

        #[test]
        fn of_64_updaters_of_one_revision_one_wins() {
            $crate::conformance::check($make, async |store| {
                $crate::conformance::race::of_64_updaters_of_one_revision_one_wins(store, $rounds)
                    .await;
            });
        }
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

/// For durable providers: what was acknowledged is there after the store was closed and opened
/// again, removals too; and no revision comes back. `open` opens the same place each time.
///
/// # Panics
/// When the law is broken.
pub async fn acknowledged_writes_are_there_after_reopening(open: impl AsyncFn() -> Arc<dyn Store>) {
    let store = open().await;
    let (kept, gone, fresh) = (key("kept"), key("gone"), key("fresh"));
    let first = created(&store, &kept, "one").await;
    let second = updated(&store, &kept, "two", first.clone()).await;
    let removed = created(&store, &gone, "gone").await;
    written(store.remove(&gone, &removed).await.expect("the remove is answered"));
    drop(store);

    let store = open().await;
    let expected = Versioned { value: Bytes::from("two"), revision: second.clone() };
    assert_eq!(read(&store, &kept).await, Some(expected), "an acknowledged update is there");
    assert_eq!(read(&store, &gone).await, None, "an acknowledged removal stays");
    let again = created(&store, &gone, "gone").await;
    let new = created(&store, &fresh, "fresh").await;
    for old in [&first, &second, &removed] {
        assert_ne!(*old, again, "no revision comes back after reopening");
        assert_ne!(*old, new, "no revision comes back after reopening");
    }
    assert_eq!(put(&store, &gone, "late", &Expect::At(removed)).await, Put::Conflict);
}

/// A key of the laws: kind [`BY_ID`], partition `p`.
pub(crate) fn key(id: &str) -> Key {
    key_in(BY_ID, "p", id)
}

pub(crate) fn key_in(kind: Kind, partition: &str, id: &str) -> Key {
    Key::new(kind, partition, id).expect("the laws use good keys")
}

pub(crate) async fn read(store: &Arc<dyn Store>, key: &Key) -> Option<Versioned> {
    store.get(key).await.expect("the read is answered")
}

pub(crate) async fn put(store: &Arc<dyn Store>, key: &Key, text: &str, expect: &Expect) -> Put {
    let value = Bytes::copy_from_slice(text.as_bytes());
    store.put(key, value, expect).await.expect("the put is answered")
}

pub(crate) async fn created(store: &Arc<dyn Store>, key: &Key, text: &str) -> Revision {
    written(put(store, key, text, &Expect::Absent).await)
}

pub(crate) async fn updated(
    store: &Arc<dyn Store>,
    key: &Key,
    text: &str,
    at: Revision,
) -> Revision {
    written(put(store, key, text, &Expect::At(at)).await)
}

pub(crate) fn written(answer: Put) -> Revision {
    match answer {
        Put::Written(revision) => revision,
        Put::Conflict => panic!("a write that had to succeed met a conflict"),
        Put::Missing => panic!("a write that had to succeed found nothing there"),
    }
}
