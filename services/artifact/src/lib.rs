//! The service that keeps artifacts: pointers in records, bytes in a blob store, and links that
//! die. Knows nothing of who may claim what. Stateless: any number of replicas answer the same.

mod audit;
mod bring;
mod remove;
mod retention;
mod show;
mod sweep;

use blob::Blobs;
use ledger::Ledger;
use node::{BusAway, Group, Node};
use protocol::{Custody, Query, Row, Word};

pub use retention::{NotRetention, Retention, Rule};

const GROUP: Group = Group("artifact");

/// The service: pointers by its ledger, bytes by its blobs.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    node: Node,
    ledger: Ledger,
    blobs: Blobs,
    keep: Retention,
}

/// Listens on every subject of this service and starts its sweeps; returns once it does.
///
/// # Errors
/// The bus is away.
pub async fn serve(
    node: Node,
    ledger: Ledger,
    blobs: Blobs,
    keep: Retention,
) -> Result<(), BusAway> {
    let keeper = Keeper { node: node.clone(), ledger, blobs, keep };
    for row in [Row::Custody(Custody::Begin), Row::Spoken(Word::ArtifactBegin)] {
        let begin = keeper.clone();
        node.serve(row, GROUP, move |asked| begin.clone().begin(asked)).await?;
    }
    for row in [Row::Custody(Custody::Commit), Row::Spoken(Word::ArtifactCommit)] {
        let commit = keeper.clone();
        node.serve(row, GROUP, move |asked| commit.clone().commit(asked)).await?;
    }
    let keep = keeper.clone();
    node.serve(Row::Custody(Custody::Keep), GROUP, move |asked| keep.clone().keep(asked)).await?;
    for row in [Row::Custody(Custody::Link), Row::Spoken(Word::ArtifactLink)] {
        let link = keeper.clone();
        node.serve(row, GROUP, move |asked| link.clone().link(asked)).await?;
    }
    let remove = keeper.clone();
    let row = Row::Custody(Custody::Remove);
    node.serve(row, GROUP, move |asked| remove.clone().remove(asked)).await?;
    let list = keeper.clone();
    let row = Row::Query(Query::Artifacts);
    node.serve(row, GROUP, move |asked| list.clone().list(asked)).await?;
    let audit = keeper.clone();
    let row = Row::Custody(Custody::Audit);
    node.serve(row, GROUP, move |asked| audit.clone().audit(asked)).await?;
    let sweep = keeper.clone();
    let row = Row::Custody(Custody::Sweep);
    node.serve(row, GROUP, move |asked| sweep.clone().sweep(asked)).await?;
    node.follow(&keeper.ledger);
    keeper.sweep_hourly();
    Ok(())
}
