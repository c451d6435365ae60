//! The service that keeps artifacts: pointers in records, bytes in a blob store, and links that
//! die. Knows nothing of who may claim what. Stateless: any number of replicas answer the same.

mod bring;
mod remove;
mod show;

use blob::Blobs;
use ledger::Ledger;
use node::{BusAway, Group, Node};
use protocol::{Custody, Query, Row, Word};

const GROUP: Group = Group("artifact");

/// The service: pointers by its ledger, bytes by its blobs.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    node: Node,
    ledger: Ledger,
    blobs: Blobs,
}

/// Listens on every subject of this service; returns once it does.
///
/// # Errors
/// The bus is away.
pub async fn serve(node: Node, ledger: Ledger, blobs: Blobs) -> Result<(), BusAway> {
    let keeper = Keeper { node: node.clone(), ledger, blobs };
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
    node.follow(&keeper.ledger);
    Ok(())
}
