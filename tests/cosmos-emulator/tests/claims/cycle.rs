//! What a job costs from its submission to its end, in request units, by the list that the service
//! publishes and by the model of the driver's emulator; with its instructions in the record, and
//! beside it where they are large.

use std::fmt::Write;
use std::sync::Arc;

use cosmos_emulator::{Emulator, Prices, Settings};
use fleet::{Disposition, Holding, JobId, OpId, Patch, Release, StageName};
use ledger::bulk_of;
use store::Kind;
use store_cosmos::Cosmos;

use super::field::Field;

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

    fn per_job(&self) -> f64 {
        self.words.iter().map(|(_, units)| units / 5.0).sum()
    }
}

/// Where the instructions lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Whole,
    Parted,
}

fn nothing(_: Kind) -> &'static [&'static str] {
    &[]
}

/// How a job goes: through in one breath, so that its followers see to it once, or held for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Brief,
    Long,
}

async fn charged((prices, form): (Prices, Form), pace: Pace, body: usize) -> f64 {
    let apart = match form {
        Form::Whole => nothing,
        Form::Parted => bulk_of,
    };
    let account = Emulator::start(Settings { prices, ..Settings::default() }).unwrap();
    let field = Field::on(account, apart).await;
    let mut bill = Bill::default();
    for n in 0..JOBS {
        Box::pin(cycle(&field, (n, body), pace, &mut bill)).await;
    }
    let mut said = String::new();
    for (word, units) in &bill.words {
        write!(said, " {word} {:.1}", units / 5.0).unwrap();
    }
    let whole = bill.per_job();
    println!("{prices:?} {form:?} {pace:?} {:>3} KB:{said}; {whole:.1} RU", body >> 10);
    for one in field.stores[0].charges() {
        let (kind, deed, times) = (one.kind, one.deed.name(), one.times as f64 / 5.0);
        println!("    {kind:<16}{deed:<8}{times:5.1} times {:8.1} RU", one.units / 5.0);
    }
    whole
}

#[tokio::test]
async fn a_cycle_of_a_job_of_two_kilobytes_stays_within_its_measure() {
    let brief = charged((Prices::Published, Form::Parted), Pace::Brief, 2 << 10).await;
    let long = charged((Prices::Published, Form::Parted), Pace::Long, 2 << 10).await;
    assert!(brief > 0.0 && brief < BRIEF, "{brief:.1} RU");
    assert!(long > brief && long < LONG, "{long:.1} RU");
}

/// As measured, and a tenth more.
const BRIEF: f64 = 84.3;
const LONG: f64 = 149.8;

#[tokio::test]
async fn large_instructions_beside_their_job_make_its_words_as_cheap_as_small_ones() {
    let by = |form, body| charged((Prices::Published, form), Pace::Brief, body);
    for (body, share) in [(16 << 10, 1.0), (100 << 10, 0.5)] {
        let whole = Box::pin(by(Form::Whole, body)).await;
        let parted = Box::pin(by(Form::Parted, body)).await;
        assert!(parted < whole * share, "{parted:.1} of {whole:.1} RU");
    }
}

#[tokio::test]
async fn the_model_charges_more_and_tells_the_same() {
    let by = |form, body| charged((Prices::Modelled, form), Pace::Brief, body);
    let small = Box::pin(by(Form::Parted, 2 << 10)).await;
    let whole = Box::pin(by(Form::Whole, 16 << 10)).await;
    let parted = Box::pin(by(Form::Parted, 16 << 10)).await;
    assert!(small < parted && parted < whole, "{small:.1}, {parted:.1} of {whole:.1} RU");
}

async fn cycle(field: &Field, (n, body): (usize, usize), pace: Pace, bill: &mut Bill) {
    let (ledger, store) = (&field.ledgers[0], &field.stores[0]);
    let job = field.submit(&format!("cycle-{n}"), &"x".repeat(body)).await;
    bill.next("submit", store);
    let grant = ledger.claim(&field.asking(job, n)).await.unwrap().done().expect("it is free");
    bill.next("claim", store);
    building(field, job, &grant.holding).await;
    bill.next("building", store);
    if pace == Pace::Long {
        ledger.follow_all().await.unwrap();
        bill.next("what follows", store);
        let renewed = ledger.renew(&field.product, job, &grant.holding).await.unwrap();
        assert!(renewed.done().is_some(), "its holder may renew");
        bill.next("renew", store);
    }
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
