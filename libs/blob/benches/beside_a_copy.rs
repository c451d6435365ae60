//! A blob in and out of a folder beside a plain copy of the same bytes that is synced, in one run,
//! and the most memory that it took. It never compares with another run: the disk may have other
//! work by then.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blob::{BlobKey, Blobs, Flow};
use bytes::{Bytes, BytesMut};
use clock::System;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;

const SIZE: u64 = 1 << 30;
const PIECE: usize = 256 << 10;
const ROUNDS: usize = 5;

fn main() {
    // Beside the build output, because a temporary folder may be no disk at all.
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (source, copy) = (place.path().join("source"), place.path().join("copy"));
    fill(&source);
    let ids = Arc::new(System::start());
    let blobs = Blobs::disk(&place.path().join("blobs"), ids).expect("the folder opens");
    let key: BlobKey = "bench/blob".parse().expect("a key");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    say(&format!("{} MiB, each synced before it counts", SIZE >> 20));
    for round in 0..ROUNDS {
        let plain = took(|| copied(&source, &copy));
        let write = took(|| runtime.block_on(written(&blobs, &key, &source)));
        let read = took(|| runtime.block_on(fetched(&blobs, &key, &copy)));
        runtime.block_on(blobs.remove(&key)).expect("it is removed");
        let beside = |span: Duration| plain.as_secs_f64() / span.as_secs_f64();
        say(&format!(
            "round {round}  copy {plain:.2?}  in {write:.2?}, {:.2} x copy  out {read:.2?}, {:.2} x copy",
            beside(write),
            beside(read),
        ));
    }
    say(&format!("most memory: {}", most_memory()));
}

fn fill(source: &Path) {
    let mut file = File::create(source).expect("the source is made");
    let mut state = 1_u64;
    for _ in 0..SIZE / PIECE as u64 {
        let piece: Vec<u8> = (0..PIECE / 8)
            .flat_map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_le_bytes()
            })
            .collect();
        file.write_all(&piece).expect("it is written");
    }
    file.sync_all().expect("it is synced");
}

fn copied(from: &Path, to: &Path) {
    let _gone = fs::remove_file(to);
    fs::copy(from, to).expect("it is copied");
    File::open(to).and_then(|file| file.sync_all()).expect("it is synced");
}

async fn written(blobs: &Blobs, key: &BlobKey, source: &Path) {
    let source = tokio::fs::File::open(source).await.expect("the source opens");
    let told = blobs.write(key, flowing(source), SIZE).await.expect("it is written");
    assert_eq!(told.size, SIZE);
}

async fn fetched(blobs: &Blobs, key: &BlobKey, to: &Path) {
    let _gone = fs::remove_file(to);
    let mut file = tokio::fs::File::create(to).await.expect("the copy is made");
    let mut reading = blobs.read(key, None).await.expect("it is read");
    while let Some(piece) = reading.bytes.try_next().await.expect("it is read") {
        file.write_all(&piece).await.expect("it is written");
    }
    file.sync_all().await.expect("it is synced");
}

fn flowing(file: tokio::fs::File) -> impl Flow {
    stream::try_unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    })
    .boxed()
}

fn took(work: impl FnOnce()) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let began = Instant::now();
    work();
    began.elapsed()
}

fn most_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "not told here".to_owned(), |most| most.trim().to_owned())
}

fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).expect("it is told");
}
