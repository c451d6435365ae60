//! A fleet whose buckets are nearly full: it takes no new job, ends those that run, and goes on once
//! it was given more room.

use std::process::Stdio;

use client::{CallError, OverHttp};
use clock::System;
use protocol::{Code, SubmitJob};
use serde_json::json;
use servers::{Nats, Options};

use crate::mesh::{Role, patience, stage};
use crate::process::{eventually, gigamesh, ran};

fn large(key: usize) -> SubmitJob {
    let body = "x".repeat(400 << 10);
    let file = format!("---\nidempotencyKey: large-{key}\nengine: nobody-has-it\n---\n{body}\n");
    SubmitJob { file: Some(file), ..SubmitJob::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_is_nearly_full_refuses_new_jobs_by_name_and_ends_those_that_run() {
    let place = tempfile::tempdir().unwrap();
    let options = Options { max_payload: Some(2 << 20), ..Options::default() };
    let (server, folder) = (Nats::start(options).unwrap(), place.path());
    let nats = server.url();
    let init = ["admin", "init", "--nats", &nats, "--partitions", "1", "--max-bytes"];
    let made = ran(folder, &[&init[..], &["16MiB"]].concat()).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let words = ["all", "--listen", "127.0.0.1:0"];
    let fleet = Role::start(folder, (&nats, &server.monitor()), &words).await;
    let (url, token) =
        (fleet.said["url"].as_str().unwrap(), fleet.said["tokenFile"].as_str().unwrap());
    let text = std::fs::read_to_string(token).unwrap();
    let (link, time) = (OverHttp::new(url, text.trim()).unwrap(), System::start());
    let sign = folder.join("go");
    let waits = format!("until [ -e {} ]; do sleep 0.05; done", sign.display());
    let file = format!("---\ncommand: {waits:?}\n---\nrun\n");
    let ask = SubmitJob { file: Some(file), ..SubmitJob::default() };
    let running = link.call(&ask, patience(&time)).await.unwrap().job.id.to_string();
    let mut factory = gigamesh(folder);
    factory.args(["factory", "--id", "f1", "--url", url, "--token-file", token]);
    let _factory = factory.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it runs", async || {
        (stage(&link, &time, &running).await == json!("building")).then_some(())
    })
    .await;
    let mut taken = 0;
    let refused = loop {
        match link.call(&large(taken), patience(&time)).await {
            Ok(_) => taken += 1,
            Err(CallError::Refused(problem)) => break problem,
            Err(other) => panic!("{other}"),
        }
    };
    assert!((30..40).contains(&taken), "{taken} of 400 KiB, of 16 MiB: {refused:?}");
    assert_eq!((refused.code, refused.reason.as_deref()), (Code::Unavailable, Some("store_full")));
    assert!(refused.hint.as_deref().is_some_and(|hint| hint.contains("the bucket fleet_jobs_0")));
    let (status, said) = fleet.side("/readyz").await;
    assert!(status == 200 && said.contains("scarce the bucket fleet_jobs_0"), "{said}");
    let looked = ran(folder, &["doctor", "--nats", &nats, "-o", "table"]).await;
    let told = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(
        told.contains("no new jobs are taken; try gigamesh admin init --max-bytes SIZE"),
        "{told}"
    );
    std::fs::write(&sign, "").unwrap();
    eventually("what runs ends", async || {
        (stage(&link, &time, &running).await == json!("shipped")).then_some(())
    })
    .await;
    let more = ran(folder, &[&init[..], &["64MiB"]].concat()).await;
    assert!(more.status.success(), "{}", String::from_utf8_lossy(&more.stderr));
    eventually("there is room again", async || {
        link.call(&large(taken), patience(&time)).await.ok()
    })
    .await;
    assert!(fleet.side("/metrics").await.1.contains("gigamesh_store_scarce 0"));
    assert_eq!(fleet.stop().await, Some(0));
}
