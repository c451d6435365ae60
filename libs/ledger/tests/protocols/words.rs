//! What a holder and a person say of a job at once: each word is judged on the version that it
//! changes, and the first last word stands.

use std::sync::Arc;

use fleet::{Action, Checkpoint, Code, Disposition, EventType, Holding, JobId, RunResult};
use fleet::{StageName, VerifyResult};
use futures_util::future::join_all;
use ledger::{Outcome, ProgressReport};
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged};
use crate::support::{Yard, code, noon, on_each_store, reason, secs};

fn shuffled(store: &Arc<dyn Store>, seed: u64) -> Yard {
    Yard::new(&Shuffled::over(store, seed), noon(), seed)
}

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

async fn kinds(yard: &Yard, id: JobId) -> Vec<EventType> {
    yard.follow().await;
    let events = yard.ledger.events_of(id).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

fn count(kinds: &[EventType], kind: EventType) -> usize {
    kinds.iter().filter(|one| **one == kind).count()
}

/// M-001, M-004, M-017: of ten notes at once, as many are told as were answered.
async fn ten_notes(store: &Arc<dyn Store>, seed: u64) -> (usize, usize, bool) {
    let yard = shuffled(store, seed);
    let id = yard.submit("j", "").await;
    let holding = yard.running(id, "f1").await;
    let notes = (0..10).map(|n| {
        let note = Some(format!("note {n}"));
        yard.patch(id, fleet::Patch { note, ..yard.saying(&holding) })
    });
    let answers = join_all(notes).await;
    let busy = |answer: &Outcome<_>| matches!(code(answer), None | Some(Code::ConcurrentUpdate));
    assert!(answers.iter().all(busy), "seed {seed}");
    let done = answers.iter().filter(|answer| code(answer).is_none()).count();
    let told = count(&kinds(&yard, id).await, EventType::Noted);
    let job = yard.job(id).await;
    let gapless = yard.numbers(id).await == (1..=job.event_seq).collect::<Vec<_>>();
    (done, told, gapless)
}

#[tokio::test(start_paused = true)]
async fn of_ten_patches_at_once_each_that_was_answered_was_told() {
    for seed in 0..50 {
        let (done, told, gapless) = ten_notes(&memory(), seed).await;
        assert!(done == told && gapless && done > 0, "seed {seed}: {done} answered, {told} told");
    }
    on_each_store(async |store| {
        let (done, told, gapless) = ten_notes(&store, 1).await;
        assert!(done == told && gapless);
    })
    .await;
    let mut lost = 0;
    for seed in 0..50 {
        let broken: Arc<dyn Store> = Arc::new(Broken::new());
        let (done, told, _) = ten_notes(&broken, seed).await;
        lost += usize::from(told < done);
    }
    assert!(lost > 0, "checking before writing must lose a word");
}

/// M-004, M-016: both move to building; one does, the other finds it done.
#[tokio::test(start_paused = true)]
async fn two_moves_to_one_stage_are_one_move() {
    for seed in 0..100 {
        let yard = shuffled(&memory(), seed);
        let id = yard.submit("j", "").await;
        let holding = yard.granted(id, "f1").await.holding;
        let (one, other) = tokio::join!(
            yard.patch(id, yard.moving(&holding, StageName::Building)),
            yard.patch(id, yard.moving(&holding, StageName::Building))
        );
        assert!(one.done().is_some() && other.done().is_some());
        assert_eq!(count(&kinds(&yard, id).await, EventType::Building), 1, "seed {seed}");
    }
}

/// M-016: a move that was legal when it was asked is judged again when it is written.
#[tokio::test(start_paused = true)]
async fn a_move_that_came_second_is_judged_on_what_came_first() {
    let mut refused = 0;
    for seed in 0..100 {
        let yard = shuffled(&memory(), seed);
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        let (review, ship) = tokio::join!(
            yard.patch(id, yard.moving(&holding, StageName::Review)),
            yard.ship(id, &holding)
        );
        assert!(ship.done().is_some(), "seed {seed}: its own patch never costs a completion");
        assert_eq!(yard.stage(id).await, StageName::Shipped, "seed {seed}");
        if let Some(no) = code(&review) {
            assert!(matches!(no, Code::LeaseNotHeld | Code::ConcurrentUpdate), "{no:?}");
            refused += 1;
        }
    }
    assert!(refused > 0 && refused < 100, "both orders must occur: {refused}");
}

/// M-008, M-009, M-014: ten different last words; one stands, with its result.
async fn ten_last_words(store: &Arc<dyn Store>, seed: u64) -> (usize, bool) {
    let yard = shuffled(store, seed);
    let id = yard.submit("j", "").await;
    let holding = yard.running(id, "f1").await;
    let results = [RunResult::Crash, RunResult::Timeout, RunResult::VerifyFailed];
    let words = (0..10).map(|n| {
        let mut word = yard.letting_go(&holding, Disposition::Ship);
        if n % 2 == 0 {
            word.disposition = Some(Disposition::Fail);
            word.result = Some(results[n / 2 % 3]);
        }
        let said = word.result.unwrap_or(RunResult::Shipped);
        let answer = yard.release(id, word);
        async move { (said, answer.await) }
    });
    let answers = join_all(words).await;
    let job = yard.job(id).await;
    yard.follow().await;
    let runs = yard.runs(id).await;
    let stands = runs[0].result == job.claim.last_result && runs.len() == 1;
    let agreed = answers.iter().all(|(said, answer)| match code(answer) {
        None => Some(*said) == job.claim.last_result,
        Some(no) => no == Code::AlreadyFinished && Some(*said) != job.claim.last_result,
    });
    let ends = kinds(&yard, id).await;
    let ends = count(&ends, EventType::Shipped) + count(&ends, EventType::Failed);
    (ends, stands && agreed)
}

#[tokio::test(start_paused = true)]
async fn of_ten_last_words_the_first_stands_and_the_others_are_told() {
    for seed in 0..50 {
        assert_eq!(ten_last_words(&memory(), seed).await, (1, true), "seed {seed}");
    }
    on_each_store(async |store| assert_eq!(ten_last_words(&store, 1).await, (1, true))).await;
    let mut wrong = 0;
    for seed in 0..50 {
        let broken: Arc<dyn Store> = Arc::new(Broken::new());
        wrong += usize::from(ten_last_words(&broken, seed).await != (1, true));
    }
    assert!(wrong > 0, "checking before writing must tell two that they were first");
}

/// M-009: the same failure said ten times by lost connections is one failure.
#[tokio::test(start_paused = true)]
async fn one_failure_that_is_reported_in_ten_copies_is_charged_once() {
    for seed in 0..50 {
        let yard = shuffled(&memory(), seed);
        let retry = r#""retry":{"max":9,"backoff":"60s","on":["crash"]}"#;
        let id = yard.submit("j", retry).await;
        let holding = yard.running(id, "f1").await;
        let mut word = yard.letting_go(&holding, Disposition::Fail);
        word.result = Some(RunResult::Crash);
        let answers = join_all((0..10).map(|_| yard.release(id, word.clone()))).await;
        assert!(answers.iter().all(|answer| code(answer).is_none()), "seed {seed}");
        assert_eq!(yard.job(id).await.failures, 1, "seed {seed}");
    }
}

/// M-006
#[tokio::test(start_paused = true)]
async fn ten_cancels_at_once_cancel_once() {
    for seed in 0..50 {
        let yard = shuffled(&memory(), seed);
        let id = yard.submit("j", "").await;
        yard.running(id, "f1").await;
        let cancels = join_all((0..10).map(|_| yard.operate(id, Action::CancelNow))).await;
        let answered = |no: Option<Code>| matches!(no, None | Some(Code::ConcurrentUpdate));
        assert!(cancels.iter().all(|answer| answered(code(answer))), "seed {seed}");
        let job = yard.job(id).await;
        assert_eq!((job.stage.name(), job.lease_epoch.get()), (StageName::Failed, 2));
        assert_eq!(count(&kinds(&yard, id).await, EventType::Cancelled), 1, "seed {seed}");
    }
}

/// M-017: the base of a checkpoint is written once, whoever comes first.
#[tokio::test(start_paused = true)]
async fn of_two_bases_of_a_checkpoint_only_the_first_is_kept() {
    for seed in 0..100 {
        let yard = shuffled(&memory(), seed);
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        let based = |base: &str| fleet::Patch {
            checkpoint: Some(Checkpoint {
                wip_branch: "wip/j/e1".into(),
                wip_base: base.repeat(40),
                wip_commit: "c".repeat(40),
            }),
            ..yard.saying(&holding)
        };
        let (a, b) = tokio::join!(yard.patch(id, based("a")), yard.patch(id, based("b")));
        let kept = yard.job(id).await.checkpoint.unwrap().wip_base;
        let lost = if kept.starts_with('a') { b } else { a };
        assert_eq!((code(&lost), reason(&lost)), (Some(Code::Validation), Some("wip_base_fixed")));
    }
}

/// The same word again: 200 and the same, also when the hold is over, and no second time.
#[tokio::test(start_paused = true)]
async fn each_word_said_again_is_answered_again_and_written_once() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""verify":"true""#).await;
        let holding = yard.running(id, "f1").await;
        let verify = Some(VerifyResult {
            passed: true,
            exit_code: Some(0),
            duration_ms: None,
            summary: None,
        });
        let review = yard.moving(&holding, StageName::Review);
        let testing = fleet::Patch { verify, ..yard.moving(&holding, StageName::Testing) };
        for patch in [review, testing] {
            let first = yard.patched(id, patch.clone()).await;
            let again = yard.patched(id, patch).await;
            assert_eq!(first.head.rev, again.head.rev);
        }
        let ship = yard.letting_go(&holding, Disposition::Ship);
        let first = yard.release(id, ship.clone()).await.done().unwrap();
        let again = yard.release(id, ship).await.done().unwrap();
        assert_eq!(first.head.rev, again.head.rev);
        let otherwise = yard.ship(id, &holding).await.done().unwrap();
        assert_eq!(first.head.rev, otherwise.head.rev, "the same result in other words");
        let late = yard.patch(id, yard.moving(&holding, StageName::Review)).await;
        assert_eq!(code(&late), Some(Code::LeaseNotHeld));
    })
    .await;
}

