//! Several schedulers at once: all of them answer, none leads, and one that dies takes along only
//! what waits at it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use client::Unanswered;
use fleet::{Disposition, JobId, Stage, StageName};
use futures_util::future::join_all;
use ledger::{Ledger, Terms};
use node::{Node, Tasks};
use protocol::Granted;
use store::{Faults, Faulty, Memory, Store};

use super::hand::Hand;
use super::line::Line;
use super::stores::{Fuse, On, shuffled};
use super::world::{World, millis, secs};

/// What a claim waits and how long its factory waits for it, as the agent has them.
const WAITS: Duration = secs(4);
const SPAN: Duration = secs(6);

/// One scheduler alone, in a process that can be ended between any two of its words.
struct Doomed {
    fuse: Arc<Fuse>,
    line: Line,
    _node: Node,
}

impl Doomed {
    async fn scheduler(world: &World) -> Self {
        let fuse = Arc::new(Fuse::on(Arc::clone(&world.store)));
        let line = Line::to(Arc::clone(&world.bus));
        let (clock, ids) = (Arc::clone(&world.clock), Arc::clone(&world.ids));
        let bus: Arc<dyn bus::Bus> = Arc::new(line.clone());
        let store: Arc<dyn Store> = Arc::clone(&fuse) as _;
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
        let ledger = Ledger::new(&store, Arc::clone(&bus), time, chance, Terms::default());
        let node = Node { bus, clock, ids, tasks: Tasks::default() };
        scheduler::serve(node.clone(), ledger).await.unwrap();
        Self { fuse, line, _node: node }
    }

    fn die(&self) {
        self.fuse.blow_after(0);
        self.line.cut();
    }
}

/// As an agent claims: once with patience, and then the same again until there is an answer.
async fn claimed(hand: &Hand) -> Option<Granted> {
    let mut ask = hand.claiming(WAITS);
    loop {
        match hand.world.ask_for(&ask, SPAN).await.map_err(Unanswered::from) {
            Ok(granted) => return granted,
            Err(Unanswered::Unknown(_) | Unanswered::Away(_)) => ask.wait_ms = 0,
            Err(Unanswered::Refused(problem)) => panic!("refused: {problem:?}"),
        }
    }
}

/// Claims until something is given.
async fn insisting(hand: &Hand) -> JobId {
    loop {
        if let Some(held) = claimed(hand).await {
            return held.job.id;
        }
    }
}

/// How much was given before there was nothing.
async fn takes_all(hand: &Hand) -> usize {
    let mut count = 0;
    while hand.claim(Duration::ZERO).await.is_some() {
        count += 1;
    }
    count
}

/// Works until `jobs` are shipped by all; says how long the longest claim took that found work.
async fn works(hand: Hand, jobs: &[JobId]) -> Duration {
    let mut longest = Duration::ZERO;
    loop {
        let asked = hand.world.clock.uptime();
        let held = claimed(&hand).await;
        longest = longest.max(hand.world.clock.uptime() - asked);
        if let Some(held) = held {
            hand.insist(&hand.patching(&held, Some(StageName::Building))).await;
            hand.world.wait(millis(20)).await;
            hand.insist(&hand.releasing(&held, Disposition::Ship)).await;
        } else if all_shipped(&hand.world, jobs).await {
            return longest;
        }
    }
}

/// So many jobs, handed in at once.
async fn submitted(world: &World, count: usize) -> Vec<JobId> {
    let jobs = (0..count).map(|n| async move { world.submit(&format!("k{n}"), "").await });
    join_all(jobs).await
}

async fn all_shipped(world: &World, jobs: &[JobId]) -> bool {
    let stages = join_all(jobs.iter().map(|job| world.stage(*job))).await;
    stages.iter().all(|stage| *stage == StageName::Shipped)
}

