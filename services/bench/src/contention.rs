//! One job, many claimers, several replicas of every service, round after round: exactly one of
//! them is granted it, at its first epoch. Replicas matter: within one scheduler no two claims go
//! for the same job, so that only several of them contend for its conditional write.

use std::time::Duration;

use ledger::Terms;
use protocol::Granted;

use crate::crew::together;
use crate::spread::Spread;
use crate::yard::{Yard, factory};
use crate::{BenchError, Measurement, Options, usage};

const ROUNDS: u64 = 10_000;
const REPLICAS: usize = 4;
/// Askings of all claimers after which a job that nobody got is a fault.
const ASKINGS: usize = 1_000;

pub(crate) async fn measure(
    options: &Options,
    say: &mut impl FnMut(&'static str),
) -> Result<Measurement, BenchError> {
    say("many claimers, one job");
    let yard = Yard::open(options, Terms::default()).await?;
    let mut fleets = Vec::new();
    for _ in 0..REPLICAS {
        fleets.push(yard.start().await?);
    }
    let rounds = options.jobs_or(ROUNDS);
    let began = yard.uptime();
    let (mut waits, mut violations) = (Vec::new(), 0);
    for round in 0..rounds {
        let (wait, wrong) = play(&yard, round, options.in_flight).await?;
        waits.push(wait);
        violations += wrong;
    }
    let seconds = (yard.uptime() - began).as_secs_f64();
    for fleet in fleets {
        fleet.stop().await?;
    }
    let spread = Spread::of(waits);
    Ok(Measurement {
        seconds,
        per_sec: rounds as f64 / seconds,
        p50_ms: spread.at(50),
        p99_ms: spread.at(99),
        rss_mb: usage::resident_mb(),
        violations,
        ..options.figure("contention")
    })
}

/// One round: how long the winner's claim took, and what was wrong.
async fn play(yard: &Yard, round: u64, claimers: usize) -> Result<(Duration, u64), BenchError> {
    let receipt = yard.submit(&format!("round-{round}"), "medium").await?;
    for _ in 0..ASKINGS {
        let won = together((0..claimers).map(|n| try_once(yard.clone(), n))).await?;
        let mut winners = won.into_iter().flatten();
        let Some((winner, held, wait)) = winners.next() else { continue };
        let rightly = held.job.id == receipt.job.id && held.attempt == 1;
        let wrong = u64::from(!rightly) + winners.count() as u64;
        let winner = factory("f", winner);
        yard.build(&winner, &held).await?;
        yard.ship(&winner, &held).await?;
        return Ok((wait, wrong));
    }
    Ok((Duration::ZERO, 1))
}

async fn try_once(yard: Yard, n: usize) -> Result<Option<(usize, Granted, Duration)>, BenchError> {
    let asked = yard.uptime();
    let held = yard.claim(&factory("f", n), Duration::ZERO).await?;
    Ok(held.map(|held| (n, held, yard.uptime() - asked)))
}
