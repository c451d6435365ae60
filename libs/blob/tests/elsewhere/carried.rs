//! Bytes that factories and people carry past our door, by the client that they have: to a store
//! over plain HTTP on this machine and over TLS.

use std::io::{Read, Seek, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use blob::{Access, Blobs, Deed, Grant};
use client::{Coordinator, FetchError, NoLead, NotBrought, OverHttp, Parcel, Trust};
use protocol::{Link, Upload};
use servers::{Authority, Azurite};

use super::links::{CONTAINER, LIFE, granted, key, make, opened, read, written};

const AT: &str = "carried/one";

fn sealed() -> (Blobs, Azurite) {
    let azurite = Azurite::sealed(&Authority::new()).unwrap_or_else(|trouble| panic!("{trouble}"));
    azurite.container(CONTAINER).unwrap_or_else(|trouble| panic!("{trouble}"));
    let blobs = opened(&azurite, Access::Key(Azurite::KEY.into()), CONTAINER);
    (blobs, azurite)
}

/// Of a door that nothing reaches: nothing here may be sent to it.
fn factory(azurite: &Azurite) -> OverHttp {
    let factory = OverHttp::new("http://127.0.0.1:1", "a-credential-of-ours").unwrap();
    match azurite.roots() {
        Some(roots) => factory.trusting(Trust::only(&roots).unwrap()),
        None => factory,
    }
}

fn upload(grant: Grant) -> Upload {
    let Grant { url, headers, expires_at } = grant;
    Upload { url, headers, expires_at }
}

fn link(grant: Grant) -> Link {
    Link { url: grant.url, expires_at: grant.expires_at }
}

fn parcel(bytes: &[u8]) -> Parcel {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Parcel { file, length: bytes.len() as u64 }
}

async fn fetched(by: &OverHttp, link: &Link) -> Vec<u8> {
    let mut fetched = by.fetch(link).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = fetched.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(fetched.size, Some(bytes.len() as u64));
    bytes
}

#[tokio::test]
async fn bytes_are_carried_straight_to_the_store_and_back_sealed_or_on_this_machine() {
    let long: Vec<u8> = (0..=u8::MAX).cycle().take((5 << 20) + 3).collect();
    for (blobs, azurite) in [make().await, sealed()] {
        let factory = factory(&azurite);
        let to = upload(granted(&blobs, Deed::Create, AT, LIFE).await);
        factory.bring(&to, parcel(&long)).await.unwrap();
        let again = factory.bring(&to, parcel(b"something else")).await;
        assert!(matches!(again, Err(NotBrought::Refused { status: 409, .. })), "{again:?}");
        assert_eq!(blobs.count(&key(AT)).await.unwrap().size, long.len() as u64);
        assert!(read(&blobs, AT).await == long);
        let link = link(granted(&blobs, Deed::Read, AT, LIFE).await);
        assert!(fetched(&factory, &link).await == long);
        let elsewhere = Link { url: link.url.replace("/one?", "/two?"), ..link };
        let refused = factory.fetch(&elsewhere).await;
        assert!(matches!(refused, Err(FetchError::Refused(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn whoever_nobody_vouches_for_is_sent_nothing() {
    let (blobs, azurite) = sealed();
    let to = upload(granted(&blobs, Deed::Create, AT, LIFE).await);
    written(&blobs, "carried/two", 10).await;
    let from = link(granted(&blobs, Deed::Read, "carried/two", LIFE).await);
    // The machine's roots, and those of another authority.
    let machine = OverHttp::new("http://127.0.0.1:1", "x").unwrap();
    let other = machine.clone().trusting(Trust::only(&Authority::new().roots()).unwrap());
    for stranger in [machine, other] {
        let refused = stranger.bring(&to, parcel(b"secret")).await;
        assert!(matches!(refused, Err(NotBrought::Broke(_))), "{refused:?}");
        let refused = stranger.fetch(&from).await;
        assert!(matches!(refused, Err(FetchError::Call(_))), "{refused:?}");
    }
    let nothing = blobs.count(&key(AT)).await;
    assert!(matches!(nothing, Err(blob::ReadError::Missing)), "{nothing:?}");
    assert_eq!(fetched(&factory(&azurite), &from).await.len(), 10);
}

/// Hears one request, answers it, and says what its head was.
fn heard_by(listener: TcpListener) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        String::from_utf8(head).unwrap().to_lowercase()
    })
}

#[tokio::test]
async fn a_link_is_fetched_without_our_credential_and_never_in_the_open() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/b?sig=1", listener.local_addr().unwrap());
    let heard = heard_by(listener);
    let ours = OverHttp::new("http://127.0.0.1:1", "a-credential-of-ours").unwrap();
    let link = |url: &str| Link { url: url.to_owned(), expires_at: fleet::Timestamp::EPOCH };
    assert_eq!(fetched(&ours, &link(&url)).await, b"ok");
    let head = heard.join().unwrap();
    assert!(head.starts_with("get /b?sig=1 ") && !head.contains("authorization"), "{head}");
    assert!(!head.contains("a-credential-of-ours"), "{head}");
    let open = ours.fetch(&link("http://blobs.example/b")).await;
    assert!(matches!(open, Err(FetchError::NoWay(NoLead::Unsealed))), "{open:?}");
}
