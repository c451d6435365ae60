//! The laws on the embedded store, and what it does with bad disks, bad files and bad neighbours.

mod killed;

use std::fs::{OpenOptions, read, write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use store::conformance::acknowledged_writes_are_there_after_reopening;
use store::{Expect, Key, Kind, Put, Revision, Scope, Spread, Store, StoreError};
use tempfile::TempDir;

use crate::frame::{BATCH_HEAD, HEADER, HEADER_LEN};
use crate::log::{NAME, NEW_NAME};
use crate::{Embedded, Options};

const KIND: Kind = Kind { name: "jobs", spread: Spread::ById };

mod laws {
    use super::*;

    async fn make() -> (Arc<dyn Store>, TempDir) {
        let place = tempfile::tempdir().unwrap();
        (Arc::new(Embedded::open(place.path()).unwrap()), place)
    }
    store::conformance!(make);
}

mod laws_while_compacting {
    use super::*;

    async fn make() -> (Arc<dyn Store>, TempDir) {
        let place = tempfile::tempdir().unwrap();
        (Arc::new(always_compacting(place.path())), place)
    }
    store::conformance!(make, rounds = 200);
}

#[tokio::test]
async fn a_write_acknowledged_before_a_crash_is_there_after_it() {
    let place = tempfile::tempdir().unwrap();
    let open = async || Arc::new(Embedded::open(place.path()).unwrap()) as Arc<dyn Store>;
    acknowledged_writes_are_there_after_reopening(open).await;
}

#[tokio::test]
async fn a_second_opening_is_refused_and_says_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let first = Embedded::open(place.path()).unwrap();
    let said = cause(&Embedded::open(place.path()).unwrap_err());
    assert!(said.contains("in use by another process. Stop that process"), "{said}");
    assert!(said.contains(place.path().to_str().unwrap()), "{said}");
    drop(first);
    Embedded::open(place.path()).expect("free again");
}

#[tokio::test]
async fn any_flipped_byte_of_what_was_acknowledged_is_found() {
    let place = filled(5).await;
    let path = place.path().join(NAME);
    let sound = read(&path).unwrap();
    for at in (0..20).chain(HEADER_LEN..sound.len()) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        write(&path, &bytes).unwrap();
        let error = Embedded::open(place.path()).expect_err("a flipped byte passed unseen");
        assert!(matches!(error, StoreError::Corrupt(_)), "byte {at}: {error:?}");
    }
    write(&path, &sound).unwrap();
    Embedded::open(place.path()).expect("the undamaged file opens");
}

#[tokio::test]
async fn an_acknowledged_end_that_is_missing_is_damage_and_says_what_to_do() {
    let place = filled(5).await;
    let path = place.path().join(NAME);
    let sound = read(&path).unwrap();
    for length in [10, HEADER_LEN, HEADER_LEN + 5, sound.len() - 1] {
        write(&path, &sound[..length]).unwrap();
        let error = Embedded::open(place.path()).expect_err("a lost end passed unseen");
        assert!(matches!(error, StoreError::Corrupt(_)), "{length} bytes: {error:?}");
        let said = cause(&error);
        for part in [path.to_str().unwrap(), "at byte", "restore the directory from a backup"] {
            assert!(said.contains(part), "no {part:?} in {said:?}");
        }
    }
}

#[tokio::test]
async fn a_torn_tail_that_nobody_was_promised_is_dropped() {
    let place = filled(5).await;
    let path = place.path().join(NAME);
    let sound = read(&path).unwrap();
    // A sixth batch, as the log would have it, then cut at every length and never marked.
    let store = Embedded::open(place.path()).unwrap();
    written(put(&store, "k5", "v5", &Expect::Absent).await);
    drop(store);
    let longer = read(&path).unwrap();
    for length in sound.len() + 1..longer.len() {
        let torn = [&sound, &longer[sound.len()..length]].concat();
        write(&path, torn).unwrap();
        let store = Embedded::open(place.path()).expect("a torn tail is normal");
        assert_eq!(store.get(&key("k4")).await.unwrap().unwrap().value, "v4");
        assert_eq!(store.get(&key("k5")).await.unwrap(), None);
        written(put(&store, "k5", "other", &Expect::Absent).await);
    }
}

