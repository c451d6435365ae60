//! The laws of blobs, and what links that lead past us open, for whom and how long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use blob::{Access, Azure, BlobKey, Blobs, Counted, Deed, Grant, Label, ReadError, Shown};
use bytes::Bytes;
use clock::{Clock, System};
use futures_util::{TryStreamExt, stream};
use reqwest::{Client, Method, Response, StatusCode};
use servers::Azurite;

pub(super) const LIFE: Duration = Duration::from_mins(15);
pub(super) const CONTAINER: &str = "fleet";

pub(super) async fn make() -> (Blobs, Azurite) {
    let azurite = Azurite::start().unwrap_or_else(|trouble| panic!("{trouble}"));
    azurite.container(CONTAINER).unwrap_or_else(|trouble| panic!("{trouble}"));
    let blobs = opened(&azurite, Access::Key(Azurite::KEY.into()), CONTAINER);
    (blobs, azurite)
}

blob::conformance!(make);

pub(super) fn opened(azurite: &Azurite, access: Access, container: &str) -> Blobs {
    let azure = Azure {
        account: Azurite::ACCOUNT.into(),
        container: container.into(),
        access,
        endpoint: Some(azurite.endpoint()),
        roots: azurite.roots(),
    };
    Blobs::azure(&azure, Arc::new(System::start())).unwrap()
}

pub(super) fn key(text: &str) -> BlobKey {
    text.parse().unwrap()
}

fn label() -> Label {
    Label { content_type: "text/plain; charset=utf-8".into(), name: Some("run 1.log".into()) }
}

fn shown(deed: Deed, at: &str) -> Shown {
    let Label { content_type, name } = label();
    Shown { deed, key: key(at), content_type, name, most: 1_000 }
}

pub(super) async fn granted(blobs: &Blobs, deed: Deed, at: &str, life: Duration) -> Grant {
    blobs.grant(shown(deed, at), life, System::start().now()).await.unwrap()
}

pub(super) async fn written(blobs: &Blobs, at: &str, length: usize) -> Counted {
    let pieces = [Ok(Bytes::from(vec![b'x'; length]))];
    blobs.write_as(&key(at), &label(), stream::iter(pieces), u64::MAX).await.unwrap()
}

pub(super) async fn read(blobs: &Blobs, at: &str) -> Bytes {
    let pieces: Vec<Bytes> =
        blobs.read(&key(at), None).await.unwrap().bytes.try_collect().await.unwrap();
    pieces.concat().into()
}

async fn sent(
    method: Method,
    url: &str,
    headers: &BTreeMap<String, String>,
    body: &'static str,
) -> Response {
    let request = Client::new().request(method, url).body(body);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.send().await.unwrap()
}

async fn got(url: &str) -> Response {
    sent(Method::GET, url, &BTreeMap::new(), "").await
}

#[tokio::test]
async fn a_read_link_shows_one_blob_under_its_label_also_a_long_one() {
    let (blobs, _azurite) = make().await;
    for (at, length) in [("links/short", 300), ("links/long", 9 << 20)] {
        written(&blobs, at, length).await;
        let grant = granted(&blobs, Deed::Read, at, LIFE).await;
        assert!(grant.headers.is_empty());
        let answer = got(&grant.url).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
        let disposition = &answer.headers()["content-disposition"];
        assert_eq!(disposition, "attachment; filename=\"run 1.log\"");
        assert_eq!(answer.bytes().await.unwrap().len(), length);
    }
}

#[tokio::test]
async fn a_read_link_opens_no_other_blob_and_writes_nothing() {
    let (blobs, _azurite) = make().await;
    let told = written(&blobs, "links/one", 10).await;
    written(&blobs, "links/two", 10).await;
    let url = granted(&blobs, Deed::Read, "links/one", LIFE).await.url;
    let others = [
        url.replace("/links/one", "/links/two"),
        url.replace("/links/one", "/links"),
        url.replace("/links/one?", "?restype=container&comp=list&"),
        url.replace("&sig=", "&sig=A"),
        url.replace("sp=r", "sp=rw"),
        url.replace("se=20", "se=21"),
    ];
    for other in others {
        assert_ne!(other, url);
        let status = got(&other).await.status();
        assert!(matches!(status.as_u16(), 403 | 404), "{other}: {status}");
    }
    let headers = BTreeMap::from([("x-ms-blob-type".to_owned(), "BlockBlob".to_owned())]);
    for method in [Method::PUT, Method::DELETE] {
        let status = sent(method.clone(), &url, &headers, "other").await.status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{method}");
    }
    assert_eq!(blobs.count(&key("links/one")).await.unwrap(), told);
}

#[tokio::test]
async fn a_link_dies_on_time() {
    let (blobs, _azurite) = make().await;
    written(&blobs, "links/short-lived", 10).await;
    let clock = System::start();
    let life = Duration::from_secs(3);
    let grant = granted(&blobs, Deed::Read, "links/short-lived", life).await;
    assert_eq!(got(&grant.url).await.status(), StatusCode::OK);
    let mut status = StatusCode::OK;
    while status == StatusCode::OK {
        assert!(clock.uptime() < 4 * life, "it outlived its time");
        status = got(&grant.url).await.status();
    }
    assert_eq!(status, StatusCode::FORBIDDEN);
    // Its end is told in whole seconds.
    assert!(clock.uptime() >= life - Duration::from_secs(1), "it died early");
}

