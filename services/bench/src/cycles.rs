//! Full cycles: submit, claim, building, shipped, each word through its door and acknowledged.
//! Counted are jobs whose shipping was answered; the time runs until their followers (leases, runs,
//! events, trims) are written too, so that a backlog of them cannot be mistaken for speed.

use std::time::Duration;

use fleet::FactoryId;
use ledger::Terms;

use crate::crew::together;
use crate::yard::{Yard, factory};
use crate::{BenchError, Measurement, Options, floor, usage};

/// Somebody else may have taken the job that was just submitted.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn measure(
    options: &Options,
    say: &mut impl FnMut(&'static str),
) -> Result<Measurement, BenchError> {
    say("writing as fast as the store can");
    let floor = floor::measure(options).await?;
    say("submitting, claiming, building and shipping");
    let yard = Yard::open(options, Terms::default()).await?;
    let fleet = yard.start().await?;
    let (began, used) = (yard.uptime(), usage::processor());
    let until = began + options.span();
    let works = (0..options.in_flight).map(|n| work(yard.clone(), factory("f", n), until));
    let cycles: Vec<Duration> = together(works).await?.into_iter().flatten().collect();
    let seconds = (yard.settle().await - began).as_secs_f64();
    let count = cycles.len() as f64;
    let figure = Measurement {
        writes_per_cycle: Some(yard.store.writes() as f64 / count),
        ..options.beside("cycles", floor, cycles, (seconds, usage::processor() - used))
    };
    fleet.stop().await?;
    Ok(figure)
}

async fn work(yard: Yard, by: FactoryId, until: Duration) -> Result<Vec<Duration>, BenchError> {
    let mut cycles = Vec::new();
    loop {
        let began = yard.uptime();
        if began >= until {
            return Ok(cycles);
        }
        yard.submit(&format!("{by}-{}", cycles.len()), "medium").await?;
        let mut held = None;
        while held.is_none() {
            held = yard.claim(&by, PATIENCE).await?;
        }
        let Some(held) = held else { return Err(BenchError::Went("no grant")) };
        yard.build(&by, &held).await?;
        yard.ship(&by, &held).await?;
        cycles.push(yard.uptime() - began);
    }
}
