//! Large artifacts through a real process: it stays small, whoever brings them and however slowly
//! they are read.

use std::time::Duration;

use bytes::Bytes;
use client::Freight;
use fleet::ArtifactKind;
use futures_util::stream;
use protocol::{Link, LinkArtifact};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Running;

const MIB: u64 = 1 << 20;
/// What is brought. The bound below does not depend on it: memory that grew with the bytes would
/// pass it long before their end.
const SIZE: u64 = 256 * MIB;
/// The most that the process may ever have had in memory beside the pages of its own binary, of
/// which a build for tests has more than twice as many as the one that people run. Together they
/// stay below 100 MB there.
const MOST_KIB: u64 = 64 << 10;

#[tokio::test]
async fn a_large_artifact_passes_through_a_small_process_both_ways() {
    let place = tempfile::tempdir().unwrap();
    let dev = Running::dev(place.path(), &["--factories", "0"]).await;
    let job_id = dev.submit("---\nidempotencyKey: big\n---\nx\n").await.unwrap().job.id;
    let freight = Freight {
        job_id,
        kind: ArtifactKind::Build,
        name: Some("big.bin".into()),
        content_type: None,
        hold: None,
        quarantine: false,
        size: SIZE,
    };
    let piece = Bytes::from(vec![0; usize::try_from(MIB).unwrap()]);
    let pieces = stream::iter((0..SIZE / MIB).map(move |_| Ok(piece.clone())));
    let linked = dev.link().upload(&freight, pieces, dev.patience()).await.unwrap();
    assert_eq!(linked.artifact.size_bytes, SIZE);
    let mut fetched = dev.link().fetch(&linked.link).await.unwrap();
    let mut seen = 0;
    while let Some(bytes) = fetched.next().await.unwrap() {
        seen += bytes.len() as u64;
    }
    assert_eq!(seen, SIZE);
    let ask = LinkArtifact { artifact_id: linked.artifact.id, factory_id: None };
    let again = dev.ask(&ask).await.unwrap().link;
    assert_ne!(again, linked.link, "a fresh link each time");
    half_read(&dev, &again).await;
    let most = dev.most_kib_of_its_own();
    assert!(most < MOST_KIB, "it had {most} KiB in memory");
    assert_eq!(dev.stop().await, Some(0));
}

/// Begins to read, and reads no further: what is not taken is not read from the disk either.
async fn half_read(dev: &Running, link: &Link) {
    let door = dev.url.strip_prefix("http://").unwrap();
    let mut readers = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(door).await.unwrap();
        let head = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", link.url);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut some = [0; 1024];
        stream.read_exact(&mut some).await.unwrap();
        assert!(some.starts_with(b"HTTP/1.1 200 "));
        readers.push(stream);
    }
    let listed = tokio::time::timeout(Duration::from_secs(10), dev.jobs()).await;
    assert_eq!(listed.expect("others are served meanwhile").items.len(), 1);
    assert_eq!(readers.len(), 8, "all of them are still there");
}
