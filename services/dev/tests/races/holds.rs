//! Holders against keepers, against their own past and against their doubles: R5, R6, R11, R20,
//! R39.

use std::collections::BTreeSet;
use std::sync::Arc;

use client::CallError;
use fleet::{Disposition, Nonce, StageName};
use protocol::{Code, Granted, Row, Word};
use serde_json::{Value, json};
use store::{Memory, Store};

use super::buses::Wire;
use super::hand::Hand;
use super::stores::{On, shuffled};
use super::world::{World, millis, refusal, secs};

/// A completion that comes so long after the last sign of life, while three keepers look.
async fn ships_late(on: On, seed: u64, after: u64) -> (bool, Vec<String>) {
    let (store, witness) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(3).await;
    let job = world.submit("k", "").await;
    let hand = world.hand("f1");
    let Ok(held) = hand.built(secs(5)).await else {
        return (false, vec![String::from("a grant is forgotten")]);
    };
    world.wait(millis(after)).await;
    let said = hand.ship(&held).await;
    world.wait(secs(3)).await;
    let (stage, mut wrong) = (world.stage(job).await, witness.violations());
    let asked = match &said {
        Ok(_) => StageName::Shipped,
        Err(_) => StageName::Queued,
    };
    if stage != asked {
        wrong.push(format!("told {:?}, and it is {stage:?}", refusal(&said)));
    }
    (said.is_ok(), wrong)
}

#[tokio::test(start_paused = true)]
async fn a_completion_against_three_keepers_is_either_shipped_or_taken_back() {
    let mut ways = BTreeSet::new();
    for step in 0..24 {
        let (shipped, wrong) = ships_late(On::Memory, step, 30_000 + 130 * step).await;
        assert_eq!(wrong, Vec::<String>::new(), "step {step}");
        ways.insert(shipped);
    }
    assert_eq!(ways.len(), 2, "each of the two wins sometimes");
}

#[tokio::test(start_paused = true)]
async fn a_completion_against_three_keepers_catches_a_broken_store() {
    let mut wrong = 0;
    for step in 0..24 {
        wrong += ships_late(On::Broken, step, 30_000 + 130 * step).await.1.len();
    }
    assert!(wrong > 0);
}

/// A silent holder and three keepers: what is wrong once it was taken back.
async fn taken_back_by_three(on: On, seed: u64) -> Vec<String> {
    let (store, witness) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(3).await;
    let job = world.submit("k", "").await;
    if world.hand("f1").built(secs(5)).await.is_err() {
        return vec![String::from("a grant is forgotten")];
    }
    world.until(job, StageName::Queued, secs(33)).await;
    world.wait(secs(5)).await;
    let (stored, mut wrong) = (world.job(job).await, witness.violations());
    if (stored.reaps, stored.lease_epoch.get()) != (1, 2) {
        wrong.push(format!("{} reaps, epoch {}", stored.reaps, stored.lease_epoch.get()));
    }
    wrong
}

