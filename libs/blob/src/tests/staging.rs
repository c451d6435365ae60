//! What crashes leave of uploads on a disk, and the sweep that takes it.

use std::fs::{create_dir_all, write as put};
use std::time::Duration;

use clock::{Clock, System};

use super::disk;
use crate::conformance::{bytes, read, write};

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
