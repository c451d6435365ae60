//! Clocks that are wrong, jobs that kill, waits that outlive their host, and hosts that stop:
//! R21, R32, R33, R36, R37.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Skewed};
use fleet::{DeadReason, Disposition, Product, Stage, StageName, Timestamp};
use futures_util::future::join_all;
use protocol::{Granted, Problem};
use store::{Memory, Store};

use super::hand::Hand;
use super::stores::{On, Without, shuffled};
use super::world::{Host, World, id_of, millis, product, secs};

const HOUR: Duration = Duration::from_secs(3600);

/// A clock whose steady side follows its wall: the design that judges silence by the wall.
#[derive(Debug)]
struct ByTheWall {
    clock: Arc<dyn Clock>,
    /// When the wall is put forward by an hour.
    jump: Duration,
}

impl Clock for ByTheWall {
    fn now(&self) -> Timestamp {
        self.clock.now().plus(self.off())
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime() + self.off()
    }
}

impl ByTheWall {
    fn off(&self) -> Duration {
        if self.clock.uptime() < self.jump { Duration::ZERO } else { HOUR }
    }
}

/// Renews until somebody with a sane idea of the deadline hears it.
async fn renewed(hand: &Hand, held: &Granted) -> Result<(), Box<Problem>> {
    loop {
        if let Some(answer) = hand.try_renew(held, secs(1)).await {
            return answer.error.map_or(Ok(()), |problem| Err(Box::new(problem)));
        }
    }
}

/// A job that lives for ten minutes beside a keeper with that clock.
async fn lives_beside(wrong: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Clock>, lines: &str) -> World {
    let world = World::quiet();
    let _right = world.start().await;
    let job = world.submit("k", lines).await;
    let hand = world.hand("f1");
    let held = hand.building(secs(5)).await;
    let clock = wrong(Arc::clone(&world.clock));
    let _wrong = world.host(Arc::clone(&world.store), clock).await;
    for _ in 0..60 {
        world.wait(secs(9)).await;
        if renewed(&hand, &held).await.is_err() {
            return world;
        }
    }
    assert_eq!(world.stage(job).await, StageName::Building);
    world
}

