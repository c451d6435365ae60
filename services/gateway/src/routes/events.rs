//! Events as they happen, for those who stay. Whoever comes back with the last cursor is told what
//! it missed: from memory, for one job from its records, or that there is a gap.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use fleet::{EventRecord, EventType, JobId, ProductId};
use futures_util::stream;
use node::Node;
use protocol::{AboutJob, Code, OfJob};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Interval;

use crate::feed::Told;
use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::query;

const COMMENT_EVERY: Duration = Duration::from_secs(15);
pub(crate) const FILTERS: [&str; 3] = ["jobId", "since", "type"];
const LAST_SEEN: &str = "last-event-id";
/// What came between is not known here: read the lists again.
const GAP: &str = "event: gap\ndata: {}\n\n";

/// Which events are wanted, and after which one.
#[derive(Debug, Default)]
struct Wanted {
    job: Option<JobId>,
    kinds: Vec<EventType>,
    cursor: Option<Cursor>,
}

/// The place of one event in its job's log.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    job: JobId,
    seq: u64,
}

/// One listener.
struct Listener {
    product: ProductId,
    wanted: Wanted,
    waiting: VecDeque<Bytes>,
    /// Of the one job that is followed, what was told already.
    through: Option<u64>,
    live: Receiver<Arc<Told>>,
    /// Goes on whatever else is heard, or a listener with a narrow filter would never be told
    /// that the door is still there.
    comment: Interval,
    node: Node,
    _room: OwnedSemaphorePermit,
}

pub(crate) async fn follow(heard: Heard) -> Answer {
    let wanted = wanted(&heard)?;
    let standing = heard.standing()?;
    let room = heard.door.quotas.stream(&standing.who);
    let room = room.ok_or_else(|| heard.refused(Code::Throttled).because("streams"))?;
    let cursor = wanted.cursor.map(|cursor| cursor.to_string());
    let start = heard.door.feed.start(cursor.as_deref());
    let mut listener = Listener {
        product: standing.product.clone(),
        wanted,
        waiting: VecDeque::from([Bytes::from_static(b": here\n\n")]),
        through: None,
        live: start.live,
        comment: comments(),
        node: heard.door.node.clone(),
        _room: room,
    };
    match (start.missed, listener.wanted.job) {
        (Some(missed), _) => missed.iter().for_each(|told| listener.hear(told)),
        (None, Some(job)) => listener.read_up(&heard, job).await?,
        (None, None) => listener.waiting.push_back(Bytes::from_static(GAP.as_bytes())),
    }
    Ok(streamed(listener))
}

/// The first one is due after the span, not at once.
fn comments() -> Interval {
    let mut comments = tokio::time::interval(COMMENT_EVERY);
    comments.reset();
    comments
}

