//! Jobs that wait for others, while the others end, fail, appear or wait for them: R14 to R18.

use std::sync::Arc;

use fleet::{EventType, FailureReason, Stage, StageName};
use futures_util::future::join_all;
use protocol::Code;
use store::{Memory, Store};

use super::stores::{Fuse, On, shuffled};
use super::world::{World, id_of, millis, refusal, secs};

/// So many dependencies ship together on three hosts: how often the dependent was released, and
/// what else is wrong.
async fn shipped_together(on: On, count: usize, seed: u64) -> (usize, Vec<String>) {
    let (store, witness) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(3).await;
    let keys: Vec<String> = (0..count).map(|n| format!("d{n}")).collect();
    let deps = format!("deps: [{}]", keys.join(", "));
    join_all(keys.iter().map(|key| world.submit(key, ""))).await;
    let dependent = world.submit("last", &deps).await;
    let hands: Vec<_> = (0..count).map(|n| world.hand(&format!("f{n}"))).collect();
    let mut held = Vec::new();
    for hand in &hands {
        held.push(hand.building(secs(30)).await);
    }
    assert_eq!(world.stage(dependent).await, StageName::Blocked);
    join_all(hands.iter().zip(&held).map(|(hand, held)| hand.ship(held))).await;
    world.wait(secs(40)).await;
    (witness.entries(&dependent.to_string(), "queued"), witness.violations())
}

#[tokio::test(start_paused = true)]
async fn dependencies_that_ship_together_release_their_dependent_once() {
    for (seed, count) in [2, 2, 2, 3, 16, 64].into_iter().enumerate() {
        let (released, wrong) = shipped_together(On::Memory, count, seed as u64).await;
        assert_eq!((released, wrong), (1, Vec::new()), "{count} dependencies");
    }
}

#[tokio::test(start_paused = true)]
async fn dependencies_that_ship_together_catch_a_broken_store() {
    let mut wrong = 0;
    for seed in 0..8 {
        let (released, violations) = shipped_together(On::Broken, 8, seed).await;
        wrong += usize::from(released != 1) + violations.len();
    }
    assert!(wrong > 0);
}

/// R15: at every moment of the submission.
#[tokio::test(start_paused = true)]
async fn a_dependency_that_ships_while_its_dependent_is_submitted_is_seen() {
    for seed in 0..20 {
        let (store, witness) = shuffled(On::Memory, seed);
        let world = World::of(store);
        let _hosts = world.hosts(2).await;
        world.submit("first", "").await;
        let hand = world.hand("f1");
        let held = hand.building(secs(5)).await;
        let shipping = async {
            world.wait(millis(seed)).await;
            hand.ship(&held).await.unwrap();
        };
        let (dependent, ()) = tokio::join!(world.submit("second", "deps: [first]"), shipping);
        // Sooner than any sweep: nobody needs the net for this.
        world.until(dependent, StageName::Queued, secs(2)).await;
        assert_eq!(witness.entries(&dependent.to_string(), "queued"), 1);
    }
}

/// R16: the host that ships dies behind each of its writes.
#[tokio::test(start_paused = true)]
async fn a_host_that_dies_after_a_completion_leaves_no_dependent_behind() {
    let mut committed = 0;
    for writes in 0..10 {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let world = World::of(Arc::clone(&store));
        let fuse = Arc::new(Fuse::on(store));
        let host = world.host(Arc::clone(&fuse) as _, Arc::clone(&world.clock)).await;
        world.submit("first", "").await;
        let dependent = world.submit("second", "deps: [first]").await;
        let hand = world.hand("f1");
        let held = hand.building(secs(5)).await;
        world.wait(secs(1)).await;
        let ship = hand.releasing(&held, fleet::Disposition::Ship);
        fuse.blow_after(writes);
        let said = world.ask_for(&ship, secs(2)).await;
        host.die();
        world.wait(secs(1)).await;
        let others = world.start().await;
        if world.stage(id_of("first")).await == StageName::Shipped {
            committed += 1;
            world.until(dependent, StageName::Queued, secs(31)).await;
        }
        // The holder says it again, as it does until it is answered.
        let again = world.ask(&ship).await.unwrap();
        assert_eq!(again.stage, StageName::Shipped, "after {writes} writes: {said:?}");
        world.until(dependent, StageName::Queued, secs(31)).await;
        others.stop().await;
    }
    assert!(committed >= 5, "{committed} times it died between the completion and the end");
}

/// R17
#[tokio::test(start_paused = true)]
async fn a_dependency_that_fails_ends_its_dependents_or_they_say_so() {
    let world = World::quiet();
    let _hosts = world.hosts(2).await;
    world.submit("first", "").await;
    let strict = world.submit("strict", "deps: [first]\nonDepFailure: fail").await;
    let patient = world.submit("patient", "deps: [first]").await;
    let beyond = world.submit("beyond", "deps: [strict]\nonDepFailure: fail").await;
    let hand = world.hand("f1");
    let held = hand.building(secs(5)).await;
    hand.release(&held, fleet::Disposition::Fail).await.unwrap();
    world.wait(secs(35)).await;
    let ended = Stage::Failed(FailureReason::DependencyFailed);
    assert_eq!(world.job(strict).await.stage, ended);
    assert_eq!(world.job(beyond).await.stage, ended, "and what waits for it");
    assert_eq!(world.job(patient).await.stage, Stage::Blocked);
    let events = world.events(patient).await;
    assert!(events.iter().any(|event| event.kind == EventType::DepFailed), "it says why it waits");
}

/// Two jobs that wait for each other, submitted together: how many were let in, and what each
/// submitter was told.
async fn close_a_circle(on: On, seed: u64) -> (usize, Vec<Option<Code>>) {
    let (store, _) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    let (one, other) =
        tokio::join!(world.submitting("a", "deps: [b]"), world.submitting("b", "deps: [a]"),);
    let told = vec![refusal(&one), refusal(&other)];
    world.wait(secs(65)).await;
    let (a, b) = (world.job(id_of("a")).await, world.job(id_of("b")).await);
    let let_in = [&a, &b].into_iter().filter(|job| job.admitted);
    (let_in.count(), told)
}

#[tokio::test(start_paused = true)]
async fn a_circle_that_two_submitters_close_together_is_never_let_in() {
    for seed in 0..12 {
        let (let_in, told) = close_a_circle(On::Memory, seed).await;
        assert!(let_in < 2, "seed {seed}: both were let in");
        assert!(told.contains(&Some(Code::DependencyCycle)), "seed {seed}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_itself_is_refused() {
    let world = World::quiet();
    let _host = world.start().await;
    let told = refusal(&world.submitting("a", "deps: [a]").await);
    assert!(matches!(told, Some(Code::DependencyCycle | Code::Validation)), "{told:?}");
}
