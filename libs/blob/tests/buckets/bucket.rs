//! The laws of blobs in a bucket, and what links into it open, for whom and how long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use blob::{BlobKey, Blobs, Deed, Grant, Label, S3, S3Secret, Shown};
use bytes::Bytes;
use clock::{Clock, System};
use futures_util::{TryStreamExt, stream};
use reqwest::{Client, Method, Response, StatusCode};
use servers::Bucket;

const LIFE: Duration = Duration::from_mins(15);

async fn make() -> (Blobs, Bucket) {
    let bucket = Bucket::start().unwrap_or_else(|trouble| panic!("{trouble}"));
    (opened(&bucket, Bucket::SECRET), bucket)
}

blob::conformance!(make);

fn opened(bucket: &Bucket, key: &str) -> Blobs {
    let s3 = S3 {
        bucket: Bucket::NAME.into(),
        region: None,
        endpoint: Some(bucket.endpoint()),
        roots: None,
        secret: Some(S3Secret { id: Bucket::ID.into(), key: key.into() }),
    };
    Blobs::s3(&s3, Arc::new(System::start())).unwrap()
}

fn key(text: &str) -> BlobKey {
    text.parse().unwrap()
}

async fn granted(blobs: &Blobs, deed: Deed, at: &str, life: Duration) -> Grant {
    let (content_type, name) = ("text/plain; charset=utf-8".into(), Some("run 1.log".into()));
    let shown = Shown { deed, key: key(at), content_type, name, most: 1_000 };
    blobs.grant(shown, life, System::start().now()).await.unwrap()
}

async fn written(blobs: &Blobs, at: &str, length: usize) {
    let pieces = [Ok(Bytes::from(vec![b'x'; length]))];
    blobs.write_as(&key(at), &Label::default(), stream::iter(pieces), u64::MAX).await.unwrap();
}

async fn read(blobs: &Blobs, at: &str) -> Bytes {
    let pieces: Vec<Bytes> =
        blobs.read(&key(at), None).await.unwrap().bytes.try_collect().await.unwrap();
    pieces.concat().into()
}

async fn sent(method: Method, url: &str, headers: &BTreeMap<String, String>) -> Response {
    let request = Client::new().request(method, url).body("what was sent");
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.send().await.unwrap()
}

async fn got(url: &str) -> StatusCode {
    Client::new().get(url).send().await.unwrap().status()
}

#[tokio::test]
async fn a_read_link_shows_one_blob_also_a_long_one_and_opens_nothing_else() {
    let (blobs, _bucket) = make().await;
    for (at, length) in [("links/one", 300), ("links/two", 12 << 20)] {
        written(&blobs, at, length).await;
        let url = granted(&blobs, Deed::Read, at, LIFE).await.url;
        let answer = Client::new().get(&url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.bytes().await.unwrap().len(), length);
    }
    let url = granted(&blobs, Deed::Read, "links/one", LIFE).await.url;
    for other in [
        url.replace("/links/one", "/links/two"),
        url.replace("X-Amz-Expires=900", "X-Amz-Expires=9000"),
        url.replace("X-Amz-Signature=", "X-Amz-Signature=0"),
        url.replace("run%201.log", "run%202.html"),
    ] {
        assert_ne!(other, url);
        let status = got(&other).await;
        assert!(status.is_client_error(), "{other}: {status}");
    }
    for method in [Method::PUT, Method::DELETE] {
        let status = sent(method.clone(), &url, &BTreeMap::new()).await.status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{method}");
    }
    assert_eq!(read(&blobs, "links/one").await.len(), 300);
}

#[tokio::test]
async fn a_link_dies_on_time() {
    let (blobs, _bucket) = make().await;
    written(&blobs, "links/short-lived", 10).await;
    let clock = System::start();
    let life = Duration::from_secs(3);
    let url = granted(&blobs, Deed::Read, "links/short-lived", life).await.url;
    let mut status = got(&url).await;
    assert_eq!(status, StatusCode::OK);
    while status == StatusCode::OK {
        assert!(clock.uptime() < 4 * life, "it outlived its time");
        status = got(&url).await;
    }
    assert_eq!(status, StatusCode::FORBIDDEN);
    // Its end is told in whole seconds.
    assert!(clock.uptime() >= life - Duration::from_secs(1), "it died early");
}

#[tokio::test]
async fn what_a_link_brought_is_a_blob_once_it_is_counted_and_never_changes_then() {
    let (blobs, _bucket) = make().await;
    let at = "links/brought";
    let grant = granted(&blobs, Deed::Create, at, LIFE).await;
    assert_eq!(got(&grant.url).await, StatusCode::FORBIDDEN);
    let elsewhere = grant.url.replace("/staged/by-link/links/brought", "/links/brought");
    assert_ne!(elsewhere, grant.url);
    let refused = sent(Method::PUT, &elsewhere, &grant.headers).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let brought = sent(Method::PUT, &grant.url, &grant.headers).await;
    assert_eq!(brought.status(), StatusCode::OK);
    assert_eq!(blobs.find(&key(at)).await.unwrap(), None, "nobody counted it yet");
    let told = blobs.count(&key(at)).await.unwrap();
    assert_eq!((told.size, read(&blobs, at).await), (13, "what was sent".into()));
    // The link still lives; what it writes now is not the blob.
    let late = Client::new().put(&grant.url).header("content-type", &grant.headers["content-type"]);
    late.body("what overwrites").send().await.unwrap();
    assert_eq!(blobs.count(&key(at)).await.unwrap(), told, "counted again, it is the same");
}

#[tokio::test]
async fn a_key_that_is_wrong_is_told_without_being_shown() {
    let (_blobs, bucket) = make().await;
    let no = opened(&bucket, "another-secret").reach().await.unwrap_err();
    let why = format!("{:?}", std::error::Error::source(&no).unwrap());
    assert!(!why.contains("another-secret"), "a secret is told: {why}");
}
