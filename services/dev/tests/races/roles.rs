//! What one role leaves to follow is seen to by itself, long before any sweep, whoever else lives.

use std::sync::Arc;

use fleet::{Disposition, JobId, StageName};
use store::Memory;

use super::buses::Wire;
use super::world::{World, millis, secs};

/// Less than any sweep's half minute, and than a keeper's round.
const SOON: std::time::Duration = millis(400);

impl World {
    /// All that follows the job's own writes is there.
    async fn is_told(&self, id: JobId) {
        self.wait(SOON).await;
        let job = self.job(id).await;
        assert!(job.outbox.is_empty(), "{:?} waits to be told", job.outbox);
        let told: Vec<u64> = self.events(id).await.iter().filter_map(|event| event.seq).collect();
        assert_eq!(told, (1..=job.event_seq).collect::<Vec<_>>());
    }

    async fn is_leased(&self, id: JobId) -> bool {
        let lease = self.ledger().leases.get(id, id).await.unwrap();
        lease.is_some_and(|lease| lease.record.is_held())
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_roles_word_needs_no_other_role() {
    let world = World::quiet();
    let _hosts = world.hosts(2).await;
    let job = world.submit("k", "").await;
    world.is_told(job).await;
    let hand = world.hand("f1");
    let held = hand.held(secs(5)).await;
    world.is_told(job).await;
    assert!(world.is_leased(job).await, "the scheduler wrote the lease of its grant");
    hand.build(&held).await.unwrap();
    world.is_told(job).await;
    hand.release(&held, Disposition::Ship).await.unwrap();
    world.is_told(job).await;
    assert!(!world.is_leased(job).await);
}

/// The dependent is known to the role that took it in, its dependency's end to another.
#[tokio::test(start_paused = true)]
async fn a_dependent_is_released_though_other_roles_took_it_in_and_ended_its_dependency() {
    let world = World::quiet();
    let _hosts = world.hosts(3).await;
    let first = world.submit("first", "").await;
    let second = world.submit("second", "deps: [first]").await;
    let third = world.submit("third", "deps: [second]").await;
    let hand = world.hand("f1");
    for (job, next) in [(first, second), (second, third)] {
        let held = hand.building(secs(5)).await;
        assert_eq!(held.job.id, job);
        assert_eq!(world.stage(next).await, StageName::Blocked);
        hand.ship(&held).await.unwrap();
        world.until(next, StageName::Queued, SOON).await;
    }
}

/// A role that is asked to stop sees to what it just wrote before it goes.
#[tokio::test(start_paused = true)]
async fn a_host_that_stops_leaves_nothing_untold() {
    let world = World::quiet();
    let host = world.start().await;
    let job = world.submit("k", "").await;
    host.stop().await;
    world.is_told(job).await;
}

#[tokio::test(start_paused = true)]
async fn services_that_nobody_lets_hear_yet_begin_as_soon_as_they_may() {
    let world = World::over(Arc::new(Memory::new()), Wire::without_a_leader(6));
    let _host = world.start().await;
    world.submit("k", "").await;
    assert_eq!(world.hand("f1").work_off(secs(20)).await, 1);
}
