//! Who hears of a job, when, and how often. Time stands until everyone waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bus::{Audience, Inbox};
use fleet::{FactoryId, JobId, ProductId, Timestamp};
use futures_util::StreamExt;
use futures_util::stream::select;
use protocol::{Beat, Filter, Offer, OperateFactory, OperateProduct, ProductAction, Row, Topic};

use super::town::Town;

/// One who overhears all offers of a product.
struct Ears {
    inbox: Inbox,
}

/// To whom, of what, when.
struct Heard {
    whom: Option<FactoryId>,
    offer: Offer,
    at: Timestamp,
}

impl Ears {
    async fn of(town: &Town) -> Self {
        let bus = &town.node.bus;
        let of = |row| Filter::within(row, &product());
        let own = bus.listen(&of(Row::Offer), Audience::Everyone).await.unwrap();
        let any = bus.listen(&of(Row::OfferAny), Audience::Everyone).await.unwrap();
        Self { inbox: select(own, any).boxed() }
    }

    /// All that is said within `span`.
    async fn hear(&mut self, town: &Town, span: Duration) -> Vec<Heard> {
        let mut heard = Vec::new();
        let listening = async {
            while let Some(delivery) = self.inbox.next().await {
                let whom = meant(delivery.message.subject.topic());
                let offer: Offer = serde_json::from_slice(&delivery.message.body).unwrap();
                heard.push(Heard { whom, offer, at: town.node.clock.now() });
            }
        };
        let _over = tokio::time::timeout(span, listening).await;
        heard
    }
}

fn product() -> ProductId {
    "acme".parse().unwrap()
}

async fn town() -> Town {
    Town::start().await
}

async fn stands_by(town: &Town, factory: &str, capabilities: &[&str], engine: &str) {
    let beat = Beat {
        factory_id: factory.parse().unwrap(),
        incarnation: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
        capabilities: capabilities.iter().map(|token| token.parse().unwrap()).collect(),
        engines: vec![engine.parse().unwrap()],
        health: fleet::Health::Ok,
        load: 0.0,
        seat_limit: 1,
        descriptor: None,
    };
    town.ask(&beat).await.unwrap();
}

async fn submitted(town: &Town, key: &str, lines: &str) -> JobId {
    town.submit(&format!("---\nidempotencyKey: {key}\n{lines}\n---\nwork\n")).await.job.id
}

/// To whom, in order. What a second scheduler says again of the same job is nothing new.
fn names(heard: &[Heard]) -> Vec<&str> {
    let mut said = BTreeSet::new();
    let new = heard.iter().filter(|one| said.insert((&one.whom, one.offer.job_id)));
    new.map(|one| one.whom.as_ref().map_or("any", FactoryId::as_str)).collect()
}

