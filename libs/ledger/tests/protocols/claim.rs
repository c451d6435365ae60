//! Who gets a job: one, whatever is asked at once.

use std::sync::Arc;

use fleet::Code;
use futures_util::future::join_all;
use ledger::Outcome;
use store::{Broken, Memory, Store};
use tokio::sync::Barrier;

use crate::support::Yard;

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
    #[expect(clippy::disallowed_methods, reason = "the race needs tasks of its own")]
    let answers = join_all(claims.map(tokio::spawn)).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let won = answers.iter().filter(|answer| matches!(answer, Outcome::Done(_))).count();
    let lost = answers
        .iter()
        .filter(|answer| matches!(answer, Outcome::Rejected(no) if no.code == Code::Conflict));
    let lost = lost.count();
    (won, lost, yard, job)
}

async fn one_of(claimers: usize, store: Arc<dyn Store>) {
    let (won, lost, yard, id) = contend(store, claimers).await;
    assert_eq!((won, lost), (1, claimers - 1));
    yard.ledger.follow_all().await.unwrap();
    let job = yard.job(id).await;
    assert_eq!((job.attempts, job.lease_epoch.get()), (1, 1));
    let runs = yard.ledger.runs.all_of(id).await.unwrap();
    let lease = yard.ledger.leases.get(id, id).await.unwrap().unwrap().record;
    assert_eq!(runs.len(), 1);
    assert!(lease.is_held_for(job.lease_epoch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_claims_of_one_freshly_read_job_are_one_ok_and_one_conflict() {
    one_of(2, Arc::new(Memory::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_any_number_of_claimers_exactly_one_wins() {
    for claimers in [10, 64, 256] {
        one_of(claimers, Arc::new(Memory::new())).await;
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
