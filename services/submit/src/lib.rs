//! The service that takes submissions in and shows what stands. Stateless: any number of replicas
//! answer the same.

mod accept;
mod children;
mod intake;
mod list;
mod plan;
mod profiles;
mod show;
mod survey;

use fleet::EngineName;
use ledger::Ledger;
use node::{BusAway, Group, Node};
use protocol::{Query, Row};

const GROUP: Group = Group("submit");

/// What a fleet decides about its submissions.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Runs a job that names no engine at all; only a development fleet has one.
    pub dev_engine: Option<EngineName>,
}

/// The service: its ledger and what it was told.
#[derive(Clone, Debug)]
pub(crate) struct Submit {
    node: Node,
    ledger: Ledger,
    options: Options,
}

/// Listens on every subject of this service; returns once it does.
///
/// # Errors
/// The bus is away.
pub async fn serve(node: Node, ledger: Ledger, options: Options) -> Result<(), BusAway> {
    let service = Submit { node: node.clone(), ledger, options };
    for row in [Row::Submit, Row::SubmitYolo] {
        let submit = service.clone();
        node.serve(row, GROUP, move |asked| submit.clone().accept(asked)).await?;
    }
    for row in [Row::Children, Row::ChildrenYolo] {
        let add = service.clone();
        node.serve(row, GROUP, move |asked| add.clone().add_children(asked)).await?;
    }
    for query in [Query::Get, Query::Runs, Query::Events, Query::Lease] {
        let show = service.clone();
        node.serve(Row::Query(query), GROUP, move |asked| show.clone().show(asked)).await?;
    }
    let plan = service.clone();
    node.serve(Row::Plan, GROUP, move |asked| plan.clone().plan(asked)).await?;
    for query in [Query::Factories, Query::Locks, Query::Budgets, Query::Profiles] {
        let survey = service.clone();
        node.serve(Row::Query(query), GROUP, move |asked| survey.clone().survey(asked)).await?;
    }
    let put = service.clone();
    node.serve(Row::PutProfile, GROUP, move |asked| put.clone().put_profile(asked)).await?;
    let list = service.clone();
    node.serve(Row::Query(Query::List), GROUP, move |asked| list.clone().list(asked)).await?;
    node.follow(&service.ledger);
    service.take_in().await
}
