//! The service that holders and operators speak to, and that looks after leases: what is renewed,
//! reported and let go, what a person decides, what fell silent. Any number of replicas keep at
//! once.

mod hold;
mod keep;
mod operate;
mod verify;

use ledger::Ledger;
use node::{BusAway, Group, Node};
use protocol::{FactoryAction, JobAction, Operation, ProductAction, Row, Word};

const GROUP: Group = Group("lease-keeper");

#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    node: Node,
    ledger: Ledger,
}

/// Listens on every subject of this service and starts its rounds; returns once it does.
///
/// # Errors
/// The bus is away.
pub async fn serve(node: Node, ledger: Ledger) -> Result<(), BusAway> {
    let keeper = Keeper { node: node.clone(), ledger };
    let renew = keeper.clone();
    node.serve(Row::Spoken(Word::Renew), GROUP, move |asked| renew.clone().renew(asked)).await?;
    let patch = keeper.clone();
    node.serve(Row::Spoken(Word::Patch), GROUP, move |asked| patch.clone().patch(asked)).await?;
    let progress = keeper.clone();
    node.serve(Row::Spoken(Word::Progress), GROUP, move |asked| progress.clone().progress(asked))
        .await?;
    let release = keeper.clone();
    node.serve(Row::Spoken(Word::Release), GROUP, move |asked| release.clone().release(asked))
        .await?;
    let beat = keeper.clone();
    node.serve(Row::Spoken(Word::Heartbeat), GROUP, move |asked| beat.clone().beat(asked)).await?;
    let leave = keeper.clone();
    node.serve(Row::Spoken(Word::Deregister), GROUP, move |asked| leave.clone().leave(asked))
        .await?;
    serve_operators(&node, &keeper).await?;
    node.tell_stops(&keeper.ledger);
    keeper.keep();
    Ok(())
}

async fn serve_operators(node: &Node, keeper: &Keeper) -> Result<(), BusAway> {
    for action in JobAction::ALL {
        let operate = keeper.clone();
        let row = Row::Operate(action.into());
        node.serve(row, GROUP, move |asked| operate.clone().operate(asked)).await?;
    }
    for action in [FactoryAction::Drain, FactoryAction::Undrain] {
        let operate = keeper.clone();
        let row = Row::Operate(action.into());
        node.serve(row, GROUP, move |asked| operate.clone().operate_factory(asked)).await?;
    }
    for action in [ProductAction::Pause, ProductAction::Resume] {
        let operate = keeper.clone();
        let row = Row::Operate(action.into());
        node.serve(row, GROUP, move |asked| operate.clone().operate_product(asked)).await?;
    }
    let verify = keeper.clone();
    let row = Row::Operate(Operation::Verify);
    node.serve(row, GROUP, move |asked| verify.clone().verify(asked)).await
}
