//! A writing process is killed again and again at random instants on one directory; each time
//! every write it acknowledged must be there. It never waits for a time: it kills after a count.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use store::{Expect, Key, Kind, Put, Scope, Spread, Store, StoreError, Versioned};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::{Embedded, Options};

const KIND: Kind = Kind { name: "jobs", spread: Spread::ById };
const PLACE: &str = "GIGAMESH_TEST_STORE";
const COMPACT_ABOVE: &str = "GIGAMESH_TEST_COMPACT_ABOVE";
const WRITERS: usize = 8;
const KILLS: u64 = 25;

#[test]
fn every_acknowledged_write_survives_kill_9() {
    kill_again_and_again(1, u64::MAX / 4);
}

#[test]
fn every_acknowledged_write_survives_kill_9_while_compacting() {
    kill_again_and_again(2, 1 << 14);
}

#[test]
fn a_second_process_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let _mine = Embedded::open(place.path()).unwrap();
    let refused = child(place.path(), 1 << 20).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(said.contains("in use by another process"), "{said}");
}

/// Not a test but the process that is killed; as a test it has nothing to do.
#[test]
fn the_writing_process() {
    let (Some(place), Some(above)) = (std::env::var_os(PLACE), std::env::var_os(COMPACT_ABOVE))
    else {
        return;
    };
    let compact_above = above.to_str().unwrap().parse().unwrap();
    let store = Embedded::open_with(place, Options { compact_above });
    let said = |error: StoreError| error.source().map(ToString::to_string);
    let store: Arc<dyn Store> = match store.map_err(said) {
        Ok(store) => Arc::new(store),
        Err(said) => panic!("{said:?}"),
    };
    Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(async {
        let mut writers = JoinSet::new();
        for n in 0..WRITERS {
            writers.spawn(write_for_ever(Arc::clone(&store), n));
        }
        writers.join_all().await;
    });
}

fn kill_again_and_again(seed: u64, compact_above: u64) {
    let place = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; WRITERS];
    let mut chance = seed;
    for round in 0..KILLS {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let wanted = 1 + (chance >> 33) % 600;
        run_and_kill(place.path(), compact_above, wanted, &mut acknowledged);
        check(place.path(), &acknowledged, round);
    }
    assert!(acknowledged.iter().all(|&last| last > 10), "hardly anything was written");
    let written: u64 = acknowledged.iter().flat_map(|&last| 1..=last).map(length).sum();
    let kept = place.path().join("store.log").metadata().unwrap().len();
    assert_eq!(kept < written / 2, compact_above < 1 << 20, "{kept} bytes of {written} are kept");
}

/// Starts the writing process, reads `wanted` acknowledgements, kills it, reads the rest.
fn run_and_kill(place: &Path, compact_above: u64, wanted: u64, acknowledged: &mut [u64; WRITERS]) {
    let mut process = child(place, compact_above).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut count = 0;
    for line in lines {
        // A line cut short by the kill has no end mark.
        let Some(words) = line.strip_prefix("ack ").and_then(|line| line.strip_suffix(" .")) else {
            continue;
        };
        let (writer, n) = words.split_once(' ').unwrap();
        acknowledged[writer.parse::<usize>().unwrap()] = n.parse().unwrap();
        count += 1;
        if count == wanted {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    assert!(count >= wanted, "the writing process ended by itself after {count}");
}

fn check(place: &Path, acknowledged: &[u64; WRITERS], round: u64) {
    let store = Embedded::open(place).unwrap_or_else(|error| panic!("round {round}: {error:?}"));
    Builder::new_current_thread().build().unwrap().block_on(async {
        for (writer, &last) in acknowledged.iter().enumerate() {
            let found = store.get(&key(writer, "count")).await.unwrap();
            let n = found.as_ref().map_or(0, number);
            // One write of each may have been under way.
            assert!(n == last || n == last + 1, "round {round}: {last} acknowledged, {n} there");
            assert!(found.is_none_or(|found| found.value == value(n)), "round {round}: bytes");
            let beside = store.get(&key(writer, "beside")).await.unwrap();
            assert!(beside.is_none_or(|found| found.value == value(number(&found))));
        }
        let page = store.scan(&Scope::Kind(KIND), None, 1_000).await.unwrap();
        assert!(page.items.len() <= 2 * WRITERS);
    });
}

/// Counts in one document, and creates and removes another beside it.
async fn write_for_ever(store: Arc<dyn Store>, writer: usize) {
    let (count, beside) = (key(writer, "count"), key(writer, "beside"));
    let found = store.get(&count).await.unwrap();
    let mut n = found.as_ref().map_or(0, number);
    let mut expect = found.map_or(Expect::Absent, |found| Expect::At(found.revision));
    loop {
        n += 1;
        let Put::Written(revision) = store.put(&count, value(n), &expect).await.unwrap() else {
            panic!("nobody else writes here");
        };
        expect = Expect::At(revision);
        // One write for a line, so that a kill cannot mix lines.
        std::io::stdout().write_all(format!("ack {writer} {n} .\n").as_bytes()).unwrap();
        let answer = match store.get(&beside).await.unwrap() {
            Some(found) => store.remove(&beside, &found.revision).await,
            None => store.put(&beside, value(n), &Expect::Absent).await,
        };
        assert!(matches!(answer.unwrap(), Put::Written(_)));
    }
}

fn child(place: &Path, compact_above: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["tests::killed::the_writing_process", "--exact", "--nocapture"]);
    command.env(PLACE, place).env(COMPACT_ABOVE, compact_above.to_string());
    command
}

fn key(writer: usize, id: &str) -> Key {
    Key::new(KIND, format!("w{writer}"), id).unwrap()
}

/// The number, then bytes that follow from it, of a length that follows from it.
fn value(n: u64) -> Bytes {
    let length = usize::try_from(length(n)).unwrap();
    let fill = n.to_le_bytes().into_iter().cycle().take(length);
    n.to_le_bytes().into_iter().chain(fill).collect()
}

fn length(n: u64) -> u64 {
    n * 131 % 3000
}

fn number(found: &Versioned) -> u64 {
    u64::from_le_bytes(found.value[..8].try_into().unwrap())
}
