//! The bus of one process: the same subjects and the same promises as the real one. Never outlives
//! its process, and has a size for everything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{self, Either};
use futures_util::stream::{self, StreamExt};
use protocol::{Filter, Kind, Row, Subject};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use self::consumer::Consumer;
use self::listener::{Answer, Heard, Listeners};
use self::log::Log;
use crate::{Audience, Bus, BusError, Delivery, Inbox, Message, is_stream};

mod consumer;
mod listener;
mod log;

/// How much it holds, and how long it waits.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Unheard messages per inbox. News above it is lost; a request waits for room.
    pub inbox: usize,
    /// Entries per stream. Above it the intake refuses; the other streams forget their oldest.
    pub stream: usize,
    /// Entries taken and not settled, per group. Above it the group waits.
    pub unsettled: usize,
    /// How long an entry may be left unsettled before it comes again.
    pub ack_wait: Duration,
    /// How long a stream remembers dedup ids.
    pub dedup: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inbox: 1_024,
            stream: 65_536,
            unsettled: 1_024,
            ack_wait: Duration::from_secs(30),
            dedup: Duration::from_mins(2),
        }
    }
}

/// A bus in memory; its clones are the same bus.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    hub: Arc<Hub>,
}

#[derive(Debug, Default)]
struct Hub {
    limits: Limits,
    state: Mutex<State>,
    /// Wakes consumers to look again: something was appended or settled.
    stirred: Notify,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    listeners: Listeners,
    streams: BTreeMap<Row, Log>,
}

impl Memory {
    #[must_use]
    pub fn with(limits: Limits) -> Self {
        Self { hub: Arc::new(Hub { limits, ..Hub::default() }) }
    }
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hearers(&self, subject: &Subject) -> Vec<mpsc::Sender<Delivery>> {
        self.state().listeners.hearers(subject)
    }

    /// Whoever has no room misses it.
    fn announce(&self, news: &Message) {
        for hearer in self.hearers(&news.subject) {
            let delivery = Answer::nobody().deliver(news.clone());
            if hearer.try_send(delivery).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[async_trait]
impl Bus for Memory {
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError> {
        ask.check(Kind::Request)?;
        let hearers = self.hub.hearers(&ask.subject);
        if hearers.is_empty() {
            return Err(BusError::NoResponders(ask.subject));
        }
        // Room for one: the first answer is the answer. The sender held here keeps the channel
        // open, so that a question dropped unanswered runs into its deadline, as on a real bus.
        let (answer, mut answers) = mpsc::channel(1);
        let mut waiting = Vec::new();
        for hearer in hearers {
            match hearer.try_send(Answer::to(&answer).deliver(ask.clone())) {
                // Told, or gone meanwhile.
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(delivery)) => waiting.push((hearer, delivery)),
            }
        }
        if waiting.is_empty() {
            let heard = timeout(deadline, answers.recv()).await;
            return heard.ok().flatten().ok_or(BusError::TimedOut);
        }
        let told = future::join_all(waiting.into_iter().map(|(hearer, delivery)| async move {
            drop(hearer.send(delivery).await);
        }));
        let told = Box::pin(async {
            told.await;
            future::pending::<()>().await;
        });
        let heard = Box::pin(answers.recv());
        match timeout(deadline, future::select(heard, told)).await {
            Ok(Either::Left((Some(answer), _))) => Ok(answer),
            Ok(Either::Left((None, _)) | Either::Right(_)) | Err(_) => Err(BusError::TimedOut),
        }
    }

    async fn notify(&self, news: Message) -> Result<(), BusError> {
        news.check(Kind::Notice)?;
        self.hub.announce(&news);
        Ok(())
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        entry.check(Kind::Stream)?;
        let row = entry.subject.row();
        let stored = {
            let mut state = self.hub.state();
            let log = state.streams.entry(row).or_insert_with(|| Log::of(row));
            log.append(entry.clone(), dedup, &self.hub.limits)?
        };
        if stored {
            self.hub.stirred.notify_waiters();
            self.hub.announce(&entry);
        }
        Ok(())
    }

    async fn listen(&self, filter: &Filter, audience: Audience) -> Result<Inbox, BusError> {
        let (sender, inbox) = mpsc::channel(self.hub.limits.inbox);
        let place = self.hub.state().listeners.add(filter.clone(), audience, sender);
        Ok(Heard::new(Arc::clone(&self.hub), place, inbox).boxed())
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        assert!(is_stream(filter), "{filter} is no part of one stream");
        let consumer = Consumer::new(Arc::clone(&self.hub), filter.clone(), group);
        Ok(stream::unfold(consumer, |consumer| async { Some((consumer.next().await, consumer)) })
            .boxed())
    }

    fn lost(&self) -> u64 {
        self.hub.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
