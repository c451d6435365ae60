//! Requests that arrive twice, late, or whose answers are lost: R7, R8, R9, R10, R19, R40.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bus::{BusError, Message};
use client::CallError;
use fleet::StageName;
use futures_util::future::join_all;
use protocol::{Ask, ClaimWork, Code, Granted, Header, Headers, OfferSeen};
use serde_json::Value;
use store::{Faults, Faulty, Memory, Store};

use super::buses::Wire;
use super::stores::{Long, On, Without, shuffled};
use super::world::{Host, World, id_of, millis, product, secs, submission};

/// A copy of a claim as it lay on the wire, with the deadline that it had when it was sent.
fn copy_of(ask: &ClaimWork, deadline: Option<&str>) -> Message {
    let body = serde_json::to_vec(ask).unwrap();
    let mut copy = Message::new(ask.subject(&product()), body);
    if let Some(until) = deadline {
        copy.headers = Headers::default().with(Header::Deadline, until);
    }
    copy
}

/// A claim that is granted, never confirmed and taken back; then its copy comes.
async fn late_copy(heeded: bool) -> (World, Result<Message, BusError>) {
    let world = World::quiet();
    let _hosts = world.hosts(2).await;
    let job = world.submit("k", "").await;
    let ask = world.hand("f1").claiming(Duration::ZERO);
    let until = world.clock.now().plus(secs(5)).to_string();
    world.ask_for(&ask, secs(5)).await.unwrap().unwrap();
    world.until(job, StageName::Queued, secs(13)).await;
    let copy = copy_of(&ask, heeded.then_some(until.as_str()));
    let answer = world.bus.request(copy, secs(5)).await;
    (world, answer)
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_claim_that_comes_after_its_deadline_grants_nothing() {
    let (world, answer) = late_copy(true).await;
    assert_eq!(answer, Err(BusError::TimedOut), "dropped unseen");
    let job = world.job(id_of("k")).await;
    assert_eq!((job.stage.name(), job.lease_epoch.get()), (StageName::Queued, 2));
    assert_eq!((job.reaps, job.failures), (0, 0), "it cost nothing");
}

#[tokio::test(start_paused = true)]
async fn a_late_copy_catches_a_service_that_heeds_no_deadline() {
    let (world, _) = late_copy(false).await;
    let job = world.job(id_of("k")).await;
    assert_eq!((job.stage.name(), job.lease_epoch.get()), (StageName::Assigned, 3));
}

/// Within its deadline a copy may cost a claim, but never a second holder: what it was given and
/// nobody heard goes back uncharged.
#[tokio::test(start_paused = true)]
async fn a_grant_to_a_copy_that_nobody_hears_goes_back_uncharged() {
    let (world, _) = late_copy(false).await;
    let job = id_of("k");
    world.until(job, StageName::Queued, secs(13)).await;
    let stored = world.job(job).await;
    assert_eq!((stored.reaps, stored.failures, stored.lease_epoch.get()), (0, 0, 4));
    assert_eq!(world.hand("f2").work_off(secs(20)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_claim_for_an_offer_is_refused_once_the_offered_epoch_is_past() {
    let world = World::quiet();
    let _hosts = world.hosts(2).await;
    let job = world.submit("k", "").await;
    let epoch_seen = world.job(job).await.lease_epoch;
    let offer = Some(OfferSeen { job_id: job, epoch_seen });
    let ask = ClaimWork { offer, ..world.hand("f1").claiming(Duration::ZERO) };
    world.ask(&ask).await.unwrap().unwrap();
    world.until(job, StageName::Queued, secs(13)).await;
    assert!(world.ask(&ask).await.unwrap().is_none(), "its epoch has moved");
    assert_eq!(world.stage(job).await, StageName::Queued);
    assert_eq!(world.hand("f1").work_off(secs(20)).await, 1, "the next request has it");
}

/// Five jobs from submission to completion, each word said twice at once to two hosts. What is
/// told of each job, and how often each was given out.
async fn doubled(store: Arc<dyn Store>) -> (Vec<Vec<Value>>, Vec<u64>, Arc<Wire>) {
    let wire = Wire::straight();
    let world = World::over(store, Arc::clone(&wire) as _);
    let _hosts = world.hosts(2).await;
    wire.double();
    let hand = world.hand("f1");
    for n in 0..5 {
        let job = world.submit(&format!("k{n}"), "").await;
        let held = hand.held(secs(20)).await;
        assert_eq!(held.job.id, job);
        hand.build(&held).await.unwrap();
        hand.note(&held).await.unwrap();
        hand.progress(&held).await.unwrap();
        hand.ship(&held).await.unwrap();
    }
    world.wait(secs(31)).await;
    let (mut stories, mut attempts) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let job = id_of(&format!("k{n}"));
        let events = world.events(job).await;
        let told = events.iter().filter(|event| event.seq.is_some());
        stories.push(told.map(|event| serde_json::json!(event.kind)).collect());
        attempts.push(u64::from(world.job(job).await.attempts));
    }
    (stories, attempts, wire)
}

#[tokio::test(start_paused = true)]
async fn when_every_request_comes_twice_everything_happens_once() {
    for seed in 0..6 {
        let (store, witness) = shuffled(On::Memory, seed);
        let (stories, attempts, wire) = doubled(store).await;
        assert_eq!(attempts, [1; 5], "seed {seed}");
        for story in &stories {
            let once: BTreeSet<String> = story.iter().map(Value::to_string).collect();
            assert_eq!(once.len(), story.len(), "seed {seed}: {story:?}");
        }
        for (ask, answer) in wire.second_answers() {
            let answer = answer.expect("the copy was answered");
            assert!(answer.get("error").is_none(), "seed {seed}: {ask} was told {answer}");
        }
        assert_eq!(witness.violations(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn doubled_requests_catch_a_design_that_remembers_no_operations() {
    let (inner, _) = shuffled(On::Memory, 1);
    let (stories, ..) = doubled(Arc::new(Without { field: "lastOps", inner })).await;
    let twice = stories.iter().filter(|story| {
        let once: BTreeSet<String> = story.iter().map(Value::to_string).collect();
        once.len() < story.len()
    });
    assert!(twice.count() > 0);
}

/// R10: both copies of one claim, answered by two schedulers. How many grants each pair got.
async fn both_copies(store: Arc<dyn Store>) -> (Option<Granted>, Option<Granted>) {
    let wire = Wire::straight();
    let world = World::over(store, Arc::clone(&wire) as _);
    let _hosts = world.hosts(2).await;
    world.submit("k", "").await;
    world.wait(secs(1)).await;
    wire.double();
    let first = world.hand("f1").claim(Duration::ZERO).await;
    let (_, second) = wire.second_answers().remove(0);
    (first, serde_json::from_value(second.unwrap()).unwrap())
}

fn nonces(pair: &(Option<Granted>, Option<Granted>)) -> [Option<fleet::Nonce>; 2] {
    [&pair.0, &pair.1].map(|grant| grant.as_ref().map(|grant| grant.claim_nonce))
}

#[tokio::test(start_paused = true)]
async fn both_copies_of_a_claim_are_told_of_the_same_grant() {
    for seed in 0..24 {
        let [first, second] = nonces(&both_copies(shuffled(On::Memory, seed).0).await);
        assert!(first.is_some() && first == second, "seed {seed}: {first:?} {second:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_copies_of_a_claim_catch_a_design_that_stores_no_claim_request() {
    let mut denied = 0;
    for seed in 0..12 {
        let (inner, _) = shuffled(On::Memory, seed);
        let store = Arc::new(Without { field: "claimRequestId", inner });
        denied += usize::from(nonces(&both_copies(store).await).contains(&None));
    }
    assert!(denied > 0);
}

/// R9: every answer is lost, and every word is said again with the same ids.
async fn unheard(store: Arc<dyn Store>) -> (World, Option<Granted>) {
    let wire = Wire::straight();
    let world = World::over(store, Arc::clone(&wire) as _);
    let _hosts = world.hosts(2).await;
    let (hand, ask) = (world.hand("f1"), submission("k", "", "Work."));
    wire.lose_answers();
    assert!(world.ask(&ask).await.is_err());
    wire.heal();
    assert_eq!(world.ask(&ask).await.unwrap().outcome, "existing");
    world.wait(secs(1)).await;
    world.submit("other", "").await;
    let claim = hand.claiming(Duration::ZERO);
    wire.lose_answers();
    assert!(world.ask(&claim).await.is_err());
    wire.heal();
    let held = world.ask(&claim).await.unwrap();
    if let Some(held) = held.as_ref().filter(|held| held.job.id == id_of("k")) {
        hand.build(held).await.unwrap();
        let note = hand.patching(held, None);
        wire.lose_answers();
        assert!(world.ask(&note).await.is_err());
        wire.heal();
        world.ask(&note).await.unwrap();
        let ship = hand.releasing(held, fleet::Disposition::Ship);
        wire.lose_answers();
        assert!(world.ask(&ship).await.is_err());
        wire.heal();
        assert_eq!(world.ask(&ship).await.unwrap().stage, StageName::Shipped);
    }
    (world, held)
}

#[tokio::test(start_paused = true)]
async fn a_word_whose_answer_was_lost_is_answered_when_it_is_said_again() {
    let (world, held) = unheard(Arc::new(Memory::new())).await;
    let held = held.expect("the same grant again");
    assert_eq!((held.job.id, held.attempt, held.lease_epoch.get()), (id_of("k"), 1, 1));
    let job = world.job(id_of("k")).await;
    assert_eq!((job.attempts, job.stage.name()), (1, StageName::Shipped));
    assert_eq!(world.job(id_of("other")).await.attempts, 0, "no second job for one request");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_catches_a_design_that_stores_no_claim_request() {
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let (world, _) = unheard(Arc::new(Without { field: "claimRequestId", inner })).await;
    let other = world.job(id_of("other")).await;
    assert_eq!(other.attempts, 1, "the first job lies there and a second one was given");
}

/// A scheduler that has just started and reads slowly is asked for a grant of its predecessor.
#[tokio::test(start_paused = true)]
async fn a_claim_said_again_to_a_scheduler_that_just_started_is_the_same_grant() {
    let slow = Faults { delay: 1000, longest_delay: millis(20), ..Faults::default() };
    let store: Arc<dyn Store> = Arc::new(Faulty::new(Memory::new(), 3, slow));
    let world = World::of(store);
    let before = world.start().await;
    for n in 0..4 {
        world.submit(&format!("k{n}"), "").await;
    }
    let ask = world.hand("f1").claiming(secs(5));
    let first = world.ask(&ask).await.unwrap().unwrap();
    before.stop().await;
    let _after = world.start().await;
    let again = world.ask(&ask).await.unwrap().unwrap();
    assert_eq!((again.job.id, again.claim_nonce), (first.job.id, first.claim_nonce));
}

/// A world whose only scheduler has just started, and needs so long for its board.
async fn reading(takes: Duration, before: &[(&str, &str)]) -> (World, Host) {
    let world = World::quiet();
    let other = world.start().await;
    for (key, lines) in before {
        world.submit(key, lines).await;
    }
    other.stop().await;
    let long: Arc<dyn Store> = Arc::new(Long { inner: Arc::clone(&world.store), takes });
    let host = world.host(long, Arc::clone(&world.clock)).await;
    (world, host)
}

#[tokio::test(start_paused = true)]
async fn a_fresh_claim_does_not_wait_for_a_long_queue_to_be_read() {
    let (world, _host) = reading(secs(600), &[]).await;
    let job = world.submit("k", "").await;
    let ask = world.hand("f1").claiming(secs(5));
    let began = world.clock.uptime();
    let refused = world.ask(&ask).await.unwrap_err();
    assert!(matches!(&refused, CallError::Refused(no) if no.code == Code::Unavailable));
    assert_eq!(world.job(job).await.attempts, 0, "it may have been granted something else");
    let waited = world.clock.uptime() - began;
    let fresh = ClaimWork { fresh: true, ..world.hand("f1").claiming(secs(5)) };
    let held = world.ask(&fresh).await.unwrap().unwrap();
    assert_eq!(held.job.id, job);
    assert!(world.clock.uptime() - began < waited + secs(2));
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_short_queue_is_the_most_urgent_however_soon_it_is_asked_for() {
    let queue = [("low", "priority: low"), ("critical", "priority: critical")];
    let (world, _host) = reading(millis(500), &queue).await;
    world.submit("new", "priority: low").await;
    let fresh = ClaimWork { fresh: true, ..world.hand("f1").claiming(secs(5)) };
    assert_eq!(world.ask(&fresh).await.unwrap().unwrap().job.id, id_of("critical"));
}

/// R19
async fn one_key_64_times(on: On, seed: u64) -> (usize, BTreeSet<String>, Vec<String>) {
    let (store, witness) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    let asks = (0..64).map(|_| world.submitting("k", ""));
    let receipts = join_all(asks).await.into_iter().map(Result::unwrap);
    let receipts: Vec<_> = receipts.collect();
    let created = receipts.iter().filter(|receipt| receipt.outcome == "created").count();
    let jobs = receipts.iter().map(|receipt| receipt.job.id.to_string()).collect();
    (created, jobs, witness.violations())
}

#[tokio::test(start_paused = true)]
async fn sixty_four_submissions_of_one_key_make_one_job_and_hear_of_it() {
    for seed in 0..4 {
        let (created, jobs, wrong) = one_key_64_times(On::Memory, seed).await;
        assert_eq!((created, jobs.len(), wrong), (1, 1, Vec::new()), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_four_submissions_catch_a_broken_store() {
    let (created, ..) = one_key_64_times(On::Broken, 1).await;
    assert!(created > 1);
}

/// R40: the content goes back to what it was; what is compared does not.
#[tokio::test(start_paused = true)]
async fn content_that_comes_back_does_not_bring_its_revision_back() {
    let world = World::quiet();
    let _host = world.start().await;
    let (mut etags, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    for turn in 0..6 {
        let body = if turn % 2 == 0 { "One." } else { "Another." };
        let receipt = world.ask(&submission("k", "", body)).await.unwrap();
        hashes.insert(receipt.job.fields()["contentHash"].to_string());
        etags.insert(receipt.job.etag);
    }
    assert_eq!((hashes.len(), etags.len()), (2, 6));
}
