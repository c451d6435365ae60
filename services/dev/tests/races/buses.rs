//! Buses that double requests, swallow answers, or carry something else than was said.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bus::{Audience, Bus, BusError, Inbox, Memory, Message};
use protocol::{Filter, Row};
use serde_json::Value;

/// What becomes of requests on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Straight,
    /// Each goes out twice at once; the second answer is kept, and nobody hears it.
    Doubled,
    /// Each is carried out, and its answer lost.
    Unanswered,
}

/// Changes a request's body on its way, as a service would that reads it wrongly.
pub(crate) type Change = Box<dyn Fn(&mut Value) + Send + Sync>;

/// A bus in memory on which requests meet a fate that the test chooses.
pub(crate) struct Wire {
    bus: Memory,
    way: Mutex<Way>,
    change: Mutex<Option<(Row, Change)>>,
    second_answers: Mutex<Vec<(Message, Result<Message, BusError>)>>,
    /// So often yet nobody is let hear anything.
    deaf: AtomicU32,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Wire")
    }
}

impl Wire {
    pub(crate) fn straight() -> Arc<Self> {
        Self::without_a_leader(0)
    }

    /// A bus whose servers let nobody hear anything, so many times, since they choose their leader.
    pub(crate) fn without_a_leader(times: u32) -> Arc<Self> {
        Arc::new(Self {
            bus: Memory::default(),
            way: Mutex::new(Way::Straight),
            change: Mutex::default(),
            second_answers: Mutex::default(),
            deaf: AtomicU32::new(times),
        })
    }

    fn hears(&self) -> Result<(), BusError> {
        let one_less = |times: u32| times.checked_sub(1);
        match self.deaf.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
            Ok(_) => Err(BusError::Unavailable("no leader".into())),
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn double(&self) {
        *self.way.lock().unwrap() = Way::Doubled;
    }

    pub(crate) fn lose_answers(&self) {
        *self.way.lock().unwrap() = Way::Unanswered;
    }

    pub(crate) fn heal(&self) {
        *self.way.lock().unwrap() = Way::Straight;
    }

    /// From now on requests of this row say something else.
    pub(crate) fn change(&self, row: Row, change: Change) {
        *self.change.lock().unwrap() = Some((row, change));
    }

    /// The answers that came second, as bodies, with their requests.
    pub(crate) fn second_answers(&self) -> Vec<(Value, Option<Value>)> {
        let read = |body: &[u8]| serde_json::from_slice(body).unwrap_or(Value::Null);
        let answers = self.second_answers.lock().unwrap();
        let answers = answers.iter().map(|(ask, answer)| {
            (read(&ask.body), answer.as_ref().ok().map(|answer| read(&answer.body)))
        });
        answers.collect()
    }

    fn changed(&self, ask: Message) -> Message {
        let change = self.change.lock().unwrap();
        let Some((_, change)) = change.as_ref().filter(|(row, _)| *row == ask.subject.row()) else {
            return ask;
        };
        let mut body = serde_json::from_slice(&ask.body).unwrap();
        change(&mut body);
        Message { body: body.to_string().into(), ..ask }
    }
}

#[async_trait]
impl Bus for Wire {
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError> {
        let ask = self.changed(ask);
        let way = *self.way.lock().unwrap();
        match way {
            Way::Straight => self.bus.request(ask, deadline).await,
            Way::Doubled => {
                let copy = self.bus.request(ask.clone(), deadline);
                let (first, second) = tokio::join!(self.bus.request(ask.clone(), deadline), copy);
                self.second_answers.lock().unwrap().push((ask, second));
                first
            }
            Way::Unanswered => {
                drop(self.bus.request(ask, deadline).await);
                Err(BusError::TimedOut)
            }
        }
    }

    async fn notify(&self, news: Message) -> Result<(), BusError> {
        self.bus.notify(news).await
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        self.bus.append(entry, dedup).await
    }

    async fn listen(&self, filter: &Filter, audience: Audience) -> Result<Inbox, BusError> {
        self.hears()?;
        self.bus.listen(filter, audience).await
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        self.hears()?;
        self.bus.consume(filter, group).await
    }
}
