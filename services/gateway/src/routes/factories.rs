//! Factories and the product as a whole: what stands, whether they are given work, and whether all
//! that is stored agrees with itself.

use std::time::Duration;

use fleet::FactoryId;
use protocol::{
    AboutProduct, Code, FactoryAction, OfProduct, OperateFactory, OperateProduct, ProductAction,
    Role, Verify,
};
use serde_json::{Value, json};

use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::routes::ok;

/// Everything that is stored is read, and what looks wrong is read twice.
const VERIFY_WITHIN: Duration = Duration::from_secs(120);

pub(crate) async fn list(heard: Heard) -> Answer {
    page(&heard, AboutProduct::Factories).await
}

pub(crate) async fn locks(heard: Heard) -> Answer {
    page(&heard, AboutProduct::Locks).await
}

pub(crate) async fn budgets(heard: Heard) -> Answer {
    page(&heard, AboutProduct::Budgets).await
}

pub(crate) async fn stats(heard: Heard) -> Answer {
    let ask = OfProduct { query: AboutProduct::Stats, named: None };
    let stats = heard.ask(&ask).await?.items.into_iter().next();
    Ok(ok(&stats.ok_or_else(|| heard.refused(Code::Internal))?))
}

pub(crate) async fn one(heard: Heard) -> Answer {
    let factory = factory_of(&heard)?;
    let found = found(&heard, &factory).await?;
    Ok(ok(&found.ok_or_else(|| heard.refused(Code::NotFound))?))
}

pub(crate) async fn drain(heard: Heard) -> Answer {
    operated(&heard, FactoryAction::Drain).await
}

pub(crate) async fn resume(heard: Heard) -> Answer {
    operated(&heard, FactoryAction::Undrain).await
}

pub(crate) async fn pause_product(heard: Heard) -> Answer {
    operated_product(&heard, ProductAction::Pause).await
}

pub(crate) async fn resume_product(heard: Heard) -> Answer {
    operated_product(&heard, ProductAction::Resume).await
}

pub(crate) async fn verify(heard: Heard) -> Answer {
    let ask: Verify = heard.alone()?;
    Ok(ok(&heard.ask_within(&ask, VERIFY_WITHIN).await?))
}

/// The factory of the path.
pub(crate) fn factory_of(heard: &Heard) -> Result<FactoryId, Refusal> {
    heard.named(0).parse().map_err(|_| heard.refused(Code::NotFound))
}

/// What was read of the body; where that failed, the factory's absence is told first.
pub(crate) async fn or_missing<T>(
    heard: &Heard,
    factory: &FactoryId,
    read: Result<T, Refusal>,
) -> Result<T, Refusal> {
    let Err(refusal) = read else { return read };
    if refusal.0.code == Code::OutOfScope {
        return Err(refusal);
    }
    match found(heard, factory).await {
        Ok(None) => Err(heard.refused(Code::NotFound)),
        Err(missing) if missing.0.code == Code::NotFound => Err(missing),
        Ok(Some(_)) | Err(_) => Err(refusal),
    }
}

async fn found(heard: &Heard, factory: &FactoryId) -> Result<Option<Value>, Refusal> {
    let ask = OfProduct { query: AboutProduct::Factories, named: Some(factory.to_string()) };
    Ok(heard.look_up(&ask).await?.items.into_iter().next())
}

async fn page(heard: &Heard, query: AboutProduct) -> Answer {
    Ok(ok(&heard.ask(&OfProduct { query, named: None }).await?))
}

/// An operator may, and the factory itself.
pub(crate) fn may(heard: &Heard, factory: &FactoryId) -> Result<(), Refusal> {
    let standing = heard.standing()?;
    let operates = standing.needs(&[Role::Operator]);
    operates.or_else(|_| standing.speaks_as(factory)).map_err(|denied| heard.denied(denied))
}

async fn operated(heard: &Heard, action: FactoryAction) -> Answer {
    let factory = factory_of(heard)?;
    let given = [("factoryId", json!(factory)), ("action", json!(action))];
    may(heard, &factory)?;
    let ask: OperateFactory = or_missing(heard, &factory, heard.completed(&given)).await?;
    Ok(ok(&heard.look_up(&ask).await?))
}

async fn operated_product(heard: &Heard, action: ProductAction) -> Answer {
    let ask: OperateProduct = heard.completed(&[("action", json!(action))])?;
    Ok(ok(&heard.ask(&ask).await?))
}
