//! Waiting and being let go: dependencies, circles, and wake-ups that cannot be lost.

use std::sync::Arc;

use fleet::{Action, Code, Disposition, StageName};
use futures_util::future::join_all;
use ledger::Outcome;
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged, Twist, dying_after};
use crate::support::{Yard, code, noon, on_each_store, reason, secs};

#[tokio::test(start_paused = true)]
async fn a_dependent_is_blocked_until_its_dependency_has_shipped() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let dep = yard.submit("dep", "").await;
        let id = yard.submit("j", r#""deps":["dep"]"#).await;
        assert_eq!(yard.stage(id).await, StageName::Blocked);
        assert_eq!(code(&yard.claim(id, "f1").await), Some(Code::InvalidTransition));
        let holding = yard.running(dep, "f1").await;
        yard.patched(dep, yard.moving(&holding, StageName::Testing)).await;
        yard.follow().await;
        assert_eq!(yard.stage(id).await, StageName::Blocked, "testing is not shipped");
        yard.ship(dep, &holding).await.done().unwrap();
        yard.follow().await;
        assert_eq!(yard.stage(id).await, StageName::Queued);
        yard.granted(id, "f2").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_soft_dependent_is_free_at_testing_and_goes_back_when_it_goes_back() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let dep = yard.submit("dep", r#""reviewPolicy":"manual""#).await;
        let soft = yard.submit("soft", r#""deps":["dep"],"depsMode":"soft""#).await;
        let runs = yard.submit("runs", r#""deps":["dep"],"depsMode":"soft""#).await;
        let holding = yard.running(dep, "f1").await;
        for stage in [StageName::Review, StageName::Testing] {
            yard.patched(dep, yard.moving(&holding, stage)).await;
        }
        yard.release(dep, yard.letting_go(&holding, Disposition::Park)).await.done().unwrap();
        yard.follow().await;
        assert_eq!(yard.stage(soft).await, StageName::Queued);
        yard.running(runs, "f2").await;
        yard.operate(dep, Action::SendBack).await.done().unwrap();
        yard.follow().await;
        assert_eq!(yard.stage(soft).await, StageName::Blocked);
        assert_eq!(yard.stage(runs).await, StageName::Building, "what runs is not stopped");
    })
    .await;
}

/// The new content waits for the same job and asks more of it.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_turns_hard_waits_again() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let dep = yard.submit("dep", "").await;
        let holding = yard.running(dep, "f1").await;
        yard.patched(dep, yard.moving(&holding, StageName::Testing)).await;
        let id = yard.submit("j", r#""deps":["dep"],"depsMode":"soft""#).await;
        assert_eq!(yard.stage(id).await, StageName::Queued);
        yard.submit("j", r#""deps":["dep"]"#).await;
        assert_eq!(yard.stage(id).await, StageName::Blocked);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_circle_is_refused_with_the_way_round() {
    on_each_store(close_a_circle).await;
}

async fn close_a_circle(store: Arc<dyn Store>) {
    for size in [2, 3] {
        let yard = Yard::paused(&store);
        for n in 1..size {
            let rest = format!(r#""deps":["c{size}-{}"]"#, n + 1);
            yard.submit(&format!("c{size}-{n}"), &rest).await;
        }
        let last = format!(r#""deps":["c{size}-1"]"#);
        let refused = yard.submitting(&format!("c{size}-{size}"), &last).await;
        let Outcome::Rejected(no) = refused else { panic!("a circle of {size}") };
        assert_eq!((no.code, no.path.len()), (Code::DependencyCycle, size + 1));
        assert_eq!(no.path.first(), no.path.last());
        let id = yard.id(&format!("c{size}-{size}"));
        assert_eq!(yard.stage(id).await, StageName::Failed);
        let mended = yard.submitting(&format!("c{size}-{size}"), "").await;
        assert_eq!(mended.done().unwrap().job.stage.name(), StageName::Queued);
    }
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_a_thousand_jobs_is_found() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    for n in (2..=1000).rev() {
        yard.submit(&format!("c{n}"), &format!(r#""deps":["c{}"]"#, n % 1000 + 1)).await;
    }
    let refused = yard.submitting("c1", r#""deps":["c2"]"#).await;
    let Outcome::Rejected(no) = refused else { panic!("a circle of a thousand") };
    assert_eq!((no.code, no.path.len()), (Code::DependencyCycle, 1001));
}

#[tokio::test(start_paused = true)]
async fn a_graph_too_large_to_judge_is_refused() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    for n in 0..100 {
        let deps: Vec<String> = (0..100).map(|m| format!("\"w{n}-{m}\"")).collect();
        yard.submit(&format!("w{n}"), &format!(r#""deps":[{}]"#, deps.join(","))).await;
    }
    let first = |count: usize| {
        let deps: Vec<String> = (0..count).map(|n| format!("\"w{n}\"")).collect();
        format!(r#""deps":[{}]"#, deps.join(","))
    };
    assert!(yard.submitting("most", &first(99)).await.done().is_some());
    let refused = yard.submitting("all", &first(100)).await;
    assert_eq!(
        (code(&refused), reason(&refused)),
        (Some(Code::Validation), Some("graph_too_large"))
    );
    assert!(!yard.job(yard.id("all")).await.admitted);
}

/// R18: whoever judges second sees the other's job, whatever the order of their writes.
async fn close_together(store: Arc<dyn Store>, seed: u64) -> usize {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    let (one, other) = tokio::join!(
        yard.submitting("a", r#""deps":["b"]"#),
        yard.submitting("b", r#""deps":["a"]"#)
    );
    assert!(one.done().is_none() || other.done().is_none(), "seed {seed}");
    let mut admitted = 0;
    for key in ["a", "b"] {
        admitted += usize::from(yard.job(yard.id(key)).await.admitted);
    }
    admitted
}

#[tokio::test(start_paused = true)]
async fn two_who_close_a_circle_together_are_never_both_admitted() {
    let mut one_was = 0;
    for seed in 0..400 {
        let admitted = close_together(Arc::new(Memory::new()), seed).await;
        assert!(admitted < 2, "seed {seed}");
        one_was += admitted;
    }
    assert!(one_was > 0, "the first of two in a row is admitted");
    on_each_store(async |store| assert!(close_together(store, 3).await < 2)).await;
}

#[tokio::test(start_paused = true)]
async fn two_replacements_that_close_a_circle_are_never_both_admitted() {
    for seed in 0..400 {
        let inner: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::new(&Shuffled::over(&inner, seed), noon(), seed);
        let (a, b) = (yard.submit("a", "").await, yard.submit("b", "").await);
        let _answers = tokio::join!(
            yard.submitting("a", r#""deps":["b"]"#),
            yard.submitting("b", r#""deps":["a"]"#)
        );
        let (a, b) = (yard.job(a).await, yard.job(b).await);
        let waits = |job: &fleet::Job| job.admitted && !job.content.dep_ids.is_empty();
        assert!(!(waits(&a) && waits(&b)), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_circle_through_a_parent_is_refused() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        yard.submit("outside", r#""deps":["family"]"#).await;
        let family = yard.accepted(
            "family",
            r#""children":[{"engine":"echo","bodyMd":"one","deps":["outside"]}]"#,
        );
        let children: Vec<_> = family.children.into_iter().map(|child| child.content).collect();
        let by = crate::support::someone();
        let refused = yard.ledger.submit_family(&yard.product, &family.content, &children, &by);
        assert_eq!(code(&refused.await.unwrap()), Some(Code::DependencyCycle));
        assert!(!yard.job(family.job).await.admitted);
    })
    .await;
}

/// R15: the dependency ships after it was looked at and before the dependent is admitted. No
/// sweep, and the dependent is not in anyone's index yet.
#[tokio::test(start_paused = true)]
async fn a_dependency_that_ships_during_admission_is_no_lost_wake_up() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let other = yard.beside(&inner, 8);
        let dep = yard.submit("dep", "").await;
        let submit = yard.submitting("j", r#""deps":["dep"]"#);
        let ship = async {
            // Held: the write that admits, after everything was read for it.
            staged.reached().await;
            other.ship_at_once(dep).await;
            other.follow().await;
            staged.let_go();
        };
        staged.hold_second("fleet_jobs");
        let (receipt, ()) = tokio::join!(submit, ship);
        assert_eq!(receipt.done().unwrap().job.stage.name(), StageName::Queued);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_ships_during_any_submission_releases_it() {
    for seed in 0..300 {
        let inner: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::new(&Shuffled::over(&inner, seed), noon(), seed);
        let dep = yard.submit("dep", "").await;
        let holding = yard.running(dep, "f1").await;
        let ship = async {
            yard.ship(dep, &holding).await.done().unwrap();
            yard.follow().await;
        };
        let (_, ()) = tokio::join!(yard.submitting("j", r#""deps":["dep"]"#), ship);
        yard.follow().await;
        assert_eq!(yard.stage(yard.id("j")).await, StageName::Queued, "seed {seed}");
    }
}

/// R14: where the dependent stands when its last dependencies ended together, and how many job
/// writes more than needed were made for it.
async fn end_together(store: Arc<dyn Store>, count: usize, seed: u64) -> (StageName, usize) {
    let staged = Staged::over(&store);
    let yard = Yard::new(&Shuffled::over(&staged.store(), seed), noon(), seed);
    let mut deps = Vec::new();
    for n in 0..count {
        let id = yard.submit(&format!("d{n}"), "").await;
        deps.push((id, yard.running(id, &format!("f{n}")).await));
    }
    let names: Vec<String> = (0..count).map(|n| format!("\"d{n}\"")).collect();
    let id = yard.submit("last", &format!(r#""deps":[{}]"#, names.join(","))).await;
    staged.take_writes();
    let ends = deps.iter().map(async |(dep, holding)| {
        yard.ship(*dep, holding).await.done().unwrap();
        // Each finisher sees to its own followers, and to nobody else's.
        yard.ledger.follow(&yard.product, *dep).await.unwrap();
    });
    join_all(ends).await;
    yard.follow().await;
    // Each dependency ships and is trimmed; the dependent is released once and trimmed.
    let needed = 2 * count + 2;
    let written = staged.take_writes()["fleet_jobs"];
    (yard.stage(id).await, written.abs_diff(needed))
}

#[tokio::test(start_paused = true)]
async fn of_dependencies_that_end_together_the_last_releases_the_dependent_once() {
    for seed in 0..200 {
        let ended = end_together(Arc::new(Memory::new()), 2, seed).await;
        assert_eq!(ended, (StageName::Queued, 0), "seed {seed}");
    }
    for count in [8, 64] {
        let ended = end_together(Arc::new(Memory::new()), count, 1).await;
        assert_eq!(ended, (StageName::Queued, 0), "{count} at once");
    }
    on_each_store(async |store| {
        assert_eq!(end_together(store, 2, 5).await, (StageName::Queued, 0));
    })
    .await;
    let mut wrong = 0;
    for seed in 0..100 {
        let ended = end_together(Arc::new(Broken::new()), 2, seed).await;
        wrong += usize::from(ended != (StageName::Queued, 0));
    }
    assert!(wrong > 0, "checking before writing must release it twice");
}

/// R16: the finisher died before it told anyone.
#[tokio::test(start_paused = true)]
async fn a_dependent_that_nobody_told_is_found_by_the_sweep() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let dep = yard.submit("dep", "").await;
        let id = yard.submit("j", r#""deps":["dep"]"#).await;
        let holding = yard.running(dep, "f1").await;
        let ending = async {
            yard.ship(dep, &holding).await.done().unwrap();
            yard.follow().await;
        };
        assert!(dying_after(&staged, 1, ending).await.is_none());
        let restarted = yard.beside(&inner, 8);
        assert_eq!(restarted.stage(id).await, StageName::Blocked);
        restarted.sweep().await;
        assert_eq!(restarted.stage(id).await, StageName::Queued);
    })
    .await;
}

/// R17
#[tokio::test(start_paused = true)]
async fn a_dependency_that_ends_badly_is_told_or_ends_its_dependent() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let dep = yard.submit("dep", "").await;
        let waits = yard.submit("waits", r#""deps":["dep"]"#).await;
        let fails = yard.submit("fails", r#""deps":["dep"],"onDepFailure":"fail""#).await;
        let after = yard.submit("after", r#""deps":["fails"],"onDepFailure":"fail""#).await;
        let holding = yard.running(dep, "f1").await;
        yard.fail(dep, &holding, fleet::RunResult::Failed).await;
        yard.follow().await;
        assert_eq!(yard.stage(waits).await, StageName::Blocked);
        assert_eq!(yard.job(waits).await.troubled_deps, [dep]);
        for id in [fails, after] {
            let stage = yard.job(id).await.stage;
            assert_eq!(stage, fleet::Stage::Failed(fleet::FailureReason::DependencyFailed));
        }
        yard.operate(dep, Action::Redrive).await.done().unwrap();
        yard.ship_at_once(dep).await;
        yard.follow().await;
        assert_eq!(yard.stage(waits).await, StageName::Queued, "what waits is released in the end");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_answer_was_lost_is_still_a_refusal() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        yard.submit("a", r#""deps":["b"]"#).await;
        staged.skip_then_twist("fleet_jobs", Twist::UnknownAfterWrite);
        let refused = yard.submitting("b", r#""deps":["a"]"#).await;
        let Outcome::Rejected(no) = refused else { panic!("it closes a circle") };
        assert_eq!((no.code, no.path.len()), (Code::DependencyCycle, 3));
    })
    .await;
}

/// What was seen of the children that were there must not end a parent that has got more.
#[tokio::test(start_paused = true)]
async fn an_old_look_at_its_children_never_ends_a_parent() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let family = yard.accepted("family", r#""children":[{"engine":"echo","bodyMd":"one"}]"#);
        let children: Vec<_> = family.children.into_iter().map(|child| child.content).collect();
        let by = crate::support::someone();
        let submitted = yard.ledger.submit_family(&yard.product, &family.content, &children, &by);
        submitted.await.unwrap().done().unwrap();
        yard.ship_at_once(yard.id("family/1")).await;
        let other = yard.beside(&inner, 8);
        let attach = async {
            staged.reached().await;
            other.submitting("late", r#""parent":"family""#).await.done().unwrap();
            staged.let_go();
        };
        staged.hold("fleet_jobs");
        let ((), ()) = tokio::join!(yard.follow(), attach);
        let parent = yard.job(family.job).await;
        assert_eq!(parent.stage.name(), StageName::Blocked);
        yard.wait(secs(1)).await;
        yard.ship_at_once(yard.id("late")).await;
        yard.sweep().await;
        assert_eq!(yard.stage(family.job).await, StageName::Shipped);
    })
    .await;
}
