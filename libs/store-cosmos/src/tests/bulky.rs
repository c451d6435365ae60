//! Large records in two documents: what lies apart is written once, found by everybody, and goes
//! with the record.

use std::collections::BTreeSet;

use store::Scope;

use super::*;
use crate::bulk;
use crate::form::{Bulk, Item};
use crate::link::Link;

const LARGE: usize = 40_000;

fn record(stage: &str, body: char) -> String {
    let body = body.to_string().repeat(LARGE);
    format!(r#"{{"stage":"{stage}","body":"{body}","id":"k"}}"#)
}

fn stone() -> &'static str {
    r#"{"stage":"gone","id":"k"}"#
}

/// Ids of all documents there are, with the bytes of each.
async fn documents(emulator: &Emulator) -> Vec<(String, usize)> {
    let mut link = Link::connect(&options(emulator)).await.unwrap();
    link.reach(&containers()).await.unwrap();
    let query = azure_data_cosmos::feed::Query::from("SELECT * FROM c ORDER BY c.id ASC");
    let scope = azure_data_cosmos::feed::FeedScope::partition("p");
    let place = link.place(BY_ID).unwrap();
    let found = place.client.query_items::<serde_json::Value>(query, scope, None).await;
    let mut pages = found.unwrap().into_pages();
    let mut all = Vec::new();
    while let Some(page) = futures_util::StreamExt::next(&mut pages).await {
        let items = page.unwrap().into_items();
        let told = |one: &serde_json::Value| (one["id"].as_str().unwrap().into(), one.to_string());
        all.extend(items.iter().map(told).map(|(id, text)| (id, text.len())));
    }
    all
}

#[tokio::test]
async fn a_large_record_is_written_again_without_its_bulk() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    let mut at = written(put(&store, "k", &record("queued", 'x'), &Expect::Absent).await);
    let first: f64 = store.charges().iter().map(|one| one.units).sum();
    for stage in ["assigned", "building", "shipped"] {
        at = written(put(&store, "k", &record(stage, 'x'), &Expect::At(at)).await);
        let found = store.get(&key("k")).await.unwrap().unwrap();
        assert_eq!((found.value, &found.revision), (record(stage, 'x').into(), &at));
    }
    let all: f64 = store.charges().iter().map(|one| one.units).sum();
    assert!(all < first * 1.5, "{first} for the first write, {all} for four and three reads");
    let told = documents(&emulator).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].0 == "k" && told[0].1 < 1000 && told[1].1 > LARGE, "{told:?}");
}

#[tokio::test]
async fn another_process_reads_it_whole_and_by_every_kind_of_scan() {
    let emulator = cosmos_emulator::emulator();
    let (one, other) = (made(&emulator).await, made(&emulator).await);
    let ids: BTreeSet<String> = (0..9).map(|n| format!("k{n}")).collect();
    for id in &ids {
        written(put(&one, id, &record("queued", 'x'), &Expect::Absent).await);
        written(put(&one, &format!("{id}-small"), stone(), &Expect::Absent).await);
    }
    let whole = store::Versioned {
        value: record("queued", 'x').into(),
        revision: one.get(&key("k3")).await.unwrap().unwrap().revision,
    };
    assert_eq!(other.get(&key("k3")).await.unwrap(), Some(whole));
    for scope in [Scope::Kind(BY_ID), Scope::Partition(BY_ID, "p".into())] {
        let seen = scanned(&made(&emulator).await, &scope).await;
        assert_eq!(seen.len(), 18, "no bulk is a record, and no record is told twice");
        let large = seen.iter().filter(|(_, found)| found.value.len() > LARGE);
        assert_eq!(large.map(|(key, _)| key.id().to_owned()).collect::<BTreeSet<_>>(), ids);
    }
}

async fn scanned(store: &Cosmos, scope: &Scope) -> Vec<(Key, store::Versioned)> {
    let mut page = store.scan(scope, None, 4).await.unwrap();
    let mut seen = page.items;
    while let Some(from) = page.next {
        page = store.scan(scope, Some(&from), 4).await.unwrap();
        assert!(page.items.len() <= 4, "as many as were asked for");
        seen.extend(page.items);
    }
    seen
}

