//! A disk that is full. A file that may not grow answers as a full disk does, and needs no
//! privileges.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use clock::System;
use tokio::runtime::Builder;

use crate::conformance::{LONG, bytes, nothing_is_left, read, write};
use crate::{Blobs, WriteError};

const PLACE: &str = "GIGAMESH_TEST_FULL_BLOBS";
/// In blocks of 512 bytes or of 1 KiB, as the shell counts.
const BLOCKS: &str = "2048";

#[test]
fn a_full_disk_refuses_a_blob_and_leaves_nothing_of_it() {
    let place = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f $0; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, BLOCKS]).arg(std::env::current_exe().unwrap());
    command.args(["tests::full::the_confined_process", "--exact", "--nocapture"]);
    let ended = command.env(PLACE, place.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let noise = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("all of it was refused"), "{said}{noise}");
}

/// Not a test but the process whose files may not grow; as a test it has nothing to do.
#[test]
fn the_confined_process() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let blobs = Blobs::disk(Path::new(&place), Arc::new(System::start())).unwrap();
    Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(async {
        let small = bytes(1, 100_000);
        write(&blobs, "small", &small).await.unwrap();
        for length in [3 << 20, LONG] {
            let refused = write(&blobs, "large", &bytes(2, length)).await;
            assert!(matches!(refused, Err(WriteError::Failed(_))), "{refused:?}");
            nothing_is_left(&blobs, "large").await;
        }
        assert_eq!(read(&blobs, "small").await.unwrap(), small);
        write(&blobs, "large", &small).await.unwrap();
    });
    println!("all of it was refused");
}
