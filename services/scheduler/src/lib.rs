//! The service that decides who is asked and who gets a job. Its board is a belief, wrong at any
//! time without harm: the claim's conditional write has the last word, and a factory that hears no
//! offer asks anyway.

mod belief;
mod claim;
mod news;
mod offer;
mod stats;
mod why;

use std::sync::Arc;

use ledger::Ledger;
use node::{BusAway, Group, Node};
use protocol::{Query, Row, Word};

use crate::belief::Belief;
use crate::offer::Offers;

const GROUP: Group = Group("scheduler");

#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    node: Node,
    ledger: Ledger,
    belief: Arc<Belief>,
    offers: Arc<Offers>,
}

/// Listens for news and for claims and starts to read what is queued; returns once it listens.
///
/// # Errors
/// The bus is away.
pub async fn serve(node: Node, ledger: Ledger) -> Result<(), BusAway> {
    let (belief, offers) = (Arc::default(), Arc::default());
    let scheduler = Scheduler { node: node.clone(), ledger, belief, offers };
    let (belief, clock) = (Arc::clone(&scheduler.belief), Arc::clone(&scheduler.node.clock));
    scheduler.ledger.count_too(move || belief.counted(clock.now()));
    scheduler.clone().hear_news().await?;
    let claim = scheduler.clone();
    node.serve(Row::Spoken(Word::Claim), GROUP, move |asked| claim.clone().claim(asked)).await?;
    let why = scheduler.clone();
    node.serve(Row::Query(Query::Why), GROUP, move |asked| why.clone().why(asked)).await?;
    let stats = scheduler.clone();
    node.serve(Row::Query(Query::Stats), GROUP, move |asked| stats.clone().stats(asked)).await?;
    node.tasks.spawn("offers", scheduler.clone().offer_what_waits());
    scheduler.keep();
    Ok(())
}
