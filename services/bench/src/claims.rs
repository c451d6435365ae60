//! Claims alone, end to end: many factories at once ask for jobs that wait in good number, and each
//! is granted by one conditional write. Beside it, raw conditional writes of the same store.

use std::time::Duration;

use fleet::FactoryId;
use ledger::Terms;

use crate::crew::together;
use crate::yard::{Yard, factory};
use crate::{BenchError, Measurement, Options, backlog, floor, usage};

/// Jobs that wait, where nothing else is said; half of them may be had.
const USUAL_JOBS: u64 = 40_000;

pub(crate) async fn measure(
    options: &Options,
    say: &mut impl FnMut(&'static str),
) -> Result<Measurement, BenchError> {
    say("writing as fast as the store can");
    let floor = floor::measure(options).await?;
    say("filling the queue");
    let yard = Yard::open(options, Terms::default()).await?;
    backlog::fill(&yard, options.jobs_or(USUAL_JOBS)).await?;
    say("claiming");
    let fleet = yard.start().await?;
    while !yard.store.jobs_were_read() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (began, used) = (yard.uptime(), usage::processor());
    let until = began + options.span();
    let works = (0..options.in_flight).map(|n| work(yard.clone(), factory("f", n), until));
    let claims: Vec<Duration> = together(works).await?.into_iter().flatten().collect();
    let seconds = (yard.uptime() - began).as_secs_f64();
    let figure = options.beside("claims", floor, claims, (seconds, usage::processor() - used));
    fleet.stop().await?;
    Ok(figure)
}

/// Until the time is over or nothing is left.
async fn work(yard: Yard, by: FactoryId, until: Duration) -> Result<Vec<Duration>, BenchError> {
    let mut claims = Vec::new();
    loop {
        let began = yard.uptime();
        if began >= until || yard.claim(&by, Duration::ZERO).await?.is_none() {
            return Ok(claims);
        }
        claims.push(yard.uptime() - began);
    }
}
