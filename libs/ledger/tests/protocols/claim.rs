//! Who gets a job: one, whatever is asked at once, asked twice or answered wrongly.

use std::sync::Arc;

use fleet::{Code, StageName};
use futures_util::future::join_all;
use ledger::Outcome;
use store::{Broken, Memory, Store};
use tokio::sync::Barrier;

use crate::stage::{Shuffled, Staged, Twist, dying_after};
use crate::support::{Yard, code, embedded, noon, on_each_store, reason, secs, together};

/// Every claimer has read the same version before the first of them writes.
async fn contend(store: Arc<dyn Store>, claimers: usize) -> (usize, usize, Yard, fleet::JobId) {
    let yard = Yard::racing(&store);
    let job = yard.submit("contended", "").await;
    let barrier = Arc::new(Barrier::new(claimers));
    let claims = (0..claimers).map(|n| {
        let (yard, barrier) = (yard.clone(), Arc::clone(&barrier));
        async move {
            let asking = yard.asking(job, &format!("f{n}"), 0);
            barrier.wait().await;
            yard.ledger.claim(&asking).await.unwrap()
        }
    });
    let answers = together(claims).await;
    let won = answers.iter().filter(|answer| code(answer).is_none()).count();
    let lost = answers.iter().filter(|answer| code(answer) == Some(Code::Conflict)).count();
    (won, lost, yard, job)
}

async fn one_of(claimers: usize, store: Arc<dyn Store>) {
    let (won, lost, yard, id) = contend(store, claimers).await;
    assert_eq!((won, lost), (1, claimers - 1));
    yard.follow().await;
    let job = yard.job(id).await;
    assert_eq!((job.attempts, job.lease_epoch.get()), (1, 1));
    assert_eq!(yard.runs(id).await.len(), 1);
    assert!(yard.lease(id).await.unwrap().is_held_for(job.lease_epoch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_claims_of_one_freshly_read_job_are_one_ok_and_one_conflict() {
    one_of(2, Arc::new(Memory::new())).await;
    let (store, _folder) = embedded();
    one_of(2, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_any_number_of_claimers_exactly_one_wins() {
    for claimers in [10, 64, 256] {
        one_of(claimers, Arc::new(Memory::new())).await;
        let (store, _folder) = embedded();
        one_of(claimers, store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_claim_race_catches_a_broken_store() {
    let mut double = 0;
    for _ in 0..50 {
        let (won, ..) = contend(Arc::new(Broken::new()), 10).await;
        double += usize::from(won > 1);
    }
    assert!(double > 0, "checking before writing must assign a job twice");
}

#[tokio::test(start_paused = true)]
async fn a_claim_asked_again_gets_the_same_grant() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", "").await;
        let asking = yard.asking(id, "f1", 0);
        let first = yard.ledger.claim(&asking).await.unwrap().done().unwrap();
        let again = yard.ledger.claim(&asking).await.unwrap().done().unwrap();
        assert_eq!(first.holding, again.holding);
        assert_eq!(first.job.head.rev, again.job.head.rev);
        let deadline = asking.deadline;
        let next = yard.ledger.claim_next(&yard.product, &asking.bidder, asking.request, deadline);
        assert_eq!(next.await.unwrap().unwrap().holding, first.holding);
        assert_eq!(yard.job(id).await.attempts, 1);
    })
    .await;
}

/// R7: the copy was held up while the job went out and came back.
#[tokio::test(start_paused = true)]
async fn a_late_copy_of_a_claim_is_refused_once_the_job_was_out_and_back() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", "").await;
        let asking = yard.asking(id, "f1", 0);
        let grant = yard.ledger.claim(&asking).await.unwrap().done().unwrap();
        yard.yielded(id, &grant.holding).await;
        assert_eq!(yard.stage(id).await, StageName::Queued);
        let copy = yard.ledger.claim(&asking).await.unwrap();
        assert_eq!((code(&copy), reason(&copy)), (Some(Code::Conflict), Some("epoch_moved")));
        assert_eq!(yard.job(id).await.attempts, 1, "nobody holds what nobody waits for");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_past_its_deadline_is_dropped() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    let id = yard.submit("j", "").await;
    let asking = yard.asking(id, "f1", 0);
    yard.wait(secs(21)).await;
    let answer = yard.ledger.claim(&asking).await.unwrap();
    assert_eq!(reason(&answer), Some("deadline"));
    assert_eq!(yard.stage(id).await, StageName::Queued);
}

/// R9: the write took place and the answer was lost; or it did not, and the answer was lost too.
#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_claim_is_settled_by_its_nonce() {
    for twist in [Twist::UnknownAfterWrite, Twist::UnknownBeforeWrite, Twist::ConflictAfterWrite] {
        on_each_store(async |inner| {
            let staged = Staged::over(&inner);
            let yard = Yard::paused(&staged.store());
            let id = yard.submit("j", "").await;
            staged.twist("fleet_jobs", twist);
            let grant = yard.granted(id, "f1").await;
            let job = yard.job(id).await;
            assert_eq!((job.attempts, job.lease_epoch.get()), (1, 1), "{twist:?}");
            assert_eq!(job.holder().map(|holder| holder.nonce), Some(grant.holding.claim_nonce));
        })
        .await;
    }
}

/// R9, the later half: before anyone looked, the grant had been taken back again.
#[tokio::test(start_paused = true)]
async fn a_claim_that_was_taken_back_before_it_was_known_is_not_granted() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let other = yard.beside(&inner, 8);
        let id = yard.submit("j", "").await;
        staged.twist("fleet_jobs", Twist::UnknownWhenLetGo);
        let claim = yard.claim(id, "f1");
        let requeue = async {
            staged.reached().await;
            other.operate(id, fleet::Action::Requeue).await.done().unwrap();
            staged.let_go();
        };
        let (claim, ()) = tokio::join!(claim, requeue);
        assert_eq!((code(&claim), reason(&claim)), (Some(Code::Conflict), Some("lost")));
    })
    .await;
}

