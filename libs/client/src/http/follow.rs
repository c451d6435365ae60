//! Events as they happen, read from the door's stream: taken up again after the last one that was
//! heard. Keeps nothing but that place; what was missed for good is told as a gap.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bus::BusError;
use bytes::{Bytes, BytesMut};
use fleet::JobId;
use hyper::Request;
use protocol::Header;
use serde_json::Value;
use tokio::time::Sleep;

use super::wire::{self, Streamed};
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
}

/// One listener. Dropping a call of [`Follow::next`] loses nothing.
pub struct Follow {
    link: OverHttp,
    job: Option<JobId>,
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
        Follow {
            link: self.clone(),
            job,
            last: since,
            patience,
            stream: None,
            heard: BytesMut::new(),
            pause: None,
            failures: 0,
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
        let query = self.job.map(|job| format!("?jobId={job}")).unwrap_or_default();
        let mut request = Request::builder()
            .uri(format!("/fleet/events{query}"))
            .header("host", &*self.link.authority)
            .header("authorization", &*self.link.credential)
            .header("accept", "text/event-stream");
        if let Some(product) = &self.link.product {
            request = request.header(Header::Product.as_str(), &**product);
        }
        if let Some(last) = &self.last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(wire::whole(Bytes::new()));
        let request = request.map_err(|why| BusError::Unavailable(why.to_string().into()))?;
        let (head, mut stream) = self.link.wire.stream(request).await?;
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
            if field("event:") == Some("gap") {
                return Some(News::Gap);
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
