//! A container that an identity opens, with no key of the account anywhere: over TLS, by a token,
//! with links that a user delegation key signs.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use blob::{Access, Blobs, Deed, ReadError};
use clock::{Clock, System};
use reqwest::{Certificate, Client, StatusCode};
use servers::{Authority, Azurite};

use super::links::{CONTAINER, LIFE, granted, key, opened, read, written};

fn make(access: Access) -> (Blobs, Azurite) {
    let azurite = Azurite::sealed(&Authority::new()).unwrap_or_else(|trouble| panic!("{trouble}"));
    azurite.container(CONTAINER).unwrap_or_else(|trouble| panic!("{trouble}"));
    let blobs = opened(&azurite, access, CONTAINER);
    (blobs, azurite)
}

fn by_token() -> (Blobs, Azurite) {
    make(Access::Bearer(Azurite::TOKEN.into()))
}

fn reader(azurite: &Azurite) -> Client {
    let root = Certificate::from_pem(&azurite.roots().unwrap()).unwrap();
    Client::builder().tls_certs_only([root]).build().unwrap()
}

#[tokio::test]
async fn a_delegated_link_opens_one_blob_for_one_deed() {
    let (blobs, azurite) = by_token();
    let reader = reader(&azurite);
    let told = written(&blobs, "links/one", 300).await;
    written(&blobs, "links/two", 10).await;
    let url = granted(&blobs, Deed::Read, "links/one", LIFE).await.url;
    assert!(url.starts_with("https://") && url.contains("skoid="), "not delegated: {url}");
    let answer = reader.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.bytes().await.unwrap().len(), 300);
    for other in [
        url.replace("/links/one", "/links/two"),
        url.replace("&sig=", "&sig=A"),
        url.replace("sp=r", "sp=rw"),
        url.replace("se=20", "se=21"),
        url.replace("skoid=1", "skoid=2"),
    ] {
        assert_ne!(other, url);
        let status = reader.get(&other).send().await.unwrap().status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{other}");
    }
    let put = reader.put(&url).header("x-ms-blob-type", "BlockBlob").body("other");
    assert_eq!(put.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let delete = reader.delete(&url).send().await.unwrap();
    assert_eq!(delete.status(), StatusCode::FORBIDDEN);
    assert_eq!(blobs.count(&key("links/one")).await.unwrap(), told);
}

#[tokio::test]
async fn a_delegated_link_to_write_writes_beside_its_blob_and_reads_nothing() {
    let (blobs, azurite) = by_token();
    let reader = reader(&azurite);
    let grant = granted(&blobs, Deed::Create, "links/brought", LIFE).await;
    assert!(grant.url.contains("skoid="), "not delegated: {}", grant.url);
    let put = |url: &str| {
        let put = reader.put(url).body("what was sent");
        grant.headers.iter().fold(put, |put, (name, value)| put.header(name, value)).send()
    };
    let elsewhere = grant.url.replace("/staged/by-link/links/brought", "/links/brought");
    assert_ne!(elsewhere, grant.url);
    assert_eq!(put(&elsewhere).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(put(&grant.url).await.unwrap().status(), StatusCode::CREATED);
    let status = reader.get(&grant.url).send().await.unwrap().status();
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(blobs.count(&key("links/brought")).await.unwrap().size, 13);
    assert_eq!(read(&blobs, "links/brought").await, "what was sent");
}

#[tokio::test]
async fn a_delegated_link_dies_on_time_although_its_key_lives_on() {
    let (blobs, azurite) = by_token();
    let reader = reader(&azurite);
    written(&blobs, "links/short-lived", 10).await;
    let clock = System::start();
    let life = Duration::from_secs(3);
    let url = granted(&blobs, Deed::Read, "links/short-lived", life).await.url;
    let mut status = reader.get(&url).send().await.unwrap().status();
    assert_eq!(status, StatusCode::OK);
    while status == StatusCode::OK {
        assert!(clock.uptime() < 4 * life, "it outlived its time");
        status = reader.get(&url).send().await.unwrap().status();
    }
    assert_eq!(status, StatusCode::FORBIDDEN);
    // Its end is told in whole seconds.
    assert!(clock.uptime() >= life - Duration::from_secs(1), "it died early");
    let fresh = granted(&blobs, Deed::Read, "links/short-lived", life).await.url;
    assert_eq!(reader.get(&fresh).send().await.unwrap().status(), StatusCode::OK);
}

/// Gives out the identity of a machine, and tells the head of every request.
fn machine() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address =
        format!("http://{}/metadata/identity/oauth2/token", listener.local_addr().unwrap());
    let (heard, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let token = Azurite::TOKEN;
            let said = format!(r#"{{"access_token":"{token}","expires_on":"4102444800"}}"#);
            let length = said.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{said}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
            if heard.send(String::from_utf8(head).unwrap().to_lowercase()).is_err() {
                return;
            }
        }
    });
    (address, told)
}

#[tokio::test]
async fn the_identity_of_the_machine_opens_a_container_and_is_asked_for_once() {
    let (endpoint, told) = machine();
    let client = Some("a-client".to_owned());
    let (blobs, azurite) = make(Access::Managed { client, endpoint: Some(endpoint) });
    blobs.reach().await.unwrap();
    let long = written(&blobs, "links/long", 9 << 20).await;
    assert_eq!(blobs.count(&key("links/long")).await.unwrap(), long);
    let url = granted(&blobs, Deed::Read, "links/long", LIFE).await.url;
    assert!(url.contains("skoid="), "not delegated: {url}");
    let answer = reader(&azurite).get(&url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let asked: Vec<String> = told.try_iter().collect();
    let [head] = asked.as_slice() else { panic!("{asked:?}") };
    for part in ["metadata: true", "resource=https%3a%2f%2fstorage.azure.com", "client_id=a-client"]
    {
        assert!(head.contains(part), "no {part} in {head}");
    }
}

#[tokio::test]
async fn a_token_for_something_else_opens_nothing_and_is_not_told() {
    let azurite = by_token().1;
    let torn = Azurite::TOKEN.split_at(90).0;
    let no = opened(&azurite, Access::Bearer(torn.into()), CONTAINER).reach().await.unwrap_err();
    let ReadError::Failed(why) = no else { panic!("{no:?}") };
    assert!(!format!("{why:?}").contains(torn), "a secret is told");
}
