//! Acknowledged conditional puts of 1 KB a second beside what the disk can sync, in one run.
//! It never compares with another run: the disk may have other work by then.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::{Expect, Key, Kind, Put, Spread, Store};
use store_embedded::Embedded;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

const KIND: Kind = Kind { name: "jobs", spread: Spread::ById };
const VALUE: usize = 1024;
const SLICE: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 5;

fn main() {
    // Beside the build output, because a temporary folder may be no disk at all.
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let store: Arc<dyn Store> =
        Arc::new(Embedded::open(place.path().join("store")).expect("the store opens"));
    say("1 KB conditional puts, each acknowledged after its sync");
    for round in 0..ROUNDS {
        let floor = floor(place.path());
        say(&format!("round {round}  floor: append + fdatasync   {floor}"));
        for many in [1, 64, 256] {
            let run = runtime.block_on(puts(&store, round, many));
            let (ratio, wait) = (run.rate() / floor.rate(), run.at(50) / floor.at(50));
            let beside = format!("{ratio:6.2} x floor, p50 {wait:5.2} syncs");
            say(&format!("         {many:3} in flight              {run}  {beside}"));
        }
    }
}

struct Run {
    took: Duration,
    /// Sorted.
    waits: Vec<Duration>,
}

impl Run {
    fn new(took: Duration, mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        Self { took, waits }
    }

    fn rate(&self) -> f64 {
        self.waits.len() as f64 / self.took.as_secs_f64()
    }

    fn at(&self, percent: usize) -> f64 {
        self.waits[(self.waits.len() - 1) * percent / 100].as_secs_f64() * 1e6
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (p50, p99) = (self.at(50), self.at(99));
        write!(out, "{:9.0}/s  p50 {p50:7.0} µs  p99 {p99:7.0} µs", self.rate())
    }
}

fn floor(directory: &Path) -> Run {
    let path = directory.join("floor");
    let mut file: File =
        OpenOptions::new().create(true).append(true).open(path).expect("a file opens");
    let (start, mut waits) = (now(), Vec::new());
    while start.elapsed() < SLICE {
        let begun = now();
        file.write_all(&[7; VALUE]).expect("the disk takes it");
        file.sync_data().expect("the disk syncs");
        waits.push(begun.elapsed());
    }
    Run::new(start.elapsed(), waits)
}

async fn puts(store: &Arc<dyn Store>, round: usize, many: usize) -> Run {
    let (start, mut writers) = (now(), JoinSet::new());
    for n in 0..many {
        writers.spawn(write(Arc::clone(store), format!("r{round}-{many}-{n}")));
    }
    let waits = writers.join_all().await;
    Run::new(start.elapsed(), waits.concat())
}

/// Creates a document, then updates it at its revision again and again.
async fn write(store: Arc<dyn Store>, partition: String) -> Vec<Duration> {
    let value = Bytes::from(vec![7; VALUE]);
    let (start, mut waits) = (now(), Vec::new());
    let mut expect = Expect::Absent;
    let mut count = 0;
    while start.elapsed() < SLICE {
        let key = Key::new(KIND, partition.as_str(), format!("j{}", count / 100));
        let begun = now();
        let answer = store.put(&key.expect("a good key"), value.clone(), &expect).await;
        waits.push(begun.elapsed());
        count += 1;
        expect = match answer.expect("the store answers") {
            Put::Written(_) if count % 100 == 0 => Expect::Absent,
            Put::Written(revision) => Expect::At(revision),
            Put::Conflict | Put::Missing => panic!("nobody else writes here"),
        };
    }
    waits
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "a benchmark's figures are for the terminal")]
fn say(line: &str) {
    println!("{line}");
}
