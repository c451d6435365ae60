//! One story for every place: a job runs, leaves a file and says something; a person reads both,
//! and brings a file too. The factory carries its file past the door, straight to the store.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;
use servers::{Authority, Azurite, Bucket};

use crate::fleet::Dev;

const JOB: &str = "\
---
idempotencyKey: nightly
command: printf 'said it\\n'; printf '<suite/>' > \"$GIGAMESH_ARTIFACTS_DIR/results.xml\"
---
Work.
";
/// More than one part of a long blob.
const LONG: usize = (11 << 20) + 7;

async fn a_night(place: &[&str], around: Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("job.md"), JOB).unwrap();
    let long: Vec<u8> = (0..=u8::MAX).cycle().take(LONG).collect();
    std::fs::write(folder.join("long.bin"), &long).unwrap();
    let dev = Dev::start(folder, place, around).await;
    dev.typed(&[&["doctor"], place].concat()).await;
    dev.typed(&["submit", "job.md", "--wait"]).await;
    assert_eq!(dev.typed(&["logs", "nightly"]).await, b"said it\n");
    dev.typed(&["artifacts", "put", "nightly", "long.bin", "--kind", "build"]).await;
    let listed = dev.json(&["artifacts", "nightly"]).await;
    for (name, bytes) in [("results.xml", b"<suite/>".as_slice()), ("long.bin", &long)] {
        let id = id_of(&listed, name);
        let url = dev.typed(&["artifacts", "get", &id, "--link"]).await;
        assert!(url.starts_with(b"http") && !url.windows(13).any(|part| part == b"/fleet/blobs/"));
        assert!(dev.typed(&["artifacts", "get", &id]).await == bytes, "{name}");
        dev.typed(&["artifacts", "get", &id, "-O", "copy", "--yes"]).await;
        assert!(std::fs::read(folder.join("copy")).unwrap() == bytes, "{name}");
        dev.typed(&["artifacts", "rm", &id]).await;
    }
    nothing_is_on_the_disk(folder);
}

fn id_of(listed: &Value, name: &str) -> String {
    let items = listed["items"].as_array().unwrap_or_else(|| panic!("{listed}"));
    let found = items.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {listed}"))["id"].as_str().unwrap().to_owned()
}

/// The bytes went elsewhere.
fn nothing_is_on_the_disk(folder: &Path) {
    assert!(!folder.join(".gigamesh/blobs").exists(), "there is a folder of blobs");
}

#[tokio::test]
async fn a_night_with_bytes_in_a_container_by_its_key() {
    let azurite = Azurite::start().unwrap_or_else(|trouble| panic!("{trouble}"));
    azurite.container("fleet").unwrap();
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    std::fs::write(&key, Azurite::KEY).unwrap();
    let place = format!("azure://{}/fleet", Azurite::ACCOUNT);
    let (endpoint, key) = (azurite.endpoint(), key.display().to_string());
    a_night(
        &["--blobs", &place, "--blobs-endpoint", &endpoint, "--blobs-key-file", &key],
        Vec::new(),
    )
    .await;
}

/// Whoever follows a link is told whom to trust by the machine, which here is one variable.
#[tokio::test]
async fn a_night_with_bytes_in_a_container_by_the_identity_of_the_machine_over_tls() {
    let azurite = Azurite::sealed(&Authority::new()).unwrap_or_else(|trouble| panic!("{trouble}"));
    azurite.container("fleet").unwrap();
    let roots = tempfile::tempdir().unwrap();
    let file = roots.path().join("roots.pem");
    std::fs::write(&file, azurite.roots().unwrap()).unwrap();
    let roots = file.display().to_string();
    let place = format!("azure://{}/fleet", Azurite::ACCOUNT);
    let endpoint = azurite.endpoint();
    let around = vec![
        ("SSL_CERT_FILE".to_owned(), roots.clone()),
        ("IDENTITY_ENDPOINT".to_owned(), identity()),
    ];
    a_night(&["--blobs", &place, "--blobs-endpoint", &endpoint, "--blobs-ca-file", &roots], around)
        .await;
}

#[tokio::test]
async fn a_night_with_bytes_in_a_bucket() {
    let bucket = Bucket::start().unwrap_or_else(|trouble| panic!("{trouble}"));
    let keys = tempfile::tempdir().unwrap();
    let key = keys.path().join("key");
    std::fs::write(&key, format!("{}:{}", Bucket::ID, Bucket::SECRET)).unwrap();
    let place = format!("s3://{}", Bucket::NAME);
    let (endpoint, key) = (bucket.endpoint(), key.display().to_string());
    a_night(
        &["--blobs", &place, "--blobs-endpoint", &endpoint, "--blobs-key-file", &key],
        Vec::new(),
    )
    .await;
}

/// Gives out the identity of a machine to whoever asks.
fn identity() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/token", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            pass_the_head(&mut stream);
            let token = Azurite::TOKEN;
            let said = format!(r#"{{"access_token":"{token}","expires_on":"4102444800"}}"#);
            let length = said.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{said}"
            );
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    address
}

/// Whoever goes away before its end is not answered either.
fn pass_the_head(stream: &mut impl Read) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.extend(byte);
    }
}
