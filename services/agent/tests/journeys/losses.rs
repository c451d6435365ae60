//! Leases that are lost while the work goes on: the group is stopped, and nothing is said.

use std::sync::atomic::Ordering;

use protocol::{AboutJob, JobAction};
use serde_json::json;

use crate::scripted::{Cut, Scripted};
use crate::town::{Town, eventually, is_gone, pid_in};

const HANG: &str = "---\ncommand: echo $$ > leader; exec sleep 1000\n---\nHang.\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_holder_stops_its_group_and_reports_nothing() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let job = town.submit(HANG).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    town.operate(job, JobAction::Requeue).await;
    is_gone(leader).await;
    // The seat is free again, and the job comes back under another epoch.
    let again = pid_in(&town.in_work(job, 2, "leader")).await;
    assert_ne!(again, leader);
    let found = town.job(job).await;
    assert_eq!((&found["failures"], &found["attempts"]), (&json!(0), &json!(2)));
    let aside = town.home.path().join(format!("f1/quarantine/{job}-1.json"));
    assert!(aside.exists(), "the lost run is kept for people");
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_is_stopped_and_ends_as_cancelled() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let job = town.submit(HANG).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    town.operate(job, JobAction::Cancel).await;
    let ended = town.stage_is(job, "failed").await;
    assert_eq!(ended["failureReason"], json!("cancelled"));
    is_gone(leader).await;
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_without_renewals_stops_before_its_term_ends() {
    let town = Town::new().await;
    let link = Cut::of(&town.link);
    link.no_renewals.store(true, Ordering::SeqCst);
    let factory = town.start(link, town.processes(), town.options("f1", "f1")).await;
    let job = town.submit(HANG).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    is_gone(leader).await;
    // Nobody else may have it yet: the term is 6 s, and the holder stopped 3 s before its end.
    let found = town.job(job).await;
    assert_eq!((&found["stage"], &found["leaseEpoch"]), (&json!("building"), &json!(1)));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_renews_keeps_its_job_beyond_the_term() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let job = town.submit("---\ncommand: sleep 8\n---\nLong.\n").await;
    let shipped = town.stage_is(job, "shipped").await;
    assert_eq!(shipped["attempts"], json!(1));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_waited_longer_than_a_term_is_worth_still_ships() {
    let town = Town::new().await;
    let hands = Scripted::default();
    let factory = town.start(town.link.clone(), hands, town.options("f1", "f1")).await;
    // Of a term of 6 s, 3 s count: the claim is older than that when it is granted.
    let job = town.submit("---\nnotBefore: 4s\n---\nLater.\n").await;
    let shipped = town.stage_is(job, "shipped").await;
    assert_eq!(shipped["attempts"], json!(1));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_agents_of_one_name_only_the_first_works() {
    let town = Town::new().await;
    let (first, second) = (Scripted::default(), Scripted::default());
    let one = town.start(town.link.clone(), first.clone(), town.options("f1", "a")).await;
    let warm = town.submit("---\nidempotencyKey: warm\n---\nWork.\n").await;
    town.stage_is(warm, "shipped").await;
    let two = town.start(town.link.clone(), second.clone(), town.options("f1", "b")).await;
    for n in 0..5 {
        let job = town.submit(&format!("---\nidempotencyKey: k{n}\n---\nWork.\n")).await;
        town.stage_is(job, "shipped").await;
    }
    assert_eq!(first.runs.load(Ordering::SeqCst), 6);
    assert_eq!(second.runs.load(Ordering::SeqCst), 0);
    two.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_a_person_accepts_waits_for_that_person() {
    let town = Town::new().await;
    let factory =
        town.start(town.link.clone(), Scripted::default(), town.options("f1", "f1")).await;
    let job = town.submit("---\nreviewPolicy: manual\n---\nWork.\n").await;
    let parked = town.job_is(job, |job| {
        job["stage"] == json!("testing") && job.get("holderFactoryId").is_none()
    });
    parked.await;
    town.operate(job, JobAction::Ship).await;
    town.stage_is(job, "shipped").await;
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_while_the_work_goes_on() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let script = "printf '40\\thalf\\n' > $GIGAMESH_PROGRESS_FILE; echo $$ > leader; sleep 1000";
    let job = town.submit(&format!("---\ncommand: |\n  {script}\n---\nWork.\n")).await;
    let run = eventually("progress is told", async || {
        let runs = town.found(AboutJob::Runs, job).await;
        runs.into_iter().find(|run| run.get("progress").is_some())
    });
    let run = run.await;
    assert_eq!(run["progress"]["percent"], json!(40));
    assert_eq!(run["progress"]["message"], json!("half"));
    factory.stop().await;
}