#[tokio::test]
async fn a_document_that_went_bad_while_open_is_reported_and_others_are_read() {
    let place = filled(2).await;
    let store = Embedded::open(place.path()).unwrap();
    let path = place.path().join(NAME);
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let first_entry = HEADER + BATCH_HEAD as u64;
    std::os::unix::fs::FileExt::write_all_at(&file, b"?", first_entry + 30).unwrap();
    assert!(matches!(store.get(&key("k0")).await, Err(StoreError::Corrupt(_))));
    assert_eq!(store.get(&key("k1")).await.unwrap().unwrap().value, "v1");
    let all = store.scan(&Scope::Kind(KIND), None, 10).await;
    assert!(matches!(all, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn after_a_failed_sync_the_write_is_unknown_and_no_other_is_taken() {
    let place = filled(1).await;
    let store = Embedded::open(place.path()).unwrap();
    store.shared.sync_fails.store(true, Ordering::SeqCst);
    let answer = put(&store, "k1", "v1", &Expect::Absent).await;
    assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
    assert_eq!(store.get(&key("k1")).await.unwrap(), None, "nothing is shown before its sync");
    store.shared.sync_fails.store(false, Ordering::SeqCst);
    let said = cause(&put(&store, "k2", "v2", &Expect::Absent).await.unwrap_err());
    assert!(said.contains("takes no more writes"), "{said}");
    assert_eq!(store.get(&key("k0")).await.unwrap().unwrap().value, "v0", "reads go on");
    drop(store);
    let store = Embedded::open(place.path()).unwrap();
    written(put(&store, "k2", "v2", &Expect::Absent).await);
}

#[tokio::test]
async fn after_a_full_disk_the_write_did_not_happen_and_no_other_is_taken() {
    let place = filled(1).await;
    let store = Embedded::open(place.path()).unwrap();
    store.shared.append_fails.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let answer = put(&store, "k1", "v1", &Expect::Absent).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
        store.shared.append_fails.store(false, Ordering::SeqCst);
    }
    assert_eq!(store.get(&key("k0")).await.unwrap().unwrap().value, "v0", "reads go on");
    drop(store);
    let store = Embedded::open(place.path()).unwrap();
    assert_eq!(store.get(&key("k1")).await.unwrap(), None);
}

#[tokio::test]
async fn compaction_keeps_the_file_near_what_is_alive_and_revisions_new() {
    let place = tempfile::tempdir().unwrap();
    let store = always_compacting(place.path());
    let gone = written(put(&store, "gone", "x", &Expect::Absent).await);
    written(store.remove(&key("gone"), &gone).await);
    let text = "x".repeat(1000);
    let mut at = written(put(&store, "k", &text, &Expect::Absent).await);
    let path = place.path().join(NAME);
    let (mut longest, mut shrank) = (0, 0);
    // Until it has been seen to shrink five times; each write moves it on.
    for _ in 0..100_000 {
        at = written(put(&store, "k", &text, &Expect::At(at)).await);
        let length = path.metadata().unwrap().len();
        shrank += u32::from(length < longest);
        longest = if length < longest { length } else { length.max(longest) };
        if shrank == 5 {
            break;
        }
    }
    assert_eq!(shrank, 5, "the file never shrank");
    drop(store);
    let store = Embedded::open(place.path()).unwrap();
    let found = store.get(&key("k")).await.unwrap().expect("it is there");
    assert_eq!((found.value, found.revision), (Bytes::from(text), at));
    assert_eq!(store.get(&key("gone")).await.unwrap(), None, "a removal survives compaction");
    let again = written(put(&store, "gone", "x", &Expect::Absent).await);
    assert_ne!(again, gone);
    let late = put(&store, "gone", "y", &Expect::At(gone)).await.unwrap();
    assert_eq!(late, Put::Conflict);
}

#[tokio::test]
async fn an_unfinished_compaction_is_cleared_away() {
    let place = filled(2).await;
    let left = place.path().join(NEW_NAME);
    write(&left, b"half a log").unwrap();
    let store = Embedded::open(place.path()).unwrap();
    assert!(!left.exists());
    assert_eq!(store.get(&key("k1")).await.unwrap().unwrap().value, "v1");
}

/// A closed store with `many` documents, each in a batch of its own.
async fn filled(many: usize) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let store = Embedded::open(place.path()).unwrap();
    for n in 0..many {
        let answer = put(&store, &format!("k{n}"), &format!("v{n}"), &Expect::Absent).await;
        written(answer);
    }
    place
}

fn always_compacting(directory: &Path) -> Embedded {
    Embedded::open_with(directory, Options { compact_above: 1 << 12 }).unwrap()
}

fn key(id: &str) -> Key {
    Key::new(KIND, "p", id).unwrap()
}

async fn put(store: &Embedded, id: &str, text: &str, expect: &Expect) -> Result<Put, StoreError> {
    store.put(&key(id), Bytes::from(text.to_owned()), expect).await
}

fn cause(error: &StoreError) -> String {
    std::error::Error::source(error).expect("every error of the store has one").to_string()
}

fn written(answer: Result<Put, StoreError>) -> Revision {
    match answer.expect("the write is answered") {
        Put::Written(revision) => revision,
        Put::Conflict => panic!("a conflict"),
        Put::Missing => panic!("nothing there"),
    }
}
