//! From a job's own write to its log, its runs and the stream: once each, in order, whatever
//! dies, and also when nobody was ever told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bus::{Audience, Bus, BusError, Inbox, Message};
use bytes::Bytes;
use fleet::{EventRecord, RunResult, StageName};
use futures_util::future::join_all;
use protocol::Filter;
use store::{Faults, Faulty, Memory, Store};

use crate::stage::{Shuffled, Staged, Twist, dying_after};
use crate::support::{Yard, noon, on_each_store, secs};

/// A bus that remembers what was appended, and can be away.
#[derive(Debug, Default)]
struct Heard {
    /// Each event by its id, however they came together.
    told: Mutex<Vec<String>>,
    pages: Mutex<BTreeMap<String, Bytes>>,
    away: Mutex<bool>,
}

impl Heard {
    fn set_away(&self, away: bool) {
        *self.away.lock().unwrap() = away;
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait]
impl Bus for Heard {
    async fn request(&self, _: Message, _: Duration) -> Result<Message, BusError> {
        Err(BusError::TimedOut)
    }

    async fn notify(&self, _: Message) -> Result<(), BusError> {
        Ok(())
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        if *self.away.lock().unwrap() {
            return Err(BusError::Unavailable("away".into()));
        }
        let page: EventRecord = serde_json::from_slice(&entry.body).unwrap();
        assert_eq!(page.id, dedup);
        let first = self.pages.lock().unwrap().insert(page.id.clone(), entry.body.clone());
        assert!(
            first.is_none_or(|first| first == entry.body),
            "a stream that keeps a page once would lose what the other has"
        );
        self.told.lock().unwrap().extend(page.each().map(|event| event.id));
        Ok(())
    }

    async fn listen(&self, _: &Filter, _: Audience) -> Result<Inbox, BusError> {
        Err(BusError::Unavailable("nobody listens".into()))
    }

