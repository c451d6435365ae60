//! Agents that stop, crash and come back.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::sync::atomic::Ordering;

use agent::Process;
use protocol::{FactoryAction, OperateFactory};
use serde_json::json;

use crate::scripted::{Cut, Scripted};
use crate::town::{Town, eventually, is_gone, pid_in};

const HANG: &str = "---\ncommand: echo $$ > leader; exec sleep 1000\n---\nHang.\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_agent_hands_its_job_back_uncharged() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let job = town.submit(HANG).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    factory.stop().await;
    let found = town.stage_is(job, "queued").await;
    assert_eq!((&found["failures"], &found["reaps"]), (&json!(0), &json!(0)));
    is_gone(leader).await;
    assert_eq!(fs::read_dir(town.home.path().join("f1/claims")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(town.home.path().join("f1/outbox")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_agent_ends_what_runs_and_hands_it_back() {
    let town = Town::new().await;
    let job = town.submit("---\ncommand: echo again\n---\nWork.\n").await;
    // What a crash leaves: a process group, and a claim on disk that names it.
    let held = town.claimed("f1").await;
    let mut left = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let process = Process::of(left.id().try_into().unwrap());
    let claim = json!({
        "jobId": job,
        "epoch": held.lease_epoch,
        "nonce": held.claim_nonce,
        "process": process,
    });
    let claims = town.home.path().join("f1/claims");
    fs::create_dir_all(&claims).unwrap();
    fs::write(claims.join(format!("{job}.json")), claim.to_string()).unwrap();
    let factory = town.factory().await;
    is_gone(process.pid).await;
    assert!(left.wait().unwrap().signal().is_some(), "it was killed");
    let shipped = town.stage_is(job, "shipped").await;
    let counted = ["attempts", "failures", "reaps"].map(|name| shipped[name].clone());
    assert_eq!(counted, [json!(2), json!(0), json!(0)]);
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_nonce_nothing_is_inherited() {
    let town = Town::new().await;
    let job = town.submit("---\ncommand: echo again\n---\nWork.\n").await;
    let held = town.claimed("f1").await;
    let claim = json!({
        "jobId": job,
        "epoch": held.lease_epoch,
        "nonce": "01890a5d-ac96-774b-bcce-b302099a8057",
    });
    let claims = town.home.path().join("f1/claims");
    fs::create_dir_all(&claims).unwrap();
    fs::write(claims.join(format!("{job}.json")), claim.to_string()).unwrap();
    let factory = town.factory().await;
    let aside = town.home.path().join("f1/quarantine");
    let refused =
        eventually("its report is put aside", async || fs::read_dir(&aside).ok()?.next().map(drop));
    refused.await;
    let found = town.job(job).await;
    assert_eq!((&found["stage"], &found["leaseEpoch"]), (&json!("building"), &json!(1)));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_was_not_answered_is_sent_by_the_next_agent() {
    let town = Town::new().await;
    let link = Cut::of(&town.link);
    link.deaf_to_releases.store(true, Ordering::SeqCst);
    let mut options = town.options("f1", "f1");
    options.pace.farewell = std::time::Duration::from_millis(200);
    let factory = town.start(link, Scripted::default(), options.clone()).await;
    let job = town.submit("Work.").await;
    town.stage_is(job, "shipped").await;
    factory.stop().await;
    let outbox = town.home.path().join("f1/outbox");
    assert_eq!(fs::read_dir(&outbox).unwrap().count(), 1);
    // The same report under the same id: answered from what was done.
    let next = town.start(town.link.clone(), Scripted::default(), options).await;
    let sent = eventually("the outbox is empty", async || {
        fs::read_dir(&outbox).unwrap().next().is_none().then_some(())
    });
    sent.await;
    assert_eq!(fs::read_dir(town.home.path().join("f1/quarantine")).unwrap().count(), 0);
    assert_eq!(town.job(job).await["attempts"], json!(1));
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_believed_is_said_again_until_it_is() {
    let town = Town::new().await;
    let link = Cut::of(&town.link);
    link.unbelieved.store(true, Ordering::SeqCst);
    let tried = async |times| {
        eventually("it is tried again", async || {
            (link.disbeliefs.load(Ordering::SeqCst) >= times).then_some(())
        })
        .await;
    };
    let factory = town.start(link.clone(), Scripted::default(), town.options("f1", "f1")).await;
    let job = town.submit("Work.").await;
    // First that it begins.
    tried(2).await;
    assert_eq!(town.job(job).await["stage"], json!("assigned"));
    link.unbelieved.store(false, Ordering::SeqCst);
    let shipped = town.stage_is(job, "shipped").await;
    assert_eq!((&shipped["attempts"], &shipped["leaseEpoch"]), (&json!(1), &json!(1)));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_not_believed_is_not_put_aside() {
    let town = Town::new().await;
    let link = Cut::of(&town.link);
    let factory = town.start(link.clone(), town.processes(), town.options("f1", "f1")).await;
    let go = town.home.path().join("go");
    let command = format!("until test -e {}; do sleep 0.1; done", go.display());
    let job = town.submit(&format!("---\ncommand: '{command}'\n---\nWork.\n")).await;
    town.stage_is(job, "building").await;
    link.unbelieved.store(true, Ordering::SeqCst);
    fs::write(&go, "").unwrap();
    let refused = eventually("it is refused twice", async || {
        (link.disbeliefs.load(Ordering::SeqCst) >= 2).then_some(())
    });
    refused.await;
    assert_eq!(fs::read_dir(town.home.path().join("f1/quarantine")).unwrap().count(), 0);
    link.unbelieved.store(false, Ordering::SeqCst);
    let shipped = town.stage_is(job, "shipped").await;
    assert_eq!((&shipped["attempts"], &shipped["leaseEpoch"]), (&json!(1), &json!(1)));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_factory_that_stopped_makes_room_for_its_next_start_at_once() {
    let town = Town::new().await;
    let factory = town.start(town.link.clone(), Scripted::default(), town.options("f1", "f1"));
    let factory = factory.await;
    let job = town.submit("Work.").await;
    town.stage_is(job, "shipped").await;
    assert_eq!(town.beats("f1").await, Err(Some(String::from("incarnation_in_use"))));
    factory.stop().await;
    assert_eq!(town.beats("f1").await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_factory_drained_at_once_gives_its_job_to_another_uncharged() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let job = town.submit(HANG).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    let drain = OperateFactory {
        action: FactoryAction::Drain,
        factory_id: "f1".parse().unwrap(),
        now: true,
    };
    assert_eq!(town.ask(&drain).await["drainingNow"], json!(true));
    let found = town.stage_is(job, "queued").await;
    assert_eq!((&found["failures"], &found["reaps"]), (&json!(0), &json!(0)));
    is_gone(leader).await;
    town.claimed("f2").await;
    factory.stop().await;
}