fn report(holding: &Holding, seq: u64, percent: u64) -> ProgressReport {
    let percent = percent.try_into().unwrap();
    ProgressReport { holding: holding.clone(), percent, step: None, message: None, seq }
}

/// M-005, M-010, M-015
#[tokio::test(start_paused = true)]
async fn progress_that_comes_in_any_order_never_falls() {
    for seed in 0..50 {
        let yard = shuffled(&memory(), seed);
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        let reports: Vec<_> = (1..=10).map(|n| report(&holding, n, 10 * n)).collect();
        let mut keeper = yard.keeper();
        let mut seen = (0, 0);
        for wave in reports.chunks(5) {
            let told = wave.iter().rev().map(|one| yard.ledger.progress(&yard.product, id, one));
            for answer in join_all(told).await {
                let no = code(&answer.unwrap());
                assert!(matches!(no, None | Some(Code::ConcurrentUpdate)), "{no:?}");
            }
            yard.wait(secs(1)).await;
            keeper.round().await;
            let progress = yard.runs(id).await[0].progress.clone().unwrap();
            assert!((progress.seq, progress.percent) >= seen, "seed {seed}");
            seen = (progress.seq, progress.percent);
        }
        assert_eq!(seen, (10, 100), "seed {seed}: the newest is kept");
        let late = yard.ledger.progress(&yard.product, id, &report(&holding, 3, 30)).await.unwrap();
        let kept = late.done().unwrap().progress.unwrap();
        assert_eq!((kept.seq, kept.percent), (10, 100), "an old word is heard and changes nothing");
        yard.ship(id, &holding).await.done().unwrap();
        let closed = yard.ledger.progress(&yard.product, id, &report(&holding, 11, 100)).await;
        assert_eq!(code(&closed.unwrap()), Some(Code::RunClosed));
    }
}

#[tokio::test(start_paused = true)]
async fn progress_is_written_once_a_second_and_its_last_word_before_the_end() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        staged.take_writes();
        for n in 1..=50 {
            let told = yard.ledger.progress(&yard.product, id, &report(&holding, n, n)).await;
            assert!(told.unwrap().done().is_some());
        }
        assert_eq!(staged.take_writes().get("fleet_runs"), Some(&1));
        yard.ship(id, &holding).await.done().unwrap();
        yard.follow().await;
        let run = yard.runs(id).await.remove(0);
        assert_eq!(run.progress.unwrap().seq, 50);
        assert_eq!(run.result, Some(RunResult::Shipped));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_percentage_beyond_a_hundred_is_refused() {
    let yard = Yard::paused(&memory());
    let id = yard.submit("j", "").await;
    let holding = yard.running(id, "f1").await;
    let told = yard.ledger.progress(&yard.product, id, &report(&holding, 1, 101)).await.unwrap();
    assert_eq!((code(&told), reason(&told)), (Some(Code::Validation), Some("percent")));
    assert!(yard.runs(id).await[0].progress.is_none());
}
