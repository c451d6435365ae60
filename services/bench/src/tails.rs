//! What it costs that many follow one job that says much, through a real door: the share of one
//! core is of the whole process, the readers' own side included. The delay of a line counts from
//! when it was made, so that what its holder gathers before it speaks is part of it.

use std::time::Duration;

use client::{Follow, LogPart, News, OverHttp, Patience};
use dev::{Data, Local};
use fleet::{Disposition, OpId, RequestId};
use futures_util::future::{join, join_all};
use identity::SignUpMode;
use ledger::Terms;
use node::open::BlobsChoice;
use node::{Node, Tasks};
use protocol::{AppendLog, Ask, ClaimWork, Granted, LogPiece, ReleaseJob, SubmitJob};
use tokio::sync::Barrier;

use crate::spread::Spread;
use crate::yard::factory;
use crate::{BenchError, Measurement, Options, StoreChoice, usage};

const TAILS: u64 = 100;
const LINES_PER_SECOND: u64 = 1_000;
/// What a holder gathers before it speaks again.
const GATHER: Duration = Duration::from_millis(250);
/// Of so many readers one tells how late each line was.
const OBSERVED: u64 = 10;
const TOKEN: &str = "gm_for-this-measure-and-nothing-else";
const REST: &str =
    "\u{1b}[32m   Compiling\u{1b}[0m a crate of a name like others, with its version";

/// A fleet with a door, seen from outside.
struct House {
    link: OverHttp,
    node: Node,
}

/// What one reader saw.
#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    lines: u64,
    delays: Vec<Duration>,
    violations: u64,
}

