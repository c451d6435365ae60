//! Conditional updates a second through the store beside those of a bare client on the same
//! server, in one run. It never compares with another run: the disk may have other work by then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context, stream};
use bytes::Bytes;
use servers::{Nats, Options, SyncMode};
use store::{Expect, Key, Kind, Put, Scope, Spread, Store};
use store_nats::{NatsKv, Plan, init};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

const ONE: Kind = Kind { name: "one", spread: Spread::Whole };
const EIGHT: Kind = Kind { name: "eight", spread: Spread::ById };
const SCANNED: Kind = Kind { name: "scanned", spread: Spread::ById };
const KINDS: [Kind; 3] = [ONE, EIGHT, SCANNED];
const DOCUMENTS: usize = 1_000_000;
const WRITERS: usize = 100;
const VALUE: usize = 512;
const SLICE: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 3;

fn main() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        for sync in [SyncMode::ServerDefault, SyncMode::Always] {
            say(&format!("512-byte conditional updates, one server, {sync:?}"));
            // Beside the build output, because a temporary folder may be no disk at all.
            let place = Some(env!("CARGO_TARGET_TMPDIR").into());
            let server = Nats::start(Options { sync, place, ..Options::default() });
            rounds(&server.unwrap_or_else(|trouble| panic!("{trouble}")), sync).await;
        }
    });
}

async fn rounds(server: &Nats, sync: SyncMode) {
    let options = store_nats::Options::new(server.url());
    init(&options, Plan::default(), &KINDS, "bench").await.expect("the buckets are made");
    let store = NatsKv::open(&options, &KINDS).await.expect("the store opens");
    let store: Arc<dyn Store> = Arc::new(store);
    let bare = bare(&server.url()).await;
    // To fill it with a sync for each document would take the longest part of the run.
    if sync == SyncMode::ServerDefault {
        scans(&store).await;
    }
    for round in 0..ROUNDS {
        for many in [1, 64] {
            let name = |n| format!("r{round}-{many}-{n}");
            let subjects = (0..many).map(|n| format!("$KV.bare.p.{}", name(n)));
            let floor = run(subjects.map(|subject| write_bare(bare.clone(), subject))).await;
            say(&format!("round {round}  {many:3} in flight  bare client            {floor}"));
            for kind in [ONE, EIGHT] {
                let keys = (0..many).map(|n| Key::new(kind, "p", name(n)).expect("a good key"));
                let run = run(keys.map(|key| write(Arc::clone(&store), key))).await;
                let ratio = run.rate() / floor.rate();
                let name = format!("store, {} stream(s)", kind.name);
                say(&format!("                        {name:22} {run}  {ratio:5.2} x bare"));
            }
        }
    }
}

/// How fast a kind of many documents is read from end to end, as a board is built, and how long
/// one page of their partition takes, which lists them all.
async fn scans(store: &Arc<dyn Store>) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(store);
        writers.spawn(async move { fill(&store, writer).await });
    }
    writers.join_all().await;
    let (begun, mut seen, mut from) = (now(), 0, None);
    loop {
        let page = store.scan(&Scope::Kind(SCANNED), from.as_ref(), 1_000).await;
        let page = page.expect("the scan is answered");
        seen += page.items.len();
        let Some(next) = page.next else { break };
        from = Some(next);
    }
    let rate = f64::from(u32::try_from(seen).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
    say(&format!("scan of a kind of {seen} documents in pages of 1000: {rate:.0}/s"));
    let begun = now();
    let partition = Scope::Partition(SCANNED, "p".into());
    store.scan(&partition, None, 100).await.expect("the scan is answered");
    let took = begun.elapsed().as_secs_f64() * 1e3;
    say(&format!("the first 100 of their partition: {took:.0} ms"));
}

async fn fill(store: &Arc<dyn Store>, writer: usize) {
    for n in 0..DOCUMENTS / WRITERS {
        let key = Key::new(SCANNED, "p", format!("{writer}-{n}")).expect("a good key");
        let answer = store.put(&key, Bytes::from(vec![7; VALUE]), &Expect::Absent).await;
        let Ok(Put::Written(revision)) = answer else { panic!("{answer:?}") };
        // So that there are gaps in the stream, as in any that was written to for a while.
        if n % 2 == 0 {
            let again = store.put(&key, Bytes::from(vec![8; VALUE]), &Expect::At(revision)).await;
            assert!(matches!(again, Ok(Put::Written(_))), "{again:?}");
        }
    }
}

/// All of the writers at once.
async fn run<W>(writers: impl Iterator<Item = W>) -> Run
where
    W: Future<Output = Vec<Duration>> + Send + 'static,
{
    let mut waits = writers.collect::<JoinSet<_>>().join_all().await.concat();
    waits.sort_unstable();
    Run { waits }
}

async fn bare(url: &str) -> Context {
    let client = async_nats::connect(url).await.expect("the server listens");
    let context = jetstream::new(client);
    let config = stream::Config {
        name: "KV_bare".into(),
        subjects: vec!["$KV.bare.>".into()],
        max_messages_per_subject: 1,
        discard: stream::DiscardPolicy::New,
        ..stream::Config::default()
    };
    context.create_stream(config).await.expect("the stream is made");
    context
}

async fn write_bare(context: Context, subject: String) -> Vec<Duration> {
    let value = Bytes::from(vec![7; VALUE]);
    let (start, mut waits, mut expected) = (now(), Vec::new(), 0);
    while start.elapsed() < SLICE {
        let begun = now();
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.to_string());
        let sent = context.publish_with_headers(subject.clone(), headers, value.clone()).await;
        expected = sent.expect("it is sent").await.expect("nobody else writes here").sequence;
        waits.push(begun.elapsed());
    }
    waits
}

/// Creates a document, then updates it at its revision again and again.
async fn write(store: Arc<dyn Store>, key: Key) -> Vec<Duration> {
    let value = Bytes::from(vec![7; VALUE]);
    let (start, mut waits) = (now(), Vec::new());
    let mut expect = Expect::Absent;
    while start.elapsed() < SLICE {
        let begun = now();
        let answer = store.put(&key, value.clone(), &expect).await;
        waits.push(begun.elapsed());
        expect = match answer.expect("the store answers") {
            Put::Written(revision) => Expect::At(revision),
            Put::Conflict | Put::Missing => panic!("nobody else writes here"),
        };
    }
    waits
}

struct Run {
    /// Sorted.
    waits: Vec<Duration>,
}

impl Run {
    fn rate(&self) -> f64 {
        self.waits.len() as f64 / SLICE.as_secs_f64()
    }

    fn at(&self, percent: usize) -> f64 {
        self.waits[(self.waits.len() - 1) * percent / 100].as_secs_f64() * 1e3
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (p50, p99) = (self.at(50), self.at(99));
        write!(out, "{:8.0}/s  p50 {p50:6.2} ms  p99 {p99:6.2} ms", self.rate())
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stdout, reason = "a benchmark's figures are for the terminal")]
fn say(line: &str) {
    println!("{line}");
}
