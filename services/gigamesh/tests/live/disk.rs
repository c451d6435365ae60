//! A disk that is full. A file that may not grow answers as a full disk does, and needs no
//! privileges.

use client::CallError;
use tokio::process::Command;

use crate::process::{Running, gigamesh};

/// In blocks of 512 bytes or of 1 KiB, as the shell counts: enough for some hundred jobs.
const BLOCKS: &str = "600";

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let binary = gigamesh(place.path()).as_std().get_program().to_owned();
    let mut command = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f $0; exec \"$1\" dev --port 0 --factories 0";
    command.args(["-c", script, BLOCKS]).arg(binary).current_dir(place.path());
    let fleet = Running::of({
        command.kill_on_drop(true);
        command
    })
    .await;
    let body = "x".repeat(8_000);
    let mut acknowledged = Vec::new();
    let refusal = loop {
        let key = format!("k{}", acknowledged.len());
        let file = format!("---\nidempotencyKey: {key}\nengine: echo\n---\n{body}\n");
        match fleet.submit(&file).await {
            Ok(_) => acknowledged.push(key),
            Err(CallError::Refused(problem)) => break problem,
            Err(other) => panic!("{other}"),
        }
        assert!(acknowledged.len() < 2_000, "the limit was never met");
    };
    assert!(refusal.retryable, "{refusal:?}");
    assert_eq!(refusal.code.http(), 503, "{refusal:?}");
    let hint = refusal.hint.unwrap_or_default();
    assert!(hint.contains("mend the disk"), "what to do is told: {hint}");
    assert!(!acknowledged.is_empty());
    assert!(fleet.jobs().await.items.len() >= acknowledged.len().min(500), "it is still shown");
    fleet.kill().await;
    let fleet = Running::dev(place.path(), &["--factories", "0"]).await;
    for key in &acknowledged {
        assert_eq!(fleet.job(key).await["stage"], "queued", "{key} was acknowledged");
    }
}
