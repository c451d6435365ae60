//! Watching as things move: a table that is drawn over on a terminal, a line for each event
//! elsewhere. Ends with the job that it watches, or when it is told to.

use std::time::Duration;

use client::{CallError, Follow, News};
use protocol::AboutJob;
use serde_json::Value;

use crate::args::{List, Watch};
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::jobs;
use crate::shape;
use crate::stay::{self, Tell};
use crate::trouble::Trouble;

/// Drawn at least so often, for the ages.
const DRAW_EVERY: Duration = Duration::from_secs(2);
/// Events that come at once are one picture.
const GATHER: Duration = Duration::from_millis(250);
/// Jobs that one picture shows.
const SHOWN: u32 = 20;

pub(crate) async fn watch(desk: &mut Desk, wanted: &Watch) -> Result<Exit, Trouble> {
    let job = match &wanted.job {
        Some(named) => Some(desk.job(named).await?),
        None => None,
    };
    let drawn = desk.printer.terminal.out.is_terminal && desk.printer.is_for_people();
    match (job, drawn) {
        (job, true) => pictures(desk, job).await,
        (Some(job), false) => {
            let id = desk::id_of(&job)?;
            stay::ended(desk, id, 0, Tell::Events).await?;
            Ok(Exit::Done)
        }
        (None, false) => lines(desk).await,
    }
}

async fn pictures(desk: &mut Desk, job: Option<Value>) -> Result<Exit, Trouble> {
    let id = job.as_ref().map(desk::id_of).transpose()?;
    let mut follow = desk.follow(id, None);
    let mut refused = false;
    loop {
        let items = match id {
            Some(id) => vec![desk.job(&id.to_string()).await?],
            None => {
                let ask = jobs::asked(&List { limit: SHOWN, ..List::default() });
                let page = desk.ask(&ask).await?.items;
                page.iter().filter_map(|job| serde_json::to_value(job).ok()).collect()
            }
        };
        let now = desk.now();
        desk.printer.draw(&shape::JOB, &items, now)?;
        if id.is_some() && items.iter().all(stay::is_ended) {
            return Ok(Exit::Done);
        }
        if !refused {
            let heard = tokio::time::timeout(DRAW_EVERY, moved(&mut follow)).await;
            // A door that refuses the stream still answers: then it is drawn by the clock alone.
            refused = matches!(heard, Ok(Err(_)));
        }
        if refused {
            tokio::time::sleep(DRAW_EVERY).await;
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Until something happened.
async fn moved(follow: &mut Follow) -> Result<(), CallError> {
    while matches!(follow.next().await?, News::Here | News::Away) {}
    Ok(())
}

/// Until it is told to end.
async fn lines(desk: &mut Desk) -> Result<Exit, Trouble> {
    let mut follow = desk.follow(None, None);
    loop {
        match follow.next().await {
            Ok(News::Event(event)) => desk.printer.event(&event)?,
            Ok(News::Gap) => desk.printer.talk("some events were missed: gigamesh list"),
            Ok(News::Here | News::End) => {}
            Ok(News::Away) => desk.printer.talk("the fleet is away; trying again"),
            Err(error) => return Err(desk.refused(error)),
        }
    }
}

/// The log of one job, and what comes after it.
pub(crate) async fn events(desk: &mut Desk, named: &str) -> Result<Exit, Trouble> {
    let id = desk::id_of(&desk.job(named).await?)?;
    let mut events = desk.of_job(AboutJob::Events, &id.to_string()).await?;
    events.sort_by_key(|event| event["seq"].as_u64());
    events.iter().try_for_each(|event| desk.printer.event(event))?;
    let seen = events.iter().filter_map(|event| event["seq"].as_u64()).max().unwrap_or(0);
    stay::ended(desk, id, seen, Tell::Events).await?;
    Ok(Exit::Done)
}
