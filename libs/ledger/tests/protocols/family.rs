//! Composites: their children first, all or nothing twice, and children that come later.

use std::sync::Arc;

use fleet::{Accepted, Action, Code, Content, EventType, Operation, StageName};
use ledger::{Outcome, Receipt, Verdict};
use store::Store;

use crate::stage::{Staged, dying_after};
use crate::support::{Yard, code, noon, on_each_store, secs, someone};

const TWO: &str =
    r#""children":[{"engine":"echo","bodyMd":"one"},{"engine":"echo","bodyMd":"two"}]"#;

async fn submitting(yard: &Yard, family: &Accepted) -> Outcome<Receipt> {
    let children: Vec<Content> = family.children.iter().map(|one| one.content.clone()).collect();
    let by = someone();
    yard.ledger.submit_family(&yard.product, &family.content, &children, &by).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_parent_waits_for_its_children_and_ships_with_the_last() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let family = yard.accepted("family", TWO);
        let receipt = submitting(&yard, &family).await.done().unwrap();
        assert_eq!(
            (receipt.verdict, receipt.job.stage.name()),
            (Verdict::Created, StageName::Blocked)
        );
        yard.ship_at_once(family.children[0].job).await;
        yard.follow().await;
        assert_eq!(yard.stage(family.job).await, StageName::Blocked);
        yard.ship_at_once(family.children[1].job).await;
        yard.follow().await;
        assert_eq!(yard.stage(family.job).await, StageName::Shipped);
        let again = submitting(&yard, &family).await.done().unwrap();
        assert_eq!(again.verdict, Verdict::Existing, "what shipped is left alone");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_parent_with_work_of_its_own_runs_after_its_children() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let rest = format!(r#"{TWO},"engine":"echo","bodyMd":"join""#);
        let family = yard.accepted("family", &rest);
        submitting(&yard, &family).await.done().unwrap();
        for child in &family.children {
            yard.ship_at_once(child.job).await;
        }
        yard.follow().await;
        assert_eq!(yard.stage(family.job).await, StageName::Queued);
        yard.ship_at_once(family.job).await;
    })
    .await;
}

/// X-08 for families: the repeat, or else the sweep, completes the same ids.
async fn kill_a_family(inner: Arc<dyn Store>) {
    for writes in 0..10 {
        let staged = Staged::over(&inner);
        let yard = Yard::new(&staged.store(), noon(), 20 + writes as u64);
        let repeated = yard.accepted(&format!("r{writes}"), TWO);
        let swept = yard.accepted(&format!("s{writes}"), TWO);
        let done = dying_after(&staged, writes, submitting(&yard, &repeated)).await.is_some();
        dying_after(&staged, writes.max(3), submitting(&yard, &swept)).await;
        submitting(&yard, &repeated).await.done().unwrap();
        yard.wait(secs(31)).await;
        yard.sweep().await;
        for family in [&repeated, &swept] {
            for child in &family.children {
                assert_eq!(yard.stage(child.job).await, StageName::Queued, "after {writes}");
            }
            let parent = yard.job(family.job).await;
            assert!(parent.admitted && parent.stage.name() == StageName::Blocked);
        }
        if done {
            assert_eq!(writes, 6, "three written, three admitted");
            return;
        }
    }
    panic!("a family never ends");
}

#[tokio::test(start_paused = true)]
async fn a_family_that_dies_after_any_write_is_completed() {
    on_each_store(kill_a_family).await;
}

/// Written one after the other, admitted together: no child runs before its parent is written.
#[tokio::test(start_paused = true)]
async fn no_child_can_be_claimed_before_its_parent_is_written() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let family = yard.accepted("family", TWO);
        assert!(dying_after(&staged, 2, submitting(&yard, &family)).await.is_none());
        for child in &family.children {
            assert!(!yard.job(child.job).await.admitted);
            assert!(yard.claim(child.job, "f1").await.done().is_none());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_leaves_its_parent_waiting_and_says_so() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let family = yard.accepted("family", TWO);
        submitting(&yard, &family).await.done().unwrap();
        let bad = family.children[0].job;
        let holding = yard.running(bad, "f1").await;
        yard.fail(bad, &holding, fleet::RunResult::Failed).await;
        yard.follow().await;
        assert_eq!(yard.stage(family.job).await, StageName::Blocked);
        let events = yard.ledger.events_of(family.job).await.unwrap();
        let told = events.iter().filter(|event| event.kind == EventType::ChildFailed);
        assert_eq!(told.map(|event| event.data.jobs.clone()).collect::<Vec<_>>(), [[bad]]);
        yard.sweep().await;
        yard.follow().await;
        let again = yard.ledger.events_of(family.job).await.unwrap();
        assert_eq!(again.len(), events.len(), "each trouble is told once");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn children_may_come_later_as_long_as_their_parent_waits() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let family = yard.accepted("family", TWO);
        submitting(&yard, &family).await.done().unwrap();
        let late = yard.submitting("late", r#""parent":"family""#).await.done().unwrap();
        assert_eq!(late.job.stage.name(), StageName::Queued);
        let again = yard.submitting("late", r#""parent":"family""#).await.done().unwrap();
        assert_eq!(again.verdict, Verdict::Existing);
        let parent = yard.job(family.job).await;
        assert!(parent.admitted && parent.content.dep_ids.contains(&late.job.id));
        for child in [family.children[0].job, family.children[1].job] {
            yard.ship_at_once(child).await;
        }
        yard.follow().await;
        assert_eq!(yard.stage(family.job).await, StageName::Blocked, "it waits for the late one");
        yard.ship_at_once(late.job.id).await;
        yard.follow().await;
        assert_eq!(yard.stage(family.job).await, StageName::Shipped);
        let too_late = yard.submitting("too-late", r#""parent":"family""#).await;
        assert_eq!(code(&too_late), Some(Code::InvalidTransition));
        let orphan = yard.submitting("orphan", r#""parent":"nobody""#).await;
        assert_eq!(code(&orphan), Some(Code::NotFound));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_the_children_that_have_not_ended_and_may_be_repeated() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let family = yard.accepted("family", TWO);
        submitting(&yard, &family).await.done().unwrap();
        let (one, two) = (family.children[0].job, family.children[1].job);
        yard.ship_at_once(one).await;
        yard.running(two, "f1").await;
        let by = someone();
        let operation = Operation { action: Action::CancelNow, op: Some(yard.op()), reason: None };
        let cancel = yard.ledger.cancel(&yard.product, family.job, &by, operation.clone());
        assert!(dying_after(&staged, 1, cancel).await.is_none(), "it died before the children");
        assert_eq!(yard.stage(two).await, StageName::Building);
        let cancel = yard.ledger.cancel(&yard.product, family.job, &by, operation);
        cancel.await.unwrap().done().unwrap();
        assert_eq!(yard.stage(family.job).await, StageName::Failed);
        assert_eq!(yard.stage(two).await, StageName::Failed);
        assert_eq!(yard.stage(one).await, StageName::Shipped);
    })
    .await;
}
