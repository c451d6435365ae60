//! What it costs to keep leases alive: each is renewed once in a period, one request for all that a
//! factory holds, the factories evenly over the period. The share of one core is of the whole
//! process: doors, keeper, store, reaper and the factories' own side.

use std::time::Duration;

use clock::{Clock, Ids};
use fleet::{Bidder, Epoch, FactoryId, Health, OpId, Patch, RequestId, StageName};
use ledger::{ClaimRequest, Grant, Terms};
use protocol::{RenewLeases, RenewOne};

use crate::crew::together;
use crate::spread::Spread;
use crate::yard::{Yard, factory};
use crate::{BenchError, Measurement, Options, usage};

const LEASES: u64 = 20_000;
const PERIOD: Duration = Duration::from_secs(10);
/// Leases of one factory.
const EACH: u64 = 100;
const BODY: &str = "Held for a while.";

pub(crate) async fn measure(
    options: &Options,
    say: &mut impl FnMut(&'static str),
) -> Result<Measurement, BenchError> {
    say("giving out leases");
    let yard = Yard::open(options, Terms::default()).await?;
    let leases = options.jobs_or(LEASES);
    let factories = leases.div_ceil(EACH);
    let held = (0..factories).map(|n| hold(yard.clone(), n, EACH.min(leases - n * EACH)));
    let held = together(held).await?;
    while yard.ledger.follow_all().await? > 0 {}
    let fleet = yard.start().await?;
    say("renewing them");
    let (began, used) = (yard.uptime(), usage::processor());
    let until = began + options.span();
    let gap = PERIOD / u32::try_from(held.len()).unwrap_or(u32::MAX).max(1);
    let keepers = (0..).zip(held).map(|(n, ask)| renew(yard.clone(), ask, began + gap * n, until));
    let kept = together(keepers).await?;
    let took = yard.uptime() - began;
    let used = usage::processor() - used;
    fleet.stop().await?;
    let renewals: usize = kept.iter().map(|one| one.renewed).sum();
    let violations = kept.iter().map(|one| one.refused as u64).sum();
    let spread = Spread::of(kept.into_iter().flat_map(|one| one.waits).collect());
    Ok(Measurement {
        seconds: took.as_secs_f64(),
        per_sec: renewals as f64 / took.as_secs_f64(),
        p50_ms: spread.at(50),
        p99_ms: spread.at(99),
        ratio: Some(used.as_secs_f64() / took.as_secs_f64()),
        rss_mb: usage::resident_mb(),
        violations,
        ..options.figure("renew")
    })
}

#[derive(Debug, Default)]
struct Kept {
    renewed: usize,
    refused: usize,
    waits: Vec<Duration>,
}

async fn renew(
    yard: Yard,
    ask: RenewLeases,
    first: Duration,
    until: Duration,
) -> Result<Kept, BenchError> {
    let mut kept = Kept::default();
    let mut turn = first;
    while turn < until {
        tokio::time::sleep(turn.saturating_sub(yard.uptime())).await;
        let asked = yard.uptime();
        let answer = yard.ask(&ask).await?;
        kept.waits.push(yard.uptime() - asked);
        let refused = answer.leases.iter().filter(|one| one.error.is_some()).count();
        kept.refused += refused;
        kept.renewed += answer.leases.len() - refused;
        turn += PERIOD;
    }
    // Until the end, so that the last ones are part of what was used.
    tokio::time::sleep(until.saturating_sub(yard.uptime())).await;
    Ok(kept)
}

/// One factory with its leases, straight from the ledger.
async fn hold(yard: Yard, n: u64, leases: u64) -> Result<RenewLeases, BenchError> {
    let by = factory("f", usize::try_from(n).unwrap_or(usize::MAX));
    let mut held = Vec::new();
    for k in 0..leases {
        let keys = yard.manifest(&format!("{by}-{k}"), "medium", &[], BODY);
        let job = yard.put(keys).await?;
        let grant = take(&yard, &by, job).await?;
        held.push(RenewOne {
            job_id: job,
            lease_epoch: grant.holding.lease_epoch,
            claim_nonce: grant.holding.claim_nonce,
        });
    }
    Ok(RenewLeases { factory_id: by, leases: held })
}

async fn take(yard: &Yard, by: &FactoryId, job: fleet::JobId) -> Result<Grant, BenchError> {
    let refused = BenchError::Went("a claim was refused");
    let request = ClaimRequest {
        product: yard.product.clone(),
        job,
        bidder: Bidder {
            factory: by.clone(),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().expect("a name")],
            health: Health::Ok,
            draining: false,
            stale: false,
            free_seats: 1,
        },
        request: RequestId::from_uuid(yard.system.mint()),
        epoch_seen: Epoch::ZERO,
        deadline: yard.system.now().plus(PERIOD),
    };
    let grant = yard.ledger.claim(&request).await?.done().ok_or(refused)?;
    let building = Patch {
        holding: grant.holding.clone(),
        op: OpId::from_uuid(yard.system.mint()),
        stage: Some(StageName::Building),
        checkpoint: None,
        note: None,
        verify: None,
        insights: None,
    };
    let built = yard.ledger.patch(&yard.product, job, building).await?;
    built.done().ok_or(BenchError::Went("a patch was refused"))?;
    Ok(grant)
}
