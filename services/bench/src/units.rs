//! What a store that is paid by the operation charges for each word of a job's life, one job after
//! the other and with nobody else at work, so that nothing of what is charged is somebody else's.

use fleet::{
    Bidder, Disposition, Epoch, Health, Holding, JobId, OpId, Patch, Release, RequestId, StageName,
};
use ledger::{ClaimRequest, Grant, Terms};

use crate::yard::{Yard, factory};
use crate::{BenchError, Measurement, Options};

const JOBS: u64 = 20;
/// Of a job's instructions.
const BODY: usize = 2 << 10;
/// How long a claim may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// In the order of a job's life; all of them together are a cycle with one renewal.
const WORDS: [&str; 6] = [
    "units/submit",
    "units/claim",
    "units/building",
    "units/renew",
    "units/complete",
    "units/followers",
];

pub(crate) async fn measure(
    options: &Options,
    on_measurement: &mut impl FnMut(Measurement),
    say: &mut impl FnMut(&'static str),
) -> Result<(), BenchError> {
    say("asking what each word is charged");
    let yard = Yard::open(options, Terms::default()).await?;
    let jobs = options.jobs_or(JOBS);
    let mut spent = [0.0; WORDS.len()];
    for n in 0..jobs {
        live(&yard, n, &mut spent).await?;
    }
    let each = |units: f64| units / jobs as f64;
    let figure = |what, units| Measurement {
        in_flight: 1,
        request_units: Some(each(units)),
        ..options.figure(what)
    };
    for (word, units) in WORDS.into_iter().zip(spent) {
        on_measurement(figure(word, units));
    }
    on_measurement(figure("units/cycle", spent.iter().sum()));
    yard.stop().await
}

/// One job from its submission to its end; held long enough for its followers to see it held.
async fn live(yard: &Yard, n: u64, spent: &mut [f64; WORDS.len()]) -> Result<(), BenchError> {
    let [submit, claim, building, renew, complete, followers] = spent;
    let mut meter = Meter { yard, seen: charged(yard) };
    let keys = yard.manifest(&format!("units-{n}"), "medium", &[], &"x".repeat(BODY));
    let job = yard.put(keys).await?;
    *submit += meter.since();
    let Grant { holding, .. } = take(yard, job).await?;
    *claim += meter.since();
    begin(yard, job, &holding).await?;
    *building += meter.since();
    while yard.ledger.follow_all().await? > 0 {}
    *followers += meter.since();
    let renewed = yard.ledger.renew(&yard.product, job, &holding).await?;
    renewed.done().ok_or(BenchError::Went("a renewal was refused"))?;
    *renew += meter.since();
    ship(yard, job, &holding).await?;
    *complete += meter.since();
    while yard.ledger.follow_all().await? > 0 {}
    *followers += meter.since();
    Ok(())
}

struct Meter<'a> {
    yard: &'a Yard,
    seen: f64,
}

impl Meter<'_> {
    fn since(&mut self) -> f64 {
        let now = charged(self.yard);
        now - std::mem::replace(&mut self.seen, now)
    }
}

fn charged(yard: &Yard) -> f64 {
    yard.bill.told().iter().map(|one| one.units).sum()
}

async fn take(yard: &Yard, job: JobId) -> Result<Grant, BenchError> {
    let request = ClaimRequest {
        product: yard.product.clone(),
        job,
        bidder: Bidder {
            factory: factory("f", 0),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().expect("a name")],
            health: Health::Ok,
            draining: false,
            stale: false,
            free_seats: 1,
        },
        request: RequestId::from_uuid(yard.ids().mint()),
        epoch_seen: Epoch::ZERO,
        deadline: yard.now().plus(PATIENCE),
    };
    let grant = yard.ledger.claim(&request).await?;
    grant.done().ok_or(BenchError::Went("a claim was refused"))
}

async fn begin(yard: &Yard, job: JobId, holding: &Holding) -> Result<(), BenchError> {
    let patch = Patch {
        holding: holding.clone(),
        op: OpId::from_uuid(yard.ids().mint()),
        stage: Some(StageName::Building),
        checkpoint: None,
        note: None,
        verify: None,
        insights: None,
    };
    let built = yard.ledger.patch(&yard.product, job, patch).await?;
    built.done().map(drop).ok_or(BenchError::Went("a patch was refused"))
}

async fn ship(yard: &Yard, job: JobId, holding: &Holding) -> Result<(), BenchError> {
    let release = Release {
        holding: holding.clone(),
        op: OpId::from_uuid(yard.ids().mint()),
        disposition: Some(Disposition::Ship),
        result: None,
        exit: None,
        verify: None,
        insights: None,
        checkpoint: None,
        reason: None,
        artifacts: Vec::new(),
    };
    let shipped = yard.ledger.release(&yard.product, job, release).await?;
    shipped.done().map(drop).ok_or(BenchError::Went("a completion was refused"))
}
