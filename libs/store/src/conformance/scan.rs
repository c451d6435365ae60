//! Laws of scans: what they must show, in which order, and where they may go on.
//! They never count on one page holding as much as was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{BY_ID, BY_PARTITION, KINDS, created, key_in, read, updated, written};
use crate::{Cursor, Key, Kind, Page, Scope, Store, Versioned};

// More pages than any of these scans can have, so that a cursor going in circles ends the test.
const MOST_PAGES: usize = 10_000;

/// A scan of a partition shows each of its documents once, as last written, ordered by id,
/// and none that was removed; whatever the page size, in every kind.
pub async fn a_scan_of_a_partition_is_complete_in_key_order_without_the_removed(
    store: Arc<dyn Store>,
) {
    for kind in KINDS {
        let expected = thirty_documents_less_ten(&store, kind).await;
        for limit in [1, 2, 7, 19, 20, 21, 1_000] {
            let found = scan(&store, &partition(kind, "p"), limit).await;
            assert_eq!(found, expected, "{kind:?} in pages of {limit}");
        }
    }
    assert_eq!(scan(&store, &partition(BY_ID, "none"), 10).await, []);
}

/// From every cursor that a scan gave, and again from the same one, the rest comes; also when
/// the document the cursor stands at was removed in the meantime.
pub async fn a_scan_of_a_partition_resumes_at_any_cursor(store: Arc<dyn Store>) {
    for kind in KINDS {
        let mut expected = thirty_documents_less_ten(&store, kind).await;
        let scope = partition(kind, "p");
        let mut cursors: Vec<(usize, Cursor)> = Vec::new();
        let (mut seen, mut from) = (0, None);
        while let Page { items, next: Some(next) } = page(&store, &scope, from.as_ref(), 1).await {
            seen += items.len();
            cursors.push((seen, next.clone()));
            from = Some(next);
        }
        assert!(cursors.len() >= 19, "pages of one item have a cursor each");
        for (seen, cursor) in cursors.iter().chain(&cursors) {
            assert_eq!(rest(&store, &scope, Some(cursor.clone()), 3).await, expected[*seen..]);
        }
        let (seen, cursor) = &cursors[9];
        let (key, found) = expected.remove(seen - 1);
        written(store.remove(&key, &found.revision).await.expect("the remove is answered"));
        let found = rest(&store, &scope, Some(cursor.clone()), 4).await;
        assert_eq!(found, expected[seen - 1..], "from a cursor whose document is gone");
    }
}

/// A scan of a kind shows at least once every document that was there from its beginning to its
/// end, while others come, change and go between its pages; and nothing of another kind.
pub async fn a_scan_of_a_kind_sees_at_least_once_whatever_stayed(store: Arc<dyn Store>) {
    for kind in KINDS {
        let mut stays = BTreeSet::new();
        let mut goes = BTreeMap::new();
        for n in 0..60 {
            let at = format!("p{}", n % 7);
            let stay = key_in(kind, &at, &format!("stay{n}"));
            created(&store, &stay, "x").await;
            stays.insert(stay);
            let go = key_in(kind, &at, &format!("go{n}"));
            let revision = created(&store, &go, "x").await;
            goes.insert(go, revision);
        }
        let (mut seen, mut from) = (BTreeSet::new(), None);
        for n in 0.. {
            assert!(n < MOST_PAGES, "the scan does not end");
            let page = page(&store, &Scope::Kind(kind), from.as_ref(), 7).await;
            seen.extend(page.items.into_iter().map(|(key, _)| key));
            from = page.next;
            if from.is_none() {
                break;
            }
            created(&store, &key_in(kind, &format!("q{}", n % 3), &format!("new{n}")), "x").await;
            if let Some((key, revision)) = goes.pop_first() {
                written(store.remove(&key, &revision).await.expect("the remove is answered"));
            }
            let touched = stays.iter().nth(n % stays.len()).expect("within").clone();
            let at = read(&store, &touched).await.expect("it stays").revision;
            updated(&store, &touched, "y", at).await;
        }
        assert!(stays.is_subset(&seen), "missed: {:?}", stays.difference(&seen).next());
        assert!(seen.iter().all(|key| key.kind() == kind), "another kind leaked in");
    }
}

/// Partitions whose names begin alike, and the same partition of another kind, keep apart.
pub async fn partitions_do_not_leak(store: Arc<dyn Store>) {
    let names = ["a", "a-", "a_", "aa", "a0", "A", "b"];
    for kind in KINDS {
        for (name, id) in names.iter().flat_map(|name| names.map(|id| (name, id))) {
            created(&store, &key_in(kind, name, id), kind.name).await;
        }
    }
    for (kind, name) in KINDS.iter().flat_map(|kind| names.map(|name| (*kind, name))) {
        let found = scan(&store, &partition(kind, name), 3).await;
        let ids: Vec<_> = found.iter().map(|(key, _)| key.id()).collect();
        assert_eq!(ids, ["A", "a", "a-", "a0", "a_", "aa", "b"]);
        let own = |(key, found): &(Key, Versioned)| {
            key.kind() == kind && key.partition() == name && found.value == kind.name.as_bytes()
        };
        assert!(found.iter().all(own), "{kind:?} {name} shows what is not its own");
    }
    let all = scan(&store, &Scope::Kind(BY_PARTITION), 10).await;
    assert_eq!(all.iter().map(|(key, _)| key).collect::<BTreeSet<_>>().len(), 49);
}

async fn thirty_documents_less_ten(store: &Arc<dyn Store>, kind: Kind) -> Vec<(Key, Versioned)> {
    let mut expected = BTreeMap::new();
    for n in 0..30 {
        // Seven and thirty have no common factor: every id once, in no order.
        let key = key_in(kind, "p", &format!("id{}", n * 7 % 30));
        created(store, &key_in(kind, "q", &format!("id{n}")), "elsewhere").await;
        let revision = created(store, &key, "old").await;
        if n % 3 == 0 {
            written(store.remove(&key, &revision).await.expect("the remove is answered"));
            continue;
        }
        let value = format!("new{n}");
        let revision = updated(store, &key, &value, revision).await;
        expected.insert(key, Versioned { value: value.into(), revision });
    }
    expected.into_iter().collect()
}

fn partition(kind: Kind, name: &str) -> Scope {
    Scope::Partition(kind, name.into())
}

async fn scan(store: &Arc<dyn Store>, scope: &Scope, limit: usize) -> Vec<(Key, Versioned)> {
    rest(store, scope, None, limit).await
}

async fn rest(
    store: &Arc<dyn Store>,
    scope: &Scope,
    mut from: Option<Cursor>,
    limit: usize,
) -> Vec<(Key, Versioned)> {
    let mut found = Vec::new();
    for _ in 0..MOST_PAGES {
        let page = page(store, scope, from.as_ref(), limit).await;
        found.extend(page.items);
        from = page.next;
        if from.is_none() {
            return found;
        }
    }
    panic!("the scan of {scope:?} does not end");
}

async fn page(store: &Arc<dyn Store>, scope: &Scope, from: Option<&Cursor>, limit: usize) -> Page {
    let page = store.scan(scope, from, limit).await.expect("the scan is answered");
    assert!(page.items.len() <= limit, "more items than were asked for");
    page
}
