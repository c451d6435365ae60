//! Several words in one message: each is judged, written and answered as if it had come alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::{OverBus, Patience};
use fleet::{Disposition, Epoch, StageName};
use futures_util::future::join_all;
use protocol::{Ask, ClaimWork, Code, Granted, MOST_WORDS, Problem};

use super::hand::Hand;
use super::stores::{On, shuffled};
use super::world::{World, product, secs, submission};

type Answers<A> = Vec<Result<<A as Ask>::Reply, Box<Problem>>>;

async fn say<A: Ask>(world: &World, words: &[A]) -> Answers<A> {
    let span = secs(60);
    let patience =
        Patience { request_id: world.ids.mint(), until: world.clock.now().plus(span), span };
    let link = OverBus::new(Arc::clone(&world.bus), product());
    link.call_several(words, patience).await.unwrap()
}

fn granted(answers: Answers<ClaimWork>) -> Vec<Granted> {
    answers.into_iter().filter_map(|answer| answer.ok().flatten()).collect()
}

fn claims(hand: &Hand, count: usize, wait: Duration) -> Vec<ClaimWork> {
    (0..count).map(|_| hand.claiming(wait)).collect()
}

/// Eight claims in a message, again and again, until none of them is granted.
async fn all_of(hand: Hand) -> Vec<Granted> {
    let mut all = Vec::new();
    loop {
        let grants = granted(say(&hand.world, &claims(&hand, 8, Duration::ZERO)).await);
        if grants.is_empty() {
            return all;
        }
        all.extend(grants);
    }
}

/// How many grants eight factories, each with eight claims in a message, got of forty jobs.
async fn let_go_together(on: On, seed: u64) -> Vec<Granted> {
    let (store, _) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    let submissions: Vec<_> = (0..40).map(|n| submission(&format!("k{n}"), "", "Work.")).collect();
    assert!(say(&world, &submissions).await.iter().all(Result::is_ok));
    let crowd = (0..8).map(|n| all_of(world.hand(&format!("f{n}"))));
    join_all(crowd).await.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn claims_in_bundles_get_as_many_grants_as_there_are_jobs() {
    for seed in 0..6 {
        let grants = let_go_together(On::Memory, seed).await;
        let jobs: BTreeSet<_> = grants.iter().map(|grant| grant.job.id).collect();
        assert_eq!((grants.len(), jobs.len()), (40, 40), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn claims_in_bundles_catch_a_broken_store() {
    let mut grants = 0;
    for seed in 0..6 {
        grants += let_go_together(On::Broken, seed).await.len();
    }
    assert!(grants > 40 * 6, "{grants} grants of {} jobs", 40 * 6);
}

#[tokio::test(start_paused = true)]
async fn a_bundle_said_again_is_answered_the_same_and_a_bad_word_fails_alone() {
    let world = World::quiet();
    let _host = world.start().await;
    let hand = world.hand("f1");
    for n in 0..4 {
        world.submit(&format!("k{n}"), "").await;
    }
    let claims = claims(&hand, 4, Duration::ZERO);
    let held = granted(say(&world, &claims).await);
    world.wait(secs(1)).await;
    let again = granted(say(&world, &claims).await);
    let nonces = |grants: &[Granted]| grants.iter().map(|it| it.claim_nonce).collect::<Vec<_>>();
    assert_eq!((nonces(&held), held.len()), (nonces(&again), 4));
    let mut releases: Vec<_> =
        held.iter().map(|held| hand.releasing(held, Disposition::Yield)).collect();
    releases[2].lease_epoch = Epoch::ZERO;
    for _ in 0..2 {
        let answers = say(&world, &releases).await;
        let codes = answers.iter().map(|answer| answer.as_ref().err().map(|no| no.code));
        assert_eq!(codes.collect::<Vec<_>>(), [None, None, Some(Code::Fenced), None]);
    }
    assert_eq!(world.job(held[0].job.id).await.attempts, 1, "yielded once, not twice");
    assert_eq!(world.stage(held[2].job.id).await, StageName::Assigned);
}

/// Its lease runs while the answer waits for the others.
#[tokio::test(start_paused = true)]
async fn a_grant_does_not_wait_for_the_claims_beside_it() {
    let world = World::quiet();
    let _host = world.start().await;
    let hand = world.hand("f1");
    world.wait(secs(1)).await;
    let began = world.clock.uptime();
    let claims = claims(&hand, 3, secs(10));
    let claiming = say(&world, &claims);
    let submitting = async {
        world.wait(secs(2)).await;
        world.submit("k", "").await;
    };
    let (answers, ()) = tokio::join!(claiming, submitting);
    let took = world.clock.uptime() - began;
    assert_eq!((answers.len(), granted(answers).len()), (3, 1));
    assert!(took < secs(3), "{took:?}");
}

/// What was granted and could not be told is told to whoever asks again.
#[tokio::test(start_paused = true)]
async fn what_does_not_fit_in_one_answer_is_asked_for_again() {
    let world = World::quiet();
    let _host = world.start().await;
    let hand = world.hand("f1");
    for n in 0..4 {
        let large = submission(&format!("k{n}"), "", &"x".repeat(400 << 10));
        world.ask(&large).await.unwrap();
    }
    let claims = claims(&hand, 4, Duration::ZERO);
    let mut jobs = BTreeSet::new();
    let mut lost = 0;
    for (claim, answer) in claims.iter().zip(say(&world, &claims).await) {
        let grant = match answer {
            Ok(grant) => grant,
            Err(problem) => {
                assert_eq!(problem.code, Code::CommitUnknown);
                lost += 1;
                world.ask(claim).await.unwrap()
            }
        };
        jobs.insert(grant.expect("there is one for each").job.id);
    }
    assert_eq!((jobs.len(), lost), (4, 2));
    assert!(hand.claim(Duration::ZERO).await.is_none(), "four were taken, not six");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_too_many_words_is_refused() {
    let world = World::quiet();
    let _host = world.start().await;
    let claims = claims(&world.hand("f1"), MOST_WORDS + 1, Duration::ZERO);
    let span = secs(60);
    let patience =
        Patience { request_id: world.ids.mint(), until: world.clock.now().plus(span), span };
    let link = OverBus::new(Arc::clone(&world.bus), product());
    let refused = link.call_several(&claims, patience).await;
    assert_eq!(super::world::refusal(&refused), Some(Code::Validation));
}
