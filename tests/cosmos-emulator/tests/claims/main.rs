//! Claims of one job against each other while replies are lost: the ledger's claim over the store,
//! and beside it the naive rule that every tutorial has, which must be seen to fail. So many rounds
//! here; `cargo bench --profile dev -p cosmos-emulator` runs a thousand.

#[cfg(test)]
mod cycle;
#[cfg(test)]
mod field;

#[cfg(test)]
use field::{Field, Rule};

/// Enough for the naive rule to fail in some, for certain as far as chance goes.
#[cfg(test)]
const ROUNDS: usize = 25;

#[cfg(test)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_claimers_one_wins_and_knows_it_though_replies_are_lost() {
    let told = Field::new().await.rounds(Rule::Ledger, ROUNDS).await;
    println!("{told}");
    assert_eq!((told.exactly_one, told.nobody, told.several), (ROUNDS, 0, 0), "{told}");
    assert!(told.lost_replies > 0, "no reply was lost");
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_takes_a_refused_write_for_lost_loses_winners() {
    let told = Field::new().await.rounds(Rule::Naive, ROUNDS).await;
    println!("{told}");
    assert!(told.nobody > 0, "{told}");
}
