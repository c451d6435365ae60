//! Servers that promise too little, and a store that loses what it promised: refused at the start
//! by its name, and read no further than it can be believed while a fleet runs.

use client::{CallError, OverHttp};
use clock::System;
use fleet::StageName;
use protocol::{Code, SubmitJob};
use servers::{Nats, Options, SyncMode};

use crate::mesh::{Role, patience, stage};
use crate::process::{eventually, ran};

fn server(sync: SyncMode) -> Nats {
    Nats::start(Options { sync, max_payload: Some(2 << 20), ..Options::default() }).unwrap()
}

fn echo(key: &str) -> SubmitJob {
    let file = format!("---\nidempotencyKey: {key}\nengine: echo\n---\nhello\n");
    SubmitJob { file: Some(file), ..SubmitJob::default() }
}

#[tokio::test]
async fn a_server_that_acknowledges_before_it_syncs_is_refused_by_name_unless_that_is_allowed() {
    let place = tempfile::tempdir().unwrap();
    let (server, folder) = (server(SyncMode::ServerDefault), place.path());
    let (nats, monitor) = (server.url(), server.monitor());
    let at = ["--nats", &nats, "--nats-monitor", &monitor];
    let allow = ["--allow-weak-durability"];
    let init = ["admin", "init"];
    let refused = ran(folder, &[&init[..], &at].concat()).await;
    assert_eq!(refused.status.code(), Some(64));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("weak: synced up to 120 s after the answer"), "{told}");
    assert!(told.contains("--allow-weak-durability"), "{told}");
    assert_eq!(server.monitored("/jsz").unwrap()["streams"], 0, "nothing was made");
    let made = ran(folder, &[&init[..], &at, &allow].concat()).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let refused = ran(folder, &[&["serve", "submit"][..], &at].concat()).await;
    assert_eq!(refused.status.code(), Some(64));
    let words = ["submit", "--allow-weak-durability"];
    let allowed = Role::start(folder, (&nats, &monitor), &words).await;
    assert!(allowed.said["durability"].as_str().unwrap().starts_with("weak"));
    let looked = ran(folder, &[&["doctor"][..], &at, &["--write", "-o", "table"]].concat()).await;
    assert_eq!(looked.status.code(), Some(1), "a weak server is no sound one");
    let told = String::from_utf8_lossy(&looked.stdout);
    for part in ["durability  BAD    weak", "records     ok", "streams     ok", "write       ok"] {
        assert!(told.contains(part), "no {part:?} in\n{told}");
    }
}

#[tokio::test]
async fn doctor_names_what_is_missing_and_says_how_to_learn_when_a_server_syncs() {
    let place = tempfile::tempdir().unwrap();
    let (server, folder) = (server(SyncMode::Always), place.path());
    let nats = server.url();
    let looked = ran(folder, &["doctor", "--nats", &nats, "-o", "table"]).await;
    assert_eq!(looked.status.code(), Some(1));
    let told = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(told.contains("the bucket fleet_control is missing"), "{told}");
    assert!(ran(folder, &["admin", "init", "--nats", &nats]).await.status.success());
    let looked = ran(folder, &["doctor", "--nats", &nats, "-o", "table"]).await;
    let told = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(told.contains("--nats-monitor http://HOST:8222"), "{told}");
    assert!(told.contains("no scheduler answers over NATS"), "{told}");
    server.kill();
    std::fs::remove_dir_all(server.store().join("$G/streams/KV_fleet_locks")).unwrap();
    server.restart().unwrap();
    let looked = ran(folder, &["doctor", "--nats", &nats, "-o", "table"]).await;
    assert_eq!(looked.status.code(), Some(1));
    let told = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(told.contains("the bucket fleet_locks is missing: its data was lost"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_whose_store_lost_a_bucket_goes_on_reading_and_refuses_every_write_by_name() {
    let place = tempfile::tempdir().unwrap();
    let (server, folder) = (server(SyncMode::Always), place.path());
    let nats = server.url();
    assert!(ran(folder, &["admin", "init", "--nats", &nats]).await.status.success());
    let words = ["all", "--listen", "127.0.0.1:0"];
    let fleet = Role::start(folder, (&nats, &server.monitor()), &words).await;
    let token = std::fs::read_to_string(fleet.said["tokenFile"].as_str().unwrap()).unwrap();
    let link = OverHttp::new(fleet.said["url"].as_str().unwrap(), token.trim()).unwrap();
    let time = System::start();
    let receipt = link.call(&echo("before"), patience(&time)).await.unwrap();
    let before = receipt.job.id.to_string();
    server.kill();
    std::fs::remove_dir_all(server.store().join("$G/streams/KV_fleet_locks")).unwrap();
    server.restart().unwrap();
    let said = eventually("it is seen", async || {
        let (status, said) = fleet.side("/readyz").await;
        said.contains("store_generation").then_some((status, said))
    })
    .await;
    assert_eq!(said.0, 503);
    assert!(said.1.contains("lost the store cannot be used as it is: the bucket fleet_locks"));
    let refused = link.call(&echo("after"), patience(&time)).await;
    let Err(CallError::Refused(problem)) = refused else { panic!("{refused:?}") };
    let reason = problem.reason.as_deref();
    assert_eq!((problem.code, reason), (Code::Unavailable, Some("store_generation")));
    assert!(problem.hint.as_deref().is_some_and(|hint| hint.contains("--new-generation")));
    let stands = stage(&link, &time, &before).await;
    assert_eq!(stands, serde_json::to_value(StageName::Queued).unwrap(), "it is still read");
    assert_eq!(fleet.stop().await, Some(0));
}
