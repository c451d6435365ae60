//! So many queued jobs in an account, and how long it takes to read all of them as a scheduler does
//! when it starts. `-- 100000 256 4`: jobs, jobs of a page, products.

#![expect(clippy::print_stdout, reason = "a measure says what it measured")]

#[expect(clippy::unwrap_used, reason = "shared with a test, where a failure ends it too")]
#[expect(dead_code, reason = "shared with a test, which needs more of it")]
#[path = "../tests/claims/field.rs"]
mod field;

use std::env;
use std::sync::Arc;

use cosmos_emulator::Settings;
use fleet::{Actor, Job, ProductId, Record, Submitted, submit, touched};
use ledger::{Placed, bulk_of};
use store::{Expect, Key, Store};
use tokio::task::JoinSet;

use field::Field;

/// Jobs written at once.
const WRITERS: usize = 8;

fn main() {
    let words: Vec<usize> = env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let word = |n: usize, usual| words.get(n).copied().unwrap_or(usual);
    let (jobs, page, products) = (word(0, 10_000), word(1, 256), word(2, 4));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let field = Arc::new(Field::of(Settings::default(), bulk_of).await);
        let began = field.clock.uptime();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(fill(Arc::clone(&field), (writer, jobs, products)));
        }
        writers.join_all().await;
        println!("{jobs} jobs written in {:.1} s", (field.clock.uptime() - began).as_secs_f64());
        let began = field.clock.uptime();
        let (read, pages) = read_all(&field, page).await;
        let took = (field.clock.uptime() - began).as_secs_f64();
        println!("{read} jobs read in {took:.1} s, {pages} pages of up to {page}");
    });
}

async fn fill(field: Arc<Field>, (writer, jobs, products): (usize, usize, usize)) {
    for n in (writer..jobs).step_by(WRITERS) {
        let product: ProductId = format!("p{}", n % products).parse().expect("a name");
        let content = field.content(&product, &format!("k{n}"), "One of very many.");
        let now = field.clock.now();
        let born = submit(None, &content, &product, &Actor::user("ada"), now);
        let Ok(Submitted::Create(job)) = born else { panic!("it is new") };
        let job = touched(*job, now);
        let (partition, id) = job.place();
        let key = Key::new(Job::KIND, partition, id).expect("of the alphabet");
        let bytes = job.encode().expect("it encodes").into();
        let _put = field.stores[0].put(&key, bytes, &Expect::Absent).await.expect("it is written");
    }
}

async fn read_all(field: &Field, page: usize) -> (usize, usize) {
    let (mut cursor, mut seen, mut pages) = (None, 0, 0);
    loop {
        let found = field.ledgers[1].jobs.page_of_all(cursor.as_ref(), page).await;
        let (jobs, next) = found.expect("the account answers");
        (seen, pages) = (seen + jobs.len(), pages + 1);
        match next {
            Some(next) => cursor = Some(next),
            None => return (seen, pages),
        }
    }
}
