//! What every store must give the coordinator, on each provider that needs no server: one winner,
//! one job for a key, a fence that holds, a reaper that may run twice.

use std::sync::Arc;
use std::time::Duration;

use fleet::{Checkpoint, Code, RunResult, StageName};
use ledger::{Outcome, Reaped, Verdict};
use store::{Broken, Memory, Store};
use tokio::sync::Barrier;

use crate::support::{Yard, code, on_each_store, reason, someone, together};

const TERM: Duration = Duration::from_secs(31);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_claims_at_once_are_one_ok_and_one_conflict_on_each_store() {
    on_each_store(two_claims_at_once_are_one_ok_and_one_conflict_on_each_store_on).await;
}

async fn two_claims_at_once_are_one_ok_and_one_conflict_on_each_store_on(store: Arc<dyn Store>) {
    let yard = Yard::racing(&store);
    let job = yard.submit("contended", "").await;
    let barrier = Arc::new(Barrier::new(2));
    let claims = ["f1", "f2"].map(|factory| {
        let (yard, barrier) = (yard.clone(), Arc::clone(&barrier));
        async move {
            let asking = yard.asking(job, factory, 0);
            barrier.wait().await;
            yard.ledger.claim(&asking).await.unwrap()
        }
    });
    let answers = together(claims).await;
    let codes: Vec<_> = answers.iter().map(code).collect();
    assert!(codes.contains(&None) && codes.contains(&Some(Code::Conflict)), "{codes:?}");
    yard.follow().await;
    let stands = yard.job(job).await;
    assert_eq!((stands.attempts, stands.lease_epoch.get()), (1, 1));
    assert_eq!(yard.runs(job).await.len(), 1);
    assert!(yard.lease(job).await.unwrap().is_held_for(stands.lease_epoch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn renewals_under_contention_all_keep_one_lease() {
    on_each_store(renewals_under_contention_all_keep_one_lease_on).await;
}

async fn renewals_under_contention_all_keep_one_lease_on(store: Arc<dyn Store>) {
    let yard = Yard::racing(&store);
    let job = yard.submit("renewed", "").await;
    let holding = yard.granted(job, "f1").await.holding;
    let renewals = (0..8).map(|_| {
        let (yard, holding) = (yard.clone(), holding.clone());
        async move { yard.ledger.renew(&yard.product, job, &holding).await.unwrap() }
    });
    for answer in together(renewals).await {
        assert!(matches!(code(&answer), None | Some(Code::ConcurrentUpdate)), "{answer:?}");
    }
    let lease = yard.lease(job).await.unwrap();
    assert!(lease.is_held_for(holding.lease_epoch));
}

async fn submit_at_once(store: Arc<dyn Store>) -> (usize, Yard) {
    let yard = Yard::racing(&store);
    let barrier = Arc::new(Barrier::new(64));
    let submissions = (0..64).map(|_| {
        let (yard, barrier) = (yard.clone(), Arc::clone(&barrier));
        async move {
            let content = yard.content("one", "");
            barrier.wait().await;
            yard.ledger.submit(&yard.product, &content, &someone()).await.unwrap()
        }
    });
    let answers = together(submissions).await;
    let verdicts = answers.into_iter().map(|answer| answer.done().unwrap().verdict);
    (verdicts.filter(|verdict| *verdict == Verdict::Created).count(), yard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_64_submit_at_once_is_one_job() {
    on_each_store(a_key_that_64_submit_at_once_is_one_job_on).await;
}

async fn a_key_that_64_submit_at_once_is_one_job_on(store: Arc<dyn Store>) {
    let (created, yard) = submit_at_once(store).await;
    assert_eq!(created, 1);
    assert_eq!(yard.ledger.jobs.all_of(&yard.product).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_raced_on_a_broken_store_is_created_twice() {
    let mut double = 0;
    for _ in 0..20 {
        double += usize::from(submit_at_once(Arc::new(Broken::new())).await.0 > 1);
    }
    assert!(double > 0, "checking before writing must create a key twice");
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_existing_then_superseded_then_a_conflict() {
    on_each_store(the_same_key_is_existing_then_superseded_then_a_conflict_on).await;
}

async fn the_same_key_is_existing_then_superseded_then_a_conflict_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let verdict = async |rest: &str| yard.submitting("key", rest).await;
    let first = verdict("").await.done().unwrap();
    let again = verdict(r#""priority":"medium""#).await.done().unwrap();
    assert_eq!((first.verdict, again.verdict), (Verdict::Created, Verdict::Existing));
    let other = verdict(r#""priority":"high""#).await.done().unwrap();
    assert_eq!((other.verdict, other.job.generation), (Verdict::Superseded, 1));
    yard.granted(first.job.id, "f1").await;
    let late = verdict(r#""priority":"low""#).await;
    assert_eq!(code(&late), Some(Code::IdempotencyConflict));
    assert_eq!(code(&verdict(r#""priority":"high""#).await), None);
}

#[tokio::test(start_paused = true)]
async fn every_word_of_a_stranger_is_refused_and_changes_nothing() {
    on_each_store(every_word_of_a_stranger_is_refused_and_changes_nothing_on).await;
}

async fn every_word_of_a_stranger_is_refused_and_changes_nothing_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let job = yard.submit("fenced", "").await;
    let holding = yard.running(job, "f1").await;
    let strangers = [
        (fleet::Epoch::ZERO, holding.factory_id.clone(), holding.claim_nonce, Code::Fenced),
        (
            holding.lease_epoch.next(),
            holding.factory_id.clone(),
            holding.claim_nonce,
            Code::EpochUnknown,
        ),
        (holding.lease_epoch, "f2".parse().unwrap(), holding.claim_nonce, Code::Fenced),
        (
            holding.lease_epoch,
            holding.factory_id.clone(),
            fleet::Nonce::from_uuid(yard.ids.mint()),
            Code::Fenced,
        ),
    ];
    let before = yard.job(job).await;
    for (lease_epoch, factory_id, claim_nonce, refusal) in strangers {
        let stranger = fleet::Holding { lease_epoch, factory_id, claim_nonce };
        let patch = yard.patch(job, yard.moving(&stranger, StageName::Review)).await;
        let ship = yard.ship(job, &stranger).await;
        let renew = yard.ledger.renew(&yard.product, job, &stranger).await.unwrap();
        assert_eq!([code(&patch), code(&ship), code(&renew)], [Some(refusal); 3], "{stranger:?}");
        let Outcome::Rejected(no) = ship else { panic!("refused above") };
        assert_eq!(no.current.unwrap().lease_epoch, holding.lease_epoch);
    }
    assert_eq!(yard.job(job).await, before);
    assert_eq!(code(&yard.ship(job, &holding).await), None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_holder_is_reaped_once_with_its_checkpoint_kept() {
    on_each_store(a_silent_holder_is_reaped_once_with_its_checkpoint_kept_on).await;
}

async fn a_silent_holder_is_reaped_once_with_its_checkpoint_kept_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let job = yard.submit("silent", "").await;
    let holding = yard.running(job, "f1").await;
    let checkpoint =
        Checkpoint { wip_branch: "wip/a".into(), wip_base: "b0".into(), wip_commit: "c1".into() };
    let mut patch = yard.saying(&holding);
    patch.checkpoint = Some(checkpoint.clone());
    yard.patched(job, patch).await;
    let mut keepers = [yard.keeper(), yard.keeper()];
    for keeper in &mut keepers {
        assert_eq!(keeper.round().await, Reaped::default());
    }
    yard.wait(TERM).await;
    let [first, second] = &mut keepers;
    assert_eq!(first.round().await, Reaped { expired: 1, requeued: 1, ..Reaped::default() });
    assert_eq!(second.round().await, Reaped::default());
    assert_eq!(first.round().await, Reaped::default());
    let stands = yard.job(job).await;
    assert_eq!(stands.stage.name(), StageName::Queued);
    assert_eq!(stands.lease_epoch, holding.lease_epoch.next());
    assert_eq!(stands.checkpoint, Some(checkpoint));
    assert_eq!(code(&yard.ship(job, &holding).await), Some(Code::Fenced));
}

#[tokio::test(start_paused = true)]
async fn a_dependent_waits_for_ship_or_softly_for_testing() {
    on_each_store(a_dependent_waits_for_ship_or_softly_for_testing_on).await;
}

async fn a_dependent_waits_for_ship_or_softly_for_testing_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let hard = yard.submit("hard", r#""deps":["d"]"#).await;
    let soft = yard.submit("soft", r#""deps":["d"],"depsMode":"soft""#).await;
    let dep = yard.submit("d", "").await;
    yard.follow().await;
    assert_eq!(reason(&yard.claim(hard, "f1").await), Some("not_claimable"));
    let holding = yard.running(dep, "f1").await;
    yard.patched(dep, yard.moving(&holding, StageName::Testing)).await;
    yard.follow().await;
    assert_eq!(yard.stage(hard).await, StageName::Blocked);
    assert_eq!(yard.stage(soft).await, StageName::Queued);
    yard.ship(dep, &holding).await.done().unwrap();
    yard.follow().await;
    yard.granted(hard, "f1").await;
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_dependencies_is_refused_with_the_way_round() {
    on_each_store(a_circle_of_dependencies_is_refused_with_the_way_round_on).await;
}

async fn a_circle_of_dependencies_is_refused_with_the_way_round_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let a = yard.submit("a", r#""deps":["b"]"#).await;
    let b = yard.submit("b", r#""deps":["c"]"#).await;
    let Outcome::Rejected(no) = yard.submitting("c", r#""deps":["a"]"#).await else {
        panic!("it closes a circle");
    };
    assert_eq!(no.code, Code::DependencyCycle);
    assert_eq!(no.path, [yard.id("c"), a, b, yard.id("c")]);
    assert_eq!(yard.stage(yard.id("c")).await, StageName::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_submitters_who_close_a_circle_at_once_never_both_are_admitted() {
    for round in 0..100 {
        Box::pin(of_two_submitters_who_close_a_circle_at_once_never_both_are_admitted_in(round))
            .await;
    }
}

async fn of_two_submitters_who_close_a_circle_at_once_never_both_are_admitted_in(round: u32) {
    let yard = Yard::racing(&(Arc::new(Memory::new()) as Arc<dyn Store>));
    let barrier = Arc::new(Barrier::new(2));
    let submissions = [("a", "b"), ("b", "a")].map(|(key, dep)| {
        let (yard, barrier) = (yard.clone(), Arc::clone(&barrier));
        async move {
            barrier.wait().await;
            yard.submitting(key, &format!(r#""deps":["{dep}"]"#)).await;
        }
    });
    together(submissions).await;
    let (a, b) = (yard.job(yard.id("a")).await, yard.job(yard.id("b")).await);
    assert!(!(a.admitted && b.admitted), "round {round}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_last_dependencies_that_end_at_once_release_their_dependent_once() {
    for round in 0..100 {
        Box::pin(two_last_dependencies_that_end_at_once_release_their_dependent_once_in(round))
            .await;
    }
}

async fn two_last_dependencies_that_end_at_once_release_their_dependent_once_in(round: u32) {
    let yard = Yard::racing(&(Arc::new(Memory::new()) as Arc<dyn Store>));
    let dependent = yard.submit("last", r#""deps":["a","b"]"#).await;
    let (a, b) = (yard.submit("a", "").await, yard.submit("b", "").await);
    yard.follow().await;
    let barrier = Arc::new(Barrier::new(2));
    let ends = [a, b].map(|job| {
        let (yard, barrier) = (yard.clone(), Arc::clone(&barrier));
        async move {
            barrier.wait().await;
            Box::pin(yard.ship_at_once(job)).await;
            yard.follow().await;
        }
    });
    together(ends).await;
    yard.sweep().await;
    let stands = yard.job(dependent).await;
    assert_eq!(stands.stage.name(), StageName::Queued, "round {round}");
    yard.follow().await;
    let events = yard.ledger.events_of(dependent).await.unwrap();
    let released = |event: &&fleet::EventRecord| event.kind == fleet::EventType::DepSatisfied;
    assert_eq!(events.iter().filter(released).count(), 1, "round {round}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_completions_the_first_stands_with_its_result() {
    for round in 0..50 {
        Box::pin(of_two_completions_the_first_stands_with_its_result_in(round)).await;
    }
}

async fn of_two_completions_the_first_stands_with_its_result_in(round: u32) {
    let yard = Yard::racing(&(Arc::new(Memory::new()) as Arc<dyn Store>));
    let job = yard.submit("ended", "").await;
    let holding = yard.running(job, "f1").await;
    let ship = yard.letting_go(&holding, fleet::Disposition::Ship);
    let mut fail = yard.letting_go(&holding, fleet::Disposition::Fail);
    fail.result = Some(RunResult::Crash);
    let barrier = Arc::new(Barrier::new(2));
    let ends = [ship, fail].map(|release| {
        let (yard, barrier) = (yard.clone(), Arc::clone(&barrier));
        async move {
            barrier.wait().await;
            yard.release(job, release).await
        }
    });
    let answers = together(ends).await;
    let codes: Vec<_> = answers.iter().map(code).collect();
    assert!(codes.contains(&None) && codes.contains(&Some(Code::AlreadyFinished)), "{codes:?}");
    yard.follow().await;
    let shipped = code(&answers[0]).is_none();
    let result = if shipped { RunResult::Shipped } else { RunResult::Crash };
    assert_eq!(yard.runs(job).await[0].result, Some(result), "round {round}");
}

#[tokio::test(start_paused = true)]
async fn a_completion_said_twice_is_answered_twice_and_written_once() {
    on_each_store(a_completion_said_twice_is_answered_twice_and_written_once_on).await;
}

async fn a_completion_said_twice_is_answered_twice_and_written_once_on(store: Arc<dyn Store>) {
    let yard = Yard::paused(&store);
    let job = yard.submit("said twice", "").await;
    let holding = yard.running(job, "f1").await;
    let ship = yard.letting_go(&holding, fleet::Disposition::Ship);
    let first = yard.release(job, ship.clone()).await.done().unwrap();
    let second = yard.release(job, ship).await.done().unwrap();
    assert_eq!(first.head.rev, second.head.rev);
    assert_eq!(code(&yard.ship(job, &holding).await), None);
    let mut fail = yard.letting_go(&holding, fleet::Disposition::Fail);
    fail.result = Some(RunResult::Failed);
    assert_eq!(code(&yard.release(job, fail).await), Some(Code::AlreadyFinished));
}
