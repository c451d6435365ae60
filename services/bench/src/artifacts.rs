//! Artifacts through the door on the local disk: bytes a second beside a plain copy of the same
//! file that is synced, and how long the list of a full job takes. Client, door and service share
//! the process, so that the memory that is told is that of all three.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blob::Blobs;
use bytes::Bytes;
use client::{FetchError, Freight, OverHttp, Patience};
use clock::{Clock, Ids};
use fleet::{ArtifactKind, JobId};
use futures_util::stream;
use identity::Identity;
use ledger::Terms;
use node::Tasks;
use protocol::{BeginArtifact, KeepArtifact, Linked, ListArtifacts};
use store::Store;
use tempfile::TempDir;

use crate::spread::Spread;
use crate::yard::Yard;
use crate::{BenchError, Floor, Measurement, Options, usage};

const MIB: u64 = 1 << 20;
/// Of the file, where nothing else is said.
const MIBS: u64 = 256;
const ROUNDS: usize = 5;
/// What one job may have.
const LISTED: usize = 1000;
const PAGE: usize = 500;
const LISTS: usize = 200;
const PIECE: usize = 256 << 10;
const TOKEN: &str = "a-token-for-this-measure-alone";
const PATIENCE: Duration = Duration::from_secs(60);

struct Ground {
    yard: Yard,
    link: OverHttp,
    door: Tasks,
    blobs: Blobs,
    job: JobId,
}

