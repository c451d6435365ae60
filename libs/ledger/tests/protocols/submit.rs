//! One key, one job: whatever is sent again, changed, at once, or half done.

use std::sync::Arc;

use fleet::{Action, Code, StageName};
use futures_util::future::join_all;
use ledger::{Outcome, Verdict};
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged, Twist, dying_after};
use crate::support::{Yard, code, noon, on_each_store, secs, someone};

#[tokio::test(start_paused = true)]
async fn the_same_submission_again_is_the_same_job() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let first = yard.submitting("k", "").await.done().unwrap();
        let again = yard.submitting("k", r#""priority":"medium""#).await.done().unwrap();
        assert_eq!((first.verdict, again.verdict), (Verdict::Created, Verdict::Existing));
        assert_eq!(first.job, again.job, "a default that is spelled out is no change");
        let (all, _) = yard.ledger.jobs.page_of_all(None, 10).await.unwrap();
        assert_eq!(all.len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_content_replaces_what_nobody_holds() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let first = yard.submitting("k", r#""bodyMd":"old""#).await.done().unwrap();
        let second = yard.submitting("k", r#""bodyMd":"new""#).await.done().unwrap();
        assert_eq!(second.verdict, Verdict::Superseded);
        assert_eq!((second.job.generation, second.job.content.body_md.as_str()), (1, "new"));
        assert_eq!(second.job.head.created_at, first.job.head.created_at);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_content_is_a_conflict_once_somebody_holds_the_job() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("k", r#""bodyMd":"old""#).await;
        let holding = yard.granted(id, "f1").await.holding;
        let refused = yard.submitting("k", r#""bodyMd":"new""#).await;
        let Outcome::Rejected(no) = refused else { panic!("it is held") };
        assert_eq!(no.code, Code::IdempotencyConflict);
        let current = no.current.expect("the truth comes with it");
        assert_eq!(current.stage, StageName::Assigned);
        assert!(current.content_hash.is_some());
        yard.patched(id, yard.moving(&holding, StageName::Building)).await;
        yard.ship(id, &holding).await.done().unwrap();
        let ended = yard.submitting("k", r#""bodyMd":"old""#).await.done().unwrap();
        assert_eq!(ended.verdict, Verdict::Existing);
        assert_eq!(ended.warnings, ["ended: use redrive"]);
        assert_eq!(
            code(&yard.submitting("k", r#""bodyMd":"new""#).await),
            Some(Code::IdempotencyConflict)
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_was_overtaken_never_replaces_its_successor() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        yard.submit("k", r#""bodyMd":"two","sequence":2"#).await;
        let late = yard.submitting("k", r#""bodyMd":"one","sequence":1"#).await.done().unwrap();
        assert_eq!(late.verdict, Verdict::Existing);
        assert_eq!(late.job.content.body_md, "two");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stone_keeps_its_key_taken() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("k", r#""bodyMd":"old""#).await;
        yard.operate(id, Action::CancelNow).await.done().unwrap();
        yard.follow().await;
        yard.ledger.purge(&yard.product, id, &someone()).await.unwrap().done().unwrap();
        let same = yard.submitting("k", r#""bodyMd":"old""#).await.done().unwrap();
        assert_eq!((same.verdict, same.job.purged), (Verdict::Existing, true));
        let other = yard.submitting("k", r#""bodyMd":"new""#).await;
        assert_eq!(code(&other), Some(Code::IdempotencyConflict));
    })
    .await;
}

/// R19: who created it, in how many copies, and whether all were told the same.
async fn crowd(store: Arc<dyn Store>, seed: u64) -> (usize, usize) {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    let answers = join_all((0..64).map(|_| yard.submitting("k", ""))).await;
    let receipts: Vec<_> = answers.into_iter().filter_map(Outcome::done).collect();
    assert_eq!(receipts.len(), 64);
    let created = receipts.iter().filter(|one| one.verdict == Verdict::Created).count();
    let ids: std::collections::BTreeSet<_> = receipts.iter().map(|one| one.job.id).collect();
    (created, ids.len())
}

#[tokio::test(start_paused = true)]
async fn sixty_four_submissions_of_one_key_make_one_job_and_get_one_answer() {
    on_each_store(async |store| {
        assert_eq!(crowd(store, 1).await, (1, 1));
    })
    .await;
    for seed in 0..20 {
        assert_eq!(crowd(Arc::new(Memory::new()), seed).await, (1, 1), "seed {seed}");
    }
    let (created, _) = crowd(Arc::new(Broken::new()), 1).await;
    assert!(created > 1, "checking before writing must create it more than once");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_submission_is_settled_by_looking() {
    for (twist, verdict) in [
        (Twist::UnknownAfterWrite, Verdict::Created),
        (Twist::UnknownBeforeWrite, Verdict::Created),
        (Twist::ConflictAfterWrite, Verdict::Existing),
    ] {
        on_each_store(async |inner| {
            let staged = Staged::over(&inner);
            let yard = Yard::paused(&staged.store());
            staged.twist("fleet_jobs", twist);
            let receipt = yard.submitting("k", "").await.done().unwrap();
            assert_eq!((receipt.verdict, receipt.job.head.rev), (verdict, 1), "{twist:?}");
            staged.twist("fleet_jobs", twist);
            let receipt = yard.submitting("k", r#""bodyMd":"new""#).await.done().unwrap();
            assert_eq!(receipt.job.generation, 1, "{twist:?}");
            if twist != Twist::ConflictAfterWrite {
                assert_eq!(receipt.verdict, Verdict::Superseded, "{twist:?}");
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_dies_after_any_write_is_completed_by_its_repeat() {
    on_each_store(kill_a_submission).await;
}

async fn kill_a_submission(inner: Arc<dyn Store>) {
    for writes in 0..9 {
        let staged = Staged::over(&inner);
        let yard = Yard::new(&staged.store(), noon(), 300 + writes as u64);
        let dep = yard.submit(&format!("dep{writes}"), "").await;
        yard.ship_at_once(dep).await;
        let (key, rest) = (format!("k{writes}"), format!(r#""deps":["dep{writes}"]"#));
        let done = dying_after(&staged, writes, yard.submitting(&key, &rest)).await;
        let receipt = yard.submitting(&key, &rest).await.done().unwrap();
        assert!(receipt.job.admitted, "after {writes} writes");
        assert_eq!(receipt.job.stage.name(), StageName::Queued, "after {writes} writes");
        if done.is_some() {
            assert_eq!(writes, 2, "the job, and its admission");
            return;
        }
    }
    panic!("a submission never ends");
}

/// The submitter never came back.
#[tokio::test(start_paused = true)]
async fn a_submission_that_died_unadmitted_is_completed_by_the_sweep() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let dep = yard.submit("dep", "").await;
        yard.ship_at_once(dep).await;
        assert!(dying_after(&staged, 1, yard.submitting("k", r#""deps":["dep"]"#)).await.is_none());
        let id = yard.id("k");
        assert!(!yard.job(id).await.admitted);
        yard.sweep().await;
        assert!(!yard.job(id).await.admitted, "its submitter may still come back");
        yard.wait(secs(30)).await;
        yard.sweep().await;
        assert_eq!(yard.stage(id).await, StageName::Queued);
    })
    .await;
}

/// An outbox has a bound, and so has a producer's patience: nobody need follow for either.
#[tokio::test(start_paused = true)]
async fn a_job_that_is_replaced_for_ever_never_outgrows_its_outbox() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    for n in 0..100 {
        yard.submit("k", &format!(r#""bodyMd":"{n}""#)).await;
    }
    let job = yard.job(yard.id("k")).await;
    assert_eq!(job.generation, 99);
    assert!(job.outbox.len() <= fleet::OUTBOX_LIMIT, "{}", job.outbox.len());
    yard.follow().await;
    let numbers = yard.numbers(job.id).await;
    assert_eq!(numbers, (1..=job.event_seq).collect::<Vec<_>>(), "nothing was lost for it");
}
