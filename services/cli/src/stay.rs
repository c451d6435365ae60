//! Staying with jobs until they end: events as they happen, and the records read again beside them,
//! since a stream may break and only the record is the truth.

mod spoken;

use std::time::Duration;

use client::{CallError, Follow, News};
use fleet::{JobId, WhyCode};
use protocol::AboutJob;
use serde_json::Value;
use tokio::time::Interval;

use crate::args::Stay;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::shape;
use crate::trouble::Trouble;
use spoken::Spoken;

/// What is told of a job while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    Nothing,
    Events,
    /// With what the job says between them.
    EventsAndLines,
}

/// How often the record is read though nothing was heard.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Waits for every job of these receipts, and puts into each how its job stands at the end.
pub(crate) async fn until_ended(
    desk: &mut Desk,
    receipts: &mut [Value],
    stay: Stay,
) -> Result<Exit, Trouble> {
    let deadline = desk.settings.timeout.map(|span| desk.now().plus(span.duration()));
    let tell = if stay.follow { Tell::EventsAndLines } else { Tell::Nothing };
    let mut worst = Exit::Done;
    for receipt in receipts {
        let id = desk::id_of(&receipt["job"])?;
        let ended = match deadline {
            None => Some(ended(desk, id, 0, tell).await?),
            Some(deadline) => {
                let left = deadline.since(desk.now());
                tokio::time::timeout(left, ended(desk, id, 0, tell)).await.ok().transpose()?
            }
        };
        let exit = match ended {
            Some(job) => {
                let exit = told(desk, &job);
                receipt["job"] = job;
                exit
            }
            None => {
                let exit = gave_up(desk, id).await;
                receipt["job"] = desk.job(&id.to_string()).await?;
                exit
            }
        };
        worst = worst.worse(exit);
    }
    Ok(worst)
}

/// The job as it is once it has ended; what is told of it comes as it happens, of its events those after
/// `seen`.
pub(crate) async fn ended(
    desk: &mut Desk,
    id: JobId,
    seen: u64,
    tell: Tell,
) -> Result<Value, Trouble> {
    let mut watch = Watch {
        id,
        seen,
        tell,
        spoken: Spoken::of(desk, id, tell == Tell::EventsAndLines),
        follow: Some(desk.follow(Some(id), Some(format!("{id}-{seen}")))),
        look: tokio::time::interval(LOOK_EVERY),
    };
    loop {
        if watch.heard_something(desk).await? {
            let job = desk.job(&id.to_string()).await?;
            if is_ended(&job) {
                watch.read_up(desk).await?;
                watch.spoken.rest(desk).await?;
                return Ok(job);
            }
        }
    }
}

struct Watch {
    id: JobId,
    /// The last event that was told.
    seen: u64,
    tell: Tell,
    spoken: Spoken,
    /// None once the door has refused: then the record alone is read.
    follow: Option<Follow>,
    look: Interval,
}

impl Watch {
    /// Whether it is time to read the record.
    async fn heard_something(&mut self, desk: &mut Desk) -> Result<bool, Trouble> {
        let heard = tokio::select! {
            biased;
            news = heard(&mut self.follow) => Heard::News(news),
            said = self.spoken.next() => Heard::Said(said),
            _ = self.look.tick() => Heard::Nothing,
        };
        let news = match heard {
            Heard::News(news) => news,
            Heard::Said(said) => return self.spoken.tell(desk, said).map(|()| false),
            Heard::Nothing if self.follow.is_none() => {
                return self.read_up(desk).await.map(|()| true);
            }
            Heard::Nothing => return Ok(true),
        };
        match news {
            Ok(News::Event(event)) => {
                self.tell(desk, &event)?;
                let kind = shape::text(shape::at(&event, "type"));
                Ok(["shipped", "failed", "dead_letter", "cancelled", "rejected"].contains(&&*kind))
            }
            Ok(News::Gap) => self.read_up(desk).await.map(|()| true),
            Ok(News::Here | News::Away | News::End) => Ok(false),
            Err(error) => {
                let trouble = desk.refused(error);
                desk.printer.talk(&format!("events are not told: {}", trouble.what));
                self.follow = None;
                Ok(true)
            }
        }
    }

