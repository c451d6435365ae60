//! Recipes by name and version: each version made once, the newest found by its name, and frozen
//! into whatever claims it.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleet::{Code, JobId, ProfileRef, Snapshot, StageName};
use ledger::{LedgerError, Outcome, ProfilePut};
use serde_json::json;
use store::{Broken, Memory, Store};
use tokio::sync::Barrier;

use crate::stage::{Staged, dying_after};
use crate::support::{Yard, bidder, code, embedded, on_each_store, reason, someone, together, usd};

fn snapshot(model: &str) -> Snapshot {
    serde_json::from_value(json!({"engine": "echo", "model": model})).unwrap()
}

fn named(text: &str) -> ProfileRef {
    text.parse().unwrap()
}

async fn put(yard: &Yard, version: u32, model: &str) -> Outcome<ProfilePut> {
    let named = ("fast".parse().unwrap(), version);
    yard.ledger.put_profile(&yard.product, named, snapshot(model)).await.unwrap()
}

/// The model of what is found, which tells one version from another.
async fn model(yard: &Yard, name: &str) -> Option<String> {
    let found = yard.ledger.profile(&yard.product, &named(name)).await.unwrap();
    found.and_then(|profile| profile.snapshot.model.clone())
}

/// A job that leaves its engine to its profile.
async fn submit(yard: &Yard, profile: &str) -> JobId {
    let mut content = yard.content("j", "");
    (content.engine, content.profile) = (None, Some(named(profile)));
    let receipt = yard.ledger.submit(&yard.product, &content, &someone()).await.unwrap();
    receipt.done().unwrap().job.id
}

#[tokio::test(start_paused = true)]
async fn a_version_is_made_once_and_never_changes() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        assert_eq!(model(&yard, "fast").await, None);
        let first = put(&yard, 3, "a").await.done().unwrap();
        let again = put(&yard, 3, "a").await.done().unwrap();
        assert_eq!((first.is_new, again.is_new), (true, false));
        assert_eq!(first.profile, again.profile, "the same record");
        let other = put(&yard, 3, "b").await;
        assert_eq!((code(&other), reason(&other)), (Some(Code::Conflict), Some("immutable")));
        put(&yard, 1, "old").await.done().unwrap();
        // Whoever remembers nothing finds the same.
        let stranger = yard.beside(&store, 8);
        let expected = [("fast", Some("a")), ("fast@3", Some("a")), ("fast@1", Some("old"))];
        for (name, found) in expected.into_iter().chain([("fast@2", None), ("fas", None)]) {
            assert_eq!(model(&stranger, name).await.as_deref(), found, "{name}");
        }
        let seen = stranger.ledger.profiles_of(&yard.product).await.unwrap();
        let seen: Vec<_> =
            seen.iter().map(|one| (one.newest.version, one.versions.len())).collect();
        assert_eq!(seen, [(3, 2)]);
        let elsewhere = "other".parse().unwrap();
        assert!(stranger.ledger.profile(&elsewhere, &named("fast@3")).await.unwrap().is_none());
    })
    .await;
}