async fn killed_amid_claims(seed: u64) {
    let (store, witness) = shuffled(On::Memory, seed);
    let world = World::of(store);
    let _staying = world.start().await;
    let doomed = Doomed::scheduler(&world).await;
    let jobs = submitted(&world, 60).await;
    let dying = async {
        world.wait(millis(15 * seed)).await;
        doomed.die();
    };
    let hands = (0..8).map(|n| works(world.hand(&format!("f{n}")), &jobs));
    let (longest, ()) = tokio::join!(join_all(hands), dying);
    assert_eq!(witness.violations(), Vec::<String>::new(), "seed {seed}");
    for job in jobs {
        let stored = world.job(job).await;
        assert_eq!((stored.stage, stored.failures), (Stage::Shipped, 0), "seed {seed}");
        assert_eq!(witness.entries(&job.to_string(), "shipped"), 1, "seed {seed}");
    }
    let longest = longest.into_iter().max().unwrap();
    assert!(longest <= SPAN + secs(1), "seed {seed}: a factory waited {longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_dies_amid_claims_loses_no_job_and_costs_a_factory_six_seconds() {
    for seed in 0..12 {
        killed_amid_claims(seed).await;
    }
}

/// A claim that waits at a scheduler which dies is heard by the other one when it is said again.
#[tokio::test(start_paused = true)]
async fn every_claim_that_waited_at_a_dead_scheduler_is_granted_by_the_other() {
    let world = World::quiet();
    let _staying = world.start().await;
    let doomed = Doomed::scheduler(&world).await;
    let crowd = (0..20).map(|n| {
        let hand = world.hand(&format!("f{n}"));
        async move { insisting(&hand).await }
    });
    let submitting = async {
        world.wait(secs(1)).await;
        doomed.die();
        let died = world.clock.uptime();
        submitted(&world, 20).await;
        died
    };
    let (granted, died) = tokio::join!(join_all(crowd), submitting);
    let jobs: std::collections::BTreeSet<_> = granted.iter().collect();
    assert_eq!(jobs.len(), 20, "each has one of its own");
    let took = world.clock.uptime() - died;
    assert!(took <= SPAN + millis(500), "the last was granted after {took:?}");
}

/// How many writes conflicted while two schedulers gave away so many jobs.
#[tokio::test(start_paused = true)]
async fn two_schedulers_over_one_queue_meet_seldom() {
    let (store, witness) = shuffled(On::Memory, 3);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    submitted(&world, 200).await;
    world.wait(secs(1)).await;
    let before = witness.conflicts.load(Ordering::Relaxed);
    let hands = (0..16).map(|n| {
        let hand = world.hand(&format!("f{n}"));
        async move { takes_all(&hand).await }
    });
    let granted: usize = join_all(hands).await.into_iter().sum();
    assert_eq!(granted, 200);
    let conflicts = witness.conflicts.load(Ordering::Relaxed) - before;
    assert!(conflicts <= 100, "{conflicts} conflicts for 200 grants");
}

/// The board follows the news though every read takes its while: one after the other they would
/// take four seconds and more.
#[tokio::test(start_paused = true)]
async fn a_store_with_a_long_way_does_not_hold_the_news_up() {
    let far = Faults { delay: 1000, longest_delay: millis(80), ..Faults::default() };
    let near: Arc<dyn Store> = Arc::new(Memory::new());
    let world = World::of(Arc::new(Faulty::new(near, 5, far)));
    let _host = world.start().await;
    world.wait(secs(1)).await;
    let crowd = (0..100).map(|n| {
        let hand = world.hand(&format!("f{n}"));
        async move { hand.claim(secs(10)).await.unwrap().job.id }
    });
    let submitting = async {
        world.wait(secs(1)).await;
        submitted(&world, 100).await;
        world.clock.uptime()
    };
    let (granted, submitted) = tokio::join!(join_all(crowd), submitting);
    assert_eq!(granted.len(), 100);
    let took = world.clock.uptime() - submitted;
    assert!(took < secs(2), "the last was granted {took:?} after it was submitted");
}