pub(crate) async fn measure(
    options: &Options,
    say: &mut impl FnMut(&'static str),
) -> Result<Measurement, BenchError> {
    say("opening a door");
    let place = tempfile::tempdir_in(&options.place).map_err(BenchError::Place)?;
    let local = opened(options, place.path()).await?;
    let link = OverHttp::new(&format!("http://{}", local.address()), TOKEN);
    let link = link.map_err(|_| BenchError::Went("the door has no address"))?;
    let house = House { link, node: local.beside(Tasks::default()) };
    let held = house.hold().await?;
    say("following what one job says");
    let tails = options.jobs_or(TAILS);
    let ready = Barrier::new(usize::try_from(tails).unwrap_or(usize::MAX).saturating_add(1));
    let readers = join_all((0..tails).map(|n| house.read(n, &held, &ready)));
    let (spoken, seen) = join(house.speak(&held, options.span(), &ready), readers).await;
    let spoken = spoken?;
    let rss_mb = usage::resident_mb();
    local.close().await?;
    let seen = seen.into_iter().collect::<Result<Vec<_>, _>>()?;
    let missed = seen.iter().filter(|one| one.bytes != spoken.bytes).count() as u64;
    let violations = missed + seen.iter().map(|one| one.violations).sum::<u64>();
    let lines: u64 = seen.iter().map(|one| one.lines).sum();
    let delays = Spread::of(seen.into_iter().flat_map(|one| one.delays).collect());
    Ok(Measurement {
        in_flight: usize::try_from(tails).unwrap_or(usize::MAX),
        seconds: spoken.seconds,
        per_sec: lines as f64 / tails as f64 / spoken.seconds,
        p50_ms: delays.at(50),
        p99_ms: delays.at(99),
        ratio: Some(spoken.processor.as_secs_f64() / spoken.seconds),
        rss_mb,
        violations,
        ..options.figure("logs")
    })
}

async fn opened(options: &Options, place: &std::path::Path) -> Result<Local, BenchError> {
    let data = match (options.store, &options.nats) {
        (StoreChoice::Memory, _) => Data::Memory,
        (StoreChoice::Embedded, _) => Data::Folder(place.join("store")),
        (StoreChoice::Nats, Some(url)) => Data::Nats(url.clone()),
        (StoreChoice::Nats, None) => return Err(BenchError::Went("no server was named")),
        (StoreChoice::Cosmos, _) => {
            return Err(BenchError::Went("logs lie in blobs: measure them on another store"));
        }
    };
    let options = dev::Options {
        data,
        blobs: BlobsChoice::Disk(place.join("blobs")),
        address: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        product: "bench".parse().expect("a name"),
        token: TOKEN.parse().expect("long enough"),
        hosts: Vec::new(),
        terms: Terms::default(),
        engine: "echo".parse().expect("a name"),
        keep: Default::default(),
        sign_up: SignUpMode::Off,
        issuers: None,
    };
    Local::open(options).await.map_err(|_| BenchError::Went("the door stays shut"))
}

/// What was said, and what it cost everybody.
struct Spoken {
    bytes: u64,
    seconds: f64,
    processor: Duration,
}

impl House {
    async fn hold(&self) -> Result<Granted, BenchError> {
        let submit = SubmitJob { file: Some("Say much.".to_owned()), ..SubmitJob::default() };
        self.ask(&submit).await?;
        let claim = ClaimWork {
            claim_request_id: RequestId::from_uuid(self.node.ids.mint()),
            factory_id: factory("f", 0),
            incarnation: fleet::Incarnation::from_uuid(self.node.ids.mint()),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().expect("a name")],
            free_seats: 1,
            wait_ms: 10_000,
            exclude: Vec::new(),
            offer: None,
            fresh: true,
        };
        self.ask(&claim).await?.ok_or(BenchError::Went("no job was given"))
    }

    async fn speak(
        &self,
        held: &Granted,
        span: Duration,
        ready: &Barrier,
    ) -> Result<Spoken, BenchError> {
        ready.wait().await;
        let (began, used) = (self.node.clock.uptime(), usage::processor());
        let (mut from, mut made, mut turn) = (0, 0, began);
        while turn < began + span {
            turn += GATHER;
            tokio::time::sleep(turn.saturating_sub(self.node.clock.uptime())).await;
            let due = u64::try_from((turn - began).as_millis()).unwrap_or(u64::MAX);
            let due = due.saturating_mul(LINES_PER_SECOND) / 1000;
            let text: String = (made..due).map(|line| stamped(began, line)).collect();
            made = due;
            let length = text.len() as u64;
            self.ask(&word(held, from, text)).await?;
            from += length;
        }
        let seconds = (self.node.clock.uptime() - began).as_secs_f64();
        let processor = usage::processor() - used;
        self.ask(&shipped(held, OpId::from_uuid(self.node.ids.mint()))).await?;
        Ok(Spoken { bytes: from, seconds, processor })
    }

    async fn read(&self, n: u64, held: &Granted, ready: &Barrier) -> Result<Seen, BenchError> {
        let part = LogPart::default();
        let mut follow: Follow = self.link.follow_log(held.job.id, part, self.patience());
        let (mut seen, mut waits) = (Seen::default(), true);
        loop {
            match follow.next().await? {
                News::Here if waits => {
                    waits = false;
                    ready.wait().await;
                }
                News::Event(said) => {
                    let piece = serde_json::from_value::<LogPiece>(said);
                    let piece = piece.map_err(|_| BenchError::Went("no lines were told"))?;
                    let observed = n.is_multiple_of(OBSERVED).then(|| self.node.clock.uptime());
                    seen.take(&piece, observed);
                }
                News::Here | News::Away => {}
                News::Gap => seen.violations += 1,
                News::End => return Ok(seen),
            }
        }
    }

    async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, BenchError> {
        Ok(self.link.call(ask, self.patience()).await?)
    }

    fn patience(&self) -> Patience {
        let span = Duration::from_secs(30);
        let until = self.node.clock.now().plus(span);
        Patience { request_id: self.node.ids.mint(), until, span }
    }
}

impl Seen {
    fn take(&mut self, piece: &LogPiece, now: Option<Duration>) {
        self.violations += u64::from(piece.from != self.bytes);
        self.bytes += piece.text.len() as u64;
        self.lines += piece.text.lines().count() as u64;
        let made = |line: &str| line.split(' ').next()?.parse().ok().map(Duration::from_micros);
        let Some(now) = now else { return };
        let made = piece.text.lines().filter_map(made);
        self.delays.extend(made.map(|made| now.saturating_sub(made)));
    }
}

/// A line that tells when it was made.
fn stamped(began: Duration, line: u64) -> String {
    let made = began + Duration::from_millis(line * 1000 / LINES_PER_SECOND);
    format!("{} {REST}\n", made.as_micros())
}

fn word(held: &Granted, from: u64, text: String) -> AppendLog {
    AppendLog {
        job_id: held.job.id,
        factory_id: factory("f", 0),
        lease_epoch: held.lease_epoch,
        claim_nonce: held.claim_nonce,
        from,
        text,
    }
}

fn shipped(held: &Granted, op_id: OpId) -> ReleaseJob {
    ReleaseJob {
        job_id: held.job.id,
        factory_id: factory("f", 0),
        lease_epoch: held.lease_epoch,
        claim_nonce: held.claim_nonce,
        op_id,
        disposition: Some(Disposition::Fail),
        result: None,
        exit: None,
        verify_result: None,
        insights: None,
        checkpoint: None,
        reason: None,
        artifacts: Vec::new(),
    }
}
