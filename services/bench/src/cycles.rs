//! Full cycles: submit, claim, building, shipped, each word through its door and acknowledged.
//! Counted are jobs whose shipping was answered; the time runs until their followers (leases, runs,
//! events, trims) are written too, so that a backlog of them cannot be mistaken for speed.

use std::ops::Range;
use std::time::Duration;

use fleet::FactoryId;
use ledger::Terms;
use protocol::Granted;

use crate::crew::together;
use crate::yard::{Yard, factory};
use crate::{BenchError, Measurement, Options, floor, usage};

/// Somebody else may have taken the job that was just submitted.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn measure(
    options: &Options,
    words: usize,
    say: &mut impl FnMut(&'static str),
) -> Result<Measurement, BenchError> {
    say("writing as fast as the store can");
    let floor = floor::measure(options).await?;
    say("submitting, claiming, building and shipping");
    let yard = Yard::open(options, Terms::default()).await?;
    let fleet = yard.start().await?;
    let (began, used) = (yard.uptime(), usage::processor());
    let until = began + options.span();
    let clients = options.in_flight.div_ceil(words);
    let works = (0..clients).map(|n| work(yard.clone(), (factory("f", n), words), until));
    let cycles: Vec<Duration> = together(works).await?.into_iter().flatten().collect();
    let seconds = (yard.settle().await - began).as_secs_f64();
    let count = cycles.len() as f64;
    let what = if words == 1 { "cycles" } else { "bundles" };
    let figure = Measurement {
        words_per_message: Some(words),
        writes_per_cycle: Some(yard.store.writes() as f64 / count),
        reads_per_cycle: Some(yard.store.reads() as f64 / count),
        ..options.beside(what, floor, cycles, (seconds, usage::processor() - used))
    };
    fleet.stop().await?;
    Ok(figure)
}

/// So many jobs at a time, each step of all of them in one message.
async fn work(
    yard: Yard,
    (by, words): (FactoryId, usize),
    until: Duration,
) -> Result<Vec<Duration>, BenchError> {
    let mut cycles = Vec::new();
    loop {
        let began = yard.uptime();
        if began >= until {
            return Ok(cycles);
        }
        if words == 1 {
            one(&yard, &by, cycles.len()).await?;
        } else {
            several(&yard, &by, cycles.len()..cycles.len() + words).await?;
        }
        let took = yard.uptime() - began;
        cycles.extend(std::iter::repeat_n(took, words));
    }
}

async fn one(yard: &Yard, by: &FactoryId, n: usize) -> Result<(), BenchError> {
    yard.submit(&format!("{by}-{n}"), "medium").await?;
    let mut held = None;
    while held.is_none() {
        held = yard.claim(by, PATIENCE).await?;
    }
    let Some(held) = held else { return Err(BenchError::Went("no grant")) };
    yard.build(by, &held).await?;
    yard.ship(by, &held).await
}

async fn several(yard: &Yard, by: &FactoryId, jobs: Range<usize>) -> Result<(), BenchError> {
    let wanted = jobs.len();
    let submissions: Vec<_> =
        jobs.map(|n| yard.submission(&format!("{by}-{n}"), "medium")).collect();
    yard.ask_several(&submissions).await?;
    let mut held: Vec<Granted> = Vec::with_capacity(wanted);
    while held.len() < wanted {
        let claims: Vec<_> = (held.len()..wanted).map(|_| yard.wish(by, PATIENCE)).collect();
        held.extend(yard.ask_several(&claims).await?.into_iter().flatten());
    }
    let begun: Vec<_> = held.iter().map(|held| yard.begun(by, held)).collect();
    yard.ask_several(&begun).await?;
    let shipped: Vec<_> = held.iter().map(|held| yard.shipped(by, held)).collect();
    yard.ask_several(&shipped).await.map(drop)
}
