//! Each service in a process of its own, over a genuine nats-server: what one of them wrote the
//! others go on with.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use client::{OverHttp, Patience};
use clock::{Clock, Ids, System};
use protocol::{AboutJob, ListArtifacts, OfJob, SubmitJob};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr};

use crate::process::{PATIENCE, eventually, gigamesh, ran, terminate};

/// One role that serves.
pub(crate) struct Role {
    child: Child,
    pub(crate) said: Value,
}

impl Role {
    pub(crate) async fn start(
        folder: &Path,
        (nats, monitor): (&str, &str),
        words: &[&str],
    ) -> Self {
        let mut command = gigamesh(folder);
        command.arg("serve").args(words).args(["--nats", nats, "--side-port", "0"]);
        command.args(["--nats-monitor", monitor]);
        Self::serving(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()).await
    }

    /// Once it says what it serves.
    async fn serving(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts");
        let said = serde_json::from_str(&line.unwrap().expect("it says what it serves")).unwrap();
        Self { child, said }
    }

    /// Status and body of one of the side port's answers.
    pub(crate) async fn side(&self, path: &str) -> (u16, String) {
        let address = self.said["side"].as_str().unwrap().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let ask = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub(crate) async fn stop(mut self) -> Option<i32> {
        terminate(&self.child);
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap().code()
    }
}

pub(crate) async fn stage(link: &OverHttp, time: &System, job: &str) -> Value {
    let ask = OfJob { query: AboutJob::Get, job: job.to_owned() };
    let patience = patience(time);
    link.call(&ask, patience).await.unwrap().items.remove(0)["stage"].clone()
}

pub(crate) fn patience(time: &System) -> Patience {
    Patience { request_id: time.mint(), until: time.now().plus(PATIENCE), span: PATIENCE }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_in_its_own_process_over_nats_ships_a_job() {
    let place = tempfile::tempdir().unwrap();
    let options = servers::Options { max_payload: Some(2 << 20), ..servers::Options::default() };
    let (server, folder) = (servers::Nats::start(options).unwrap(), place.path());
    let nats = server.url();
    let refused = ran(folder, &["serve", "submit", "--nats", &nats]).await;
    assert!(!refused.status.success(), "nobody makes buckets unasked");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("admin init"));
    let made = ran(folder, &["admin", "init", "--nats", &nats]).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let door = ["gateway", "--listen", "127.0.0.1:0"];
    let mut roles = Vec::new();
    for words in
        [&["scheduler"][..], &["scheduler"], &["lease-keeper"], &["submit"], &door, &["artifact"]]
    {
        roles.push(Role::start(folder, (&nats, &server.monitor()), words).await);
    }
    let known = "durability durable, single: synced before every answer, on one disk\n";
    for role in &roles {
        assert_eq!(role.side("/healthz").await.0, 200);
        assert_eq!(role.side("/readyz").await, (200, format!("ready\n{known}")));
        assert!(role.side("/metrics").await.1.contains("gigamesh_build_info"));
    }
    let said = &roles[4].said;
    let url = said["url"].as_str().unwrap().to_owned();
    let token = PathBuf::from(said["tokenFile"].as_str().unwrap());
    let text = std::fs::read_to_string(&token).unwrap();
    let (link, time) = (OverHttp::new(&url, text.trim()).unwrap(), System::start());
    let ask = SubmitJob {
        file: Some("---\nengine: echo\n---\nhello\n".to_owned()),
        ..SubmitJob::default()
    };
    let job = link.call(&ask, patience(&time)).await.unwrap().job.id.to_string();
    let mut factory = gigamesh(folder);
    let token = token.to_str().unwrap();
    factory.args(["factory", "--id", "f1", "--url", &url, "--token-file", token]);
    let _factory = factory.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the job ships", async || {
        (stage(&link, &time, &job).await == json!("shipped")).then_some(())
    })
    .await;
    let counted = roles[3].side("/metrics").await.1;
    // For the folder's own token, which may do everything, the door speaks there.
    let line = "gigamesh_answers_total{line=\"fleet.v1.*.submit.yolo\",status=\"200\"} 1\n";
    assert!(counted.contains(line), "{counted}");
    // By the news of its end; the sweep would do it too, and then count it.
    let ask = ListArtifacts { job: job.clone(), kind: None, limit: None, cursor: None };
    eventually("its log is closed", async || {
        let items = link.call(&ask, patience(&time)).await.unwrap().items;
        (items.len() == 1).then_some(())
    })
    .await;
    let swept = ran(folder, &["admin", "sweep", "--nats", &nats, "-o", "json"]).await;
    assert!(swept.status.success(), "{}", String::from_utf8_lossy(&swept.stderr));
    let told: Value = serde_json::from_slice(&swept.stdout).unwrap();
    assert_eq!(told, json!({ "blobs": 0, "pending": 0, "expired": 0, "logs": 0 }));
    server.freeze().unwrap();
    let failing = roles[0].side("/readyz").await;
    server.thaw().unwrap();
    assert_eq!((failing.0, failing.1.contains("store")), (503, true), "{failing:?}");
    for role in roles {
        assert_eq!(role.stop().await, Some(0));
    }
}

/// Whether it is said before the end.
async fn is_said(lines: &mut Lines<BufReader<ChildStderr>>, what: &str) -> bool {
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains(what) {
            return true;
        }
    }
    false
}

/// One of three servers takes the connection and has nobody to ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_starts_while_servers_have_no_leader_waits_for_one() {
    let place = tempfile::tempdir().unwrap();
    let options = servers::Options { max_payload: Some(2 << 20), ..servers::Options::default() };
    let cluster = servers::Cluster::start(&options).unwrap();
    let url = cluster.url();
    let made = ran(place.path(), &["admin", "init", "--nats", &url, "--replicas", "3"]).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let [alone, others @ ..] = cluster.nodes() else { panic!("there are three") };
    others.iter().for_each(|node| node.freeze().unwrap());
    let mut command = gigamesh(place.path());
    command.args(["serve", "submit", "--allow-weak-durability", "--nats", &alone.url()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = is_said(&mut said, "waiting for NATS");
    assert!(tokio::time::timeout(PATIENCE, waits).await.expect("it says something"), "it ended");
    others.iter().for_each(|node| node.thaw().unwrap());
    let submit = Role::serving(child).await;
    assert_eq!(submit.stop().await, Some(0));
}

#[tokio::test]
async fn a_service_alone_on_a_bus_in_memory_is_refused_with_a_remedy() {
    let place = tempfile::tempdir().unwrap();
    for words in [&["serve", "scheduler"][..], &["serve", "submit", "--bus", "memory"]] {
        let refused = ran(place.path(), words).await;
        assert_eq!(refused.status.code(), Some(64));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--nats"));
    }
    let words = ["serve", "submit", "--nats", "nats://127.0.0.1:1", "--store", "embedded"];
    let refused = ran(place.path(), &words).await;
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--store nats"));
}

#[tokio::test]
async fn a_term_that_a_holder_could_not_keep_is_refused() {
    let place = tempfile::tempdir().unwrap();
    for seconds in ["5", "301", "soon"] {
        let words = ["serve", "submit", "--nats", "nats://127.0.0.1:1", "--lease-ttl", seconds];
        let refused = ran(place.path(), &words).await;
        assert_eq!(refused.status.code(), Some(64), "{seconds}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--lease-ttl"));
    }
}
