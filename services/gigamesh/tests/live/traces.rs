//! What a run leaves behind, told and brought by a factory of its own: lines without secrets, files
//! whose bytes are the same.

use std::path::Path;
use std::process::Stdio;

use protocol::ListArtifacts;

use crate::process::{Running, eventually, gigamesh};

const JOB: &str = r#"---
idempotencyKey: made
artifacts: ["reports/**/*.xml"]
command: |
  echo "token $CI_TOKEN and card 1234-5678"
  mkdir -p reports/deep
  echo '<ok/>' > reports/deep/unit.xml
  head -c 3000000 /dev/zero > "$GIGAMESH_ARTIFACTS_DIR/app.tar"
  touch "$GIGAMESH_ARTIFACTS_DIR/empty.png"
  ln -s /etc/passwd "$GIGAMESH_ARTIFACTS_DIR/link"
---
Make it.
"#;

async fn leaves_lines_and_files(fleet: &Running, place: &Path) {
    fleet.submit(JOB).await.unwrap();
    let job = eventually("it is shipped", async || {
        Some(fleet.job("made").await).filter(|job| job["stage"] == "shipped")
    })
    .await;
    let ask = ListArtifacts { job: "made".to_owned(), kind: None, limit: None, cursor: None };
    let kept = eventually("its log is kept as well", async || {
        let mut items = fleet.ask(&ask).await.unwrap().items;
        items.sort_by_key(|artifact| (artifact.kind, artifact.name.clone()));
        (items.len() == 3).then_some(items)
    })
    .await;
    let told: Vec<_> = kept
        .iter()
        .map(|kept| (kept.kind.word(), kept.name.clone().unwrap_or_default(), kept.size_bytes))
        .collect();
    assert_eq!(told[1], ("build", "app.tar".to_owned(), 3_000_000));
    assert_eq!(told[2], ("other", "reports__deep__unit.xml".to_owned(), 6));
    assert_eq!(told[0].0, "log");
    let log = log_below(place, job["id"].as_str().unwrap());
    assert_eq!(told[0].2, log.len() as u64, "{log}");
    assert!(log.starts_with("token *** and card ***\n"), "{log}");
    assert!(log.contains("empty.png is not kept: it is empty"), "{log}");
    assert!(log.contains("link is not kept: the link leads out of the folder"), "{log}");
}

/// The factory's own copy: the log of the fleet holds the same bytes.
fn log_below(place: &Path, job: &str) -> String {
    let factories = place.join(".gigamesh/factories");
    let mut folders = std::fs::read_dir(factories).unwrap().map(|entry| entry.unwrap().path());
    let log = format!("runs/{job}-1/log-1.txt");
    let path = folders.find(|folder| folder.join(&log).exists()).unwrap().join(log);
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_factory_over_http_leaves_lines_and_files() {
    let place = tempfile::tempdir().unwrap();
    let fleet = Running::dev(place.path(), &["--factories", "0"]).await;
    let mut command = gigamesh(place.path());
    command.args(["factory", "--id", "f1", "--url", &fleet.url, "--token-file"]);
    command.arg(&fleet.token_file).args(["--pass-env", "CI_TOKEN", "--mask", "[0-9]{4}-[0-9]{4}"]);
    command.env("CI_TOKEN", "s3cr3t-value").stderr(Stdio::null());
    let _factory = command.spawn().unwrap();
    leaves_lines_and_files(&fleet, place.path()).await;
}

#[tokio::test]
async fn a_factory_inside_dev_leaves_lines_and_files() {
    let place = tempfile::tempdir().unwrap();
    let mut command = gigamesh(place.path());
    command.args(["dev", "--port", "0", "--pass-env", "CI_TOKEN"]);
    command.env("CI_TOKEN", "s3cr3t-value").env("GIGAMESH_MASK", "never\n[0-9]{4}-[0-9]{4}");
    let fleet = Running::of(command).await;
    leaves_lines_and_files(&fleet, place.path()).await;
}
