//! A worker host as a process of its own, over HTTP.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;

use crate::process::{PATIENCE, Running, eventually, gigamesh, terminate};

fn factory(folder: &Path, fleet: &Running, id: &str) -> Child {
    let mut command = gigamesh(folder);
    command.args(["factory", "--id", id, "--url", &fleet.url, "--token-file"]);
    command.arg(&fleet.token_file).stderr(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn a_factory_works_over_http_and_hands_back_what_it_holds_when_it_is_stopped() {
    let place = tempfile::tempdir().unwrap();
    let fleet = Running::dev(place.path(), &["--factories", "0"]).await;
    let mut first = factory(place.path(), &fleet, "first");
    let marker = place.path().join("marker");
    let file = format!(
        "---\nidempotencyKey: long\ncommand: test -e {0} || {{ touch {0}; sleep 600; }}\n---\nx\n",
        marker.display()
    );
    fleet.submit("---\nidempotencyKey: quick\nengine: echo\n---\nhello\n").await.unwrap();
    fleet.submit(&file).await.unwrap();
    eventually("the long one runs", async || marker.exists().then_some(())).await;
    assert_eq!(fleet.job("quick").await["stage"], "shipped");
    terminate(&first);
    let ended = tokio::time::timeout(PATIENCE, first.wait()).await.expect("it ends").unwrap();
    assert_eq!(ended.code(), Some(0), "a polite end is a clean one");
    let back = fleet.job("long").await;
    assert_eq!((&back["stage"], &back["failures"]), (&"queued".into(), &0.into()));
    let _second = factory(place.path(), &fleet, "second");
    let job = eventually("another one ships it", async || {
        Some(fleet.job("long").await).filter(|job| job["stage"] == "shipped")
    })
    .await;
    assert!(job["leaseEpoch"].as_u64() > back["leaseEpoch"].as_u64());
}

/// Well below the half minute after which a silent factory loses its name.
const AT_ONCE: Duration = Duration::from_secs(15);

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_factory_that_was_killed_works_again_as_soon_as_it_is_started() {
    let place = tempfile::tempdir().unwrap();
    let fleet = Running::dev(place.path(), &["--factories", "0"]).await;
    let mut first = factory(place.path(), &fleet, "first");
    fleet.submit("---\nidempotencyKey: before\nengine: echo\n---\nhello\n").await.unwrap();
    let shipped = async |key: &str| {
        eventually("it is shipped", async || {
            Some(fleet.job(key).await).filter(|job| job["stage"] == "shipped")
        })
        .await
    };
    shipped("before").await;
    first.kill().await.unwrap();
    let _again = factory(place.path(), &fleet, "first");
    fleet.submit("---\nidempotencyKey: after\nengine: echo\n---\nhello\n").await.unwrap();
    tokio::time::timeout(AT_ONCE, shipped("after")).await.expect("its name is taken over");
}
