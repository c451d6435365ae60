//! Credentials as people use them: made, used, turned and ended by the commands of the binary, with
//! a factory of its own name; and all that any process wrote meanwhile, searched for every secret.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::process::{Running, eventually, gigamesh};

const PASSWORD: &str = "a horse that counts batteries";

/// A command of somebody who has a folder of settings of their own.
async fn says(place: &Path, fleet: &Running, (words, input): (&[&str], &str)) -> Output {
    let mut command = gigamesh(place);
    command.args(words).args(["--url", &fleet.url]).env("XDG_CONFIG_HOME", place.join("config"));
    command.env("GIGAMESH_LOG", "trace").env_remove("GIGAMESH_TOKEN");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

fn ended(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Every file below a folder, as text.
fn written(place: &Path, all: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            written(&entry, all);
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned();
            all.push((entry, text));
        }
    }
}

#[tokio::test]
async fn a_journey_by_credentials_leaves_no_secret_anywhere() {
    let (house, desk, host) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = std::fs::File::create(house.path().join("dev.log")).unwrap();
    let mut dev = gigamesh(house.path());
    dev.args(["dev", "--port", "0", "--factories", "0"]).env("GIGAMESH_LOG", "trace");
    let fleet = Running::logged(dev, log).await;
    let owner = fleet.token_file.to_str().unwrap().to_owned();
    let (place, password) = (desk.path(), format!("{PASSWORD}\n"));
    let join = ["sign-up", "ada@example.com", "--name", "Ada", "-o", "json"];
    let ada: Value =
        serde_json::from_str(&ended(&says(place, &fleet, (&join, &password)).await)).unwrap();
    ended(&says(place, &fleet, (&["login", "ada@example.com"], &password)).await);
    let told = says(place, &fleet, (&["list"], "")).await;
    assert_eq!(told.status.code(), Some(7), "nobody said what she may");
    let bind = ["users", "bind", "ada@example.com", "--role", "admin", "--token-file", &owner];
    ended(&says(place, &fleet, (&bind, "")).await);
    let session = kept_token(place);
    let who = ended(&says(place, &fleet, (&["whoami", "-o", "json"], "")).await);
    assert_eq!(serde_json::from_str::<Value>(&who).unwrap()["email"], json!("ada@example.com"));
    let token = host.path().join("factory.token");
    let words = ["factory", "enroll", "f1", "--token-out", token.to_str().unwrap()];
    ended(&says(place, &fleet, (&words, "")).await);
    let mut factory = gigamesh(host.path());
    factory.args(["factory", "--id", "f1", "--url", &fleet.url, "--token-file"]).arg(&token);
    let output = std::fs::File::create(host.path().join("factory.log")).unwrap();
    factory.env("GIGAMESH_LOG", "trace").stdout(Stdio::null()).stderr(output);
    let mut working = factory.spawn().unwrap();
    let job = place.join("job.md");
    std::fs::write(&job, "---\nidempotencyKey: hers\ncommand: env\n---\nShow it.\n").unwrap();
    ended(&says(place, &fleet, (&["submit", "job.md", "--wait"], "")).await);
    let by = fleet.job("hers").await["submittedBy"].clone();
    assert_eq!(by, ada["id"]);
    let listed = ended(&says(place, &fleet, (&["tokens", "list", "-o", "json"], "")).await);
    assert!(listed.contains("f1"), "{listed}");
    ended(&says(place, &fleet, (&["factory", "revoke", "f1"], "")).await);
    let log = host.path().join("factory.log");
    eventually("it is sent away", async || {
        let said = std::fs::read_to_string(&log).unwrap();
        said.contains("UNAUTHENTICATED").then_some(())
    })
    .await;
    working.kill().await.unwrap();
    let trail = ended(&says(place, &fleet, (&["audit", "-o", "json"], "")).await);
    assert!(trail.contains("factory.enroll") && trail.contains("user.bind"), "{trail}");
    ended(&says(place, &fleet, (&["logout"], "")).await);
    let local = std::fs::read_to_string(&owner).unwrap().trim().to_owned();
    let enrolled = std::fs::read_to_string(&token).unwrap().trim().to_owned();
    let secrets = [PASSWORD.to_owned(), session, enrolled, local.clone()];
    fleet.stop().await;
    std::fs::remove_file(&token).unwrap();
    std::fs::remove_file(&owner).unwrap();
    let mut all = Vec::new();
    for place in [house.path(), desk.path(), host.path()] {
        written(place, &mut all);
    }
    // Where a fleet of its own is begun by hand, the way into its page is said once.
    let said = format!("#token={local}\n");
    let once: usize = all.iter().map(|(_, kept)| kept.matches(&said).count()).sum();
    assert_eq!(once, 1);
    all.iter_mut().for_each(|(_, kept)| *kept = kept.replace(&said, "\n"));
    let has = |text: &str| all.iter().filter(|(_, kept)| kept.contains(text)).collect::<Vec<_>>();
    assert!(!has("ada@example.com").is_empty() && !has("Show it.").is_empty(), "it was searched");
    for secret in secrets {
        let kept: Vec<&PathBuf> = has(&secret).into_iter().map(|(path, _)| path).collect();
        assert!(secret.len() > 20 && kept.is_empty(), "a secret of {} in {kept:?}", secret.len());
    }
}

fn kept_token(place: &Path) -> String {
    let kept = std::fs::read_to_string(place.join("config/gigamesh/login")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    kept["token"].as_str().unwrap().to_owned()
}