#[tokio::test(start_paused = true)]
async fn three_keepers_take_a_silent_job_back_once() {
    for seed in 0..12 {
        assert_eq!(taken_back_by_three(On::Memory, seed).await, Vec::<String>::new(), "{seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn three_keepers_catch_a_broken_store() {
    let mut wrong = 0;
    for seed in 0..12 {
        wrong += taken_back_by_three(On::Broken, seed).await.len();
    }
    assert!(wrong > 0);
}

fn told<T>(answer: &Result<T, CallError>) -> Option<Code> {
    assert!(answer.is_ok() || refusal(answer).is_some(), "no answer at all");
    refusal(answer)
}

/// Every word that a holder can say, and what it was told.
async fn every_word(hand: &Hand, held: &Granted) -> Vec<(&'static str, Option<Code>)> {
    let mut answers = vec![
        ("build", told(&hand.build(held).await)),
        ("note", told(&hand.note(held).await)),
        ("progress", told(&hand.progress(held).await)),
        ("renew", hand.renew(held).await.error.map(|problem| problem.code)),
    ];
    for disposition in [Disposition::Yield, Disposition::Fail, Disposition::Ship] {
        answers.push(("release", told(&hand.release(held, disposition).await)));
    }
    answers
}

fn heard(answers: &[(&'static str, Option<Code>)]) -> Vec<&'static str> {
    let heard = answers.iter().filter(|(_, code)| *code != Some(Code::Fenced));
    heard.map(|(word, _)| *word).collect()
}

/// A service that goes by the holder's name: whatever is presented with it is taken for right.
fn goes_by_the_name(wire: &Wire, word: Word, current: &Granted) {
    let (epoch, nonce) = (json!(current.lease_epoch), json!(current.claim_nonce));
    wire.change(
        Row::Spoken(word),
        Box::new(move |body: &mut Value| {
            body["leaseEpoch"] = epoch.clone();
            body["claimNonce"] = nonce.clone();
        }),
    );
}

/// Silent, taken back, and given the same job again: what it says then of its first claim.
async fn zombie(wire: &Arc<Wire>) -> (World, Hand, Granted, Granted) {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let world = World::over(store, Arc::clone(wire) as _);
    let _hosts = world.hosts(2).await;
    let job = world.submit("k", "").await;
    let hand = world.hand("f1");
    let old = hand.building(secs(5)).await;
    world.until(job, StageName::Queued, secs(33)).await;
    let new = hand.building(secs(5)).await;
    assert_eq!((old.lease_epoch.get(), new.lease_epoch.get()), (1, 3));
    (world, hand, old, new)
}

#[tokio::test(start_paused = true)]
async fn every_old_word_of_a_factory_that_claimed_again_is_refused() {
    let (world, hand, old, new) = zombie(&Wire::straight()).await;
    let before = world.job(new.job.id).await;
    assert_eq!(heard(&every_word(&hand, &old).await), Vec::<&str>::new());
    let after = world.job(new.job.id).await;
    assert_eq!((after.head.rev, after.stage), (before.head.rev, before.stage));
    hand.ship(&new).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn old_words_catch_a_fence_that_goes_by_the_holders_name() {
    for (word, said) in [(Word::Patch, "note"), (Word::Release, "release")] {
        let wire = Wire::straight();
        let (_world, hand, old, new) = zombie(&wire).await;
        goes_by_the_name(&wire, word, &new);
        assert!(heard(&every_word(&hand, &old).await).contains(&said), "{said}");
    }
}

/// A second start of a factory of the same name, with its own incarnation and a nonce of its own.
async fn twins(wire: &Arc<Wire>) -> (World, Hand, Hand, Granted) {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let world = World::over(store, Arc::clone(wire) as _);
    let _hosts = world.hosts(2).await;
    world.submit("k", "").await;
    let (first, second) = (world.hand("f1"), world.hand("f1"));
    assert_ne!(first.incarnation, second.incarnation);
    first.beat().await.unwrap();
    let held = first.building(secs(5)).await;
    (world, first, second, held)
}

fn guessed(world: &World, held: &Granted) -> Granted {
    Granted { claim_nonce: Nonce::from_uuid(world.ids.mint()), ..held.clone() }
}

#[tokio::test(start_paused = true)]
async fn a_second_start_of_the_same_name_inherits_nothing() {
    let (world, first, second, held) = twins(&Wire::straight()).await;
    assert_eq!(refusal(&second.beat().await), Some(Code::Conflict));
    assert!(second.claim(secs(2)).await.is_none(), "not the job of its twin");
    let answers = every_word(&second, &guessed(&world, &held)).await;
    assert_eq!(heard(&answers), Vec::<&str>::new());
    assert!(first.renew(&held).await.error.is_none());
    first.ship(&held).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_second_start_catches_a_fence_that_goes_by_the_holders_name() {
    let wire = Wire::straight();
    let (world, _first, second, held) = twins(&wire).await;
    goes_by_the_name(&wire, Word::Release, &held);
    let answers = every_word(&second, &guessed(&world, &held)).await;
    assert!(heard(&answers).contains(&"release"));
}

/// R11: what a holder says at the same time as its completion never makes the completion lose.
#[tokio::test(start_paused = true)]
async fn a_completion_never_loses_to_its_own_renewal_or_notes() {
    for seed in 0..16 {
        let (store, witness) = shuffled(On::Memory, seed);
        let world = World::of(store);
        let _hosts = world.hosts(2).await;
        let job = world.submit("k", "").await;
        let hand = world.hand("f1");
        let held = hand.building(secs(5)).await;
        let (shipped, _, _, _) =
            tokio::join!(hand.ship(&held), hand.renew(&held), hand.note(&held), hand.note(&held),);
        assert!(shipped.is_ok(), "seed {seed}: {shipped:?}");
        assert_eq!(world.stage(job).await, StageName::Shipped);
        assert_eq!(witness.violations(), Vec::<String>::new());
    }
}