fn an_hour_off(clock: Arc<dyn Clock>, ahead: bool) -> Skewed {
    if ahead { Skewed::ahead(clock, HOUR) } else { Skewed::behind(clock, HOUR) }
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_wall_clock_is_an_hour_off_takes_nothing_that_lives() {
    for ahead in [true, false] {
        let skew = |clock| -> Arc<dyn Clock> { Arc::new(an_hour_off(clock, ahead)) };
        let world = lives_beside(skew, "timeout: 20m\nbudget:\n  wall: 30m").await;
        let job = world.job(id_of("k")).await;
        assert_eq!((job.lease_epoch.get(), job.reaps), (1, 0), "ahead: {ahead}");
        assert_eq!(job.stage.name(), StageName::Building, "ahead: {ahead}");
        world.until(job.id, StageName::Queued, secs(33)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_living_job_catches_a_keeper_that_judges_silence_by_its_wall() {
    let world = lives_beside(
        |clock| {
            let jump = clock.uptime() + secs(60);
            Arc::new(ByTheWall { clock, jump })
        },
        "",
    )
    .await;
    assert!(world.job(id_of("k")).await.reaps > 0);
}

/// R32: whoever holds the job dies, and never says a word of it.
#[tokio::test(start_paused = true)]
async fn a_job_that_kills_whoever_holds_it_is_given_up_after_its_measure() {
    let world = World::quiet();
    let _hosts = world.hosts(2).await;
    let job = world.submit("poison", "").await;
    for victim in 1..=6 {
        world.hand(&format!("f{victim}")).building(secs(600)).await;
        assert_eq!(world.job(job).await.attempts, victim);
    }
    world.until(job, StageName::DeadLetter, secs(33)).await;
    let stored = world.job(job).await;
    assert_eq!(stored.stage, Stage::DeadLetter(DeadReason::Poison));
    assert_eq!((stored.attempts, stored.failures), (6, 0));
    world.wait(secs(600)).await;
    assert!(world.hand("f7").claim(secs(10)).await.is_none(), "nobody else is sent to its death");
}

/// How long a failed job waited for its next claim, though every service was replaced meanwhile.
async fn backoff_over_a_restart(store: Arc<dyn Store>) -> Duration {
    let world = World::of(store);
    let before = world.start().await;
    let retry = "retry:\n  max: 3\n  backoff: 120s\n  on: [crash]";
    world.submit("k", retry).await;
    let hand = world.hand("f1");
    let held = hand.building(secs(5)).await;
    hand.release(&held, Disposition::Fail).await.unwrap();
    let failed = world.clock.uptime();
    world.wait(secs(5)).await;
    before.stop().await;
    let _after = world.hosts(2).await;
    hand.held(secs(300)).await;
    world.clock.uptime() - failed
}

#[tokio::test(start_paused = true)]
async fn a_backoff_outlives_every_service() {
    let waited = backoff_over_a_restart(Arc::new(Memory::new())).await;
    assert!((secs(96)..secs(146)).contains(&waited), "{waited:?} of two minutes, give or take");
}

#[tokio::test(start_paused = true)]
async fn a_restart_catches_a_backoff_that_is_held_in_memory() {
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let waited = backoff_over_a_restart(Arc::new(Without { field: "retryNotBefore", inner })).await;
    assert!(waited < secs(30), "{waited:?}");
}

/// R36: two critical jobs come whenever one is done. How long a low one waits, if not for ever.
async fn waits_among_critical_ones(step: u64) -> Option<Duration> {
    let world = World::quiet();
    let settings =
        Product { aging_step_sec: step, ..Product::absent(product(), world.clock.now()) };
    world.settle(&settings).await;
    let _host = world.start().await;
    let hand = world.hand("f1");
    let low = world.submit("low", "priority: low").await;
    let began = world.clock.uptime();
    for n in 0..30 {
        for half in ["a", "b"] {
            world.submit(&format!("c{n}{half}"), "priority: critical").await;
        }
        let held = hand.building(secs(5)).await;
        if held.job.id == low {
            return Some(world.clock.uptime() - began);
        }
        world.wait(secs(20)).await;
        hand.ship(&held).await.unwrap();
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_low_job_has_its_turn_within_three_steps_of_age() {
    let waited = waits_among_critical_ones(60).await.expect("it had its turn");
    assert!(waited <= secs(3 * 60 + 20), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn critical_jobs_without_end_catch_a_strict_priority() {
    assert_eq!(waits_among_critical_ones(0).await, None);
}

/// R37: one of two hosts is stopped while everybody claims.
async fn stopped_amid_claims(seed: u64) {
    let (store, witness) = shuffled(On::Memory, seed);
    let world = World::of(store);
    let (leaving, _staying) = (world.start().await, world.start().await);
    let jobs: Vec<String> = (0..12).map(|n| format!("k{n}")).collect();
    let submitting = async {
        for key in &jobs {
            world.submitting(key, "").await.ok();
            world.wait(millis(3)).await;
        }
    };
    let stopping = async {
        world.wait(millis(8 * seed)).await;
        Host::stop(leaving).await;
    };
    let claims = (0..8).map(|n| {
        let hand = world.hand(&format!("f{n}"));
        async move {
            let mut shipped = 0;
            // As a factory does: it says the same again until it has an answer.
            while let Some(held) = hand.insist(&hand.claiming(secs(15))).await {
                hand.insist(&hand.patching(&held, Some(StageName::Building))).await;
                hand.insist(&hand.releasing(&held, Disposition::Ship)).await;
                shipped += 1;
            }
            shipped
        }
    });
    let (shipped, (), ()) = tokio::join!(join_all(claims), submitting, stopping);
    let again = join_all(jobs.iter().map(|key| world.submit(key, ""))).await;
    let rest = world.hand("f9").work_off(secs(45)).await;
    assert_eq!(shipped.iter().sum::<usize>() + rest, jobs.len(), "seed {seed}");
    for job in again {
        let stored = world.job(job).await;
        assert_eq!((stored.stage, stored.reaps, stored.failures), (Stage::Shipped, 0, 0));
    }
    assert_eq!(witness.violations(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stops_amid_claims_loses_none_of_them() {
    for seed in 0..8 {
        stopped_amid_claims(seed).await;
    }
}
