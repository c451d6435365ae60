//! Artifacts with their own service behind the door: what one may be called, whether its bytes are
//! those that were announced, and in whose name it comes.

use std::time::Duration;

use blob::BlobKey;
use fleet::ArtifactKind;
use protocol::{BeginArtifact, ListArtifacts};
use serde_json::{Value, json};

use crate::bad_input::{case, hold, refused};
use crate::plain::Spoken;
use crate::town::Town;

/// The digest of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn inline(line: &str, differs: &[(&str, Value)]) -> Spoken {
    let mut body = json!({ "kind": "log", "contentType": "text/plain", "base64": "aGVsbG8=" });
    for (field, value) in differs {
        body[*field] = value.clone();
    }
    Spoken::new(line).json(body.to_string())
}

#[tokio::test]
async fn an_artifact_says_what_it_is_in_words_that_a_header_can_carry() {
    let town = Town::open().await;
    let job = town.submit("Work.").await.job.id;
    let line = format!("POST /fleet/jobs/{job}/artifacts");
    let with = |field, value: &str| inline(&line, &[(field, json!(value))]);
    let bad = |named| (400, "VALIDATION", named);
    let cases = vec![
        case("57 a line break", with("contentType", "a/b\r\nX: y"), bad("contentType")),
        case("57 no subtype", with("contentType", "text"), bad("contentType")),
        case("57 a path", with("name", "../x"), bad("name")),
        case("57 a folder", with("name", "a/b"), bad("name")),
    ];
    hold(&town, cases).await;
    let ask = ListArtifacts { job: job.to_string(), kind: None, limit: None, cursor: None };
    assert_eq!(town.ask(&ask).await.unwrap().items.len(), 0, "nothing of them is kept");
    assert_eq!(inline(&line, &[]).to(town.address).await.status, 201);
    town.close().await;
}

#[tokio::test]
async fn a_commit_has_to_fit_its_bytes_and_may_be_said_twice() {
    let town = Town::open().await;
    let job_id = town.submit("Work.").await.job.id;
    let begin = BeginArtifact {
        job_id,
        kind: ArtifactKind::Build,
        content_type: Some("text/plain".into()),
        name: None,
        size_bytes: None,
        sha256: None,
        hold: None,
        quarantine: false,
        direct: true,
    };
    let other = HELLO.replace('2', "3");
    for (size, digest, status) in [(5, HELLO, 200), (6, HELLO, 400), (5, &*other, 400)] {
        let begun = town.ask(&begin).await.unwrap();
        let upload = begun.upload.unwrap();
        let mut put = Spoken::bare(&format!("PUT {}", upload.url)).body("hello");
        for (name, value) in &upload.headers {
            put = put.with(&format!("{name}: {value}"));
        }
        assert_eq!(put.to(town.address).await.status, 201);
        let commit = Spoken::new(&format!("POST /fleet/artifacts/{}/commit", begun.artifact.id))
            .json(json!({ "sizeBytes": size, "sha256": digest }).to_string());
        let said = commit.to(town.address).await;
        assert_eq!(said.status, status, "{size} {digest}: {said:?}");
        let key = BlobKey::of(&begun.artifact).unwrap();
        let kept = town.blobs.find(&key).await.unwrap().is_some();
        assert_eq!(kept, status == 200, "58: what does not fit is removed");
        let again = commit.to(town.address).await;
        if status == 200 {
            let (first, again) = (said.json(), again.json());
            assert_eq!(first["artifact"], again["artifact"], "58: said twice, the same pointer");
        } else {
            refused("58 a commit that does not fit", &said, "VALIDATION", "blob_mismatch");
        }
    }
    town.close().await;
}

#[tokio::test]
async fn a_stale_epoch_brings_nothing_but_a_log_that_is_kept_apart() {
    let town = Town::open().await;
    let job = town.submit("Work.").await.job.id;
    let held = town.claim("f1", Duration::from_secs(10)).await.unwrap();
    town.build("f1", &held).await.unwrap();
    let as_holder = |epoch: u64| {
        let nonce = held.claim_nonce;
        let hold = json!({ "factoryId": "f1", "leaseEpoch": epoch, "claimNonce": nonce });
        [("hold", hold)]
    };
    let line = format!("POST /fleet/jobs/{job}/artifacts");
    let stale = inline(&line, &as_holder(0));
    hold(&town, vec![case("59 a stale epoch", stale, (409, "FENCED", ""))]).await;
    let apart = inline(&format!("{line}?quarantine=1"), &as_holder(0)).to(town.address).await;
    assert_eq!(apart.status, 201, "{apart:?}");
    assert_eq!(apart.json()["artifact"]["quarantined"], json!(true));
    let right = inline(&line, &as_holder(held.lease_epoch.get())).to(town.address).await;
    assert_eq!(right.status, 201, "{right:?}");
    town.close().await;
}