    async fn consume(&self, _: &Filter, _: &str) -> Result<Inbox, BusError> {
        Err(BusError::Unavailable("nobody consumes".into()))
    }
}

fn on(store: &Arc<dyn Store>, heard: &Arc<Heard>, seed: u64) -> Yard {
    Yard::on_bus(store, noon(), seed, Arc::clone(heard) as Arc<dyn Bus>)
}

#[tokio::test(start_paused = true)]
async fn each_event_is_numbered_recorded_once_and_told_in_order() {
    on_each_store(async |store| {
        let heard = Arc::new(Heard::default());
        let yard = on(&store, &heard, 7);
        let id = yard.submit("j", "").await;
        yard.ship_at_once(id).await;
        yard.follow().await;
        let job = yard.job(id).await;
        assert_eq!(yard.numbers(id).await, (1..=job.event_seq).collect::<Vec<_>>());
        let expected: Vec<_> = (1..=job.event_seq).map(|n| format!("{id}-{n}")).collect();
        assert_eq!(heard.told(), expected);
        assert!(job.outbox.is_empty());
        let events = yard.ledger.events_of(id).await.unwrap();
        assert!(events.iter().all(|event| event.head.product_id == yard.product));
    })
    .await;
}

/// X-08 for the relay: told at least once, recorded exactly once.
async fn kill_the_relay(inner: Arc<dyn Store>) {
    for writes in 0..14 {
        let heard = Arc::new(Heard::default());
        let staged = Staged::over(&inner);
        let yard = on(&staged.store(), &heard, 900 + writes as u64);
        let id = yard.submit(&format!("j{writes}"), "").await;
        yard.ship_at_once(id).await;
        let done = dying_after(&staged, writes, yard.follow()).await.is_some();
        let restarted = on(&inner, &heard, 950 + writes as u64);
        restarted.sweep().await;
        let job = restarted.job(id).await;
        assert!(job.outbox.is_empty(), "after {writes} writes");
        assert_eq!(restarted.numbers(id).await, (1..=job.event_seq).collect::<Vec<_>>());
        let told: BTreeSet<_> = heard.told().into_iter().collect();
        let all: BTreeSet<_> = (1..=job.event_seq).map(|n| format!("{id}-{n}")).collect();
        assert_eq!(told, all, "after {writes} writes");
        let runs = restarted.runs(id).await;
        assert_eq!((runs.len(), runs[0].result), (1, Some(RunResult::Shipped)));
        if done {
            return;
        }
    }
    panic!("a relay never ends");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_dies_after_any_write_is_finished_by_the_sweep() {
    on_each_store(kill_the_relay).await;
}

/// R35, X-48: no follower ever ran, no hint was ever heard.
#[tokio::test(start_paused = true)]
async fn followers_that_were_lost_altogether_are_made_up_for_by_the_sweep() {
    on_each_store(async |store| {
        let heard = Arc::new(Heard::default());
        let deaf = on(&store, &heard, 7);
        let (first, second) = (deaf.submit("first", r#""lock":"a""#).await, "second");
        let second = deaf.submit(second, r#""deps":["first"],"lock":"a""#).await;
        let running = deaf.submit("running", "").await;
        deaf.ship_at_once(first).await;
        let holding = deaf.granted(running, "f2").await.holding;
        deaf.patched(running, deaf.moving(&holding, StageName::Building)).await;
        assert!(heard.told().is_empty());

        let yard = on(&store, &heard, 8);
        yard.sweep().await;
        assert_eq!(yard.stage(second).await, StageName::Queued);
        assert_eq!(yard.runs(first).await[0].result, Some(RunResult::Shipped));
        assert!(yard.lease(running).await.unwrap().is_held_for(holding.lease_epoch));
        yard.sweep().await;
        for id in [first, second, running] {
            let job = yard.job(id).await;
            assert!(job.outbox.is_empty());
            assert_eq!(yard.numbers(id).await, (1..=job.event_seq).collect::<Vec<_>>());
        }
        yard.granted(second, "f1").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_what_agrees_writes_nothing() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let ended = yard.submit("ended", r#""lock":"a""#).await;
        yard.ship_at_once(ended).await;
        let running = yard.submit("running", "").await;
        yard.running(running, "f1").await;
        yard.submit("waits", r#""deps":["running"]"#).await;
        yard.follow().await;
        yard.sweep().await;
        staged.take_writes();
        yard.sweep().await;
        assert_eq!(staged.take_writes(), BTreeMap::new());
    })
    .await;
}

/// News waits for the bus; truth does not.
#[tokio::test(start_paused = true)]
async fn while_the_bus_is_away_leases_runs_and_dependents_go_on() {
    on_each_store(async |store| {
        let heard = Arc::new(Heard::default());
        let yard = on(&store, &heard, 7);
        let dep = yard.submit("dep", "").await;
        let id = yard.submit("j", r#""deps":["dep"]"#).await;
        yard.follow().await;
        let before = heard.told().len();
        heard.set_away(true);
        yard.ship_at_once(dep).await;
        assert!(yard.ledger.follow_all().await.is_err(), "it is not hidden");
        assert_eq!(yard.stage(id).await, StageName::Queued);
        assert_eq!(yard.runs(dep).await[0].result, Some(RunResult::Shipped));
        assert_eq!(heard.told().len(), before);
        heard.set_away(false);
        yard.follow().await;
        let job = yard.job(dep).await;
        let told: BTreeSet<_> = heard.told().into_iter().collect();
        assert!(told.contains(&format!("{dep}-{}", job.event_seq)), "it is told later");
    })
    .await;
}

/// However often and from however many places a job is told while it changes, its log has each
/// event once.
#[tokio::test(start_paused = true)]
async fn many_relays_at_once_write_each_event_into_one_page() {
    let mut pages_seen = BTreeSet::new();
    for seed in 0..200 {
        let inner: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::new(&Shuffled::over(&inner, seed), noon(), seed);
        let others: Vec<_> = (1..=3)
            .map(|n| Yard::new(&Shuffled::over(&inner, seed + n), noon(), seed + n))
            .collect();
        let id = yard.submit("j", "").await;
        let relays = join_all(others.iter().map(|other| async {
            for _ in 0..6 {
                // One may lose to another; whoever comes last has seen it all.
                drop(other.ledger.follow(&other.product, id).await);
            }
        }));
        tokio::join!(relays, yard.ship_at_once(id));
        yard.follow().await;
        yard.sweep().await;
        let job = yard.job(id).await;
        assert!(job.outbox.is_empty(), "seed {seed}");
        assert_eq!(yard.numbers(id).await, (1..=job.event_seq).collect::<Vec<_>>(), "seed {seed}");
        pages_seen.insert(yard.ledger.events.all_of(id).await.unwrap().len());
    }
    assert!(pages_seen.len() > 1, "the log must be cut in several ways: {pages_seen:?}");
}

/// A record whose answer was lost is looked for before it counts as told.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_an_event_loses_no_event() {
    for twist in [Twist::UnknownAfterWrite, Twist::UnknownBeforeWrite, Twist::ConflictAfterWrite] {
        on_each_store(async |inner| {
            let staged = Staged::over(&inner);
            let yard = Yard::paused(&staged.store());
            let id = yard.submit("j", "").await;
            staged.twist("fleet_events", twist);
            let _first = yard.ledger.follow_all().await;
            yard.follow().await;
            assert_eq!(yard.numbers(id).await, [1, 2, 3], "{twist:?}");
            assert!(yard.job(id).await.outbox.is_empty());
        })
        .await;
    }
}

/// One record beyond repair does not keep the others' followers waiting.
#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_read_does_not_hold_up_the_agenda() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    let (bad, good) = (yard.submit("bad", "").await, yard.submit("good", "").await);
    crate::stage::set_raw(&store, "fleet_jobs", "acme", &bad.to_string(), "{}").await;
    yard.follow().await;
    assert!(yard.job(good).await.outbox.is_empty());
    yard.wait(secs(1)).await;
    yard.sweep().await;
    let corrupt = yard.ledger.jobs.get(&yard.product, bad).await;
    assert!(matches!(corrupt, Err(ledger::LedgerError::Corrupt { .. })));
}

/// The order in which each was told first, and how often two processes told anything again.
async fn told_by_two(seed: u64) -> (Vec<String>, usize) {
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let slow = Faults { delay: 700, longest_delay: Duration::from_millis(5), ..Faults::default() };
    let store: Arc<dyn Store> = Arc::new(Faulty::new(inner, seed, slow));
    let heard = Arc::new(Heard::default());
    let (one, other) = (on(&store, &heard, seed), on(&store, &heard, seed + 1000));
    let id = one.submit("j", "").await;
    // One process wrote the job, the other its end: each has it on its own agenda.
    let ending = async {
        other.ship_at_once(id).await;
        other.follow().await;
    };
    tokio::join!(one.follow(), ending);
    tokio::join!(one.sweep(), other.sweep());
    let job = one.job(id).await;
    assert!(job.outbox.is_empty(), "seed {seed}");
    assert_eq!(one.numbers(id).await, (1..=job.event_seq).collect::<Vec<_>>(), "seed {seed}");
    let runs = one.runs(id).await;
    assert_eq!((runs.len(), runs[0].result), (1, Some(RunResult::Shipped)), "seed {seed}");
    assert!(one.lease(id).await.is_none_or(|lease| !lease.is_held()), "seed {seed}");
    let told = heard.told();
    let mut first = told.clone();
    let mut seen = BTreeSet::new();
    first.retain(|event| seen.insert(event.clone()));
    let expected: Vec<_> = (1..=job.event_seq).map(|n| format!("{id}-{n}")).collect();
    assert_eq!(first, expected, "seed {seed}: a stream that keeps each once keeps them in order");
    (first, told.len() - seen.len())
}

#[tokio::test(start_paused = true)]
async fn two_relays_of_one_job_record_each_event_once_and_tell_them_in_order() {
    let mut again = 0;
    for seed in 0..40 {
        again += told_by_two(seed).await.1;
    }
    assert!(again > 0, "the two never met, and nothing was tried");
}
