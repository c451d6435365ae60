//! A plan tells what would come of a file; a submission that insists on its plan is refused once
//! the plan is no longer true.

use protocol::{Code, ListJobs, PlanJob, Planned, SubmitJob};
use serde_json::json;

use super::town::{Town, problem};

impl Town {
    async fn plan(&self, file: &str) -> Planned {
        let ask = PlanJob { file: Some(file.to_owned()), ..PlanJob::default() };
        self.ask(&ask).await.unwrap()
    }
}

async fn town() -> Town {
    Town::start().await
}

fn insisting(file: &str, plan: &Planned) -> SubmitJob {
    let expect = Some(plan.expect.clone());
    SubmitJob { file: Some(file.to_owned()), expect, ..SubmitJob::default() }
}

fn keys(keys: &[fleet::Key]) -> Vec<&str> {
    keys.iter().map(fleet::Key::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn a_plan_tells_everything_and_writes_nothing() {
    let town = town().await;
    town.beat("f1").await;
    let file = "---\nidempotencyKey: k\ncapabilities: [gpu]\ndeps: [never]\n---\nWork.";
    let plan = town.plan(file).await;
    assert_eq!((plan.outcome.as_str(), plan.expect.as_str()), ("created", "absent"));
    assert_eq!(keys(&plan.unknown_deps), ["never"]);
    assert_eq!(plan.manifest["priority"], json!("medium"), "every default is filled in");
    assert_eq!(plan.factories[0]["code"], json!("unroutable"));
    assert_eq!(plan.factories[0]["detail"], json!("lacks gpu"));
    assert!(plan.cycle.is_empty());
    let all = ListJobs { unadmitted: true, ..ListJobs::default() };
    assert!(town.ask(&all).await.unwrap().items.is_empty(), "nothing was written");
    let receipt = town.submit(file).await;
    assert_eq!(receipt.job.fields()["contentHash"], json!(plan.content_hash));
    assert_eq!(receipt.job.id, plan.job_id);
    assert_eq!(town.plan(file).await.outcome, "existing");
    assert_eq!(town.plan(&file.replace("gpu", "git")).await.outcome, "superseded");
}

#[tokio::test(start_paused = true)]
async fn a_plan_sees_who_could_run_it_and_that_its_key_is_taken() {
    let town = town().await;
    town.beat("f1").await;
    let file = "---\nidempotencyKey: k\n---\nWork.";
    let plan = town.plan(file).await;
    assert_eq!(plan.factories[0]["fits"], json!(true));
    town.submit(file).await;
    town.claim("f1", std::time::Duration::from_secs(5)).await.unwrap();
    let plan = town.plan("---\nidempotencyKey: k\n---\nOther work.").await;
    assert_eq!(plan.outcome, "conflict");
    assert_eq!(plan.factories[0]["code"], json!("no_seat"));
}

#[tokio::test(start_paused = true)]
async fn a_submission_whose_plan_is_no_longer_true_is_refused() {
    let town = town().await;
    let file = "---\nidempotencyKey: k\n---\nOne.";
    let plan = town.plan(file).await;
    let other = file.replace("One", "Two");
    let receipt = town.ask(&insisting(file, &plan)).await.unwrap();
    assert_eq!(receipt.outcome, "created");
    let no = problem(town.ask(&insisting(&other, &plan)).await);
    assert_eq!((no.code, no.reason.as_deref()), (Code::Conflict, Some("changed_since_plan")));
    let current = no.current.expect("the truth comes with it");
    assert_eq!(current.stage, fleet::StageName::Queued);
    // Its events are recorded and trimmed by now, so that the record stands still.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let plan = town.plan(&other).await;
    let receipt = town.ask(&insisting(&other, &plan)).await.unwrap();
    assert_eq!(receipt.outcome, "superseded");
}

#[tokio::test(start_paused = true)]
async fn a_submission_may_insist_that_its_dependencies_exist() {
    let town = town().await;
    let file = "---\nidempotencyKey: b\ndeps: [a, never]\nrequireDepsExist: true\n---\nWork.";
    town.submit("---\nidempotencyKey: a\n---\nWork.").await;
    let ask = SubmitJob { file: Some(file.to_owned()), ..SubmitJob::default() };
    let planned = PlanJob { file: Some(file.to_owned()), ..PlanJob::default() };
    for no in [problem(town.ask(&ask).await), problem(town.ask(&planned).await)] {
        assert_eq!((no.code, no.field.as_deref()), (Code::Validation, Some("deps")));
        assert_eq!(no.details.len(), 1);
        assert_eq!(no.details[0].message, "never was never submitted");
    }
    town.submit("---\nidempotencyKey: never\n---\nWork.").await;
    assert_eq!(town.ask(&ask).await.unwrap().outcome, "created");
}

#[tokio::test(start_paused = true)]
async fn a_cycle_is_told_in_the_keys_that_its_submitter_knows() {
    let town = town().await;
    town.submit("---\nidempotencyKey: a\ndeps: [b]\n---\nWork.").await;
    let file = "---\nidempotencyKey: b\ndeps: [a]\n---\nWork.";
    assert_eq!(keys(&town.plan(file).await.cycle), ["b", "a", "b"]);
    let ask = SubmitJob { file: Some(file.to_owned()), ..SubmitJob::default() };
    let no = problem(town.ask(&ask).await);
    assert_eq!(no.code, Code::DependencyCycle);
    assert_eq!(no.path, ["b", "a", "b"]);
}