/// Everybody puts something else as one version: how many were told that it is theirs, and what
/// it is.
async fn put_together(store: Arc<dyn Store>, putters: usize) -> (usize, usize, Option<String>) {
    let yard = Yard::racing(&store);
    let barrier = Arc::new(Barrier::new(putters));
    let puts = (0..putters).map(|n| {
        // Processes of their own: none knows what another has put.
        let yard = yard.beside(&store, 20 + u64::try_from(n).unwrap());
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            put(&yard, 1, &format!("m{n}")).await
        }
    });
    let answers = together(puts).await;
    let won = answers.iter().filter(|answer| code(answer).is_none()).count();
    let lost = answers.iter().filter(|answer| reason(answer) == Some("immutable")).count();
    (won, lost, model(&yard, "fast@1").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_any_number_of_putters_of_one_version_exactly_one_wins() {
    for putters in [2, 10, 64] {
        let (store, _folder) = embedded();
        for store in [Arc::new(Memory::new()), store] {
            let (won, lost, stands) = put_together(store, putters).await;
            assert_eq!((won, lost), (1, putters - 1));
            assert!(stands.is_some());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_race_for_a_version_catches_a_broken_store() {
    let mut double = 0;
    for _ in 0..50 {
        let (won, ..) = put_together(Arc::new(Broken::new()), 10).await;
        double += usize::from(won > 1);
    }
    assert!(double > 0, "checking before writing must make a version twice");
}

#[tokio::test(start_paused = true)]
async fn a_claim_freezes_the_version_that_was_the_newest_then() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        put(&yard, 1, "a").await.done().unwrap();
        let id = submit(&yard, "fast").await;
        put(&yard, 2, "b").await.done().unwrap();
        let asking = yard.asking(id, "f1", 0);
        let grant = yard.ledger.claim(&asking).await.unwrap().done().unwrap();
        let granted = grant.profile.clone().unwrap();
        assert_eq!((granted.version, grant.job.claim.profile_version), (2, Some(2)));
        put(&yard, 3, "c").await.done().unwrap();
        // Said again, to a process that remembers nothing.
        let other = yard.beside(&store, 9);
        let again = other.ledger.claim(&asking).await.unwrap().done().unwrap();
        assert_eq!((again.profile, again.holding), (Some(granted), grant.holding.clone()));
        other.ledger.follow(&yard.product, id).await.unwrap();
        let run = yard.runs(id).await.remove(0);
        assert_eq!(run.profile_snapshot.unwrap()["model"], json!("b"));
        assert_eq!(run.engine, Some("echo".parse().unwrap()));
        // The next attempt is another claim.
        yard.yielded(id, &grant.holding).await;
        let next = yard.granted(id, "f1").await;
        assert_eq!(next.profile.unwrap().snapshot.model.as_deref(), Some("c"));
        yard.follow().await;
        let told: BTreeMap<u32, _> = yard
            .runs(id)
            .await
            .into_iter()
            .map(|run| (run.attempt, run.profile_snapshot))
            .collect();
        assert_eq!(told[&1].as_ref().unwrap()["model"], json!("b"), "what ran stays as it ran");
        assert_eq!(told[&2].as_ref().unwrap()["model"], json!("c"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_pinned_version_runs_whatever_is_newer() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    for (version, model) in [(1, "a"), (2, "b")] {
        put(&yard, version, model).await.done().unwrap();
    }
    let id = submit(&yard, "fast@1").await;
    let grant = yard.granted(id, "f1").await;
    assert_eq!(grant.profile.unwrap().version, 1);
}

/// † the version is stored, its name does not lead to it yet.
#[tokio::test(start_paused = true)]
async fn a_putter_that_dies_in_between_leaves_nothing_that_is_not_mended() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        put(&yard, 1, "a").await.done().unwrap();
        assert!(dying_after(&staged, 1, put(&yard, 2, "b")).await.is_none());
        assert_eq!(model(&yard, "fast").await.as_deref(), Some("a"));
        assert_eq!(model(&yard, "fast@2").await.as_deref(), Some("b"));
        yard.sweep().await;
        assert_eq!(model(&yard, "fast").await.as_deref(), Some("b"), "the sweep sees to it");
        assert!(dying_after(&staged, 1, put(&yard, 3, "c")).await.is_none());
        assert!(!put(&yard, 3, "c").await.done().unwrap().is_new);
        assert_eq!(model(&yard, "fast").await.as_deref(), Some("c"), "or whoever says it again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_profile_cannot_be_had_holds_nothing() {
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let staged = Staged::over(&inner);
    let yard = Yard::paused(&staged.store());
    let id = submit(&yard, "fast@7").await;
    let refused = yard.claim(id, "f1").await;
    assert_eq!(reason(&refused), Some("profile_unavailable"));
    put(&yard, 7, "a").await.done().unwrap();
    // A process that has not read it yet.
    let other = yard.beside(&staged.store(), 9);
    staged.unreadable(Some("fleet_profiles"));
    let answer = other.ledger.claim(&other.asking(id, "f1", 0)).await;
    assert!(matches!(answer, Err(LedgerError::Unavailable(_))), "{answer:?}");
    assert_eq!(yard.stage(id).await, StageName::Queued);
    staged.unreadable(None);
    assert_eq!(other.granted(id, "f1").await.profile.unwrap().version, 7);
}

#[tokio::test(start_paused = true)]
async fn only_a_job_that_names_a_profile_costs_a_read_of_one() {
    let inner: Arc<dyn Store> = Arc::new(Memory::new());
    let staged = Staged::over(&inner);
    let yard = Yard::paused(&staged.store());
    put(&yard, 1, "a").await.done().unwrap();
    let plain = yard.submit("plain", "").await;
    staged.take_reads();
    yard.granted(plain, "f1").await;
    let (reads, _) = staged.take_reads();
    assert!(!reads.contains_key("fleet_profiles"), "{reads:?}");
    let id = submit(&yard, "fast").await;
    staged.take_reads();
    yard.granted(id, "f2").await;
    let (reads, scans) = staged.take_reads();
    assert_eq!(reads.get("fleet_lineages"), Some(&1));
    assert_eq!((reads.get("fleet_profiles"), scans), (None, 0), "a version is read once");
}

#[tokio::test(start_paused = true)]
async fn a_factory_without_the_profiles_engine_does_not_get_the_job() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    put(&yard, 1, "a").await.done().unwrap();
    let id = submit(&yard, "fast").await;
    let mut asking = yard.asking(id, "f1", 0);
    asking.bidder.engines = vec!["other".parse().unwrap()];
    let refused = yard.ledger.claim(&asking).await.unwrap();
    assert_eq!(reason(&refused), Some("engine_unavailable"));
    assert!(yard.claim_next(&asking.bidder).await.is_none());
    assert_eq!(yard.claim_next(&bidder("f2")).await.unwrap().job.id, id);
}

#[tokio::test(start_paused = true)]
async fn a_claim_keeps_what_its_profile_says_that_it_will_use() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    let dear = json!({"engine": "echo", "estimateUsd": 2.0});
    let dear: Snapshot = serde_json::from_value(dear).unwrap();
    let name = ("fast".parse().unwrap(), 1);
    yard.ledger.put_profile(&yard.product, name, dear).await.unwrap().done().unwrap();
    let now = yard.clock.now();
    let mut budget = fleet::Budget::new(
        "product".parse().unwrap(),
        yard.product.clone(),
        fleet::Window::None,
        now,
    );
    budget.limit_usd = Some(usd(1.5));
    let text = serde_json::to_string(&budget).unwrap();
    crate::stage::set_raw(&store, "fleet_budgets", "acme", "product", &text).await;
    let plain = yard.submit("plain", "").await;
    let id = submit(&yard, "fast").await;
    assert_eq!(reason(&yard.claim(id, "f1").await), Some("budget_exhausted"));
    yard.granted(plain, "f1").await;
}
