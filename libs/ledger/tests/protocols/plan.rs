//! What would come of a submission is told without a write, and a submission may insist on it.

use std::sync::Arc;

use fleet::{Code, StageName};
use futures_util::future::join_all;
use ledger::{ABSENT, Foreseen, Named, Outcome, Plan, Receipt, Submitter, Verdict};
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged, Twist};
use crate::support::{Yard, code, noon, on_each_store, reason, someone};

impl Yard {
    async fn plan(&self, key: &str, rest: &str) -> Plan {
        let accepted = self.accepted(key, rest);
        self.ledger.plan(&self.product, &accepted, &someone()).await.unwrap()
    }

    async fn submit_if(&self, key: &str, rest: &str, expect: &str) -> Outcome<Receipt> {
        let accepted = self.accepted(key, rest);
        let by = someone();
        let from = Submitter { by: &by, expect: Some(expect) };
        if accepted.children.is_empty() {
            return self.ledger.submit_if(&self.product, &accepted.content, from).await.unwrap();
        }
        let children: Vec<_> = accepted.children.into_iter().map(|child| child.content).collect();
        let parent = &accepted.content;
        self.ledger.submit_family_if(&self.product, parent, &children, from).await.unwrap()
    }
}

fn keys(plan: &Plan) -> Vec<&str> {
    plan.cycle.iter().map(fleet::Key::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn a_plan_foresees_each_outcome_and_writes_nothing() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let first = yard.plan("k", r#""bodyMd":"old""#).await;
        assert!(matches!(first.outcome, Foreseen::Created));
        assert_eq!(first.expect, ABSENT);
        let (none, _) = yard.ledger.jobs.page_of_all(None, 10).await.unwrap();
        assert!(none.is_empty(), "nothing was written");
        let receipt = yard.submitting("k", r#""bodyMd":"old""#).await.done().unwrap();
        let same = yard.plan("k", r#""bodyMd":"old""#).await;
        assert!(matches!(same.outcome, Foreseen::Existing));
        assert_eq!(same.expect, receipt.etag);
        let other = yard.plan("k", r#""bodyMd":"new""#).await;
        assert!(matches!(other.outcome, Foreseen::Superseded));
        assert_eq!(other.job.content.body_md, "new");
        yard.granted(receipt.job.id, "f1").await;
        let held = yard.plan("k", r#""bodyMd":"new""#).await;
        let Foreseen::Conflict(no) = &held.outcome else { panic!("it is held") };
        assert_eq!(no.code, Code::IdempotencyConflict);
        assert_eq!(yard.job(receipt.job.id).await.content.body_md, "old");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_names_unknown_dependencies_and_the_keys_of_a_cycle() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        yard.submit("b", r#""deps":["c"]"#).await;
        let plan = yard.plan("a", r#""deps":["b","nobody"]"#).await;
        assert_eq!(plan.unknown_deps, [yard.id("nobody")]);
        assert!(plan.cycle.is_empty());
        let closing = yard.plan("c", r#""deps":["b"]"#).await;
        assert_eq!(keys(&closing), ["c", "b", "c"]);
        let family = r#""children":[{"idempotencyKey":"x","engine":"echo","deps":["y"]},{"idempotencyKey":"y","engine":"echo"}]"#;
        let family = yard.plan("p", family).await;
        assert!(family.unknown_deps.is_empty(), "its own children are known");
        assert!(family.cycle.is_empty());
        let (all, _) = yard.ledger.jobs.page_of_all(None, 10).await.unwrap();
        assert_eq!(all.len(), 1, "nothing was written but b");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_submission_is_refused_once_something_else_stands() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let plan = yard.plan("k", r#""bodyMd":"one""#).await;
        let done = yard.submit_if("k", r#""bodyMd":"one""#, &plan.expect).await.done().unwrap();
        assert_eq!(done.verdict, Verdict::Created);
        let late = yard.submit_if("k", r#""bodyMd":"two""#, &plan.expect).await;
        assert_eq!(
            (code(&late), reason(&late)),
            (Some(Code::Conflict), Some("changed_since_plan"))
        );
        let Outcome::Rejected(no) = late else { panic!("refused") };
        assert_eq!(no.current.unwrap().stage, StageName::Queued, "the truth comes with it");
        assert_eq!(yard.job(done.job.id).await.content.body_md, "one");
        let plan = yard.plan("k", r#""bodyMd":"two""#).await;
        let done = yard.submit_if("k", r#""bodyMd":"two""#, &plan.expect).await.done().unwrap();
        assert_eq!(done.verdict, Verdict::Superseded);
        let gone = yard.submit_if("never", r#""bodyMd":"x""#, &plan.expect).await;
        assert_eq!(reason(&gone), Some("changed_since_plan"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_family_that_is_refused_leaves_no_child_behind() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    yard.submit("p", "").await;
    let rest = r#""children":[{"idempotencyKey":"x","engine":"echo"}]"#;
    let refused = yard.submit_if("p", rest, ABSENT).await;
    assert_eq!(reason(&refused), Some("changed_since_plan"));
    assert!(yard.ledger.jobs.get(&yard.product, yard.id("x")).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_does_not_surprise_its_own_submitter() {
    for twist in [Twist::UnknownAfterWrite, Twist::UnknownBeforeWrite] {
        on_each_store(async |inner| {
            let staged = Staged::over(&inner);
            let yard = Yard::paused(&staged.store());
            staged.twist("fleet_jobs", twist);
            let first = yard.submit_if("k", r#""bodyMd":"one""#, ABSENT).await.done().unwrap();
            assert_eq!(first.verdict, Verdict::Created, "{twist:?}");
            staged.twist("fleet_jobs", twist);
            let again = yard.submit_if("k", r#""bodyMd":"two""#, &first.etag).await;
            assert_eq!(again.done().unwrap().verdict, Verdict::Superseded, "{twist:?}");
        })
        .await;
    }
}

/// How many of several submitters passed who had all seen the same plan.
async fn rivals(store: Arc<dyn Store>, stands: bool, seed: u64) -> usize {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    if stands {
        yard.submit("k", r#""bodyMd":"first""#).await;
    }
    let expect = yard.plan("k", "").await.expect;
    let bodies: Vec<String> = (0..8).map(|n| format!(r#""bodyMd":"{n}""#)).collect();
    let answers = join_all(bodies.iter().map(|body| yard.submit_if("k", body, &expect))).await;
    for answer in &answers {
        if let Outcome::Rejected(no) = answer {
            assert_eq!(no.reason, Some("changed_since_plan"));
            assert!(no.current.is_some());
        }
    }
    answers.into_iter().filter_map(Outcome::done).count()
}

#[tokio::test(start_paused = true)]
async fn of_several_submitters_with_one_plan_exactly_one_passes() {
    for stands in [false, true] {
        on_each_store(async |store| {
            assert_eq!(rivals(store, stands, 1).await, 1);
        })
        .await;
        for seed in 0..20 {
            let passed = rivals(Arc::new(Memory::new()), stands, seed).await;
            assert_eq!(passed, 1, "stands: {stands}, seed {seed}");
        }
        let passed = rivals(Arc::new(Broken::new()), stands, 1).await;
        assert!(passed > 1, "checking before writing must let several pass, stands: {stands}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_found_by_id_by_key_and_by_a_beginning_that_is_its_own() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("nightly", "").await;
        for n in 0..40 {
            yard.submit(&format!("k{n}"), "").await;
        }
        let text = id.to_string();
        let first = |letters: usize| text.chars().take(letters).collect::<String>();
        let found = async |name: &str| match yard.ledger.named(&yard.product, name).await.unwrap() {
            Named::One(found) => Ok(found.record.id),
            Named::Nobody => Err(0),
            Named::Several(count) => Err(count),
        };
        assert_eq!(found(&text).await, Ok(id));
        assert_eq!(found("nightly").await, Ok(id));
        assert_eq!(found(&first(12)).await, Ok(id));
        assert_eq!(found(&first(5)).await, Err(0), "too short to be a name");
        assert_eq!(found("j_1nobody").await, Err(0));
        let key = first(6);
        let named = yard.submit(&key, "").await;
        assert_eq!(found(&key).await, Ok(named), "a key is what its caller says it is");
    })
    .await;
}
