//! How soon a silent holder's job is held by another factory, beyond the term of its lease. The
//! term is short here, in whole seconds as in production, since only what comes after it is told.
//! Holders fall silent at different moments of the keeper's rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::JobId;
use ledger::Terms;

use crate::crew::together;
use crate::spread::Spread;
use crate::yard::{Yard, factory};
use crate::{BenchError, Measurement, Options, usage};

const SILENT: u64 = 256;
const TERM: Duration = Duration::from_secs(2);
/// Over which the beginnings of the silences are spread.
const ROUND: Duration = Duration::from_secs(1);
const PARKED: Duration = Duration::from_secs(5);
/// After which a job that nobody took over is a fault.
const LONGEST: Duration = Duration::from_secs(30);

pub(crate) async fn measure(
    options: &Options,
    say: &mut impl FnMut(&'static str),
) -> Result<Measurement, BenchError> {
    let terms = Terms { ttl: TERM, grant: TERM / 2, ..Terms::default() };
    let yard = Yard::open(options, terms).await?;
    let fleet = yard.start().await?;
    let holders = usize::try_from(options.jobs_or(SILENT)).unwrap_or(usize::MAX);
    say("factories fall silent");
    let gap = ROUND / u32::try_from(holders).unwrap_or(u32::MAX).max(1);
    let began = yard.uptime();
    let silent = (0..).zip(0..holders).map(|(n, holder)| {
        let yard = yard.clone();
        async move {
            tokio::time::sleep(gap * n).await;
            fall_silent(&yard, holder).await
        }
    });
    let since: BTreeMap<JobId, Duration> = together(silent).await?.into_iter().collect();
    say("others take over");
    let heirs = options.in_flight.min(holders);
    let until = yard.uptime() + LONGEST;
    let share = |n: usize| holders / heirs + usize::from(n < holders % heirs);
    let heirs = (0..heirs).map(|n| inherit(yard.clone(), n, share(n), until));
    let taken: Vec<Taken> = together(heirs).await?.into_iter().flatten().collect();
    let seconds = (yard.uptime() - began).as_secs_f64();
    fleet.stop().await?;
    let jobs: BTreeMap<JobId, u32> = taken.iter().map(|one| (one.job, one.attempt)).collect();
    let rightly = jobs.iter().filter(|(job, attempt)| since.contains_key(job) && **attempt == 2);
    // Every job once, at its second attempt.
    let wrong = holders.max(taken.len()) - rightly.count();
    let over = |one: &Taken| one.at.checked_sub(*since.get(&one.job)? + TERM);
    let spread = Spread::of(taken.iter().filter_map(over).collect());
    Ok(Measurement {
        seconds,
        per_sec: taken.len() as f64 / seconds,
        p50_ms: spread.at(50),
        p99_ms: spread.at(99),
        rss_mb: usage::resident_mb(),
        violations: wrong as u64,
        ..options.figure("recovery")
    })
}

#[derive(Debug)]
struct Taken {
    job: JobId,
    attempt: u32,
    at: Duration,
}

/// The job that a factory held, and when it spoke for the last time.
async fn fall_silent(yard: &Yard, n: usize) -> Result<(JobId, Duration), BenchError> {
    let by = factory("silent", n);
    yard.submit(&format!("k{n}"), "medium").await?;
    let held = yard.claim(&by, PARKED).await?.ok_or(BenchError::Went("nothing to hold"))?;
    yard.build(&by, &held).await?;
    Ok((held.job.id, yard.uptime()))
}

async fn inherit(
    yard: Yard,
    n: usize,
    share: usize,
    until: Duration,
) -> Result<Vec<Taken>, BenchError> {
    let by = factory("heir", n);
    let mut taken = Vec::new();
    while taken.len() < share && yard.uptime() < until {
        let Some(held) = yard.claim(&by, PARKED).await? else { continue };
        taken.push(Taken { job: held.job.id, attempt: held.attempt, at: yard.uptime() });
        yard.build(&by, &held).await?;
        yard.ship(&by, &held).await?;
    }
    Ok(taken)
}
