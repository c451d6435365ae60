//! Bytes by links: what a link allows, to whom, for how long, and how it is shown.

use std::time::Duration;

use blob::{BlobKey, Deed, Shown};
use fleet::ArtifactKind;
use futures_util::stream;
use protocol::BeginArtifact;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::custodian::Custodian;
use crate::plain::{Said, Spoken};

const KEY: &str = "fleet/acme/j/a-log";

fn shown(deed: Deed) -> Shown {
    Shown {
        deed,
        key: KEY.parse().unwrap(),
        content_type: "text/plain".into(),
        name: Some("über.txt".into()),
        most: 10,
    }
}

async fn granted(custodian: &Custodian, shown: Shown) -> String {
    let now = custodian.node.clock.now();
    custodian.blobs.grant(shown, Duration::from_secs(60), now).await.unwrap().url
}

async fn written(custodian: &Custodian, text: &'static str) {
    let key: BlobKey = KEY.parse().unwrap();
    let bytes = stream::iter([Ok(bytes::Bytes::from_static(text.as_bytes()))]);
    custodian.blobs.write(&key, bytes, 1 << 20).await.unwrap();
}

fn forbidden(what: &str, said: &Said, reason: &str) {
    let told = (said.status, said.json()["error"]["reason"].clone());
    assert_eq!(told, (403, json!(reason)), "{what}: {said:?}");
}

