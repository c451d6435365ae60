//! What a job says, as it said it: its bytes go to standard output untouched, and all talk about
//! them elsewhere. Whoever follows is not told when the way breaks and is found again but once.

use client::{LogPart, News};
use fleet::{Epoch, JobId};
use protocol::LogPiece;

use crate::args::Logs;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::stay;
use crate::trouble::Trouble;

pub(crate) async fn logs(desk: &mut Desk, wanted: &Logs) -> Result<Exit, Trouble> {
    let id = desk::id_of(&desk.job(&wanted.job).await?)?;
    let part = LogPart { attempt: wanted.attempt, tail: wanted.tail };
    if !wanted.follow {
        return stored(desk, id, part).await;
    }
    let Some(span) = desk.settings.timeout else { return follow(desk, id, part).await };
    match tokio::time::timeout(span.duration(), follow(desk, id, part)).await {
        Ok(done) => done,
        Err(_) => Ok(stay::gave_up(desk, id).await),
    }
}

async fn stored(desk: &mut Desk, id: JobId, part: LogPart) -> Result<Exit, Trouble> {
    let mut log = desk.read_log(id, part).await?;
    let mut silent = true;
    while let Some(bytes) = log.next().await.map_err(|error| desk.refused(error))? {
        silent = false;
        desk.printer.raw(&bytes)?;
    }
    if silent {
        desk.printer.talk("it has said nothing");
    }
    Ok(Exit::Done)
}

async fn follow(desk: &mut Desk, id: JobId, part: LogPart) -> Result<Exit, Trouble> {
    let mut follow = desk.follow_log(id, part);
    let (mut told_away, mut run) = (false, None);
    loop {
        match follow.next().await {
            Ok(News::Event(said)) => {
                let Ok(piece) = serde_json::from_value::<LogPiece>(said) else { continue };
                tell_of_a_new_run(desk, &mut run, piece.epoch);
                desk.printer.raw(piece.text.as_bytes())?;
            }
            Ok(News::Gap) => desk.printer.talk("some of its lines are gone"),
            Ok(News::Here) => told_away = false,
            Ok(News::Away) if told_away => {}
            Ok(News::Away) => {
                told_away = true;
                desk.printer.talk("the fleet is away; trying again");
            }
            Ok(News::End) => return ended(desk, id).await,
            Err(error) => return Err(desk.refused(error)),
        }
    }
}

/// The bytes of one run are not told from those of the next by anything else.
fn tell_of_a_new_run(desk: &mut Desk, run: &mut Option<Epoch>, epoch: Epoch) {
    if run.replace(epoch).is_some_and(|before| before != epoch) {
        desk.printer.talk("a later run:");
    }
}

/// A run that was named may be over and its job not.
async fn ended(desk: &mut Desk, id: JobId) -> Result<Exit, Trouble> {
    let job = desk.job(&id.to_string()).await?;
    if stay::is_ended(&job) { Ok(stay::told(desk, &job)) } else { Ok(Exit::Done) }
}