    async fn read_up(&mut self, desk: &mut Desk) -> Result<(), Trouble> {
        if self.tell == Tell::Nothing {
            return Ok(());
        }
        let mut events = desk.of_job(AboutJob::Events, &self.id.to_string()).await?;
        events.sort_by_key(|event| event["seq"].as_u64());
        events.iter().try_for_each(|event| self.tell(desk, event))
    }

    fn tell(&mut self, desk: &mut Desk, event: &Value) -> Result<(), Trouble> {
        let news = event["seq"].as_u64().filter(|seq| *seq > self.seen);
        let Some(seq) = news.filter(|_| self.tell != Tell::Nothing) else { return Ok(()) };
        self.seen = seq;
        desk.printer.event(event)
    }
}

/// What came first.
enum Heard {
    News(Result<News, CallError>),
    Said(Result<News, CallError>),
    Nothing,
}

async fn heard(follow: &mut Option<Follow>) -> Result<News, CallError> {
    match follow {
        Some(follow) => follow.next().await,
        None => std::future::pending().await,
    }
}

pub(crate) fn is_ended(job: &Value) -> bool {
    ["shipped", "failed", "dead_letter"].contains(&job["stage"].as_str().unwrap_or_default())
}

pub(crate) fn told(desk: &mut Desk, job: &Value) -> Exit {
    let stage = shape::text(&job["stage"]);
    let reason = shape::text(&job["failureReason"]);
    let of = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    desk.printer.talk(&format!("{} {stage}{of}", shape::text(&job["idempotencyKey"])));
    if stage == "shipped" { Exit::Done } else { Exit::Failed }
}

/// The wait is over, the job is not: whether anything could run it decides what is told.
pub(crate) async fn gave_up(desk: &mut Desk, id: JobId) -> Exit {
    let id = id.to_string();
    let why = desk.of_job(AboutJob::Why, &id).await.ok().and_then(|mut found| found.pop());
    let why = why.unwrap_or_default();
    let sentence = shape::text(&why["sentence"]);
    let sentence = if sentence.is_empty() { format!("{id} has not ended") } else { sentence };
    desk.printer.talk(&format!("gave up waiting: {sentence}"));
    let code = serde_json::from_value(why["code"].clone()).ok();
    if code.is_some_and(nothing_can_run_it) { Exit::NothingCanRunIt } else { Exit::TimedOut }
}

/// Whether it takes a person to change that.
fn nothing_can_run_it(code: WhyCode) -> bool {
    match code {
        WhyCode::Paused
        | WhyCode::BudgetExhausted
        | WhyCode::NoFactory
        | WhyCode::Unroutable
        | WhyCode::TokenScope
        | WhyCode::EngineUnavailable => true,
        WhyCode::Shipped
        | WhyCode::Cancelled
        | WhyCode::Failed
        | WhyCode::DeadLetter
        | WhyCode::NotAdmitted
        | WhyCode::DependencyCycle
        | WhyCode::DepFailed
        | WhyCode::DepUnknown
        | WhyCode::DepsUnmet
        | WhyCode::ChildrenOpen
        | WhyCode::ParkedReview
        | WhyCode::ParkedTesting
        | WhyCode::NotBefore
        | WhyCode::RetryBackoff
        | WhyCode::LockHeld
        | WhyCode::NoSeat
        | WhyCode::DegradedOnly
        | WhyCode::NextInLine
        | WhyCode::Unconfirmed
        | WhyCode::Running
        | WhyCode::Silent
        | WhyCode::Stopping
        | WhyCode::TimeoutNear => false,
    }
}