#[tokio::test]
async fn bytes_are_shown_as_they_were_stored_and_never_inside_a_page() {
    let custodian = Custodian::open().await;
    written(&custodian, "0123456789").await;
    let link = granted(&custodian, shown(Deed::Read)).await;
    let said = custodian.read(&link).await;
    assert_eq!((said.status, &*said.body), (200, "0123456789"));
    let header = |name: &str| said.header(name).unwrap_or_default().to_owned();
    assert_eq!((&*header("content-type"), &*header("content-length")), ("text/plain", "10"));
    assert!(header("content-disposition").starts_with("attachment; "));
    assert!(header("content-disposition").ends_with("filename*=UTF-8''%C3%BCber.txt"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!((&*header("accept-ranges"), &*header("etag")), ("bytes", "\"a-log\""));
    assert!(header("cache-control").contains("no-store"));
    let head = Spoken::bare(&format!("HEAD {link}")).to(custodian.address).await;
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.header("content-length"), Some("10"));
    for media in ["text/html", "image/svg+xml"] {
        let page = Shown { content_type: media.into(), name: None, ..shown(Deed::Read) };
        let said = custodian.read(&granted(&custodian, page).await).await;
        assert_eq!(said.header("content-disposition"), Some("attachment"), "{media}");
        assert_eq!(said.header("content-type"), Some(media));
    }
}

#[tokio::test]
async fn one_range_is_a_part_and_one_behind_the_end_is_told() {
    let custodian = Custodian::open().await;
    written(&custodian, "0123456789").await;
    let link = granted(&custodian, shown(Deed::Read)).await;
    let asked = |range: &str| Spoken::bare(&format!("GET {link}")).with(&format!("Range: {range}"));
    for (range, part, told) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
    ] {
        let said = asked(range).to(custodian.address).await;
        assert_eq!((said.status, &*said.body), (206, part), "{range}");
        assert_eq!(said.header("content-range"), Some(told));
    }
    for range in ["bytes=0-1,4-5", "bytes=x", "lines=1-2"] {
        let said = asked(range).to(custodian.address).await;
        assert_eq!((said.status, &*said.body), (200, "0123456789"), "{range}");
    }
    let beyond = asked("bytes=10-").to(custodian.address).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */10")));
    let same = asked("bytes=2-4").with("If-Range: \"a-log\"").to(custodian.address).await;
    assert_eq!(same.status, 206);
    let other = asked("bytes=2-4").with("If-Range: \"another\"").to(custodian.address).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn a_link_that_is_not_as_it_was_given_opens_nothing() {
    let custodian = Custodian::open().await;
    written(&custodian, "0123456789").await;
    let link = granted(&custodian, shown(Deed::Read)).await;
    let (path, query) = link.split_once('?').unwrap();
    let swapped = query.replace("do=read", "do=create");
    for (what, altered) in [
        ("no signature", path.to_owned()),
        ("another blob", link.replace("a-log", "b-log")),
        ("climbing", link.replace("/j/", "/j/../j/")),
        ("encoded", link.replace("/j/", "/%2e%2e/j/")),
        ("another deed", format!("{path}?{swapped}")),
        ("another type", link.replace("type=text%2Fplain", "type=text%2Fhtml")),
        ("more", format!("{link}&x=y")),
        ("twice", format!("{link}&do=read")),
        ("later", link.replace("until=1", "until=2")),
        ("nonsense", format!("{path}?%ff=%ff")),
    ] {
        forbidden(what, &custodian.read(&altered).await, "link_altered");
    }
    let now = custodian.node.clock.now();
    let dead = custodian.blobs.grant(shown(Deed::Read), Duration::ZERO, now).await.unwrap().url;
    forbidden("dead", &custodian.read(&dead).await, "link_expired");
    let put = Spoken::bare(&format!("PUT {link}")).body("x").to(custodian.address).await;
    forbidden("a read link used to write", &put, "link_deed");
    let create = granted(&custodian, shown(Deed::Create)).await;
    forbidden("a write link used to read", &custodian.read(&create).await, "link_deed");
    let with_token = Spoken::new(&format!("GET {path}")).to(custodian.address).await;
    forbidden("a token is no signature", &with_token, "link_altered");
    let wrong = Spoken::new(&format!("POST {link}")).to(custodian.address).await;
    assert_eq!(wrong.status, 405);
}

#[tokio::test]
async fn a_link_to_create_creates_once() {
    let custodian = Custodian::open().await;
    let link = granted(&custodian, shown(Deed::Create)).await;
    let put = |text: &str| Spoken::bare(&format!("PUT {link}")).body(text);
    let large = put("01234567890").to(custodian.address).await;
    let told = (large.status, large.json()["error"]["limit"].clone());
    assert_eq!(told, (413, json!(10)), "more than the link allows");
    let endless = put("x").chunked().to(custodian.address).await;
    assert_eq!(
        (endless.status, &endless.json()["error"]["field"]),
        (400, &json!("Content-Length"))
    );
    let coded = put("x").with("Content-Encoding: gzip").to(custodian.address).await;
    assert_eq!(coded.status, 415);
    assert_eq!(put("hello").to(custodian.address).await.status, 201);
    forbidden("again", &put("other").to(custodian.address).await, "link_used");
    let read = granted(&custodian, shown(Deed::Read)).await;
    assert_eq!(custodian.read(&read).await.body, "hello", "the first stands");
}

#[tokio::test]
async fn bytes_that_break_off_are_no_blob() {
    let custodian = Custodian::open().await;
    let shown = Shown { most: 10 << 20, ..shown(Deed::Create) };
    let link = granted(&custodian, shown).await;
    let whole = Spoken::bare(&format!("PUT {link}")).body(vec![b'x'; 9 << 20]);
    let mut stream = TcpStream::connect(custodian.address).await.unwrap();
    stream.write_all(whole.head().as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 6 << 20]).await.unwrap();
    stream.shutdown().await.unwrap();
    // Whatever is answered, if anything: the door has seen the end.
    drop(stream.read_to_end(&mut Vec::new()).await);
    assert_eq!(custodian.left().await, (0, 0));
    assert_eq!(whole.to(custodian.address).await.status, 201, "the link was not used up");
}

#[tokio::test]
async fn large_bytes_are_begun_brought_by_a_link_and_not_through_a_form() {
    let custodian = Custodian::open().await;
    let begin = BeginArtifact {
        job_id: custodian.job,
        kind: ArtifactKind::Build,
        content_type: Some("text/plain".into()),
        name: None,
        size_bytes: None,
        sha256: None,
        hold: Some(Custodian::hold(1)),
        quarantine: false,
        direct: true,
    };
    let begun = custodian.ask(&begin).await.unwrap();
    let upload = begun.upload.expect("a link to bring them by");
    let mut put = Spoken::bare(&format!("PUT {}", upload.url)).body("hello");
    for (name, value) in &upload.headers {
        put = put.with(&format!("{name}: {value}"));
    }
    assert_eq!(put.to(custodian.address).await.status, 201);
    let key = BlobKey::of(&begun.artifact).unwrap();
    assert_eq!(custodian.blobs.find(&key).await.unwrap().unwrap().size, 5);
    let line = format!("POST {}/begin", custodian.path());
    let said = Spoken::new(&line).json(r#"{"kind":"log","direct":false}"#);
    let said = said.to(custodian.address).await;
    assert_eq!((said.status, &said.json()["error"]["field"]), (400, &json!("direct")));
}
