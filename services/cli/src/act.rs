//! Verbs that change: actions on jobs, on a factory, on the product. Each action carries an id of
//! its own, so that it can be said again while nobody knows whether it was heard.

use fleet::{FactoryId, StageName};
use protocol::{
    FactoryAction, JobAction, ListJobs, Operate, OperateFactory, OperateProduct, ProductAction,
    Verify,
};
use serde_json::{Value, json};

use crate::args::{Act, Redrive};
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::shape;
use crate::trouble::Trouble;

/// Jobs that one command starts anew.
const MOST_REDRIVEN: usize = 1000;
const PAGE: usize = 500;

/// What an action is told beside the job.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) force: bool,
    pub(crate) now: bool,
    pub(crate) alone: bool,
}

pub(crate) async fn jobs(
    desk: &mut Desk,
    action: JobAction,
    act: &Act,
    manner: Manner,
) -> Result<Exit, Trouble> {
    let mut worst = Exit::Done;
    let mut changed = Vec::new();
    for named in &act.jobs {
        match one(desk, action, named, act.reason.as_deref(), manner).await {
            Ok(job) => changed.push(job),
            Err(trouble) if act.jobs.len() == 1 => return Err(trouble),
            Err(trouble) => {
                let trouble = trouble.of(named);
                desk.printer.trouble(&trouble);
                worst = worst.worse(trouble.exit);
            }
        }
    }
    show(desk, &changed, act.jobs.len() == 1)?;
    Ok(worst)
}

fn show(desk: &mut Desk, changed: &[Value], alone: bool) -> Result<(), Trouble> {
    let now = desk.now();
    match changed {
        [job] if alone => desk.printer.one(&shape::JOB, job, now),
        [] => Ok(()),
        jobs => desk.printer.list(&shape::JOB, jobs, now),
    }
}

async fn one(
    desk: &mut Desk,
    action: JobAction,
    named: &str,
    reason: Option<&str>,
    manner: Manner,
) -> Result<Value, Trouble> {
    let job = desk.job(named).await?;
    let ask = Operate {
        action,
        job_id: desk::id_of(&job)?,
        op_id: Some(desk.op_id()),
        reason: reason.map(str::to_owned),
        force: manner.force,
        now: manner.now,
        alone: manner.alone,
    };
    let operated = desk.order(&ask).await?;
    for warning in &operated.warnings {
        desk.printer.talk(&format!("{named}: {warning}"));
    }
    Ok(json!(operated.job))
}

pub(crate) async fn redrive(desk: &mut Desk, wanted: Redrive) -> Result<Exit, Trouble> {
    if !wanted.all {
        let act = Act { jobs: wanted.jobs, reason: wanted.reason };
        return jobs(desk, JobAction::Redrive, &act, Manner::default()).await;
    }
    // Before anything is read, so that a script learns of it on its first try.
    if !(desk.yes || desk.printer.terminal.input.is_terminal) {
        desk.printer.agreed("redrive every dead job", false)?;
    }
    let dead = dead_letters(desk, wanted.reason.as_deref()).await?;
    if dead.is_empty() {
        desk.printer.talk("nothing is in dead letter");
        return Ok(Exit::Done);
    }
    let question = format!("redrive {} dead jobs", dead.len());
    let yes = desk.yes;
    desk.printer.agreed(&question, yes)?;
    let act = Act { jobs: dead, reason: None };
    jobs(desk, JobAction::Redrive, &act, Manner::default()).await
}

async fn dead_letters(desk: &Desk, reason: Option<&str>) -> Result<Vec<String>, Trouble> {
    let mut ask = ListJobs {
        stage: vec![StageName::DeadLetter],
        unadmitted: true,
        limit: Some(PAGE),
        ..ListJobs::default()
    };
    let mut dead = Vec::new();
    loop {
        let page = desk.ask(&ask).await?;
        let died_of = |job: &&protocol::JobView| {
            let fields = job.fields();
            let of = fields.get("failureReason").and_then(Value::as_str);
            reason.is_none_or(|reason| of == Some(reason))
        };
        dead.extend(page.items.iter().filter(died_of).map(|job| job.id.to_string()));
        ask.cursor = page.next_cursor;
        if ask.cursor.is_none() || dead.len() >= MOST_REDRIVEN {
            dead.truncate(MOST_REDRIVEN);
            return Ok(dead);
        }
    }
}

pub(crate) async fn factory(
    desk: &mut Desk,
    action: FactoryAction,
    factory: FactoryId,
    at_once: bool,
) -> Result<Exit, Trouble> {
    let named = factory.to_string();
    let ask = OperateFactory { action, factory_id: factory, now: at_once };
    let said = desk.order(&ask).await;
    let record = said.map_err(|no| no.naming("factory", &named, "gigamesh factories"))?;
    let now = desk.now();
    desk.printer.one(&shape::FACTORY, &record, now)?;
    Ok(Exit::Done)
}

pub(crate) async fn product(
    desk: &mut Desk,
    action: ProductAction,
    reason: Option<String>,
) -> Result<Exit, Trouble> {
    let record = desk.order(&OperateProduct { action, reason }).await?;
    let now = desk.now();
    desk.printer.one(&shape::PRODUCT, &record, now)?;
    Ok(Exit::Done)
}

pub(crate) async fn verify(desk: &mut Desk) -> Result<Exit, Trouble> {
    let verified = desk.ask(&Verify {}).await?;
    let count = verified.violations.len();
    let now = desk.now();
    if desk.printer.is_for_people() {
        let findings: Vec<Value> = verified.violations.iter().map(|found| json!(found)).collect();
        if count > 0 {
            desk.printer.list(&shape::FINDING, &findings, now)?;
        }
    } else {
        desk.printer.one(&shape::FINDING, &json!(verified), now)?;
    }
    let (jobs, events) = (verified.jobs, verified.events);
    let bytes = match verified.artifacts {
        Some(artifacts) => format!("{artifacts} artifacts"),
        None => "no artifacts (nobody who keeps them answered)".to_owned(),
    };
    desk.printer
        .talk(&format!("{jobs} jobs, {events} events and {bytes} looked at, {count} violations"));
    Ok(if count == 0 { Exit::Done } else { Exit::Failed })
}
