//! A thousand rounds of sixty-four claimers with three of ten replies lost, and as many under the
//! naive rule: what came of them, a line for each twenty-five, and their sum. `-- 100` runs so many
//! of each.

#![expect(clippy::print_stdout, reason = "a measure says what it measured")]

#[expect(clippy::unwrap_used, reason = "shared with a test, where a failure ends it too")]
#[path = "../tests/claims/field.rs"]
mod field;

use std::env;

use tokio::task::JoinSet;

use field::{Field, Rule, Told};

const ROUNDS: usize = 1_000;
const AT_ONCE: usize = 25;
/// Claimers wait more than they work: so many accounts side by side. More of them than the machine
/// has processors only make the driver impatient.
const LANES: usize = 2;

fn main() {
    let rounds = env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        for rule in [Rule::Ledger, Rule::Naive] {
            println!("in all: {}", all(rule, rounds).await);
        }
    });
}

async fn all(rule: Rule, rounds: usize) -> Told {
    let (mut lanes, mut left) = (JoinSet::new(), rounds);
    let mut sum = Told::of(rule, 0);
    loop {
        while left > 0 && lanes.len() < LANES {
            let now = AT_ONCE.min(left);
            left -= now;
            // An account of its own: what earlier rounds left is nobody's business here.
            lanes.spawn(async move { Field::new().await.rounds(rule, now).await });
        }
        let Some(told) = lanes.join_next().await else { return sum };
        let told = told.expect("a lane ends");
        println!("{told}");
        sum = with(sum, told);
    }
}

/// Of all rounds of both.
fn with(sum: Told, more: Told) -> Told {
    Told {
        rule: sum.rule,
        rounds: sum.rounds + more.rounds,
        exactly_one: sum.exactly_one + more.exactly_one,
        nobody: sum.nobody + more.nobody,
        several: sum.several + more.several,
        lost_replies: sum.lost_replies + more.lost_replies,
        unknown: sum.unknown + more.unknown,
    }
}
