//! Looking at everything: all of it either way, felt by nobody at leisure, and without waiting for
//! the store in a hurry.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fleet::JobId;
use ledger::Pages;
use store::{Memory, Store};
use tokio::time::sleep;

use crate::stage::Staged;
use crate::support::{Yard, on_each_store};

const JOBS: usize = 30;
const PAGE: usize = 8;
/// Of thirty jobs by eight.
const PAGES: u32 = 4;

async fn filled(store: &Arc<dyn Store>) -> (Yard, BTreeSet<JobId>) {
    let yard = Yard::paused(store);
    let mut all = BTreeSet::new();
    for n in 0..JOBS {
        all.insert(yard.submit(&format!("j{n}"), "").await);
    }
    yard.follow().await;
    (yard, all)
}

/// Each page is looked at for so long.
async fn read(mut pages: Pages<fleet::Job>, look: Duration) -> BTreeSet<JobId> {
    let mut seen = BTreeSet::new();
    while let Some(page) = pages.next().await.unwrap() {
        sleep(look).await;
        seen.extend(page.into_iter().map(|found| found.record.id));
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn everything_is_read_at_leisure_and_in_a_hurry() {
    on_each_store(async |store| {
        let (yard, all) = filled(&store).await;
        let pages = || yard.ledger.jobs.pages(PAGE);
        assert_eq!(read(pages(), Duration::ZERO).await, all);
        assert_eq!(read(pages().in_a_hurry(), Duration::ZERO).await, all);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn in_a_hurry_the_next_page_comes_while_one_is_looked_at() {
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let staged = Staged::over(&inner);
    let (yard, _) = filled(&staged.store()).await;
    let span = Duration::from_millis(100);
    staged.scans_take(span);
    let began = yard.clock.uptime();
    read(yard.ledger.jobs.pages(PAGE).in_a_hurry(), span).await;
    let took = yard.clock.uptime() - began;
    assert!(took < span * (PAGES + 2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn at_leisure_most_of_the_time_is_rest_but_two_thousand_records_are_seen_in_a_second() {
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let staged = Staged::over(&inner);
    let (yard, _) = filled(&staged.store()).await;
    // At two thousand a second twenty-four take twelve milliseconds, and eight take four.
    for (page, scan, rest) in [(24, 1, 9), (24, 2, 12), (8, 50, 4)] {
        let (scan, rest) = (Duration::from_millis(scan), Duration::from_millis(rest));
        staged.scans_take(scan);
        let began = yard.clock.uptime();
        read(yard.ledger.jobs.pages(page), Duration::ZERO).await;
        let took = yard.clock.uptime() - began;
        let pages = u32::try_from(JOBS.div_ceil(page)).unwrap();
        let wanted = scan * pages + rest * (pages - 1);
        assert!(took >= wanted && took < wanted + rest, "{took:?} for {wanted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_looks_at_no_job_by_itself_that_waits_for_nothing() {
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let staged = Staged::over(&inner);
    let (yard, _) = filled(&staged.store()).await;
    yard.beside(&staged.store(), 8).sweep().await;
    staged.take_reads();
    yard.beside(&staged.store(), 9).sweep().await;
    let (reads, _) = staged.take_reads();
    assert_eq!(reads.get("fleet_jobs"), None, "{reads:?}");
}
