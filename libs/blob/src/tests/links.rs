//! Links to our own door: each opens one blob for one deed until its time, and nothing else.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clock::System;
use fleet::Timestamp;
use percent_encoding::percent_decode_str;

use super::{at, disk, memory};
use crate::conformance::key;
use crate::{Blobs, DOOR, Deed, Grant, Shown, Signed, Stale};

const LIFE: Duration = Duration::from_mins(15);

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn shown(deed: Deed) -> Shown {
    Shown {
        deed,
        key: key("fleet/acme/j_1/a_1-log"),
        content_type: "text/plain; charset=utf-8".into(),
        name: Some("run 1 & more=ä?.log".into()),
        most: 1_000,
    }
}

async fn granted(blobs: &Blobs, deed: Deed) -> Grant {
    blobs.grant(shown(deed), LIFE, now()).await.unwrap()
}

/// As a door reads an address.
fn read(url: &str) -> Signed {
    let (key, query) = url.strip_prefix(DOOR).unwrap().split_once('?').unwrap();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    Signed { key: decoded(key), query: query.split('&').map(pair).collect() }
}

#[tokio::test]
async fn a_link_says_what_was_granted_and_dies_on_time() {
    let (on_disk, _place) = disk();
    for blobs in [memory(), on_disk] {
        for deed in [Deed::Read, Deed::Create] {
            let grant = granted(&blobs, deed).await;
            assert_eq!(grant.expires_at, now().plus(LIFE));
            let signed = read(&grant.url);
            let last = Timestamp::from_millis(grant.expires_at.millis() - 1);
            let alive = [now(), last].map(|at| blobs.allowed(&signed, at).unwrap().shown);
            assert_eq!(alive, [shown(deed), shown(deed)]);
            assert_eq!(blobs.allowed(&signed, grant.expires_at), Err(Stale::Expired));
        }
    }
}

#[tokio::test]
async fn a_link_of_which_anything_was_altered_opens_nothing() {
    let blobs = memory();
    let signed = read(&granted(&blobs, Deed::Read).await.url);
    let refused = |altered: Signed| {
        assert_eq!(blobs.allowed(&altered, now()), Err(Stale::Altered), "{altered:?}");
    };
    for other in ["fleet/acme/j_1/a_2-log", "fleet/acme/j_1/a_1-lo", "", "../../etc/passwd"] {
        refused(Signed { key: other.into(), ..signed.clone() });
    }
    for name in ["do", "until", "type", "most", "name", "sig"] {
        let mut without = signed.clone();
        without.query.remove(name).unwrap();
        refused(without);
        let said = &signed.query[name];
        let other = match name {
            "do" => "create".to_owned(),
            "until" => (said.parse::<i64>().unwrap() + 1).to_string(),
            _ => format!("{said}0"),
        };
        let mut altered = signed.clone();
        altered.query.insert(name.into(), other);
        refused(altered);
    }
    let mut more = signed.clone();
    more.query.insert("also".into(), String::new());
    refused(more);
    // What moves from one part into its neighbour is no longer what was signed.
    let mut moved = signed;
    moved.query.insert("name".into(), String::new());
    moved.query.insert("name0".into(), "run 1 & more=ä?.log".into());
    refused(moved);
}

#[tokio::test]
async fn every_single_character_of_a_signature_counts() {
    let blobs = memory();
    let signed = read(&granted(&blobs, Deed::Create).await.url);
    let sig = signed.query["sig"].clone();
    for at in 0..sig.len() {
        let mut other = sig.clone().into_bytes();
        other[at] = if other[at] == b'0' { b'1' } else { b'0' };
        let mut altered = signed.clone();
        altered.query.insert("sig".into(), String::from_utf8(other).unwrap());
        assert_eq!(blobs.allowed(&altered, now()), Err(Stale::Altered), "at {at}");
    }
}

#[tokio::test]
async fn a_link_of_another_place_opens_nothing_and_one_of_the_same_folder_opens_it() {
    let (here, place) = disk();
    let (elsewhere, _other) = disk();
    let signed = read(&granted(&here, Deed::Read).await.url);
    assert_eq!(elsewhere.allowed(&signed, now()), Err(Stale::Altered));
    assert_eq!(memory().allowed(&signed, now()), Err(Stale::Altered));
    assert_eq!(at(&place).allowed(&signed, now()).unwrap().shown, shown(Deed::Read));
}

#[tokio::test]
async fn all_that_open_a_new_folder_at_once_share_one_key() {
    for _ in 0..20 {
        let place = Arc::new(tempfile::tempdir().unwrap());
        let open = |_| {
            let place = Arc::clone(&place);
            thread::spawn(move || at(&place))
        };
        let threads: Vec<_> = (0..8).map(open).collect();
        let opened: Vec<Blobs> = threads.into_iter().map(|one| one.join().unwrap()).collect();
        let signed = read(&granted(&opened[0], Deed::Read).await.url);
        assert!(opened.iter().all(|blobs| blobs.allowed(&signed, now()).is_ok()));
    }
}

#[test]
fn the_key_is_for_its_owner_alone_and_a_broken_one_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let (_, place) = disk();
    let key = place.path().join(".link-key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&key, "short").unwrap();
    let no = Blobs::disk(place.path(), Arc::new(System::start())).unwrap_err();
    let why = std::error::Error::source(&no).unwrap().to_string();
    assert!(why.contains(".link-key"), "{why}");
}