fn streamed(listener: Listener) -> Response {
    let frames = stream::unfold(listener, |mut listener| async move {
        let frame = listener.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(frame), listener))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Listener {
    /// The next frame; `None` once the door closes.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Some(frame);
            }
            tokio::select! {
                biased;
                () = self.node.tasks.stopped() => return None,
                _ = self.comment.tick() => return Some(Bytes::from_static(b":\n\n")),
                told = self.live.recv() => match told {
                    Ok(told) => self.hear(&told),
                    Err(RecvError::Lagged(_)) => return Some(Bytes::from_static(GAP.as_bytes())),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    fn hear(&mut self, told: &Told) {
        let other =
            told.product != self.product || self.wanted.job.is_some_and(|job| job != told.job);
        let before = told.seq.is_some_and(|seq| self.through.is_some_and(|last| seq <= last));
        let kinds = &self.wanted.kinds;
        if other || before || !(kinds.is_empty() || kinds.contains(&told.kind)) {
            return;
        }
        let frame = format!("id: {}\ndata: {}\n\n", told.id, told.json);
        self.waiting.push_back(frame.into());
    }

    /// What the records have after the cursor.
    async fn read_up(&mut self, heard: &Heard, job: JobId) -> Result<(), Refusal> {
        let ask = OfJob { query: AboutJob::Events, job: job.to_string() };
        let after = self.wanted.cursor.map_or(0, |cursor| cursor.seq);
        let items = heard.ask(&ask).await?.items;
        let events = items.into_iter().filter_map(|item| serde_json::from_value(item).ok());
        let mut missed: Vec<EventRecord> =
            events.filter(|event: &EventRecord| event.seq.is_some_and(|seq| seq > after)).collect();
        missed.sort_by_key(|event| event.seq);
        missed.iter().for_each(|event| self.hear(&Told::of(&self.product.clone(), event)));
        self.through = missed.last().and_then(|event| event.seq).or(Some(after));
        Ok(())
    }
}

fn wanted(heard: &Heard) -> Result<Wanted, Refusal> {
    let refused = |field: &str, reason, message: &str| {
        heard.refused(Code::Validation).at(field, reason, message)
    };
    let mut wanted = Wanted::default();
    for (name, value) in query::pairs(&heard.query, &FILTERS, heard.request_id)? {
        let bad = || refused(&name, "bad_value", &format!("not a {name}"));
        match name.as_str() {
            "jobId" => wanted.job = Some(value.parse().map_err(|_| bad())?),
            "type" => wanted.kinds.push(
                serde_json::from_value(Value::from(value))
                    .map_err(|why| refused("type", "bad_enum", &why.to_string()))?,
            ),
            _ => wanted.cursor = Some(Cursor::read(&value).ok_or_else(bad)?),
        }
    }
    if let Some(last) = heard.headers.get(LAST_SEEN) {
        let cursor = last.to_str().ok().and_then(Cursor::read);
        let bad = || refused("Last-Event-ID", "bad_value", "not a cursor of these events");
        wanted.cursor = Some(cursor.ok_or_else(bad)?);
    }
    if let (Some(job), Some(cursor)) = (wanted.job, wanted.cursor)
        && job != cursor.job
    {
        return Err(refused("since", "bad_value", "a cursor of another job"));
    }
    Ok(wanted)
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let (job, seq) = text.rsplit_once('-')?;
        Some(Self { job: job.parse().ok()?, seq: seq.parse().ok()? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&EventRecord::id_of(self.job, self.seq))
    }
}

#[cfg(test)]
mod tests {
    use clock::{System, Virtual};
    use node::Tasks;
    use tokio::sync::{Semaphore, broadcast};

    use super::*;

    const JOB: &str = "j_aaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn told(seq: u64) -> Arc<Told> {
        Arc::new(Told {
            product: "acme".parse().unwrap(),
            id: format!("{JOB}-{seq}"),
            job: JOB.parse().unwrap(),
            seq: Some(seq),
            kind: EventType::Queued,
            json: "{}".to_owned(),
        })
    }

    fn listener(live: Receiver<Arc<Told>>) -> Listener {
        let clock = Arc::new(Virtual::starting_at(fleet::Timestamp::from_millis(0)));
        let (bus, ids) = (Arc::new(bus::Memory::default()), Arc::new(System::start()));
        Listener {
            product: "acme".parse().unwrap(),
            wanted: Wanted { kinds: vec![EventType::Shipped], ..Wanted::default() },
            waiting: VecDeque::new(),
            through: None,
            live,
            comment: comments(),
            node: Node { bus, clock, ids, tasks: Tasks::default() },
            _room: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_hears_a_comment_every_fifteen_seconds_whatever_happens_elsewhere() {
        let (live, heard) = broadcast::channel(8);
        let mut listener = listener(heard);
        let clock = Arc::clone(&listener.node.clock);
        let listening = async {
            assert_eq!(listener.next().await.as_deref(), Some(&b":\n\n"[..]));
            assert_eq!(clock.uptime().as_secs(), 15);
            assert_eq!(listener.next().await.as_deref(), Some(&b":\n\n"[..]));
            assert_eq!(clock.uptime().as_secs(), 30);
            listener.node.tasks.stop();
            assert_eq!(listener.next().await, None, "the door closes");
        };
        tokio::select! {
            () = busy(&live) => panic!("it heard no comment"),
            () = listening => {}
        }
    }

    /// Events that this listener did not ask for.
    async fn busy(live: &broadcast::Sender<Arc<Told>>) {
        for seq in 0..12 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            live.send(told(seq)).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_is_too_slow_is_told_of_the_gap() {
        let (live, heard) = broadcast::channel(2);
        let mut listener = listener(heard);
        for seq in 0..9 {
            live.send(told(seq)).unwrap();
        }
        assert_eq!(listener.next().await.as_deref(), Some(GAP.as_bytes()));
        drop(live);
        assert_eq!(listener.next().await, None);
    }
}
