//! An operator asks whether all that is stored agrees with itself.

use std::time::Duration;

use fleet::{Job, JobId};
use ledger::Placed;
use protocol::Verify;
use serde_json::{Value, json};
use store::{Expect, Key, Put};

use super::town::Town;

const TWENTY: Duration = Duration::from_secs(20);

/// As no rule would have written it.
async fn tamper(town: &Town, job: JobId, field: &str, value: Value) {
    let key = Key::new(Job::KIND, "acme", job.to_string()).unwrap();
    let found = town.store.get(&key).await.unwrap().unwrap();
    let mut record: Value = serde_json::from_slice(&found.value).unwrap();
    record[field] = value;
    let put = town.store.put(&key, record.to_string().into(), &Expect::At(found.revision)).await;
    assert!(matches!(put, Ok(Put::Written(_))), "{put:?}");
}

#[tokio::test(start_paused = true)]
async fn verify_finds_nothing_in_a_good_store_and_names_what_a_corrupted_one_breaks() {
    let town = Town::start().await;
    let first = town.submit("---\nidempotencyKey: first\n---\nWork.\n").await.job.id;
    let second = town.submit("---\nidempotencyKey: second\ndeps: [first]\n---\nWork.\n").await;
    town.beat("f1").await;
    assert_eq!(town.work_off("f1", TWENTY).await, 2);
    let verified = town.ask(&Verify {}).await.unwrap();
    assert_eq!((verified.jobs, verified.violations), (2, Vec::new()));
    assert!(verified.events > 8, "{}", verified.events);
    tamper(&town, first, "attempts", json!(7)).await;
    let found = town.ask(&Verify {}).await.unwrap().violations;
    assert!(found.iter().all(|finding| finding.job_id == first), "{found:?}");
    assert!(found.iter().any(|finding| finding.invariant == "I12"), "{found:?}");
    tamper(&town, first, "attempts", json!(1)).await;
    assert_eq!(town.ask(&Verify {}).await.unwrap().violations, Vec::new());
    tamper(&town, first, "stage", json!("queued")).await;
    let found = town.ask(&Verify {}).await.unwrap().violations;
    let waited = found.iter().find(|finding| finding.job_id == second.job.id);
    assert_eq!(waited.map(|finding| finding.invariant.as_str()), Some("I9"), "{found:?}");
    town.stop().await;
}
