//! Scans of buckets so long that more is read at once than a page takes.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use servers::SyncMode;
use store::{Cursor, Scope};

use super::*;

/// More than is on its way behind a first page.
const MANY: usize = 36_000;
const PAGE: usize = 1_000;

type Seen = BTreeMap<String, Bytes>;

struct Long {
    server: Nats,
    store: NatsKv,
    revisions: BTreeMap<String, Revision>,
}

impl Long {
    async fn fill() -> Self {
        let sync = SyncMode::ServerDefault;
        let server = Nats::start(servers::Options { sync, ..servers::Options::default() }).unwrap();
        made(&server.url(), Plan { partitions: 1, ..Plan::default() }).await;
        let store = opened(&server.url()).await;
        let puts = stream::iter(0..MANY).map(async |n| {
            let id = format!("k{n}");
            let revision = written(put(&store, &id, "first", &Expect::Absent).await);
            (id, revision)
        });
        let revisions = puts.buffer_unordered(64).collect().await;
        Self { server, store, revisions }
    }

    async fn page(&self, from: Option<&Cursor>, seen: &mut Seen) -> Option<Cursor> {
        let page = self.store.scan(&Scope::Kind(BY_ID), from, PAGE).await.unwrap();
        seen.extend(page.items.into_iter().map(|(key, found)| (key.id().to_owned(), found.value)));
        page.next
    }

    async fn rest(&self, mut cursor: Option<Cursor>, seen: &mut Seen) {
        while let Some(from) = cursor {
            cursor = self.page(Some(&from), seen).await;
        }
    }
}

#[tokio::test]
async fn what_is_rewritten_or_removed_behind_a_long_scan_is_told_as_it_became() {
    let long = Long::fill().await;
    let mut seen = Seen::new();
    let mut cursor = long.page(None, &mut seen).await;
    let mut ahead = long.revisions.iter().filter(|(id, _)| !seen.contains_key(*id));
    let (rewritten, first) = ahead.next().unwrap();
    let (removed, last) = long.revisions.iter().max_by_key(|(_, at)| at.as_number()).unwrap();
    written(put(&long.store, rewritten, "second", &Expect::At(first.clone())).await);
    written(long.store.remove(&key(removed), last).await);
    cursor = long.page(cursor.as_ref(), &mut seen).await;
    long.rest(cursor, &mut seen).await;
    assert_eq!(seen.get(rewritten), Some(&Bytes::from("second")));
    assert_eq!(seen.get(removed), None, "nobody had read so far ahead");
    assert_eq!(seen.len(), MANY - 1);
}

#[tokio::test]
async fn a_long_scan_goes_on_from_its_cursor_in_another_process_and_after_a_restart() {
    let long = Long::fill().await;
    let mut seen = Seen::new();
    let cursor = long.page(None, &mut seen).await;
    long.server.restart().unwrap();
    let store = opened(&long.server.url()).await;
    let long = Long { store, ..long };
    let cursor = long.page(cursor.as_ref(), &mut seen).await;
    assert_eq!(seen.len(), 2 * PAGE);
    long.rest(cursor, &mut seen).await;
    assert_eq!(seen.len(), MANY);
}

/// Each goes on where its own cursor is, although more is kept for them than there is room for.
#[tokio::test]
async fn scans_of_one_bucket_do_not_take_from_each_other() {
    let long = Long::fill().await;
    let scans = (0..5).map(async |_| {
        let mut seen = Seen::new();
        let cursor = long.page(None, &mut seen).await;
        long.rest(cursor, &mut seen).await;
        seen.len()
    });
    assert_eq!(join_all(scans).await, [MANY; 5]);
}
