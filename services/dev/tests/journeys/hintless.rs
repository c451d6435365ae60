//! What a fleet does without a single hint: the same, later.

use std::sync::Arc;
use std::time::Duration;

use fleet::WhyCode;

use super::deaf::Deaf;
use super::town::{Town, shipped};
use crate::scene::Scene;

/// Where no hint is ever heard.
async fn deaf() -> Town {
    Town::on(Scene::over(super::told(), |bus| Arc::new(Deaf::over(bus))).await)
}

#[tokio::test(start_paused = true)]
async fn without_a_single_hint_the_fleet_still_drains() {
    let town = deaf().await;
    let mut jobs = Vec::new();
    for n in 0..5 {
        jobs.push(town.submit(&format!("---\nidempotencyKey: k{n}\n---\nWork.")).await.job.id);
    }
    let last = town.submit("---\nidempotencyKey: last\ndeps: [k0, k4]\n---\nWork.").await;
    jobs.push(last.job.id);
    assert_eq!(town.work_off("f1", Duration::from_secs(120)).await, 6);
    for job in jobs {
        assert_eq!(town.stage(job).await, shipped());
    }
}

/// The board hears nothing here; it would have the job queued for half a minute yet.
#[tokio::test(start_paused = true)]
async fn the_board_is_not_believed_where_the_record_knows_better() {
    let town = deaf().await;
    town.beat("f1").await;
    let id = town.submit("---\nidempotencyKey: k\n---\nWork.").await.job.id;
    tokio::time::sleep(Duration::from_secs(31)).await;
    town.beat("f1").await;
    assert_eq!(town.why("k").await.position, Some(1), "the board was read by now");
    let held = town.claim("f1", Duration::from_secs(5)).await.unwrap();
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    assert_eq!(town.why(&id.to_string()).await.code, WhyCode::Shipped);
}
