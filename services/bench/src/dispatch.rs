//! How soon work is given. Idle: from the answer to a submit until a parked claim has its grant;
//! a grant that overtakes the answer counts as none. With a backlog: what a claim takes while so
//! many others are queued, beside the same with a handful; and what a scheduler that starts beside
//! them needs for its first grant, and for its whole board.

use std::time::Duration;

use fleet::FactoryId;
use ledger::Terms;

use crate::spread::Spread;
use crate::yard::{Yard, factory};
use crate::{BenchError, Measurement, Options, backlog, usage};

const PARKED: Duration = Duration::from_secs(20);
/// Queued beside each claim that is measured, so that none has to wait for work.
const HANDFUL: usize = 16;
/// How often it is looked whether the scheduler has begun.
const LOOK: Duration = Duration::from_millis(1);
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) async fn measure(
    options: &Options,
    on_measurement: &mut impl FnMut(Measurement),
    say: &mut impl FnMut(&'static str),
) -> Result<(), BenchError> {
    say("submitting to a fleet that waits");
    on_measurement(idle(options).await?);
    if options.backlog == 0 {
        return Ok(());
    }
    say("claiming from a short queue");
    let empty = Yard::open(options, Terms::default()).await?;
    let fleet = empty.start().await?;
    let short = claims(&empty, options).await?;
    fleet.stop().await?;
    let p99 = short.p99_ms;
    on_measurement(short);
    drop(empty);
    say("filling the queue");
    let full = Yard::open(options, Terms::default()).await?;
    backlog::fill(&full, options.backlog).await?;
    say("starting a scheduler");
    let before = usage::resident_mb();
    let began = full.uptime();
    let fleet = full.start().await?;
    let first = first_claim(&full).await? - began;
    on_measurement(first_grant(options, first.as_secs_f64()));
    while !full.store.jobs_were_read() {
        tokio::time::sleep(LOOK).await;
    }
    let seconds = (full.uptime() - began).as_secs_f64();
    on_measurement(started(options, seconds, before));
    say("claiming from a long queue");
    let long = claims(&full, options).await?;
    let ratio = long.p99_ms.zip(p99).map(|(long, short)| long / short);
    on_measurement(Measurement { backlog: options.backlog, ratio, ..long });
    fleet.stop().await?;
    Ok(())
}

/// The scheduler was asked at once, while it still reads; when it granted something.
async fn first_claim(yard: &Yard) -> Result<Duration, BenchError> {
    let by = factory("first", 0);
    let (held, granted) = parked(yard, &by).await?;
    yard.build(&by, &held).await?;
    yard.ship(&by, &held).await?;
    Ok(granted)
}

fn first_grant(options: &Options, seconds: f64) -> Measurement {
    let (backlog, per_sec) = (options.backlog, seconds.recip());
    Measurement { in_flight: 1, backlog, seconds, per_sec, ..options.figure("first-claim") }
}

fn started(options: &Options, seconds: f64, before: f64) -> Measurement {
    const MIB: f64 = 1024.0 * 1024.0;
    let jobs = options.backlog as f64;
    let gained = usage::resident_mb() - before;
    Measurement {
        in_flight: 0,
        backlog: options.backlog,
        seconds,
        per_sec: jobs / seconds,
        ratio: Some(gained * MIB / jobs),
        rss_mb: gained,
        ..options.figure("start")
    }
}

async fn idle(options: &Options) -> Result<Measurement, BenchError> {
    let yard = Yard::open(options, Terms::default()).await?;
    let fleet = yard.start().await?;
    let by = factory("f", 0);
    let began = yard.uptime();
    let mut waits = Vec::new();
    while yard.uptime() < began + options.span() {
        let (held, granted) = async {
            let claiming = parked(&yard, &by);
            let submitting = async {
                // The claim is there first.
                tokio::time::sleep(PAUSE).await;
                yard.submit(&format!("k{}", waits.len()), "medium").await?;
                Ok(yard.uptime())
            };
            let (granted, answered) = both(claiming, submitting).await?;
            Ok::<_, BenchError>((granted.0, granted.1.saturating_sub(answered)))
        }
        .await?;
        waits.push(granted);
        yard.build(&by, &held).await?;
        yard.ship(&by, &held).await?;
    }
    let seconds = (yard.uptime() - began).as_secs_f64();
    fleet.stop().await?;
    Ok(figure(options, "dispatch", waits, seconds))
}

async fn parked(yard: &Yard, by: &FactoryId) -> Result<(protocol::Granted, Duration), BenchError> {
    loop {
        if let Some(held) = yard.claim(by, PARKED).await? {
            return Ok((held, yard.uptime()));
        }
    }
}

async fn both<A, B>(
    one: impl Future<Output = Result<A, BenchError>>,
    other: impl Future<Output = Result<B, BenchError>>,
) -> Result<(A, B), BenchError> {
    let (one, other) = futures_util::future::join(one, other).await;
    Ok((one?, other?))
}

async fn claims(yard: &Yard, options: &Options) -> Result<Measurement, BenchError> {
    let by = factory("f", 0);
    for n in 0..HANDFUL {
        yard.submit(&format!("handful-{n}"), "high").await?;
    }
    let began = yard.uptime();
    let mut waits = Vec::new();
    while yard.uptime() < began + options.span() {
        yard.submit(&format!("k{}", waits.len()), "high").await?;
        let asked = yard.uptime();
        let (held, granted) = parked(yard, &by).await?;
        waits.push(granted - asked);
        yard.build(&by, &held).await?;
        yard.ship(&by, &held).await?;
    }
    let seconds = (yard.uptime() - began).as_secs_f64();
    Ok(figure(options, "claim", waits, seconds))
}

fn figure(
    options: &Options,
    what: &'static str,
    waits: Vec<Duration>,
    seconds: f64,
) -> Measurement {
    let per_sec = waits.len() as f64 / seconds;
    let spread = Spread::of(waits);
    Measurement {
        in_flight: 1,
        seconds,
        per_sec,
        p50_ms: spread.at(50),
        p99_ms: spread.at(99),
        ..options.figure(what)
    }
}