/// When the first of these was told of a job.
fn told(heard: &[Heard], whom: &str) -> Timestamp {
    let whom = (whom != "any").then(|| whom.parse().unwrap());
    heard.iter().find(|one| one.whom == whom).unwrap().at
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_two_best_suited_hear_of_a_job_first_then_the_next_then_all() {
    let town = town().await;
    stands_by(&town, "much", &["gpu", "git", "make"], "echo").await;
    stands_by(&town, "some", &["gpu", "git"], "echo").await;
    stands_by(&town, "just", &["gpu"], "echo").await;
    stands_by(&town, "lacking", &["git"], "echo").await;
    stands_by(&town, "other", &["gpu"], "codex").await;
    stands_by(&town, "leaving", &["gpu"], "echo").await;
    let drain = OperateFactory {
        action: protocol::FactoryAction::Drain,
        factory_id: "leaving".parse().unwrap(),
        now: false,
    };
    town.ask(&drain).await.unwrap();
    let mut ears = Ears::of(&town).await;
    let job = submitted(&town, "one", "capabilities: [gpu]").await;
    let heard = ears.hear(&town, 10 * SECOND).await;
    assert_eq!(names(&heard), ["just", "some", "much", "any"]);
    let after = |whom| told(&heard, whom).since(told(&heard, "just"));
    assert!(after("some") < SECOND && after("much") >= SECOND && after("any") >= 2 * SECOND);
    assert!(after("any") < 3 * SECOND, "all hear of it soon");
    assert!(heard.iter().all(|one| one.offer.job_id == job && one.offer.epoch_seen.get() == 0));
    town.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_claimed_is_offered_no_more_and_the_busy_are_left_alone() {
    let town = town().await;
    for factory in ["f1", "f2", "f3"] {
        stands_by(&town, factory, &[], "echo").await;
    }
    let mut ears = Ears::of(&town).await;
    submitted(&town, "one", "priority: high").await;
    assert_eq!(names(&ears.hear(&town, SECOND / 2).await), ["f1", "f2"]);
    let held = town.claim("f1", Duration::ZERO).await.expect("it is queued");
    assert_eq!(names(&ears.hear(&town, 5 * SECOND).await), [""; 0]);
    submitted(&town, "two", "priority: high").await;
    assert_eq!(names(&ears.hear(&town, SECOND / 2).await), ["f2", "f3"]);
    town.build("f1", &held).await.unwrap();
    town.stop().await;
}

#[tokio::test(start_paused = true)]
async fn those_who_are_idle_longest_are_asked_first() {
    let town = town().await;
    for factory in ["f1", "f2", "f3"] {
        stands_by(&town, factory, &[], "echo").await;
    }
    submitted(&town, "one", "priority: high").await;
    let held = town.claim("f1", Duration::ZERO).await.expect("it is queued");
    town.build("f1", &held).await.unwrap();
    submitted(&town, "two", "priority: high").await;
    tokio::time::sleep(2 * SECOND).await;
    town.ship("f1", &held).await.unwrap();
    let two = town.claim("f2", Duration::ZERO).await.expect("it is queued");
    town.build("f2", &two).await.unwrap();
    town.ship("f2", &two).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    let mut ears = Ears::of(&town).await;
    submitted(&town, "three", "priority: high").await;
    let heard = ears.hear(&town, SECOND / 2).await;
    assert_eq!(names(&heard).first(), Some(&"f3"), "it has not worked at all");
    town.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_offered_that_nobody_may_have() {
    let town = town().await;
    stands_by(&town, "f1", &[], "echo").await;
    stands_by(&town, "f2", &[], "echo").await;
    let mut ears = Ears::of(&town).await;
    submitted(&town, "later", "notBefore: 20s").await;
    assert_eq!(names(&ears.hear(&town, 19 * SECOND).await), [""; 0]);
    assert_eq!(names(&ears.hear(&town, SECOND * 3 / 2).await), ["f1", "f2"]);
    town.claim("f1", Duration::ZERO).await.expect("it is claimable");
    let pause = |action| OperateProduct { action, reason: None };
    town.ask(&pause(ProductAction::Pause)).await.unwrap();
    stands_by(&town, "f2", &[], "echo").await;
    submitted(&town, "paused", "priority: high").await;
    assert_eq!(names(&ears.hear(&town, 10 * SECOND).await), [""; 0]);
    town.ask(&pause(ProductAction::Resume)).await.unwrap();
    stands_by(&town, "f2", &[], "echo").await;
    assert_eq!(names(&ears.hear(&town, 10 * SECOND).await)[0], "f2");
    town.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_lock_is_taken_is_offered_once_it_is_free() {
    let town = town().await;
    stands_by(&town, "f1", &[], "echo").await;
    stands_by(&town, "f2", &[], "echo").await;
    submitted(&town, "first", "lock: repo").await;
    let held = town.claim("f1", Duration::ZERO).await.expect("it is queued");
    town.build("f1", &held).await.unwrap();
    let mut ears = Ears::of(&town).await;
    let second = submitted(&town, "second", "lock: repo").await;
    assert_eq!(names(&ears.hear(&town, 8 * SECOND).await), [""; 0]);
    town.ship("f1", &held).await.unwrap();
    let heard = ears.hear(&town, SECOND).await;
    assert!(heard.first().is_some_and(|one| one.offer.job_id == second), "{:?}", names(&heard));
    town.stop().await;
}

#[tokio::test(start_paused = true)]
async fn however_many_jobs_there_are_a_class_is_offered_twenty_times_a_second() {
    let town = town().await;
    for factory in ["f1", "f2", "f3"] {
        stands_by(&town, factory, &[], "echo").await;
    }
    let mut ears = Ears::of(&town).await;
    for n in 0..300 {
        submitted(&town, &format!("k{n}"), "engine: echo").await;
    }
    let heard = ears.hear(&town, 20 * SECOND).await;
    let mut seconds: BTreeMap<i64, BTreeSet<_>> = BTreeMap::new();
    for one in &heard {
        let at = one.at.millis() / 1000;
        seconds.entry(at).or_default().insert(one.offer.offer_id);
    }
    let most = seconds.values().map(BTreeSet::len).max().unwrap_or_default();
    println!("{} offers of 300 jobs, at most {most} in a second", heard.len());
    let schedulers = crate::scene::schedulers(super::told());
    assert!((15..=21 * schedulers).contains(&most), "{most} in a second");
    town.stop().await;
}

/// The one who is meant, if not all are.
fn meant(topic: &Topic) -> Option<FactoryId> {
    if let Topic::Offer(factory) = topic { Some(factory.clone()) } else { None }
}