pub(crate) async fn measure(
    options: &Options,
    on_measurement: &mut impl FnMut(Measurement),
    say: &mut impl FnMut(&'static str),
) -> Result<(), BenchError> {
    let place = TempDir::with_prefix_in("gigamesh-bench-", &options.place);
    let place = place.map_err(BenchError::Place)?;
    let size = options.jobs_or(MIBS) * MIB;
    say("writing a file");
    let source = place.path().join("source");
    fill(&source, size).map_err(BenchError::Place)?;
    let yard = Yard::open(options, Terms::default()).await?;
    let blobs = Blobs::disk(&place.path().join("blobs"), yard.ids());
    let blobs = blobs.map_err(|_| BenchError::Went("no folder for the bytes"))?;
    let fleet = yard.start_over(&blobs).await?;
    let ground = Ground::open(yard, blobs).await?;
    say("copying, bringing and fetching it in turn");
    let rounds = ground.rounds(&source, place.path(), size).await?;
    for figure in rounds.figures(options) {
        on_measurement(figure);
    }
    say("filling a job with artifacts");
    ground.fill().await?;
    say("listing them");
    on_measurement(ground.list(options).await?);
    ground.door.stop();
    ground.door.join().await?;
    Ok(fleet.stop().await?)
}

/// MiB a second of each round. A disk that is fast for a while is so for all three of a round.
#[derive(Default)]
struct Rounds {
    copied: Vec<f64>,
    brought: Vec<f64>,
    fetched: Vec<f64>,
    resident_mb: f64,
    seconds: f64,
}

impl Rounds {
    /// The median of each, and of the ratios of each round.
    fn figures(&self, options: &Options) -> [Measurement; 2] {
        let plain = median(self.copied.clone());
        [("upload", &self.brought), ("download", &self.fetched)].map(|(what, ours)| {
            let ratios = ours.iter().zip(&self.copied).map(|(ours, plain)| ours / plain);
            Measurement {
                in_flight: 1,
                seconds: self.seconds,
                per_sec: median(ours.clone()),
                ratio: Some(median(ratios.collect())),
                floor: Some(Floor { name: "MiB copied", per_sec: plain }),
                rss_mb: self.resident_mb,
                ..options.figure(what)
            }
        })
    }
}

impl Ground {
    async fn rounds(&self, source: &Path, place: &Path, size: u64) -> Result<Rounds, BenchError> {
        let mut rounds = Rounds::default();
        let began = self.yard.uptime();
        for round in 0..ROUNDS {
            // New files for all three: to write again where something lay costs less.
            let copy = place.join(format!("copy-{round}"));
            let back = place.join(format!("fetched-{round}"));
            let at = self.yard.uptime();
            copied(source, &copy).map_err(BenchError::Place)?;
            let done = self.yard.uptime();
            let linked = self.upload(source, size).await?;
            let brought = self.yard.uptime();
            self.download(&linked, &back).await?;
            let fetched = self.yard.uptime();
            rounds.copied.push(mibs(size, done - at));
            rounds.brought.push(mibs(size, brought - done));
            rounds.fetched.push(mibs(size, fetched - brought));
            rounds.resident_mb = rounds.resident_mb.max(usage::resident_mb());
        }
        rounds.seconds = (self.yard.uptime() - began).as_secs_f64();
        Ok(rounds)
    }

    async fn open(yard: Yard, blobs: Blobs) -> Result<Self, BenchError> {
        let door = Tasks::default();
        let front = yard.beside(door.clone());
        let nobody: Arc<dyn Store> = Arc::new(store::Memory::new());
        let (clock, ids) = (Arc::clone(&front.clock), Arc::clone(&front.ids));
        let identity = Identity::over(&nobody, clock, ids, identity::Settings::default());
        let opened = gateway::Options {
            address: ([127, 0, 0, 1], 0).into(),
            product: yard.product.clone(),
            token: TOKEN.parse().expect("it is long enough"),
            hosts: Vec::new(),
            blobs: blobs.clone(),
            identity,
            issuers: None,
        };
        let address = gateway::serve(front, opened).await;
        let address = address.map_err(|_| BenchError::Went("no door"))?;
        let link = OverHttp::new(&format!("http://{address}"), TOKEN);
        let link = link.map_err(|_| BenchError::Went("no address"))?;
        let job = yard.submit("with-artifacts", "low").await?.job.id;
        Ok(Self { yard, link, door, blobs, job })
    }

    fn patience(&self) -> Patience {
        let until = self.yard.system.now().plus(PATIENCE);
        Patience { request_id: self.yard.system.mint(), until, span: PATIENCE }
    }

    async fn upload(&self, source: &Path, size: u64) -> Result<Linked, BenchError> {
        let freight = Freight {
            job_id: self.job,
            kind: ArtifactKind::Build,
            name: None,
            content_type: None,
            hold: None,
            quarantine: false,
            size,
        };
        let mut file = File::open(source).map_err(BenchError::Place)?;
        let pieces = std::iter::from_fn(move || {
            let mut piece = vec![0; PIECE];
            match file.read(&mut piece) {
                Ok(0) => None,
                Ok(read) => {
                    piece.truncate(read);
                    Some(Ok(Bytes::from(piece)))
                }
                Err(error) => Some(Err(error)),
            }
        });
        Ok(self.link.upload(&freight, stream::iter(pieces), self.patience()).await?)
    }

    async fn download(&self, linked: &Linked, into: &Path) -> Result<(), BenchError> {
        let mut fetched = self.link.fetch(&linked.link).await.map_err(unfetched)?;
        let mut file = File::create(into).map_err(BenchError::Place)?;
        let mut seen = 0;
        while let Some(bytes) = fetched.next().await? {
            seen += bytes.len() as u64;
            file.write_all(&bytes).map_err(BenchError::Place)?;
        }
        file.sync_all().map_err(BenchError::Place)?;
        let whole = seen == linked.artifact.size_bytes;
        whole.then_some(()).ok_or(BenchError::Went("bytes were lost on their way"))
    }

    /// Those of the rounds are there already.
    async fn fill(&self) -> Result<(), BenchError> {
        for _ in ROUNDS..LISTED {
            let begin = BeginArtifact {
                job_id: self.job,
                kind: ArtifactKind::Log,
                content_type: None,
                name: None,
                size_bytes: None,
                sha256: None,
                hold: None,
                quarantine: false,
                direct: false,
            };
            let artifact = self.yard.ask(&begin).await?.artifact;
            let key = blob::BlobKey::of(&artifact).map_err(|_| BenchError::Went("no key"))?;
            let bytes = stream::iter([Ok(Bytes::from_static(b"x"))]);
            let written = self.blobs.write(&key, bytes, MIB).await;
            let counted = written.map_err(|_| BenchError::Went("bytes were not stored"))?;
            let keep = KeepArtifact {
                artifact_id: artifact.id,
                hold: None,
                size_bytes: counted.size,
                sha256: counted.sha256,
            };
            self.yard.ask(&keep).await?;
        }
        Ok(())
    }

    /// How many there are on all pages of the job.
    async fn listed(&self) -> Result<usize, BenchError> {
        let job = self.job.to_string();
        let mut ask = ListArtifacts { job, kind: None, limit: Some(PAGE), cursor: None };
        let mut seen = 0;
        loop {
            let page = self.link.call(&ask, self.patience()).await?;
            seen += page.items.len();
            if page.next_cursor.is_none() {
                return Ok(seen);
            }
            ask.cursor = page.next_cursor;
        }
    }

    /// All pages of the job, again and again.
    async fn list(&self, options: &Options) -> Result<Measurement, BenchError> {
        let mut took = Vec::new();
        let began = self.yard.uptime();
        for _ in 0..LISTS {
            let asked = self.yard.uptime();
            if self.listed().await? != LISTED {
                return Err(BenchError::Went("an artifact is missing in the list"));
            }
            took.push(self.yard.uptime() - asked);
        }
        let seconds = (self.yard.uptime() - began).as_secs_f64();
        let spread = Spread::of(took);
        Ok(Measurement {
            in_flight: 1,
            seconds,
            per_sec: LISTS as f64 / seconds,
            p50_ms: spread.at(50),
            p99_ms: spread.at(99),
            rss_mb: usage::resident_mb(),
            ..options.figure("list")
        })
    }
}

fn unfetched(error: FetchError) -> BenchError {
    match error {
        FetchError::Call(error) => error.into(),
        FetchError::NoWay(_) | FetchError::Refused(_) => BenchError::Went("the link was dead"),
    }
}

/// Of an odd number of figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn mibs(size: u64, took: Duration) -> f64 {
    size as f64 / MIB as f64 / took.as_secs_f64()
}

fn fill(path: &Path, size: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let piece: Vec<u8> = (0..PIECE).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    for _ in 0..size / PIECE as u64 {
        file.write_all(&piece)?;
    }
    file.sync_all()
}

/// As a program copies that reads and writes: the system's own copying may only share the blocks.
fn copied(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            return to.sync_all();
        }
        to.write_all(piece.get(..read).unwrap_or_default())?;
    }
}
