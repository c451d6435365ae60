//! A product's ceilings: reserved before the claim, spent as it is told, never twice, and given
//! back by the sweep.

use std::sync::Arc;

use fleet::{Budget, Holding, Insights, JobId, Record, Window};
use futures_util::future::join_all;
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged, dying_after, raw, set_raw};
use crate::support::{Yard, code, noon, on_each_store, reason, secs, usd};

/// A ceiling in dollars for the whole product, of which each claim keeps one.
async fn limited(yard: &Yard, store: &Arc<dyn Store>, dollars: f64, window: Window) {
    let id = "product".parse().unwrap();
    let mut budget = Budget::new(id, yard.product.clone(), window, yard.clock.now());
    budget.limit_usd = Some(usd(dollars));
    let text = String::from_utf8(budget.encode().unwrap()).unwrap();
    set_raw(store, "fleet_budgets", "acme", "product", &text).await;
    let mut product = fleet::Product::absent(yard.product.clone(), yard.clock.now());
    product.default_estimate_usd = usd(1.0);
    let text = String::from_utf8(product.encode().unwrap()).unwrap();
    set_raw(store, "fleet_products", "acme", "acme", &text).await;
    // Settings may be believed for a moment after they changed.
    yard.wait(secs(2)).await;
}

async fn budget(store: &Arc<dyn Store>) -> Budget {
    Budget::decode(raw(store, "fleet_budgets", "acme", "product").await.as_bytes()).unwrap()
}

async fn spend(yard: &Yard, id: JobId, holding: &Holding, dollars: f64) {
    let insights = Insights { cost_usd: Some(usd(dollars)), ..Insights::default() };
    let patch = fleet::Patch { insights: Some(insights), ..yard.saying(holding) };
    yard.patched(id, patch).await;
    yard.follow().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_refused_when_what_is_kept_and_spent_leaves_no_room() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        limited(&yard, &store, 2.5, Window::None).await;
        let mut jobs = Vec::new();
        for n in 0..3 {
            jobs.push(yard.submit(&format!("j{n}"), "").await);
        }
        let first = yard.running(jobs[0], "f1").await;
        yard.running(jobs[1], "f2").await;
        let refused = yard.claim(jobs[2], "f3").await;
        assert_eq!(reason(&refused), Some("budget_exhausted"));
        assert_eq!(yard.job(jobs[2]).await.attempts, 0, "it stays queued");
        yard.ship(jobs[0], &first).await.done().unwrap();
        yard.follow().await;
        assert_eq!(budget(&store).await.reserved.len(), 1, "what was kept and not used is free");
        yard.granted(jobs[2], "f3").await;
    })
    .await;
}

/// However often and by whomever it is settled.
#[tokio::test(start_paused = true)]
async fn what_a_run_reports_is_spent_once() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        limited(&yard, &store, 100.0, Window::None).await;
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        spend(&yard, id, &holding, 0.25).await;
        spend(&yard, id, &holding, 0.75).await;
        yard.follow().await;
        assert_eq!(budget(&store).await.spent_usd, usd(0.75), "reports are of the whole run");
        let mut release = yard.letting_go(&holding, fleet::Disposition::Ship);
        release.insights = Some(Insights { cost_usd: Some(usd(1.5)), ..Insights::default() });
        yard.release(id, release).await.done().unwrap();
        let others = [yard.beside(&store, 21), yard.beside(&store, 22)];
        yard.follow().await;
        for other in others {
            other.ledger.follow(&other.product, id).await.unwrap();
            other.sweep().await;
        }
        let after = budget(&store).await;
        assert_eq!((after.spent_usd, after.reserved.len()), (usd(1.5), 0));
        assert_eq!(yard.job(id).await.used.usd_used, usd(1.5));
    })
    .await;
}

/// L5: a reservation under a nonce that no job carries.
#[tokio::test(start_paused = true)]
async fn a_reservation_that_no_claim_followed_is_given_back_by_the_sweep() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        limited(&yard, &inner, 1.0, Window::None).await;
        let dead = yard.submit("dead", "").await;
        assert!(dying_after(&staged, 1, yard.claim(dead, "f1")).await.is_none());
        let next = yard.submit("next", "").await;
        assert_eq!(reason(&yard.claim(next, "f2").await), Some("budget_exhausted"));
        yard.sweep().await;
        assert_eq!(budget(&inner).await.reserved.len(), 1, "its claim may be under way");
        yard.wait(secs(31)).await;
        yard.sweep().await;
        yard.granted(next, "f2").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_day_begins_with_nothing_spent() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        limited(&yard, &store, 1.0, Window::Day).await;
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        spend(&yard, id, &holding, 1.0).await;
        yard.ship(id, &holding).await.done().unwrap();
        yard.follow().await;
        let next = yard.submit("next", "").await;
        assert_eq!(reason(&yard.claim(next, "f1").await), Some("budget_exhausted"));
        yard.wait(secs(13 * 3600)).await;
        yard.granted(next, "f1").await;
        assert_eq!(budget(&store).await.spent_usd, usd(0.0));
    })
    .await;
}

/// Sixteen claimers with room for four: how many were granted.
async fn squeeze(store: Arc<dyn Store>, seed: u64) -> usize {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    limited(&yard, &store, 4.0, Window::None).await;
    let mut jobs = Vec::new();
    for n in 0..16 {
        jobs.push(yard.submit(&format!("j{n}"), "").await);
    }
    let claims = jobs.iter().map(|id| yard.claim(*id, "f1"));
    join_all(claims).await.iter().filter(|answer| code(answer).is_none()).count()
}

#[tokio::test(start_paused = true)]
async fn claims_at_once_never_keep_more_than_the_ceiling() {
    for seed in 0..30 {
        let granted = squeeze(Arc::new(Memory::new()), seed).await;
        assert!((1..=4).contains(&granted), "seed {seed}: {granted}");
    }
    on_each_store(async |store| assert!(squeeze(store, 1).await <= 4)).await;
    let mut over = 0;
    for seed in 0..30 {
        over += usize::from(squeeze(Arc::new(Broken::new()), seed).await > 4);
    }
    assert!(over > 0, "checking before writing must overspend");
}
