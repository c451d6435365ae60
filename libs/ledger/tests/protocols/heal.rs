//! Lost answers and processes that die after any write: what was done is recognised, what was left
//! undone is finished by others.

use std::sync::Arc;
use std::time::Duration;

use fleet::{Code, Disposition, Insights, JobId, Patch, Release, RunResult, StageName};
use ledger::{LedgerError, Outcome, ProgressReport};
use store::{Memory, Store};

use crate::stage::{Staged, Twist, dying_after};
use crate::support::{Yard, code, on_each_store, together};

fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_or_called_a_conflict_is_recognised() {
    let twists = [Twist::UnknownAfterWrite, Twist::ConflictAfterWrite, Twist::UnknownBeforeWrite];
    for twist in twists {
        let staged = Staged::over(&memory());
        let yard = Yard::paused(&staged.store());
        let job = yard.submit("claimed", "").await;
        yard.follow().await;
        staged.twist("fleet_jobs", twist);
        let grant = yard.granted(job, "f1").await;
        let stands = yard.job(job).await;
        assert_eq!((stands.attempts, stands.lease_epoch.get()), (1, 1), "{twist:?}");
        assert_eq!(grant.job.lease_epoch, stands.lease_epoch, "{twist:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_word_of_a_holder_survives_a_lost_answer() {
    for twist in [Twist::UnknownAfterWrite, Twist::ConflictAfterWrite] {
        let staged = Staged::over(&memory());
        let yard = Yard::paused(&staged.store());
        let job = yard.submit("told", "").await;
        let holding = yard.granted(job, "f1").await.holding;
        yard.follow().await;
        staged.twist("fleet_jobs", twist);
        yard.patched(job, yard.moving(&holding, StageName::Building)).await;
        staged.twist("fleet_leases", twist);
        let renewed = yard.ledger.renew(&yard.product, job, &holding).await.unwrap();
        assert_eq!(code(&renewed), None, "{twist:?}");
        staged.twist("fleet_jobs", twist);
        yard.ship(job, &holding).await.done().unwrap();
        yard.follow().await;
        assert_eq!(yard.runs(job).await[0].result, Some(RunResult::Shipped));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_says_is_told_apart_from_a_no() {
    let staged = Staged::over(&memory());
    let yard = Yard::paused(&staged.store());
    let job = yard.submit("silent store", "").await;
    for _ in 0..32 {
        staged.twist("fleet_jobs", Twist::UnknownBeforeWrite);
    }
    let asking = yard.asking(job, "f1", 0);
    let answer = yard.ledger.claim(&asking).await;
    assert!(matches!(answer, Err(LedgerError::CommitUnknown)), "{answer:?}");
    assert_eq!(yard.stage(job).await, StageName::Queued);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_a_failure_and_nothing_happened() {
    let staged = Staged::over(&memory());
    let yard = Yard::paused(&staged.store());
    let job = yard.submit("away", "").await;
    staged.twist("fleet_jobs", Twist::Away);
    let asking = yard.asking(job, "f1", 0);
    let answer = yard.ledger.claim(&asking).await;
    assert!(matches!(answer, Err(LedgerError::Unavailable(_))), "{answer:?}");
    assert_eq!(yard.job(job).await.attempts, 0);
    assert_eq!(code(&yard.ledger.claim(&asking).await.unwrap()), None);
}

/// A process that submits, claims, builds and ships one job with a lock, and then its followers.
async fn one_life(yard: &Yard) {
    let job = yard.submit("life", r#""lock":"plat""#).await;
    let Outcome::Done(grant) = yard.claim(job, "f1").await else { return };
    yard.patch(job, yard.moving(&grant.holding, StageName::Building)).await;
    yard.follow().await;
    yard.ship(job, &grant.holding).await;
    yard.follow().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_after_any_write_leaves_a_job_that_others_ship() {
    for writes in 0..40 {
        let store = memory();
        let staged = Staged::over(&store);
        let doomed = Yard::paused(&staged.store());
        let survived = dying_after(&staged, writes, Box::pin(one_life(&doomed))).await;
        let yard = doomed.beside(&store, 99);
        let job = yard.submit("life", r#""lock":"plat""#).await;
        let mut keeper = yard.keeper();
        for _ in 0..6 {
            keeper.watch(Duration::from_secs(31)).await;
            yard.sweep().await;
            yard.follow().await;
        }
        if yard.stage(job).await == StageName::Queued {
            let holding = yard.running(job, "f2").await;
            yard.ship(job, &holding).await.done().expect("nobody else holds it");
        }
        yard.follow().await;
        let stands = yard.job(job).await;
        assert_eq!(stands.stage.name(), StageName::Shipped, "died after {writes} writes");
        let runs = yard.runs(job).await;
        assert_eq!(runs.len(), stands.attempts as usize, "died after {writes} writes");
        assert!(runs.iter().all(|run| run.result.is_some()), "died after {writes} writes");
        let numbers: Vec<u64> = (1..=stands.event_seq).collect();
        assert_eq!(yard.numbers(job).await, numbers, "died after {writes} writes");
        assert!(!yard.lease(job).await.unwrap().is_held());
        if survived.is_some() {
            return;
        }
    }
    panic!("a life takes fewer writes than that");
}

#[tokio::test(start_paused = true)]
async fn a_plain_cycle_costs_four_awaited_writes_and_three_that_follow() {
    let staged = Staged::over(&memory());
    let yard = Yard::paused(&staged.store());
    let job = yard.submit("counted", "").await;
    let holding = yard.granted(job, "f1").await.holding;
    yard.patched(job, yard.moving(&holding, StageName::Building)).await;
    yard.ship(job, &holding).await.done().unwrap();
    let awaited: usize = staged.take_writes().values().sum();
    yard.follow().await;
    let followed: usize = staged.take_writes().values().sum();
    assert_eq!(awaited, 4);
    assert_eq!(followed, 3, "the events in one page, the run, the trim");
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_loop_waits_a_hundred_then_two_hundred_milliseconds_and_says_so() {
    let staged = Staged::over(&memory());
    let yard = Yard::paused(&staged.store());
    let job = yard.submit("contended", "").await;
    let holding = yard.granted(job, "f1").await.holding;
    yard.follow().await;
    let busy = yard.clone();
    let rival = async {
        loop {
            staged.hold("fleet_jobs");
            staged.reached().await;
            let found = yard.ledger.jobs.get(&yard.product, job).await.unwrap().unwrap();
            let mut other = found.record.clone();
            other.head.rev += 1;
            let key = store::Key::new(
                store::Kind { name: "fleet_jobs", spread: store::Spread::ById },
                yard.product.as_str(),
                job.to_string(),
            );
            let bytes = fleet::Record::encode(&other).unwrap();
            let expect = store::Expect::At(found.revision);
            let _won = staged.inner().put(&key.unwrap(), bytes.into(), &expect).await.unwrap();
            staged.let_go();
        }
    };
    let before = busy.clock.uptime();
    let patch = busy.moving(&holding, StageName::Building);
    let answer = tokio::select! {
        // The rival first: it is in the way before the first write.
        biased;
        () = rival => unreachable!("it goes on until the answer"),
        answer = busy.patch(job, patch) => answer,
    };
    let waited = busy.clock.uptime() - before;
    assert_eq!(code(&answer), Some(Code::ConcurrentUpdate));
    let spread = Duration::from_millis(240)..=Duration::from_millis(360);
    assert!(spread.contains(&waited), "waited {waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn progress_of_ten_writers_never_falls_and_keeps_the_highest() {
    on_each_store(progress_of_ten_writers_never_falls_and_keeps_the_highest_on).await;
}

async fn progress_of_ten_writers_never_falls_and_keeps_the_highest_on(store: Arc<dyn Store>) {
    let yard = Yard::racing(&store);
    let job = yard.submit("progressing", "").await;
    let holding = yard.running(job, "f1").await;
    let reports = (1..=10_u64).map(|seq| {
        let (yard, holding) = (yard.clone(), holding.clone());
        let percent = u8::try_from(seq * 10).unwrap();
        let report = ProgressReport { holding, percent, step: None, message: None, seq };
        reported(yard, job, report)
    });
    together(reports).await;
    // What waits for its second is written before the run is closed.
    yard.yielded(job, &holding).await;
    yard.follow().await;
    let progress = yard.runs(job).await.remove(0).progress.unwrap();
    assert_eq!((progress.seq, progress.percent), (10, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_completion_outlives_the_holders_own_patches_and_a_cancel_ends_it_once() {
    for round in 0..30 {
        let yard = Yard::racing(&memory());
        let job = yard.submit("patched", "").await;
        let holding = yard.running(job, "f1").await;
        let mut insights = yard.saying(&holding);
        insights.insights = Some(Insights { turns: Some(1), ..Insights::default() });
        let ship = yard.letting_go(&holding, Disposition::Ship);
        let work: [std::pin::Pin<Box<dyn Future<Output = Option<Code>> + Send>>; 3] = [
            Box::pin(said(yard.clone(), job, insights)),
            Box::pin(ended(yard.clone(), job, ship)),
            Box::pin(cancelled(yard.clone(), job)),
        ];
        let codes = together(work).await;
        let stage = yard.stage(job).await;
        match (codes[1], codes[2]) {
            (None, Some(_)) => assert_eq!(stage, StageName::Shipped, "round {round}"),
            (Some(_), None) => assert_eq!(stage, StageName::Failed, "round {round}"),
            both => panic!("round {round}: {both:?}"),
        }
    }
}

async fn said(yard: Yard, job: JobId, patch: Patch) -> Option<Code> {
    code(&yard.patch(job, patch).await)
}

async fn ended(yard: Yard, job: JobId, release: Release) -> Option<Code> {
    code(&yard.release(job, release).await)
}

async fn cancelled(yard: Yard, job: JobId) -> Option<Code> {
    code(&yard.operate(job, fleet::Action::CancelNow).await)
}

/// Says it until it is heard.
async fn reported(yard: Yard, job: JobId, report: ProgressReport) {
    loop {
        let told = yard.ledger.progress(&yard.product, job, &report).await.unwrap();
        match code(&told) {
            None => return,
            Some(refusal) => assert_eq!(refusal, Code::ConcurrentUpdate),
        }
    }
}
