//! A writing process is killed again and again on one folder; each time every blob that it was
//! told of is there, whatever is visible is whole, and a sweep takes the rest.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, System};
use fleet::Timestamp;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use tokio::runtime::Builder;

use crate::Blobs;
use crate::conformance::{LONG, bytes, counted, key, read, write};

const PLACE: &str = "GIGAMESH_TEST_BLOBS";
const WRITERS: u8 = 3;
const KILLS: u64 = 8;

#[test]
fn what_was_acknowledged_survives_kill_9_and_what_was_not_is_whole_or_invisible() {
    let place = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..KILLS {
        run_and_kill(place.path(), 3 + round * 5 % 11, &mut acknowledged);
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            all_that_is_visible_is_whole(place.path(), &acknowledged).await;
        });
    }
}

async fn all_that_is_visible_is_whole(place: &Path, acknowledged: &BTreeSet<String>) {
    let blobs = Blobs::disk(place, Arc::new(System::start())).unwrap();
    let found: Vec<_> = blobs.list(&key("killed")).try_collect().await.unwrap();
    let visible: BTreeSet<String> = found.iter().map(|stored| stored.key.to_string()).collect();
    assert!(acknowledged.is_subset(&visible), "something acknowledged is gone");
    for at in &visible {
        assert_eq!(counted(&read(&blobs, at).await.unwrap()), counted(&content(at)), "{at}");
    }
    let long_after = System::start().now().plus(Duration::from_hours(1));
    blobs.sweep_staged(Duration::ZERO, Timestamp::from_millis(long_after.millis())).await.unwrap();
    let files: BTreeSet<String> = files(place).iter().map(|path| named(place, path)).collect();
    let blobs_and_key: BTreeSet<String> =
        visible.into_iter().chain([".link-key".to_owned()]).collect();
    assert_eq!(files, blobs_and_key, "the sweep left something, or took too much");
}

/// Every third is long. The whole of it follows from its name.
fn content(at: &str) -> bytes::Bytes {
    let seed = at.bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte));
    bytes(seed, if seed % 3 == 0 { LONG } else { 1_000 * usize::from(seed) })
}

/// Starts the writing process, reads `wanted` acknowledgements, kills it, reads the rest.
fn run_and_kill(place: &Path, wanted: u64, acknowledged: &mut BTreeSet<String>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["tests::killed::the_writing_process", "--exact", "--nocapture"]);
    let mut process = command.env(PLACE, place).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut count = 0;
    for line in lines {
        // A line cut short by the kill has no end mark.
        let Some(at) = line.strip_prefix("ack ").and_then(|line| line.strip_suffix(" .")) else {
            continue;
        };
        acknowledged.insert(at.to_owned());
        count += 1;
        if count == wanted {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    assert!(count >= wanted, "the writing process ended by itself after {count}");
}

/// Not a test but the process that is killed; as a test it has nothing to do.
#[test]
fn the_writing_process() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let ids = Arc::new(System::start());
    let blobs = Blobs::disk(Path::new(&place), Arc::<System>::clone(&ids)).unwrap();
    let writing = (0..WRITERS).map(|_| async {
        loop {
            let at = format!("killed/{}", ids.mint());
            write(&blobs, &at, &content(&at)).await.unwrap();
            // One write for a line, so that a kill cannot mix lines.
            std::io::stdout().write_all(format!("ack {at} .\n").as_bytes()).unwrap();
        }
    });
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _never: Vec<()> = runtime.block_on(join_all(writing));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn named(place: &Path, path: &Path) -> String {
    path.strip_prefix(place).unwrap().to_str().unwrap().to_owned()
}