/// † bulk written, record not.
#[tokio::test]
async fn a_process_that_dies_before_the_record_is_written_leaves_nothing_that_is_seen() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    let mut link = Link::connect(&options(&emulator)).await.unwrap();
    link.reach(&containers()).await.unwrap();
    let (text, key) = (record("queued", 'x'), key("k"));
    let place = link.place(BY_ID).unwrap();
    let (_, bulk): (Item<'_>, Option<Bulk>) = Item::new(&key, &place.container, text.as_bytes());
    bulk::lay_down(&link, place, &key, &bulk.unwrap()).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert!(store.scan(&Scope::Kind(BY_ID), None, 10).await.unwrap().items.is_empty());
    written(put(&store, "k", &text, &Expect::Absent).await);
    assert_eq!(store.get(&key).await.unwrap().unwrap().value, text);
    assert_eq!(documents(&emulator).await.len(), 2, "the bulk that was there serves");
}

#[tokio::test]
async fn a_bulk_whose_reply_was_lost_is_the_same_one() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    emulator.lose_replies(1);
    written(put(&store, "k", &record("queued", 'x'), &Expect::Absent).await);
    assert_eq!(emulator.injected().lost_replies, 1);
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, record("queued", 'x'));
}

#[tokio::test]
async fn a_loser_writes_nothing_that_the_winners_record_needs() {
    let emulator = cosmos_emulator::emulator();
    let (one, other) = (made(&emulator).await, made(&emulator).await);
    let first = written(put(&one, "k", &record("queued", 'x'), &Expect::Absent).await);
    let lost = put(&other, "k", &record("queued", 'y'), &Expect::Absent).await.unwrap();
    assert_eq!(lost, Put::Conflict);
    let second = written(put(&one, "k", &record("queued", 'z'), &Expect::At(first.clone())).await);
    let late = put(&other, "k", &record("late", 'x'), &Expect::At(first)).await.unwrap();
    assert_eq!(late, Put::Conflict);
    let found = other.get(&key("k")).await.unwrap().unwrap();
    assert_eq!((found.value, found.revision), (record("queued", 'z').into(), second));
}

#[tokio::test]
async fn a_stone_leaves_no_bulk_behind_and_nobody_elses_is_touched() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    for near in ["k-", "k1", "kk"] {
        written(put(&store, near, &record("queued", 'n'), &Expect::Absent).await);
    }
    let mut at = written(put(&store, "k", &record("queued", 'x'), &Expect::Absent).await);
    at = written(put(&store, "k", &record("queued", 'y'), &Expect::At(at)).await);
    assert_eq!(documents(&emulator).await.len(), 9, "what was replaced stays until the end");
    written(put(&store, "k", stone(), &Expect::At(at)).await);
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, stone());
    assert_eq!(documents(&emulator).await.len(), 7);
    let other = written(put(&store, "m", &record("queued", 'x'), &Expect::Absent).await);
    emulator.lose_replies(1);
    let refused = put(&store, "m", stone(), &Expect::At(other)).await.unwrap();
    assert_eq!(refused, Put::Conflict, "by our own write");
    let left = documents(&emulator).await;
    let ids: Vec<&str> = left.iter().map(|(id, _)| id.as_str()).collect();
    assert!(ids.len() == 8 && !ids.iter().any(|id| id.starts_with("k!")), "{ids:?}");
    for near in ["k-", "k1", "kk"] {
        assert_eq!(store.get(&key(near)).await.unwrap().unwrap().value, record("queued", 'n'));
    }
}

/// Another process had read the record, and its bulk went before it came for it.
#[tokio::test]
async fn a_bulk_that_is_gone_is_named_unless_its_record_moved_on() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    written(put(&store, "k", &record("queued", 'x'), &Expect::Absent).await);
    let mut link = Link::connect(&options(&emulator)).await.unwrap();
    link.reach(&containers()).await.unwrap();
    bulk::clear(&link, link.place(BY_ID).unwrap(), &key("k")).await.unwrap();
    let fresh = made(&emulator).await;
    let torn = fresh.get(&key("k")).await.unwrap_err();
    let StoreError::Corrupt(cause) = torn else { panic!("{torn:?}") };
    assert!(cause.to_string().contains("lies apart is gone"), "{cause}");
}
