//! What a job of 2 KB costs from its submission to its end, in request units, as the emulator counts
//! them: it charges by size in powers of two, and no read twice for strong consistency.

use std::fmt::Write;
use std::sync::Arc;

use fleet::{Disposition, Holding, JobId, OpId, Patch, Release, StageName};
use store_cosmos::{Charged, Cosmos};

use super::field::Field;

const BODY: usize = 2048;
const JOBS: usize = 5;

/// What each word of a cycle was charged, with what followed of it.
#[derive(Debug, Default)]
struct Bill {
    words: Vec<(&'static str, f64)>,
    seen: f64,
}

impl Bill {
    /// Ascribes to this word what was charged since the last one.
    fn next(&mut self, word: &'static str, store: &Arc<Cosmos>) {
        let now: f64 = store.charges().iter().map(|one| one.units).sum();
        let units = now - self.seen;
        self.seen = now;
        match self.words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, sum)) => *sum += units,
            None => self.words.push((word, units)),
        }
    }

    /// Of all words and of a whole job.
    fn per_job(&self) -> (String, f64) {
        let mut said = String::new();
        let jobs = f64::from(u32::try_from(JOBS).unwrap());
        for (word, units) in &self.words {
            writeln!(said, "{word:<18}{:8.1} RU", units / jobs).unwrap();
        }
        (said, self.words.iter().map(|(_, units)| units / jobs).sum())
    }
}

#[tokio::test]
async fn a_cycle_of_a_job_of_two_kilobytes_stays_within_its_measure() {
    let field = Field::new().await;
    let mut bill = Bill::default();
    for n in 0..JOBS {
        Box::pin(cycle(&field, n, &mut bill)).await;
    }
    let (said, whole) = bill.per_job();
    println!("{said}whole cycle       {whole:8.1} RU");
    let by_deed: Vec<Charged> = field.stores[0].charges();
    for one in &by_deed {
        println!(
            "{:<16}{:<8}{:4} times {:8.1} RU",
            one.kind,
            one.deed.name(),
            one.times,
            one.units
        );
    }
    // The size of a document is what costs: a doubled one shows here.
    assert!(whole < MOST, "{said}{whole:.1} RU for a whole cycle");
    let stored = by_deed.iter().any(|one| one.kind == "fleet_jobs" && one.units > 0.0);
    assert!(stored, "nothing was charged");
}

/// As measured, and a fifth more.
const MOST: f64 = 400.0;

async fn cycle(field: &Field, n: usize, bill: &mut Bill) {
    let (ledger, store) = (&field.ledgers[0], &field.stores[0]);
    let job = field.submit(&format!("cycle-{n}"), &"x".repeat(BODY)).await;
    bill.next("submit", store);
    let grant = ledger.claim(&field.asking(job, n)).await.unwrap().done().expect("it is free");
    bill.next("claim", store);
    building(field, job, &grant.holding).await;
    bill.next("building", store);
    ledger.follow_all().await.unwrap();
    bill.next("what follows", store);
    let renewed = ledger.renew(&field.product, job, &grant.holding).await.unwrap();
    assert!(renewed.done().is_some(), "its holder may renew");
    bill.next("renew", store);
    complete(field, job, &grant.holding).await;
    bill.next("complete", store);
    ledger.follow_all().await.unwrap();
    bill.next("what follows", store);
}

async fn building(field: &Field, job: JobId, holding: &Holding) {
    let patch = Patch {
        holding: holding.clone(),
        op: OpId::from_uuid(field.ids.mint()),
        stage: Some(StageName::Building),
        checkpoint: None,
        note: None,
        verify: None,
        insights: None,
    };
    let told = field.ledgers[0].patch(&field.product, job, patch).await.unwrap();
    assert!(told.done().is_some(), "its holder may say so");
}

async fn complete(field: &Field, job: JobId, holding: &Holding) {
    let release = Release {
        holding: holding.clone(),
        op: OpId::from_uuid(field.ids.mint()),
        disposition: Some(Disposition::Ship),
        result: None,
        exit: None,
        verify: None,
        insights: None,
        checkpoint: None,
        reason: None,
        artifacts: Vec::new(),
    };
    let told = field.ledgers[0].release(&field.product, job, release).await.unwrap();
    assert!(told.done().is_some(), "its holder may ship");
}
