//! A thousand rounds of sixty-four claimers with three of ten replies lost, under both rules, and
//! what came of them. `-- 50` runs so many.

#[path = "../tests/claims/field.rs"]
mod field;

use std::env;

use field::{Field, Rule};

const ROUNDS: usize = 1_000;

fn main() {
    let rounds = env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let field = Field::new().await;
        for rule in [Rule::Naive, Rule::Ledger] {
            println!("{}", field.rounds(rule, rounds).await);
        }
    });
}
