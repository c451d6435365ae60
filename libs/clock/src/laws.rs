//! The laws of clocks and ids, on every implementation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fleet::{Nonce, Timestamp};

use crate::{Clock, Ids, Seeded, Skewed, System, Virtual};

const HOUR: Duration = Duration::from_hours(1);

fn epoch() -> Timestamp {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

fn virtual_clock() -> Arc<dyn Clock> {
    Arc::new(Virtual::starting_at(epoch()))
}

fn seeded(seed: u64) -> Seeded {
    Seeded::new(seed, virtual_clock())
}

fn time_never_falls(clock: &dyn Clock) {
    let (mut now, mut uptime) = (clock.now(), clock.uptime());
    for _ in 0..10_000 {
        assert!(clock.now() >= now && clock.uptime() >= uptime, "{clock:?}");
        (now, uptime) = (clock.now(), clock.uptime());
    }
}

fn minted_ids_are_version_7_unique_and_rising(ids: &dyn Ids) {
    let minted: Vec<_> = (0..10_000).map(|_| ids.mint()).collect();
    assert!(minted.is_sorted());
    assert_eq!(minted.iter().collect::<BTreeSet<_>>().len(), minted.len());
    for id in minted {
        assert!(id.to_string().parse::<Nonce>().is_ok(), "{id}");
    }
}

fn jitter_stays_within_its_bound(ids: &dyn Ids) {
    let most = Duration::from_millis(7);
    let drawn: BTreeSet<_> = (0..1_000).map(|_| ids.jitter(most)).collect();
    assert!(drawn.iter().all(|&span| span <= most), "{ids:?}");
    assert!(drawn.len() > 900, "{ids:?} hardly varies");
    assert_eq!(ids.jitter(Duration::ZERO), Duration::ZERO);
    assert!(ids.jitter(Duration::MAX) <= Duration::MAX);
}

fn entropy_is_never_the_same_and_leaves_no_byte_out(ids: &dyn Ids) {
    let drawn: BTreeSet<_> = (0..256).map(|_| ids.entropy()).collect();
    assert_eq!(drawn.len(), 256);
    for byte in 0..32 {
        let values: BTreeSet<_> = drawn.iter().map(|bytes| bytes[byte]).collect();
        assert!(values.len() > 64, "byte {byte} hardly varies");
    }
}

#[test]
fn the_system_keeps_the_laws() {
    let system = System::start();
    entropy_is_never_the_same_and_leaves_no_byte_out(&system);
    time_never_falls(&system);
    minted_ids_are_version_7_unique_and_rising(&system);
    jitter_stays_within_its_bound(&system);
    assert_ne!(System::start().mint(), System::start().mint());
}

#[test]
fn many_threads_mint_no_id_twice() {
    let system = System::start();
    let minted: Vec<_> = std::thread::scope(|scope| {
        let mint = || (0..2_000).map(|_| system.mint()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(mint)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(minted.iter().collect::<BTreeSet<_>>().len(), 8_000);
}

#[tokio::test(start_paused = true)]
async fn virtual_time_keeps_the_laws() {
    time_never_falls(&Virtual::starting_at(epoch()));
}

#[tokio::test(start_paused = true)]
async fn paused_time_moves_sleeps_and_timestamps_together() {
    let clock = virtual_clock();
    assert_eq!(clock.now(), epoch());
    tokio::time::sleep(HOUR).await;
    assert_eq!(clock.now(), epoch().plus(HOUR));
    assert_eq!(clock.uptime(), HOUR);
    assert_eq!(clock.now(), epoch().plus(HOUR), "it moved by itself");
}

#[tokio::test(start_paused = true)]
async fn seeded_ids_keep_the_laws() {
    minted_ids_are_version_7_unique_and_rising(&seeded(1));
    entropy_is_never_the_same_and_leaves_no_byte_out(&seeded(1));
    jitter_stays_within_its_bound(&seeded(1));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_sequence() {
    let draw = |seed| {
        let ids = seeded(seed);
        (0..100).map(|_| (ids.mint(), ids.jitter(HOUR))).collect::<Vec<_>>()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[tokio::test(start_paused = true)]
async fn a_seeded_id_carries_the_moment_of_its_clock() {
    let clock = virtual_clock();
    let ids = Seeded::new(1, Arc::clone(&clock));
    tokio::time::sleep(HOUR).await;
    let millis = ids.mint().as_u128() >> 80;
    assert_eq!(i64::try_from(millis).unwrap(), clock.now().millis());
}

#[tokio::test(start_paused = true)]
async fn a_skewed_clock_is_off_but_runs() {
    let ahead = Skewed::ahead(virtual_clock(), HOUR);
    let behind = Skewed::behind(virtual_clock(), HOUR);
    time_never_falls(&ahead);
    assert_eq!(ahead.now(), epoch().plus(HOUR));
    assert_eq!(behind.now().plus(HOUR), epoch());
    tokio::time::sleep(HOUR).await;
    assert_eq!(ahead.now(), epoch().plus(2 * HOUR));
    assert_eq!(behind.now(), epoch());
    assert_eq!(ahead.uptime(), HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_clock_may_run_at_the_wrong_speed() {
    let fast = Skewed::behind(virtual_clock(), Duration::ZERO).at_speed(1.5);
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(fast.uptime(), 3 * HOUR);
    assert_eq!(fast.now(), epoch().plus(3 * HOUR));
}
