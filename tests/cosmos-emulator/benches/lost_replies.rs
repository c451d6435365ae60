//! A thousand rounds of sixty-four claimers with three of ten replies lost, and as many under the
//! naive rule: what came of them, a line for each fifty. `-- 100` runs so many of each.

#![expect(clippy::print_stdout, reason = "a measure says what it measured")]

#[expect(clippy::unwrap_used, reason = "shared with a test, where a failure ends it too")]
#[path = "../tests/claims/field.rs"]
mod field;

use std::env;

use field::{Field, Rule};

const ROUNDS: usize = 1_000;
const AT_ONCE: usize = 50;

fn main() {
    let rounds = env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        for rule in [Rule::Ledger, Rule::Naive] {
            for _ in 0..rounds.div_ceil(AT_ONCE) {
                // An account of its own: what earlier rounds left is nobody's business here.
                println!("{}", Field::new().await.rounds(rule, AT_ONCE.min(rounds)).await);
            }
        }
    });
}
