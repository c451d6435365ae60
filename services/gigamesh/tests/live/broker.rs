//! A fleet of one process on a nats-server of its own: what was acknowledged survives any end, and
//! no end leaves a server behind.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::process::{PATIENCE, Running, eventually, gigamesh, ran};

const HELLO: &str = "---\nidempotencyKey: hello\nengine: echo\n---\nhello\n";

async fn dev(folder: &Path, factories: &str) -> Running {
    let mut command = gigamesh(folder);
    command.args(["dev", "--port", "0", "--nats", "spawn", "--factories", factories]);
    command.env("GIGAMESH_NATS_SERVER", servers::program().unwrap());
    // A terminal's Ctrl-C reaches the whole group.
    command.process_group(0);
    Running::of(command).await
}

async fn ships(dev: &Running, job: &str) -> Value {
    eventually("the job ships", async || {
        Some(dev.job(job).await).filter(|job| job["stage"] == "shipped")
    })
    .await
}

async fn is_gone(server: &str) {
    let address: SocketAddr = server.strip_prefix("nats://").unwrap().parse().unwrap();
    eventually("the server is gone", async || TcpStream::connect(address).err()).await;
}

#[tokio::test]
async fn dev_on_a_server_of_its_own_keeps_its_jobs_and_leaves_no_server_behind() {
    let place = tempfile::tempdir().unwrap();
    let fleet = dev(place.path(), "1").await;
    let server = fleet.said["nats"].as_str().unwrap().to_owned();
    fleet.submit(HELLO).await.unwrap();
    let shipped = ships(&fleet, "hello").await;
    assert_eq!(fleet.interrupt().await, Some(0), "it hands back what runs and ends in order");
    is_gone(&server).await;
    let fleet = dev(place.path(), "0").await;
    assert_eq!(fleet.job("hello").await["id"], shipped["id"]);
    fleet.submit("---\nidempotencyKey: next\nengine: echo\n---\nx\n").await.unwrap();
    let server = fleet.said["nats"].as_str().unwrap().to_owned();
    fleet.kill().await;
    is_gone(&server).await;
    let fleet = dev(place.path(), "1").await;
    ships(&fleet, "next").await;
    assert_eq!(fleet.stop().await, Some(0));
}

#[tokio::test]
async fn dev_makes_what_it_needs_on_a_new_server_only() {
    let place = tempfile::tempdir().unwrap();
    let options = servers::Options { max_payload: Some(2 << 20), ..servers::Options::default() };
    let server = servers::Nats::start(options).unwrap();
    let words = ["--nats", &server.url(), "--factories", "1"];
    let fleet = Running::dev(place.path(), &words).await;
    fleet.submit(HELLO).await.unwrap();
    ships(&fleet, "hello").await;
    assert_eq!(fleet.stop().await, Some(0));
    let lost = server.store().join("$G/streams/KV_fleet_locks");
    server.kill();
    std::fs::remove_dir_all(&lost).expect("the bucket lies there");
    server.restart().unwrap();
    let words = ["dev", "--port", "0", "--nats", &server.url()];
    let refused = ran(place.path(), &words).await;
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("the bucket fleet_locks is missing"), "{told}");
    assert!(told.contains("admin init --new-generation"), "{told}");
}

#[tokio::test]
async fn dev_does_not_stand_on_a_server_that_syncs_late_unless_it_is_told_to() {
    let place = tempfile::tempdir().unwrap();
    let sync = servers::SyncMode::ServerDefault;
    let options = servers::Options { max_payload: Some(2 << 20), sync, ..Default::default() };
    let server = servers::Nats::start(options).unwrap();
    let (url, monitor) = (server.url(), server.monitor());
    let words = ["--nats", &url, "--nats-monitor", &monitor, "--factories", "0"];
    let refused = ran(place.path(), &[&["dev", "--port", "0"][..], &words].concat()).await;
    assert_eq!(refused.status.code(), Some(64));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("durability weak: synced up to 120 s"), "{told}");
    let words = [&words[..], &["--allow-weak-durability"]].concat();
    let fleet = Running::dev(place.path(), &words).await;
    assert_eq!(fleet.stop().await, Some(0));
}

#[tokio::test]
async fn without_a_server_to_start_it_is_told_how_to_get_one() {
    let place = tempfile::tempdir().unwrap();
    let mut command = gigamesh(place.path());
    command.args(["dev", "--port", "0", "--nats", "spawn"]).env_remove("GIGAMESH_NATS_SERVER");
    let ended = command.env("PATH", place.path()).stdout(Stdio::null()).output();
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it ends").unwrap();
    assert_eq!(ended.status.code(), Some(64));
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("cargo xtask setup") && told.contains("GIGAMESH_NATS_SERVER"), "{told}");
    let both = ran(place.path(), &["dev", "--ephemeral", "--nats", "spawn"]).await;
    assert_eq!(both.status.code(), Some(64), "what is kept on a server is not forgotten");
}

/// Figures over NATS need nothing but the binary and a server's program.
#[tokio::test]
async fn a_measure_over_nats_starts_servers_of_its_own_and_leaves_nothing_behind() {
    for replicas in ["1", "3"] {
        let place = tempfile::tempdir().unwrap();
        let mut command = gigamesh(place.path());
        command.args(["bench", "claims", "--store", "nats", "--jobs", "40", "--in-flight", "4"]);
        command.args(["--seconds", "1", "--replicas", replicas]);
        command.arg("--place").arg(place.path()).args(["-o", "json"]);
        command.env("GIGAMESH_NATS_SERVER", servers::program().unwrap());
        let ended = tokio::time::timeout(PATIENCE, command.output()).await;
        let ended = ended.expect("it ends").unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
        let figure: Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!((&figure["what"], &figure["store"]), (&"claims".into(), &"nats".into()));
        assert_eq!(figure["violations"], 0);
        let floor = figure["floor"]["perSec"].as_f64();
        assert!(figure["perSec"].as_f64() > Some(0.0) && floor > Some(0.0), "{figure}");
        let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().flatten().collect();
        let named = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        assert!(!left.iter().any(|entry| named(entry).contains("bench")), "{left:?}");
    }
}
