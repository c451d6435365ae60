//! A product at a glance: what its numbers, factories, locks and budgets say.

use std::time::Duration;

use fleet::{Budget, MicroUsd, Priority, Record, StageName, Window};
use ledger::Placed;
use protocol::{AboutProduct, BudgetView, Code, FactoryView, LockView, OfProduct, Stats};
use serde::de::DeserializeOwned;
use store::{Expect, Key, Put};

use super::town::{Town, refusal};

const SOON: Duration = Duration::from_secs(5);

impl Town {
    async fn look<V: DeserializeOwned>(&self, query: AboutProduct) -> Vec<V> {
        let found = self.ask(&OfProduct { query, named: None }).await.unwrap();
        found.items.into_iter().map(|item| serde_json::from_value(item).unwrap()).collect()
    }

    async fn one<V: DeserializeOwned>(&self, query: AboutProduct, name: &str) -> V {
        let ask = OfProduct { query, named: Some(name.to_owned()) };
        let mut found = self.ask(&ask).await.unwrap();
        assert_eq!(found.items.len(), 1);
        serde_json::from_value(found.items.remove(0)).unwrap()
    }
}

/// Two factories; f1 holds the job `first` and with it the lock that two others wait for.
async fn town() -> Town {
    let town = Town::start().await;
    town.beat("f1").await;
    town.beat("f2").await;
    town.submit("---\nidempotencyKey: first\nlock: main\n---\nWork.").await;
    let held = town.claim("f1", SOON).await.unwrap();
    town.build("f1", &held).await.unwrap();
    for key in ["second", "third"] {
        town.submit(&format!("---\nidempotencyKey: {key}\nlock: main\n---\nWork.")).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    town
}

#[tokio::test(start_paused = true)]
async fn factories_are_shown_with_what_they_hold() {
    let town = town().await;
    let all: Vec<FactoryView> = town.look(AboutProduct::Factories).await;
    let names: Vec<&str> = all.iter().map(|one| one.factory.factory_id.as_str()).collect();
    assert_eq!(names, ["f1", "f2"]);
    assert_eq!((all[0].seats_used, all[0].jobs[0].key.as_str()), (1, "first"));
    assert_eq!((all[1].seats_used, all[1].stale), (0, false));
    tokio::time::sleep(Duration::from_secs(40)).await;
    let silent: FactoryView = town.one(AboutProduct::Factories, "f2").await;
    assert!(silent.stale);
    let ask = OfProduct { query: AboutProduct::Factories, named: Some("f9".to_owned()) };
    assert_eq!(refusal(town.ask(&ask).await), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn locks_are_shown_with_their_holder_and_those_who_wait() {
    let town = town().await;
    let lock: LockView = town.one(AboutProduct::Locks, "main").await;
    assert_eq!(lock.holders.len(), 1);
    assert_eq!(lock.holders[0].key.as_ref().map(fleet::Key::as_str), Some("first"));
    assert_eq!(lock.holders[0].factory_id.as_str(), "f1");
    let waiters: Vec<&str> = lock.waiters.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(waiters, ["second", "third"], "first come first");
}

#[tokio::test(start_paused = true)]
async fn budgets_are_shown_with_what_is_left_of_them() {
    let town = town().await;
    let (now, product) = (town.node.clock.now(), "acme".parse().unwrap());
    let mut budget = Budget::new("daily".parse().unwrap(), product, Window::Day, now);
    budget.limit_usd = Some(MicroUsd::from_micros(10_000_000));
    budget.spent_usd = MicroUsd::from_micros(4_000_000);
    let (partition, id) = budget.place();
    let key = Key::new(Budget::KIND, partition, id).unwrap();
    let bytes = budget.encode().unwrap().into();
    let put = town.store.put(&key, bytes, &Expect::Absent).await.unwrap();
    assert!(matches!(put, Put::Written(_)));
    let view: BudgetView = town.one(AboutProduct::Budgets, "daily").await;
    assert_eq!(view.now.remaining_usd, Some(MicroUsd::from_micros(6_000_000)));
    assert_eq!(view.now.resets_at, Some(now.day().plus(Duration::from_secs(86_400))));
    assert_eq!(view.budget, budget);
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_a_product_are_those_of_its_records() {
    let town = town().await;
    let high = "---\nidempotencyKey: late\npriority: high\nnotBefore: 2h\n---\nWork.";
    town.submit(high).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let stats: Stats = town.look(AboutProduct::Stats).await.remove(0);
    assert_eq!(stats.jobs[&StageName::Building], 1);
    assert_eq!(stats.jobs[&StageName::Queued], 3);
    assert_eq!(stats.jobs[&StageName::Shipped], 0, "every stage is there");
    assert_eq!(stats.queued[&Priority::High], 1);
    assert_eq!(stats.queued[&Priority::Medium], 2);
    assert_eq!(stats.claimable, 2, "one starts later");
    assert_eq!(stats.oldest_queued_sec, Some(3));
    assert_eq!((stats.factories.ok, stats.factories.stale), (2, 0));
    assert_eq!((stats.seats.total, stats.seats.used), (2, 1));
    assert_eq!((stats.leases_active, stats.locks_held, stats.paused), (1, 1, false));
    assert_eq!((stats.board.queued, stats.board.claimable), (3, 2));
}
