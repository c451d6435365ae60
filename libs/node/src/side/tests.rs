//! The side port of a role whose bus and store are in memory.

use std::collections::BTreeSet;

use clock::System;
use ledger::Terms;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::open::{Bill, Durability, Notice, Room};
use crate::{Tallied, Tasks};

/// A role over a store and a bus in memory, with its side port open.
async fn role() -> (Side, SocketAddr) {
    let system = Arc::new(System::start());
    let tally = Arc::new(Tally::default());
    let bus = Arc::new(Tallied::over(Arc::new(bus::Memory::default()), Arc::clone(&tally)));
    let node = Node {
        bus: Arc::clone(&bus) as _,
        clock: Arc::clone(&system) as _,
        ids: Arc::clone(&system) as _,
        tasks: Tasks::default(),
    };
    let store = Arc::new(store::Memory::new());
    let kept = Kept {
        store,
        durability: Durability::Single,
        losses: Notice::default(),
        room: Room::default(),
        bill: Bill::default(),
    };
    let ledger = Ledger::new(&kept.store, bus, Arc::clone(&system) as _, system, Terms::default());
    let side = Side { node, records: (ledger, kept), blobs: None, tally };
    let address = side.clone().open("127.0.0.1:0".parse().unwrap()).await.unwrap();
    (side, address)
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test]
async fn a_role_is_alive_and_ready_until_a_part_fails_which_is_named() {
    let (side, address) = role().await;
    assert_eq!(get(address, "/healthz").await, (200, "alive\n".to_owned()));
    let (status, said) = get(address, "/readyz").await;
    assert_eq!(status, 200);
    assert!(said.starts_with("ready\ndurability durable, single"), "{said}");
    let (_, kept) = &side.records;
    kept.losses.set(Some("the bucket x"));
    let (status, said) = get(address, "/readyz").await;
    assert_eq!((status, said.lines().next()), (503, Some("store_generation")));
    assert!(said.contains("lost the bucket x\n"), "{said}");
    assert_eq!(get(address, "/jobs").await.0, 404);
    side.node.tasks.stop();
    assert_eq!(side.failing().await, ["shutting_down", "store_generation"]);
}

#[tokio::test]
async fn a_role_that_carries_bytes_is_ready_while_they_can_be_written() {
    let (side, _) = role().await;
    let folder = std::env::temp_dir().join(format!("gigamesh-side-{}", side.node.ids.mint()));
    let blobs = Blobs::disk(&folder, Arc::clone(&side.node.ids)).unwrap();
    let side = Side { blobs: Some(blobs), ..side };
    assert_eq!(side.failing().await, [""; 0]);
    // A file where the folder was takes nothing, as a disk that is no longer there.
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "in its way").unwrap();
    assert_eq!(side.failing().await, ["blobs"]);
    std::fs::remove_file(&folder).unwrap();
    assert_eq!(side.failing().await, [""; 0], "what came back is used again");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn what_is_counted_can_be_read_by_prometheus() {
    let (side, address) = role().await;
    let (ledger, _) = &side.records;
    ledger.count_too(|| vec![("age{rank=\"0\"}", "gauge", 7), ("age{rank=\"1\"}", "gauge", 0)]);
    let (status, text) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    checked(&text);
    for line in [
        "# TYPE gigamesh_inbox_losses_total counter",
        "# TYPE gigamesh_lease_expired_total counter",
        "gigamesh_follower_lag_milliseconds 0",
        "gigamesh_age{rank=\"0\"} 7",
    ] {
        assert!(text.lines().any(|said| said == line), "no {line:?} in\n{text}");
    }
}

/// Each sample belongs to the family before it, and no family comes twice.
fn checked(text: &str) {
    let (mut family, mut families) = ("", BTreeSet::new());
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert!(families.insert(name), "{name} comes twice");
            family = name;
            continue;
        }
        let (name, number) = line.rsplit_once(' ').unwrap();
        let bare = name.split('{').next().unwrap();
        assert_eq!(bare, family, "{line}");
        assert!(name == bare || name.ends_with("\"}"), "{line}");
        assert!(bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        number.parse::<f64>().expect(line);
    }
    assert!(families.len() > 5, "{text}");
}