/// R10: the copy's conflict is the request's own success.
#[tokio::test(start_paused = true)]
async fn of_two_copies_of_one_claim_neither_is_told_that_it_lost() {
    for seed in 0..200 {
        let inner: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::new(&Shuffled::over(&inner, seed), noon(), seed);
        let id = yard.submit("j", "").await;
        let asking = yard.asking(id, "f1", 0);
        let (one, other) = tokio::join!(yard.ledger.claim(&asking), yard.ledger.claim(&asking));
        let (one, other) = (one.unwrap().done().unwrap(), other.unwrap().done().unwrap());
        assert_eq!(one.holding, other.holding, "seed {seed}");
        assert_eq!(yard.job(id).await.attempts, 1);
    }
}

/// X-08 for the claim: after every write, a repeat or the keeper finishes it.
#[tokio::test(start_paused = true)]
async fn a_claim_that_dies_after_any_write_is_granted_when_it_is_asked_again() {
    on_each_store(kill_a_claim).await;
}

async fn kill_a_claim(inner: Arc<dyn Store>) {
    for writes in 0..20 {
        let staged = Staged::over(&inner);
        let yard = Yard::new(&staged.store(), noon(), 100 + writes as u64);
        let id = yard.submit(&format!("j{writes}"), r#""locks":["a","b"]"#).await;
        let asking = yard.asking(id, "f1", 0);
        let done = dying_after(&staged, writes, yard.ledger.claim(&asking)).await.is_some();
        // What died had reserved under a nonce that nobody carries.
        yard.wait(secs(31)).await;
        let asking = ledger::ClaimRequest { deadline: yard.clock.now().plus(secs(20)), ..asking };
        let grant = yard.ledger.claim(&asking).await.unwrap().done();
        let grant = grant.unwrap_or_else(|| panic!("refused after {writes} writes"));
        assert_eq!(grant.job.attempts, 1, "after {writes} writes");
        yard.yielded(id, &grant.holding).await;
        yard.follow().await;
        if done {
            assert_eq!(writes, 5, "two reserved, the job, two confirmed");
            return;
        }
    }
    panic!("a claim never ends");
}

/// R2: of a claim and a replacement, whoever came second saw the first.
#[tokio::test(start_paused = true)]
async fn what_is_granted_is_the_content_of_the_version_that_the_claim_wrote() {
    let mut seen = [0, 0];
    for seed in 0..1200 {
        let inner: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::new(&Shuffled::over(&inner, seed), noon(), seed);
        let id = yard.submit("j", r#""bodyMd":"old""#).await;
        let (claim, submitted) =
            tokio::join!(yard.claim(id, "f1"), yard.submitting("j", r#""bodyMd":"new""#));
        let job = yard.job(id).await;
        let Outcome::Done(grant) = claim else {
            assert!(submitted.done().is_some());
            continue;
        };
        assert_eq!(grant.job.content.content_hash, job.content.content_hash, "seed {seed}");
        match submitted {
            Outcome::Done(_) => assert_eq!(grant.job.content.body_md, "new"),
            Outcome::Rejected(no) => {
                assert_eq!(no.code, Code::IdempotencyConflict);
                assert_eq!(grant.job.content.body_md, "old");
            }
        }
        seen[usize::from(grant.job.content.body_md == "new")] += 1;
    }
    assert!(seen.iter().all(|times| *times > 10), "both orders must occur: {seen:?}");
}

/// R3: cancelled and granted at a later version never go together.
#[tokio::test(start_paused = true)]
async fn a_cancelled_job_is_not_granted_and_a_granted_one_is_not_cancelled_unheard() {
    let mut seen = [0, 0];
    for seed in 0..300 {
        let inner: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::new(&Shuffled::over(&inner, seed), noon(), seed);
        let id = yard.submit("j", "").await;
        let cancel = yard.operate(id, fleet::Action::CancelGraceful);
        let (claim, cancel) = tokio::join!(yard.claim(id, "f1"), cancel);
        let job = yard.job(id).await;
        assert!(cancel.done().is_some());
        match claim {
            Outcome::Done(_) => {
                assert_eq!(job.stage.name(), StageName::Assigned);
                assert!(job.cancel_requested.is_some(), "its holder is told");
                seen[0] += 1;
            }
            Outcome::Rejected(_) => {
                assert_eq!(job.stage.name(), StageName::Failed);
                assert_eq!(job.attempts, 0);
                seen[1] += 1;
            }
        }
    }
    assert!(seen.iter().all(|times| *times > 10), "both orders must occur: {seen:?}");
}

/// Many claimers on a few jobs: as many grants as jobs, each job once.
async fn drain(store: Arc<dyn Store>, seed: u64) -> (usize, usize) {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    let mut jobs = Vec::new();
    for n in 0..8 {
        jobs.push(yard.submit(&format!("j{n}"), "").await);
    }
    let claimers = (0..32).map(|n| {
        let yard = yard.clone();
        async move { yard.claim_next(&crate::support::bidder(&format!("f{n}"))).await }
    });
    let granted = join_all(claimers).await.into_iter().flatten().count();
    let mut attempts = 0;
    for id in jobs {
        attempts += usize::try_from(yard.job(id).await.attempts).unwrap();
    }
    (granted, attempts)
}

#[tokio::test(start_paused = true)]
async fn thirty_two_claimers_of_eight_jobs_get_eight_grants() {
    for seed in 0..20 {
        let (granted, attempts) = drain(Arc::new(Memory::new()), seed).await;
        assert_eq!(granted, attempts, "seed {seed}");
        assert!((5..=8).contains(&granted), "seed {seed}: {granted}");
    }
    let mut wrong = 0;
    for seed in 0..20 {
        let (granted, attempts) = drain(Arc::new(Broken::new()), seed).await;
        wrong += usize::from(granted != attempts);
    }
    assert!(wrong > 0, "checking before writing must grant more than was written");
}
