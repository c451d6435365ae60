//! What crashes leave of uploads on a disk, and the sweep that takes it.

use std::fs::{create_dir_all, write as put};
use std::time::Duration;

use clock::{Clock, System};

use futures_util::{StreamExt, poll, stream};
use object_store::path::Path;

use super::disk;
use crate::conformance::{LONG, NO_LIMIT, bytes, flowing, key, read, write};
use crate::staged::file_of;

#[tokio::test]
async fn a_sweep_takes_what_is_old_and_unfinished_and_no_blob() {
    let (blobs, place) = disk();
    let kept = bytes(1, 100);
    write(&blobs, "fleet/acme/kept", &kept).await.unwrap();
    create_dir_all(place.path().join("staged")).unwrap();
    let left =
        ["staged/half", "staged/whole#1", "fleet/acme/cut#12"].map(|at| place.path().join(at));
    for file in &left {
        put(file, "left by a crash").unwrap();
    }
    let (hour, now) = (Duration::from_hours(1), System::start().now());
    assert_eq!(blobs.sweep_staged(hour, now).await.unwrap(), 0, "its writer may be alive");
    assert!(left.iter().all(|file| file.exists()));
    assert_eq!(blobs.sweep_staged(hour, now.plus(2 * hour)).await.unwrap(), 3);
    assert!(left.iter().all(|file| !file.exists()));
    assert_eq!(read(&blobs, "fleet/acme/kept").await.unwrap(), kept);
}

/// A file where the folder was: as a disk that is no longer mounted, it takes nothing.
#[tokio::test]
async fn a_place_that_takes_nothing_is_not_reached_and_says_why() {
    let (blobs, place) = disk();
    blobs.reach().await.unwrap();
    std::fs::remove_dir_all(place.path()).unwrap();
    put(place.path(), "in its way").unwrap();
    let no = blobs.reach().await.unwrap_err();
    let why = std::error::Error::source(&no).unwrap().to_string();
    assert!(why.contains("staged"), "{why}");
    std::fs::remove_file(place.path()).unwrap();
}

/// Under another name it would never reach the disk before its end, and nobody would notice.
#[tokio::test]
async fn what_is_on_its_way_lies_in_the_file_that_is_brought_to_the_disk_meanwhile() {
    let (blobs, place) = disk();
    let endless =
        flowing(&bytes(1, LONG)).chain(stream::pending::<std::io::Result<bytes::Bytes>>());
    let at = key("fleet/acme/long");
    let mut writing = Box::pin(blobs.write(&at, endless, NO_LIMIT));
    let folder = place.path().join("staged");
    let there = loop {
        assert!(poll!(&mut writing).is_pending());
        tokio::task::yield_now().await;
        let mut found = std::fs::read_dir(&folder).into_iter().flatten();
        if let Some(found) = found.next() {
            break found.unwrap().path();
        }
    };
    let named = there.file_name().unwrap().to_str().unwrap();
    let (id, _) = named.split_once('#').unwrap();
    assert_eq!(there, file_of(place.path(), &Path::from(format!("staged/{id}"))));
}
