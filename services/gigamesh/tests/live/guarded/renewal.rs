//! Credentials end, and are renewed in their file without a new start.

use std::process::Stdio;

use serde_json::json;

use super::raw::Raw;
use super::town::Town;
use crate::process::{eventually, gigamesh};

const PRODUCT: &str = "Acme";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_on_with_credentials_that_ended_is_cut_off() {
    let town = Town::plain().await;
    let words = ["viewer", "--product", PRODUCT, "--name", "me", "--ttl", "2s"];
    let file = town.issue(&words).await;
    let mut raw = Raw::connect(&town.server.url(), &file).await.expect("they are good for a while");
    let last = raw.end().await;
    assert!(last.to_lowercase().contains("expired"), "{last}");
    let refused = Raw::connect(&town.server.url(), &file).await.err().expect("they are over");
    assert!(refused.contains("Expired"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factory_whose_file_is_renewed_in_time_works_on() {
    let town = Town::plain().await;
    town.init().await;
    let url = town.url();
    let mut services = gigamesh(town.folder());
    services.args(["serve", "all", "--listen", "127.0.0.1:0", "--nats", &url]);
    services.args(town.as_whom(&town.issue(&["all"]).await));
    services.args(["--nats-monitor", &town.server.monitor()]);
    let _services = services.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let issue = ["factory", "--product", PRODUCT, "--factory", "F1", "--out", "f1.creds", "--ttl"];
    let short = town.issue(&[&issue[..], &["4s"]].concat()).await;
    let old = town.folder().join("old.creds");
    std::fs::copy(&short, &old).unwrap();
    let mut factory = gigamesh(town.folder());
    factory.args(["factory", "--id", "F1", "--product", PRODUCT, "--nats", &url]);
    factory.args(town.as_whom(&short));
    let mut factory = factory.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut with_old = Raw::connect(&town.server.url(), &old).await.expect("not yet over");
    town.issue(&[&issue[..], &["1h"]].concat()).await;
    assert!(with_old.end().await.to_lowercase().contains("expired"), "the old ones are over");
    let mut producer = town.raw(&["producer", "--product", PRODUCT, "--name", "ci"]).await;
    let file = json!({ "file": "---\nengine: echo\nidempotencyKey: late\n---\nx\n" });
    let receipt = producer.request(&format!("fleet.v1.{PRODUCT}.submit"), &file).await;
    assert_eq!(receipt["outcome"], "created", "{receipt}");
    let producer = tokio::sync::Mutex::new(producer);
    eventually("the factory ships it", async || {
        let ask = json!({ "query": "get", "job": "late" });
        let mut producer = producer.lock().await;
        let found = producer.request(&format!("fleet.v1.{PRODUCT}.q.get"), &ask).await;
        (found["items"][0]["stage"] == "shipped").then_some(())
    })
    .await;
    assert!(factory.try_wait().unwrap().is_none(), "it is the same process");
}
