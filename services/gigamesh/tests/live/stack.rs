//! What the containers of `docker-compose.yml` are told, told to plain processes on loopback beside
//! a genuine nats-server with the stack's own configuration: the stack without its containers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use stack::{Service, Stack};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::process::{PATIENCE, eventually, gigamesh, terminate};

const TOKEN: &str = "a-token-of-more-than-thirty-two-characters";

/// Where the containers' places lie here.
struct Ground {
    folder: PathBuf,
    nats: String,
    /// Known once it is open.
    door: Option<String>,
}

impl Ground {
    fn moved(&self, text: &str, own: &Path) -> String {
        let own = own.to_str().unwrap();
        let text =
            text.replace("nats://nats:4222", &self.nats).replace("0.0.0.0:4600", "0.0.0.0:0");
        // The one place that two containers share.
        let blobs = self.folder.join("blobs").display().to_string();
        let text = text.replace("/var/lib/gigamesh/blobs", &blobs);
        let text = text.replace("/tmp/gigamesh", own).replace("/var/lib/gigamesh", own);
        match &self.door {
            Some(door) => text.replace("http://gateway:4600", door),
            None => text,
        }
    }

    /// One container's process: its words, and nothing but its variables.
    fn command(&self, service: &Service, number: u64, words: &[String]) -> Command {
        let own = self.folder.join(format!("{}-{number}", service.name));
        std::fs::create_dir_all(&own).unwrap();
        let mut command = gigamesh(&own);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        for (name, value) in service.environment() {
            command.env(name, self.moved(&value, &own));
        }
        // The one port that every container has to itself.
        if service.environment().contains_key("GIGAMESH_SIDE_PORT") {
            command.env("GIGAMESH_SIDE_PORT", "0");
        }
        command.args(words.iter().map(|word| self.moved(word, &own)));
        command
    }

    /// Its health check, in its surroundings.
    async fn checked(&self, service: &Service, said: &Value) -> Output {
        let check = service.check().expect("a check");
        let mut command = self.command(service, 0, &check[1..]);
        if let Some(side) = said["side"].as_str() {
            command.env("GIGAMESH_SIDE_PORT", side.rsplit_once(':').unwrap().1);
        }
        tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap()
    }
}

/// One replica that serves, and its first line.
async fn started(mut command: Command) -> (Child, Value) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts");
    let said = serde_json::from_str(&line.unwrap().expect("it says what it serves")).unwrap();
    (child, said)
}

/// The stack's own server, on free ports of loopback and in a folder of this test.
fn nats(folder: &Path) -> servers::Nats {
    let mut extra = stack::text("deploy/nats.conf");
    let store = folder.join("records").display().to_string();
    for (there, here) in
        [("0.0.0.0:4222", "127.0.0.1:-1"), ("0.0.0.0:8222", "127.0.0.1:-1"), ("/data", &store)]
    {
        assert_eq!(extra.matches(there).count(), 1, "{there}");
        extra = extra.replace(there, here);
    }
    let server = servers::Nats::start(servers::Options {
        sync: servers::SyncMode::ServerDefault,
        extra,
        ..servers::Options::default()
    });
    server.unwrap()
}

/// Status of what is asked under this name.
async fn asked_as(host: &str, port: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    let ask = format!("GET /readyz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

fn is_fine(output: &Output) -> bool {
    output.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_containers_are_told_ships_a_job_without_containers() {
    let place = tempfile::tempdir().unwrap();
    let stack = Stack::read(&BTreeMap::from([("GIGAMESH_TOKEN", TOKEN)]));
    let server = nats(place.path());
    let set = server.monitored("/varz").unwrap();
    assert_eq!(set["max_payload"], json!(2 << 20));
    assert_eq!(set["jetstream"]["config"]["sync_always"], json!(true));
    let look = stack.service("nats").check().unwrap().pop().unwrap();
    let look = look.strip_prefix("http://127.0.0.1:8222").unwrap();
    assert_eq!(server.monitored(look).unwrap()["status"], json!("ok"));
    let mut ground = Ground { folder: place.path().to_owned(), nats: server.url(), door: None };
    let init = stack.service("init");
    for _again in 0..2 {
        let made = ground.command(&init, 0, &init.command()).output().await.unwrap();
        assert!(is_fine(&made), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let mut running = Vec::new();
    for service in stack.services().iter().filter(|one| one.command()[0] == "serve") {
        for number in 0..service.replicas() {
            let words = service.command();
            let (child, said) = started(ground.command(service, number, &words)).await;
            let checked = ground.checked(service, &said).await;
            assert!(is_fine(&checked), "{}", String::from_utf8_lossy(&checked.stderr));
            running.push((child, said));
        }
    }
    assert_eq!(running.len(), 6, "two schedulers among them");
    let door = running.iter().find_map(|(_, said)| said["url"].as_str()).unwrap().to_owned();
    let port = door.rsplit_once(':').unwrap().1;
    assert_eq!(asked_as("gateway:4600", port).await, "200");
    assert_eq!(asked_as("evil.example", port).await, "403");
    ground.door = Some(door.clone());
    for service in ["north", "south"].map(|name| stack.service(name)) {
        let mut command = ground.command(&service, 0, &service.command());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        running.push((child, Value::Null));
        eventually("the fleet knows the factory", async || {
            is_fine(&ground.checked(&service, &Value::Null).await).then_some(())
        })
        .await;
    }
    let mut submit = gigamesh(stack::root());
    submit.env_clear().env("GIGAMESH_URL", &door).env("GIGAMESH_TOKEN", TOKEN);
    let submit = submit.args(["submit", "examples/hello.md", "--wait"]).output();
    let shipped = tokio::time::timeout(PATIENCE, submit).await.expect("it ends").unwrap();
    assert!(is_fine(&shipped), "{}", String::from_utf8_lossy(&shipped.stderr));
    assert!(String::from_utf8_lossy(&shipped.stdout).contains("\"shipped\""));
    // As containers are stopped: whoever depends on another goes first.
    for (mut child, _) in running.into_iter().rev() {
        terminate(&child);
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends");
        assert_eq!(ended.unwrap().code(), Some(0));
    }
}
