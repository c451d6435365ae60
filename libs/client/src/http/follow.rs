//! Events as they happen, read from the door's stream: taken up again after the last one that was
//! heard. Keeps nothing but that place; what was missed for good is told as a gap.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bus::BusError;
use bytes::{Bytes, BytesMut};
use fleet::JobId;
use hyper::{Request, StatusCode};
use protocol::Header;
use serde_json::Value;
use tokio::time::Sleep;

use super::wire::{self, Outgoing, Streamed};
use super::{OverHttp, refusal};
use crate::{CallError, Patience};

/// Twice what the door lets pass between two signs of life, and a little.
const SILENCE: Duration = Duration::from_secs(35);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// A frame longer than any event: what speaks here is no door.
const LONGEST_FRAME: usize = 1 << 20;

/// What is heard next.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The stream stands; what happens from now on will be heard.
    Here,
    Event(Value),
    /// Something was missed for good: read the lists again.
    Gap,
    /// The stream broke and is taken up again after a pause.
    Away,
    /// All was said; nothing more comes.
    End,
}

/// One listener. Dropping a call of [`Follow::next`] loses nothing.
pub struct Follow {
    link: OverHttp,
    path: String,
    last: Option<String>,
    patience: Patience,
    stream: Option<Streamed>,
    heard: BytesMut,
    pause: Option<Pin<Box<Sleep>>>,
    failures: u32,
}

impl OverHttp {
    /// Follows one job, or all of the product, after the event of the id `since`. The request id of
    /// `patience` names every try to open the stream, its span bounds it.
    #[must_use]
    pub fn follow(&self, job: Option<JobId>, since: Option<String>, patience: Patience) -> Follow {
        let query = job.map(|job| format!("?jobId={job}")).unwrap_or_default();
        self.follow_at(format!("/fleet/events{query}"), since, patience)
    }

    /// Follows what a job says, from the beginning of a run or its last lines, over all of its
    /// later runs unless one is named. Each event is a [`protocol::LogPiece`].
    #[must_use]
    pub fn follow_log(&self, job: JobId, part: LogPart, patience: Patience) -> Follow {
        let path = format!("/fleet/jobs/{job}/log?follow=1{}", part.query());
        self.follow_at(path, None, patience)
    }

    fn follow_at(&self, path: String, last: Option<String>, patience: Patience) -> Follow {
        Follow {
            link: self.clone(),
            path,
            last,
            patience,
            stream: None,
            heard: BytesMut::new(),
            pause: None,
            failures: 0,
        }
    }

    /// Opens what is stored of a job's log, as it was said.
    ///
    /// # Errors
    /// As [`CallError`] tells.
    pub async fn read_log(
        &self,
        job: JobId,
        part: LogPart,
        patience: Patience,
    ) -> Result<LogBytes, CallError> {
        let query = part.query();
        let path = format!("/fleet/jobs/{job}/log?{}", query.trim_start_matches('&'));
        let way = self.follow_at(path, None, patience);
        let opened = tokio::time::timeout(patience.span, way.open());
        Ok(LogBytes(opened.await.map_err(|_| BusError::TimedOut)??))
    }
}

/// Which part of a job's log is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPart {
    /// Of this attempt alone; without it, of the latest that has said anything.
    pub attempt: Option<u32>,
    /// Only so many of its last lines.
    pub tail: Option<u32>,
}

impl LogPart {
    fn query(self) -> String {
        let attempt = self.attempt.map(|attempt| format!("&attempt={attempt}"));
        let tail = self.tail.map(|tail| format!("&tail={tail}"));
        attempt.unwrap_or_default() + &tail.unwrap_or_default()
    }
}

/// A log on its way here.
#[derive(Debug)]
pub struct LogBytes(Streamed);

impl LogBytes {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// It broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        match tokio::time::timeout(SILENCE, self.0.next()).await {
            Ok(piece) => Ok(piece?),
            Err(_) => Err(BusError::TimedOut.into()),
        }
    }
}

impl Follow {
    /// Waits for the next thing that is heard, as long as it takes.
    ///
    /// # Errors
    /// The door refuses, and would refuse again.
    pub async fn next(&mut self) -> Result<News, CallError> {
        loop {
            if let Some(pause) = &mut self.pause {
                pause.await;
                self.pause = None;
            }
            if let Some(news) = self.frame() {
                self.failures = 0;
                return Ok(news);
            }
            let Some(stream) = &mut self.stream else { return self.begin().await };
            match tokio::time::timeout(SILENCE, stream.more()).await {
                Ok(Some(bytes)) if self.heard.len() + bytes.len() <= LONGEST_FRAME => {
                    self.heard.extend_from_slice(&bytes);
                }
                Ok(Some(_) | None) | Err(_) => return Ok(self.rest()),
            }
        }
    }

    async fn begin(&mut self) -> Result<News, CallError> {
        match tokio::time::timeout(self.patience.span, self.open()).await {
            Ok(Ok(stream)) => {
                self.heard.clear();
                self.stream = Some(stream);
                Ok(News::Here)
            }
            Ok(Err(CallError::Refused(problem))) if !problem.code.retryable() => {
                Err(CallError::Refused(problem))
            }
            Ok(Err(_)) | Err(_) => Ok(self.rest()),
        }
    }

    async fn open(&self) -> Result<Streamed, CallError> {
        let credential = self.link.credential.now();
        let (mut head, mut stream) = self.link.wire.stream(self.request(&credential)?).await?;
        let refused = head.status == StatusCode::UNAUTHORIZED;
        if refused && self.link.credential.is_replaced(&credential).await {
            let again = self.request(&self.link.credential.now())?;
            (head, stream) = self.link.wire.stream(again).await?;
        }
        let status = head.status;
        if status.is_success() {
            return Ok(stream);
        }
        let mut body = BytesMut::new();
        while let Some(bytes) = stream.more().await {
            body.extend_from_slice(&bytes);
            if body.len() > LONGEST_FRAME {
                break;
            }
        }
        Err(CallError::Refused(refusal(status, &body.freeze(), self.patience)?))
    }

    fn request(&self, credential: &str) -> Result<Request<Outgoing>, BusError> {
        let mut request = Request::builder()
            .uri(&self.path)
            .header("host", &*self.link.authority)
            .header("authorization", credential)
            .header("accept", "text/event-stream");
        if let Some(product) = &self.link.product {
            request = request.header(Header::Product.as_str(), &**product);
        }
        if let Some(last) = &self.last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(wire::whole(Bytes::new()));
        request.map_err(|why| BusError::Unavailable(why.to_string().into()))
    }

    fn rest(&mut self) -> News {
        self.stream = None;
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.pause = Some(Box::pin(tokio::time::sleep(pause)));
        News::Away
    }

    /// Takes the first whole frame that says something.
    fn frame(&mut self) -> Option<News> {
        loop {
            let end = self.heard.windows(2).position(|two| two == b"\n\n")?;
            let frame = self.heard.split_to(end + 2);
            let frame = String::from_utf8_lossy(&frame).into_owned();
            let field = |name: &str| {
                frame.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start)
            };
            match field("event:") {
                Some("gap") => return Some(News::Gap),
                Some("end") => return Some(News::End),
                Some(_) | None => {}
            }
            let Some(data) = field("data:").and_then(|data| serde_json::from_str(data).ok()) else {
                continue;
            };
            if let Some(id) = field("id:") {
                self.last = Some(id.to_owned());
            }
            return Some(News::Event(data));
        }
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Follow({:?} after {:?})", self.link, self.last)
    }
}
