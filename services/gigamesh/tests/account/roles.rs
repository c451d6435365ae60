//! From `admin init` to a shipped job, with each service in a process of its own and with all of
//! them in one: what one of them wrote the others go on with, killed and started again too.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::emulator::Account;

/// Longer than anything here takes, so that only what hangs meets it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder, an account and a server that carries messages.
struct Ground {
    folder: tempfile::TempDir,
    account: Account,
    nats: servers::Nats,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let account = Account::start(folder.path());
        let limits = servers::Options { max_payload: Some(2 << 20), ..servers::Options::default() };
        let nats = servers::Nats::start(limits).unwrap_or_else(|trouble| panic!("{trouble}"));
        Self { folder, account, nats }
    }

    fn at(&self) -> &Path {
        self.folder.path()
    }

    /// What every process is told of where records and messages are.
    fn gigamesh(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gigamesh"));
        command.current_dir(self.at()).args(words).stdin(Stdio::null()).kill_on_drop(true);
        command.env("GIGAMESH_STORE", self.account.store());
        command.env("GIGAMESH_COSMOS_KEY_FILE", self.account.key());
        command.env("GIGAMESH_NATS", self.nats.url());
        command
    }

    /// Runs it to its end.
    async fn ran(&self, words: &[&str]) -> Output {
        let output = self.gigamesh(words).output();
        tokio::time::timeout(PATIENCE, output).await.expect("it ends").unwrap()
    }

    async fn succeeded(&self, words: &[&str]) -> String {
        let output = self.ran(words).await;
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A role, once it says that it serves, with what it said.
    async fn serve(&self, words: &[&str]) -> (Child, Value) {
        let words = [&["serve"], words].concat();
        let log = fs::File::create(self.at().join("log")).unwrap();
        let mut command = self.gigamesh(&words);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts");
        let log = || fs::read_to_string(self.at().join("log")).unwrap_or_default();
        let line = line.unwrap().unwrap_or_else(|| panic!("{words:?}: {}", log()));
        (child, serde_json::from_str(&line).unwrap())
    }
}

/// A person and a factory at a door.
struct Door<'a> {
    ground: &'a Ground,
    url: String,
    token: String,
}

impl<'a> Door<'a> {
    fn of(ground: &'a Ground, said: &Value) -> Self {
        let text = |field: &str| said[field].as_str().unwrap().to_owned();
        Self { ground, url: text("url"), token: text("tokenFile") }
    }

    async fn typed(&self, words: &[&str]) -> String {
        let words = [words, &["--url", &self.url, "--token-file", &self.token]].concat();
        self.ground.succeeded(&words).await
    }

    fn factory(&self) -> Child {
        let words = ["factory", "--id", "f1", "--url", &self.url, "--token-file", &self.token];
        let mut command = self.ground.gigamesh(&words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    async fn stage(&self, key: &str) -> String {
        let told = self.typed(&["get", key, "-o", "json"]).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        told["stage"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
    }
}

fn job(folder: &Path, key: &str, instructions: usize) -> String {
    let body = "Do it well. ".repeat(instructions / 12);
    let file = folder.join(format!("{key}.md"));
    fs::write(&file, format!("---\nidempotencyKey: {key}\nengine: echo\n---\n{body}\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_in_its_own_process_ships_jobs_whose_records_lie_in_an_account() {
    let ground = Ground::new();
    let early = ground.ran(&["serve", "submit"]).await;
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(!early.status.success() && said.contains("admin init"), "{said}");
    for _ in 0..2 {
        ground.succeeded(&["admin", "init"]).await;
    }
    let mut roles = Vec::new();
    for words in [&["scheduler"][..], &["scheduler"], &["lease-keeper"], &["artifact"]] {
        roles.push(ground.serve(words).await.0);
    }
    let (mut submit, _) = ground.serve(&["submit"]).await;
    let (_gateway, said) = ground.serve(&["gateway", "--listen", "127.0.0.1:0"]).await;
    let door = Door::of(&ground, &said);
    let looked = door.typed(&["doctor"]).await;
    let containers = format!("{} containers", ledger::KINDS.len() + 1);
    assert!(looked.contains(&containers) && looked.contains("streams"), "{looked}");
    let _factory = door.factory();
    for (key, instructions) in [("small", 100), ("large", 60_000)] {
        door.typed(&["submit", &job(ground.at(), key, instructions), "--wait"]).await;
        assert_eq!(door.stage(key).await, "shipped");
    }
    submit.kill().await.unwrap();
    let (_submit, _) = ground.serve(&["submit"]).await;
    let again = door.typed(&["submit", &job(ground.at(), "large", 60_000), "-o", "json"]).await;
    assert!(again.contains("existing"), "{again}");
    let broken = roles.iter_mut().filter_map(|role| role.try_wait().unwrap());
    assert_eq!(broken.count(), 0, "a service broke down");
}

#[tokio::test]
async fn where_no_key_is_named_the_identity_of_the_machine_is_tried_and_trouble_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gigamesh"));
    command.current_dir(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    command.args(["doctor", "--store", "cosmos+http://127.0.0.1:1/fleet", "-o", "json"]);
    let told = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let found: Value = serde_json::from_slice(&told.stdout).unwrap();
    let findings = found["findings"].as_array().unwrap();
    let bad = findings.iter().find(|one| one["what"] == "store" && one["state"] == "bad");
    assert!(bad.is_some(), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_services_in_one_process_go_on_after_a_kill_with_what_lies_in_the_account() {
    let ground = Ground::new();
    ground.succeeded(&["admin", "init"]).await;
    let words = ["all", "--listen", "127.0.0.1:0"];
    let (mut first, said) = ground.serve(&words).await;
    let door = Door::of(&ground, &said);
    door.typed(&["submit", &job(ground.at(), "kept", 20_000)]).await;
    assert_eq!(door.stage("kept").await, "queued");
    first.kill().await.unwrap();
    let (_second, said) = ground.serve(&words).await;
    let door = Door::of(&ground, &said);
    let _factory = door.factory();
    door.typed(&["submit", &job(ground.at(), "kept", 20_000), "--wait"]).await;
    assert_eq!(door.stage("kept").await, "shipped");
    let store = ground.account.store();
    let words = ["bench", "cycles", "--store", &store, "--seconds", "1", "--jobs", "3"];
    let figures = ground.succeeded(&words).await;
    for word in ["submit", "claim", "building", "renew", "complete", "followers", "cycle"] {
        assert!(figures.contains(&format!("\"what\":\"units/{word}\"")), "{figures}");
    }
}