#[tokio::test]
async fn what_a_link_brought_is_a_blob_once_it_is_counted_and_never_changes_then() {
    let (blobs, _azurite) = make().await;
    let at = "links/brought";
    let grant = granted(&blobs, Deed::Create, at, LIFE).await;
    let brought = sent(Method::PUT, &grant.url, &grant.headers, "what was sent").await;
    assert_eq!(brought.status(), StatusCode::CREATED);
    let again = sent(Method::PUT, &grant.url, &grant.headers, "what came later").await;
    assert!(matches!(again.status().as_u16(), 409 | 412), "{}", again.status());
    assert_eq!(blobs.find(&key(at)).await.unwrap(), None, "nobody counted it yet");
    let told = blobs.count(&key(at)).await.unwrap();
    assert_eq!((told.size, read(&blobs, at).await), (13, "what was sent".into()));
    // The link still lives, and a sender may leave the header away that keeps it honest.
    let mut headers = grant.headers.clone();
    headers.remove("if-none-match").unwrap();
    sent(Method::PUT, &grant.url, &headers, "what overwrites").await;
    assert_eq!(read(&blobs, at).await, "what was sent");
    assert_eq!(blobs.count(&key(at)).await.unwrap(), told, "counted again, it is the same");
    let link = granted(&blobs, Deed::Read, at, LIFE).await;
    let answer = got(&link.url).await;
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let disposition = &answer.headers()["content-disposition"];
    assert_eq!(disposition, "attachment; filename=\"run 1.log\"");
}

#[tokio::test]
async fn a_create_link_reads_nothing_and_writes_nowhere_else() {
    let (blobs, _azurite) = make().await;
    written(&blobs, "links/there", 10).await;
    let grant = granted(&blobs, Deed::Create, "links/there", LIFE).await;
    assert_eq!(got(&grant.url).await.status(), StatusCode::FORBIDDEN);
    for other in ["/links/there", "/staged/by-link/links/other"] {
        let url = grant.url.replace("/staged/by-link/links/there", other);
        assert_ne!(url, grant.url);
        let status = sent(Method::PUT, &url, &grant.headers, "other").await.status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{other}");
    }
    sent(Method::PUT, &grant.url, &grant.headers, "what came too late").await;
    assert_eq!(blobs.count(&key("links/there")).await.unwrap().size, 10);
}

#[tokio::test]
async fn what_a_link_brought_and_nobody_counted_goes_with_the_key_or_with_the_sweep() {
    let (blobs, _azurite) = make().await;
    let now = System::start().now().plus(Duration::from_hours(1));
    let mut swept = Vec::new();
    for remove in [false, true] {
        let grant = granted(&blobs, Deed::Create, "links/left", LIFE).await;
        let brought = sent(Method::PUT, &grant.url, &grant.headers, "left").await;
        assert_eq!(brought.status(), StatusCode::CREATED);
        if remove {
            blobs.remove(&key("links/left")).await.unwrap();
        }
        assert_eq!(blobs.sweep_staged(2 * Duration::from_hours(1), now).await.unwrap(), 0);
        swept.push(blobs.sweep_staged(Duration::ZERO, now).await.unwrap());
    }
    assert_eq!(swept, [1, 0]);
    let gone = blobs.count(&key("links/left")).await;
    assert!(matches!(gone, Err(ReadError::Missing)), "{gone:?}");
}

#[tokio::test]
async fn a_container_that_is_not_there_and_a_key_that_is_wrong_are_told() {
    let (blobs, azurite) = make().await;
    blobs.reach().await.unwrap();
    let right = || Access::Key(Azurite::KEY.into());
    let wrong = Access::Key(format!("AAAA{}", Azurite::KEY.split_at(4).1));
    for other in [opened(&azurite, right(), "nobody-made-it"), opened(&azurite, wrong, CONTAINER)] {
        let no = other.reach().await.unwrap_err();
        let why = std::error::Error::source(&no).unwrap().to_string();
        assert!(!why.contains(Azurite::KEY.split_at(4).1), "a secret is told: {why}");
    }
}

#[cfg(feature = "s3")]
#[tokio::test]
async fn a_link_into_a_bucket_says_which_blob_how_it_is_shown_and_how_long_it_lives() {
    let s3 = blob::S3 {
        bucket: CONTAINER.into(),
        region: Some("eu-central-1".into()),
        endpoint: Some("https://bytes.example".into()),
        roots: None,
        secret: Some(blob::S3Secret { id: "an-id".into(), key: "a-secret-key".into() }),
    };
    let blobs = Blobs::s3(&s3, Arc::new(System::start())).unwrap();
    let read = granted(&blobs, Deed::Read, "links/one", LIFE).await;
    assert!(read.url.starts_with("https://bytes.example/fleet/links/one?"), "{}", read.url);
    let parts = [
        "response-content-disposition=attachment%3B%20filename%3D%22run%201.log%22",
        "response-content-type=text%2Fplain%3B%20charset%3Dutf-8",
        "X-Amz-Expires=900",
        "an-id%2F",
        "%2Feu-central-1%2Fs3%2Faws4_request",
    ];
    for part in parts {
        assert!(read.url.contains(part), "no {part} in {}", read.url);
    }
    let create = granted(&blobs, Deed::Create, "links/one", LIFE).await;
    assert!(create.url.contains("/fleet/staged/by-link/links/one?"), "{}", create.url);
    assert_eq!(create.headers["content-type"], "text/plain; charset=utf-8");
    for said in [read.url, create.url, format!("{s3:?}"), format!("{blobs:?}")] {
        assert!(!said.contains("a-secret-key"), "{said}");
    }
}
