//! Counts what a bus answers, by line of the table and status, for people who watch. Round any
//! bus; changes nothing of what passes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bus::{Audience, Bus, BusError, Delivery, Inbox, Message, Settle};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Filter, Header, Headers};

/// How often each line was answered with which status.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<(String, String), u64>>);

impl Tally {
    fn count(&self, line: &str, status: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((line.to_owned(), status.to_owned())).or_default() += 1;
    }

    /// As Prometheus reads it.
    #[must_use]
    pub fn printed(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = counts.iter().map(|((line, status), count)| {
            format!("gigamesh_answers_total{{line=\"{line}\",status=\"{status}\"}} {count}\n")
        });
        format!("# TYPE gigamesh_answers_total counter\n{}", lines.collect::<String>())
    }
}

/// A bus whose answers are counted.
#[derive(Debug)]
pub struct Tallied {
    bus: Arc<dyn Bus>,
    tally: Arc<Tally>,
}

impl Tallied {
    #[must_use]
    pub fn over(bus: Arc<dyn Bus>, tally: Arc<Tally>) -> Self {
        Self { bus, tally }
    }
}

#[async_trait]
impl Bus for Tallied {
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError> {
        self.bus.request(ask, deadline).await
    }

    async fn notify(&self, news: Message) -> Result<(), BusError> {
        self.bus.notify(news).await
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        self.bus.append(entry, dedup).await
    }

    async fn listen(&self, filter: &Filter, audience: Audience) -> Result<Inbox, BusError> {
        let inbox = self.bus.listen(filter, audience).await?;
        let (line, tally): (Arc<str>, _) = (filter.to_string().into(), Arc::clone(&self.tally));
        let counted = inbox.map(move |delivery| {
            let (line, tally) = (Arc::clone(&line), Arc::clone(&tally));
            let settle = Box::new(Counted { line, tally, settle: delivery.settle });
            Delivery { settle, ..delivery }
        });
        Ok(counted.boxed())
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        self.bus.consume(filter, group).await
    }

    fn lost(&self) -> u64 {
        self.bus.lost()
    }
}

#[derive(Debug)]
struct Counted {
    line: Arc<str>,
    tally: Arc<Tally>,
    settle: Box<dyn Settle>,
}

#[async_trait]
impl Settle for Counted {
    async fn reply(self: Box<Self>, headers: Headers, body: Bytes) -> Result<(), BusError> {
        self.tally.count(&self.line, headers.get(Header::Status).unwrap_or("none"));
        self.settle.reply(headers, body).await
    }

    async fn done(self: Box<Self>) -> Result<(), BusError> {
        self.settle.done().await
    }

    async fn again(self: Box<Self>, after: Duration) -> Result<(), BusError> {
        self.settle.again(after).await
    }
}
