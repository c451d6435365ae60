//! A process's line to the bus, which can be cut: from then on nothing that the process says is
//! heard, nothing reaches it, and what it had taken is answered by nobody.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Audience, Bus, BusError, Delivery, Inbox, Message, Settle};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Filter, Headers};
use tokio::sync::SetOnce;

#[derive(Clone, Debug)]
pub(crate) struct Line {
    bus: Arc<dyn Bus>,
    cut: Arc<SetOnce<()>>,
}

impl Line {
    pub(crate) fn to(bus: Arc<dyn Bus>) -> Self {
        Self { bus, cut: Arc::default() }
    }

    pub(crate) fn cut(&self) {
        self.cut.set(()).unwrap();
    }

    fn whole(&self) -> Result<(), BusError> {
        match self.cut.get() {
            None => Ok(()),
            Some(()) => Err(BusError::Unavailable("cut".into())),
        }
    }

    /// Ends when the line is cut, and with it the subscription.
    fn ending(&self, inbox: Inbox) -> Inbox {
        let (line, cut) = (self.clone(), Arc::clone(&self.cut));
        let inbox = inbox.map(move |delivery| {
            let settle = Box::new(Held { line: line.clone(), settle: delivery.settle });
            Delivery { settle, ..delivery }
        });
        inbox.take_until(Box::pin(async move { cut.wait().await.to_owned() })).boxed()
    }
}

#[async_trait]
impl Bus for Line {
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError> {
        self.whole()?;
        self.bus.request(ask, deadline).await
    }

    async fn notify(&self, news: Message) -> Result<(), BusError> {
        self.whole()?;
        self.bus.notify(news).await
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        self.whole()?;
        self.bus.append(entry, dedup).await
    }

    async fn listen(&self, filter: &Filter, audience: Audience) -> Result<Inbox, BusError> {
        self.bus.listen(filter, audience).await.map(|inbox| self.ending(inbox))
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        self.bus.consume(filter, group).await.map(|inbox| self.ending(inbox))
    }
}

#[derive(Debug)]
struct Held {
    line: Line,
    settle: Box<dyn Settle>,
}

#[async_trait]
impl Settle for Held {
    async fn reply(self: Box<Self>, headers: Headers, body: Bytes) -> Result<(), BusError> {
        self.line.whole()?;
        self.settle.reply(headers, body).await
    }

    async fn done(self: Box<Self>) -> Result<(), BusError> {
        self.line.whole()?;
        self.settle.done().await
    }

    async fn again(self: Box<Self>, after: Duration) -> Result<(), BusError> {
        self.line.whole()?;
        self.settle.again(after).await
    }
}
