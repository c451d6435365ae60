//! So many queued jobs in an account, and how long it takes to read all of them as a scheduler does
//! when it starts: by the clock, and by what the emulator and we had of the processors, which other
//! work on the machine does not change. `-- 100000 1024 256 128`: jobs, jobs of a page, products,
//! physical partitions.

#![expect(clippy::print_stdout, reason = "a measure says what it measured")]

#[expect(clippy::unwrap_used, reason = "shared with a test, where a failure ends it too")]
#[expect(dead_code, reason = "shared with a test, which needs more of it")]
#[path = "../tests/claims/field.rs"]
mod field;

use std::sync::Arc;
use std::{env, fs};

use bytes::Bytes;
use cosmos_emulator::emulator;
use fleet::{Actor, Job, ProductId, Record, Submitted, submit, touched};
use ledger::{Placed, bulk_of};
use store::{Expect, Key, Store};
use tokio::task::JoinSet;

use field::Field;

/// Jobs written at once.
const WRITERS: usize = 8;
/// A machine that is busy with other things lets a request wait; an account that is away does not
/// come back here.
const MOST_AGAIN: usize = 20;

/// As many as are asked for, where none was said.
const USUAL: [usize; 4] = [10_000, 1_024, 4, 4];

fn main() {
    let mut words = env::args().skip(1).filter_map(|word| word.parse().ok().filter(|n| *n > 0));
    let [jobs, page, products, partitions] = USUAL.map(|usual| words.next().unwrap_or(usual));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let account = emulator();
        let partitions = partitions.try_into().expect("some");
        account.prepare(("fleet", Job::KIND.name), "/productId", partitions);
        let field = Arc::new(Field::on(account, bulk_of).await);
        let began = field.clock.uptime();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(fill(Arc::clone(&field), (writer, jobs, products)));
        }
        let again: usize = writers.join_all().await.into_iter().sum();
        let took = (field.clock.uptime() - began).as_secs_f64();
        println!("{jobs} jobs written in {took:.1} s, {again} tried again");
        let (began, before) = (field.clock.uptime(), spent());
        let Read { jobs, pages, again } = read_all(&field, page).await;
        let took = (field.clock.uptime() - began).as_secs_f64();
        let [emulator, ours] = spent();
        let (emulator, ours) = (emulator - before[0], ours - before[1]);
        println!("{jobs} jobs read in {took:.1} s, {pages} pages of up to {page}, {again} again");
        println!("of the processors: {emulator:.1} s the emulator, {ours:.1} s we");
    });
}

/// Seconds that threads of the emulator had of the processors so far, and all others of ours.
fn spent() -> [f64; 2] {
    let mut spent = [0.0; 2];
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    for stat in threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok()) {
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        // In user mode and in the kernel, in hundredths.
        let ticks: u32 =
            rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u32>().ok()).sum();
        spent[usize::from(!name.ends_with("(cosmos-emulator"))] += f64::from(ticks) / 100.0;
    }
    spent
}

/// Answers how many of its writes it had to try again.
async fn fill(field: Arc<Field>, (writer, jobs, products): (usize, usize, usize)) -> usize {
    let mut again = 0;
    for n in (writer..jobs).step_by(WRITERS) {
        let product: ProductId = format!("p{}", n % products).parse().expect("a name");
        let content = field.content(&product, &format!("k{n}"), "One of very many.");
        let now = field.clock.now();
        let born = submit(None, &content, &product, &Actor::user("ada"), now);
        let Ok(Submitted::Create(job)) = born else { panic!("it is new") };
        let job = touched(*job, now);
        let (partition, id) = job.place();
        let key = Key::new(Job::KIND, partition, id).expect("of the alphabet");
        let bytes = Bytes::from(job.encode().expect("it encodes"));
        // That it is there already is as good.
        while let Err(error) = field.stores[0].put(&key, bytes.clone(), &Expect::Absent).await {
            again += 1;
            assert!(again < MOST_AGAIN, "{error}");
        }
    }
    again
}

#[derive(Debug, Default)]
struct Read {
    jobs: usize,
    pages: usize,
    again: usize,
}

/// A page that does not come is asked for again, as by a scheduler.
async fn read_all(field: &Field, page: usize) -> Read {
    let (mut cursor, mut read) = (None, Read::default());
    loop {
        match field.ledgers[1].jobs.page_of_all(cursor.as_ref(), page).await {
            Ok((jobs, next)) => {
                read.jobs += jobs.len();
                read.pages += 1;
                let Some(next) = next else { return read };
                cursor = Some(next);
            }
            Err(error) => {
                read.again += 1;
                assert!(read.again < MOST_AGAIN, "{error:#?}");
            }
        }
    }
}
