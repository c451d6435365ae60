//! A list shows what was asked for, page by page, whatever happens to the jobs meanwhile.

use std::time::Duration;

use fleet::{Key, Priority, StageName};
use protocol::{Code, ListJobs};

use super::town::{Town, refusal};

impl Town {
    async fn keys(&self, ask: ListJobs) -> Vec<String> {
        let listed = self.ask(&ask).await.unwrap();
        listed.items.into_iter().map(|job| job.idempotency_key).collect()
    }
}

/// Five jobs, a second apart: k0 is the oldest.
async fn town() -> Town {
    let town = Town::start().await;
    for (n, more) in ["priority: high", "", "trackerItemId: OPS-7", "", ""].iter().enumerate() {
        town.submit(&format!("---\nidempotencyKey: k{n}\n{more}\n---\nWork number {n}.")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    town
}

fn all() -> ListJobs {
    ListJobs::default()
}

#[tokio::test(start_paused = true)]
async fn each_filter_keeps_what_it_says() {
    let town = town().await;
    town.beat("f1").await;
    let held = town.claim("f1", Duration::from_secs(5)).await.unwrap();
    assert_eq!(held.job.idempotency_key, "k0", "the urgent one");
    let by_priority = ListJobs { priority: vec![Priority::High], ..all() };
    assert_eq!(town.keys(by_priority).await, ["k0"]);
    let by_key = ListJobs { idempotency_key: "k3".parse::<Key>().ok(), ..all() };
    assert_eq!(town.keys(by_key).await, ["k3"]);
    let by_factory = ListJobs { factory_id: "f1".parse().ok(), ..all() };
    assert_eq!(town.keys(by_factory).await, ["k0"]);
    for (text, found) in [("ops-7", vec!["k2"]), ("NUMBER 4", vec!["k4"]), ("K1", vec!["k1"])] {
        let by_text = ListJobs { q: Some(text.to_owned()), ..all() };
        assert_eq!(town.keys(by_text).await, found, "{text}");
    }
    let whole = town.ask(&all()).await.unwrap().items;
    let created = |n: usize| whole[n].fields()["createdAt"].as_str().unwrap().parse().ok();
    let between = ListJobs { created_after: created(4), created_before: created(1), ..all() };
    assert_eq!(town.keys(between).await, ["k2", "k1"], "newest first, both ends left out");
    let both = ListJobs { stage: vec![StageName::Queued], priority: vec![Priority::High], ..all() };
    assert!(town.keys(both).await.is_empty(), "filters are taken together");
}

#[tokio::test(start_paused = true)]
async fn children_are_listed_by_their_parent() {
    let town = town().await;
    let family = "---\nidempotencyKey: p\nkind: composite\nchildren:\n  - idempotencyKey: c1\n    bodyMd: one\n  - idempotencyKey: c2\n    bodyMd: two\n---\n";
    let parent = town.submit(family).await.job.id;
    let mut children = town.keys(ListJobs { parent_id: Some(parent), ..all() }).await;
    children.sort();
    assert_eq!(children, ["c1", "c2"]);
}

#[tokio::test(start_paused = true)]
async fn pages_follow_each_other_though_a_job_leaves_the_list_in_between() {
    let town = town().await;
    let queued =
        |cursor| ListJobs { stage: vec![StageName::Queued], limit: Some(2), cursor, ..all() };
    let first = town.ask(&queued(None)).await.unwrap();
    let shown: Vec<_> = first.items.iter().map(|job| job.idempotency_key.as_str()).collect();
    assert_eq!(shown, ["k4", "k3"]);
    let last = first.items[1].id;
    let cancel = fleet::Operation { action: fleet::Action::CancelNow, op: None, reason: None };
    let by = fleet::Actor::user("olga");
    let product = "acme".parse().unwrap();
    town.ledger.operate(&product, last, &by, cancel).await.unwrap().done().unwrap();
    let second = town.ask(&queued(first.next_cursor)).await.unwrap();
    let shown: Vec<_> = second.items.iter().map(|job| job.idempotency_key.as_str()).collect();
    assert_eq!(shown, ["k2", "k1"]);
    assert_eq!(town.keys(queued(second.next_cursor)).await, ["k0"]);
    for garbled in ["", "nonsense", "j_aaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let ask = queued(Some(garbled.to_owned()));
        assert_eq!(refusal(town.ask(&ask).await), Code::Validation, "{garbled}");
    }
}
