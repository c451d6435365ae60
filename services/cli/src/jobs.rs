//! Verbs that look: one job and what belongs to it, lists, the product's factories, locks, budgets
//! and numbers. Changes nothing.

use fleet::FactoryId;
use protocol::{AboutJob, AboutProduct, ListJobs, OfProduct};
use serde_json::Value;

use crate::args::List;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::shape::{self, Shape};
use crate::trouble::Trouble;

/// The largest page that a fleet gives.
const PAGE: usize = 500;

pub(crate) async fn get(desk: &mut Desk, named: &str) -> Result<Exit, Trouble> {
    let job = desk.job(named).await?;
    let now = desk.now();
    desk.printer.one(&shape::JOB, &job, now)?;
    Ok(Exit::Done)
}

pub(crate) async fn list(desk: &mut Desk, wanted: &List) -> Result<Exit, Trouble> {
    let mut ask = asked(wanted);
    let mut jobs: Vec<Value> = Vec::new();
    let left = loop {
        let page = desk.ask(&ask).await?;
        jobs.extend(page.items.iter().filter_map(|job| serde_json::to_value(job).ok()));
        ask.cursor = page.next_cursor;
        if ask.cursor.is_none() || !wanted.all {
            break ask.cursor.is_some();
        }
    };
    let now = desk.now();
    desk.printer.list(&shape::JOB, &jobs, now)?;
    if left {
        desk.printer.talk("there are more: --limit N, or --all");
    }
    Ok(Exit::Done)
}

pub(crate) fn asked(wanted: &List) -> ListJobs {
    let limit = usize::try_from(wanted.limit).unwrap_or(PAGE);
    ListJobs {
        stage: wanted.stage.clone(),
        priority: wanted.priority.clone(),
        idempotency_key: wanted.key.clone(),
        parent_id: wanted.parent,
        factory_id: wanted.factory.clone(),
        q: wanted.q.clone(),
        unadmitted: wanted.all,
        limit: Some(if wanted.all { PAGE } else { limit }),
        ..ListJobs::default()
    }
}

pub(crate) async fn why(desk: &mut Desk, named: &str) -> Result<Exit, Trouble> {
    let why = first(desk.of_job(AboutJob::Why, named).await?)?;
    desk.printer.told(&shape::WHY, &why, &explained(&why))?;
    Ok(Exit::Done)
}

fn explained(why: &Value) -> Vec<String> {
    let said = |path: &str| shape::text(shape::at(why, path));
    let each = |path: &str| shape::at(why, path).as_array().cloned().unwrap_or_default();
    let mut lines = vec![said("sentence")];
    let next_at = said("nextAt");
    if !next_at.is_empty() {
        lines.push(format!("  changes by itself at {next_at}"));
    }
    for blocker in each("blockers").iter().skip(1) {
        lines.push(format!("  also: {}", shape::text(shape::at(blocker, "detail"))));
    }
    for factory in each("factories") {
        let of = |path: &str| shape::text(shape::at(&factory, path));
        lines.push(format!("  factory {}: {}", of("factoryId"), of("detail")));
    }
    let next: Vec<String> = each("next").iter().map(shape::text).collect();
    lines.extend(next.iter().map(|next| format!("next: {next}")));
    lines
}

pub(crate) async fn several(
    desk: &mut Desk,
    query: AboutJob,
    named: &str,
) -> Result<Exit, Trouble> {
    let mut items = desk.of_job(query, named).await?;
    let shape = match query {
        AboutJob::Get => &shape::JOB,
        AboutJob::Runs => &shape::RUN,
        AboutJob::Events => &shape::EVENT,
        AboutJob::Lease => &shape::LEASE,
        AboutJob::Why => &shape::WHY,
    };
    if query == AboutJob::Events {
        items.sort_by_cached_key(|event| {
            (shape::text(shape::at(event, "at")), shape::at(event, "seq").as_u64())
        });
    }
    let now = desk.now();
    desk.printer.list(shape, &items, now)?;
    Ok(Exit::Done)
}

pub(crate) async fn lease(desk: &mut Desk, named: &str) -> Result<Exit, Trouble> {
    let Some(lease) = desk.of_job(AboutJob::Lease, named).await?.pop() else {
        let what = format!("job {named:?} was never claimed");
        let next = format!("gigamesh why {named}");
        return Err(Trouble::new(Exit::NotFound, what).because("it has no lease").next(next));
    };
    let now = desk.now();
    desk.printer.one(&shape::LEASE, &lease, now)?;
    Ok(Exit::Done)
}

pub(crate) async fn factories(
    desk: &mut Desk,
    factory: Option<&FactoryId>,
) -> Result<Exit, Trouble> {
    let Some(factory) = factory else {
        return product(desk, AboutProduct::Factories, &shape::FACTORY).await;
    };
    let ask =
        OfProduct { query: AboutProduct::Factories, named: Some(factory.as_str().to_owned()) };
    let found = first(desk.ask(&ask).await?.items)?;
    let now = desk.now();
    desk.printer.one(&shape::FACTORY, &found, now)?;
    Ok(Exit::Done)
}

pub(crate) async fn product(
    desk: &mut Desk,
    query: AboutProduct,
    shape: &Shape,
) -> Result<Exit, Trouble> {
    let items = desk.ask(&OfProduct { query, named: None }).await?.items;
    let now = desk.now();
    desk.printer.list(shape, &items, now)?;
    Ok(Exit::Done)
}

pub(crate) async fn stats(desk: &mut Desk) -> Result<Exit, Trouble> {
    let ask = OfProduct { query: AboutProduct::Stats, named: None };
    let stats = first(desk.ask(&ask).await?.items)?;
    let now = desk.now();
    desk.printer.one(&shape::PRODUCT, &stats, now)?;
    Ok(Exit::Done)
}

fn first(items: Vec<Value>) -> Result<Value, Trouble> {
    let what = "there is nothing of that name";
    items.into_iter().next().ok_or_else(|| Trouble::new(Exit::NotFound, what).next("gigamesh list"))
}
