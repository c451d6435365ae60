//! What a job says: the words of its holder on their way in, and what of them is stored on its way
//! out, once or for as long as the job goes on.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use fleet::Epoch;
use futures_util::stream;
use protocol::{AppendLog, Code};
use serde_json::json;

use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::routes::ok;
use crate::tail::{Place, Reader, Shelf, Unread, Wanted};

pub(crate) const QUERY: [&str; 3] = ["attempt", "follow", "tail"];
const LAST_SEEN: &str = "last-event-id";
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// Lines that may be asked for by their number.
pub(crate) const MOST_LINES: usize = 100_000;

/// What is asked of a log.
#[derive(Debug, Default)]
struct Asked {
    attempt: Option<u32>,
    follow: bool,
    tail: Option<usize>,
    /// What its reader has already.
    seen: Option<Place>,
}

/// The next lines of a run, in its holder's name.
pub(crate) async fn append(heard: Heard) -> Answer {
    let ask: AppendLog = heard.typed(heard.job()?).await?;
    heard.ask(&ask).await?;
    Ok(ok(&json!({})))
}

pub(crate) async fn read(heard: Heard) -> Answer {
    let asked = asked(&heard)?;
    let job = heard.job_meant().await?;
    heard.exists(job).await?;
    let shelf = heard.door.tails.shelf(&heard.standing()?.product, job);
    if asked.follow {
        follow(&heard, &shelf, &asked).await
    } else {
        whole(&heard, &shelf, &asked).await
    }
}

/// What is stored, as it was said.
async fn whole(heard: &Heard, shelf: &Shelf, asked: &Asked) -> Answer {
    let place = begin(heard, shelf, asked).await?;
    let bytes = shelf.open(place).await.map_err(|why| unread(heard, why))?;
    let body = bytes.map_or_else(Body::empty, Body::from_stream);
    Ok(typed(body, "text/plain; charset=utf-8"))
}

/// What is stored and what comes, until the job has ended.
async fn follow(heard: &Heard, shelf: &Shelf, asked: &Asked) -> Answer {
    let tails = &heard.door.tails;
    let room = heard.door.quotas.tail(&heard.standing()?.who);
    let room = room.ok_or_else(|| heard.refused(Code::Throttled).because("streams"))?;
    let from = match asked.seen {
        Some(seen) => seen,
        None => begin(heard, shelf, asked).await?,
    };
    let through = match asked.attempt {
        Some(attempt) => Some(epoch_of(heard, shelf, attempt).await?),
        None => None,
    };
    let away = |_| heard.refused(Code::Unavailable).because("bus");
    let seat = tails.join(shelf).await.map_err(away)?;
    let mut comment = tokio::time::interval(COMMENT_EVERY);
    comment.reset();
    let node = heard.door.node.clone();
    let (shelf, wanted) = (shelf.clone(), Wanted { from, through });
    let reader =
        Reader { seat, shelf, node, wanted, comment, _room: room, stored: None, is_over: false };
    let frames = stream::unfold((reader, Some(HERE)), |(mut reader, here)| async move {
        let frame = match here {
            Some(here) => Bytes::from_static(here),
            None => reader.next().await?,
        };
        Some((Ok::<Bytes, std::convert::Infallible>(frame), (reader, None)))
    });
    Ok(typed(Body::from_stream(frames), "text/event-stream"))
}

const HERE: &[u8] = b": here\n\n";

/// Where the reading begins: in the run that is named or the latest that has said anything, at its
/// beginning or before its last lines.
async fn begin(heard: &Heard, shelf: &Shelf, asked: &Asked) -> Result<Place, Refusal> {
    let epoch = match asked.attempt {
        Some(attempt) => epoch_of(heard, shelf, attempt).await?,
        None => {
            let epochs = shelf.epochs().await.map_err(|why| unread(heard, why))?;
            epochs.last().copied().unwrap_or_default()
        }
    };
    match asked.tail {
        None => Ok(Place { epoch, offset: 0 }),
        Some(lines) => shelf.last_lines(epoch, lines).await.map_err(|why| unread(heard, why)),
    }
}

async fn epoch_of(heard: &Heard, shelf: &Shelf, attempt: u32) -> Result<Epoch, Refusal> {
    let found = shelf.epoch_of(attempt).await.map_err(|why| unread(heard, why.into()))?;
    found.ok_or_else(|| heard.refused(Code::NotFound).because("no_attempt"))
}

fn unread(heard: &Heard, why: Unread) -> Refusal {
    match why {
        Unread::Call(why) => why.problem(false, heard.request_id).into(),
        Unread::Blob(_) => heard.refused(Code::Unavailable).because("blobs"),
    }
}

fn typed(body: Body, media: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn asked(heard: &Heard) -> Result<Asked, Refusal> {
    let bad = |field: &str, message: &str| {
        heard.refused(Code::Validation).at(field, "bad_value", message)
    };
    let mut asked = Asked::default();
    for (name, value) in heard.pairs(&QUERY)? {
        match name.as_str() {
            "attempt" => {
                let attempt = value.parse().ok().filter(|attempt| *attempt > 0);
                asked.attempt =
                    Some(attempt.ok_or_else(|| bad("attempt", "attempts count from 1"))?);
            }
            "follow" => {
                asked.follow = switch(&value).ok_or_else(|| bad("follow", "follow is 1 or 0"))?;
            }
            _ => {
                let lines = value.parse().ok().filter(|lines| *lines <= MOST_LINES);
                let message = format!("tail is a number of lines, at most {MOST_LINES}");
                asked.tail = Some(lines.ok_or_else(|| bad("tail", &message))?);
            }
        }
    }
    if let Some(last) = heard.headers.get(LAST_SEEN) {
        let seen = last.to_str().ok().and_then(|text| text.parse().ok());
        asked.seen = Some(seen.ok_or_else(|| bad("Last-Event-ID", "not a place in a log"))?);
    }
    Ok(asked)
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}
