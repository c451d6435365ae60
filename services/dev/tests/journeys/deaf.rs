//! A bus on which no hint is ever heard: what is told to everyone reaches nobody. Requests and
//! streams work.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Audience, Bus, BusError, Inbox, Message};
use futures_util::StreamExt;
use futures_util::stream;
use protocol::Filter;

#[derive(Debug)]
pub(crate) struct Deaf(Arc<dyn Bus>);

impl Deaf {
    pub(crate) fn over(bus: Arc<dyn Bus>) -> Self {
        Self(bus)
    }
}

#[async_trait]
impl Bus for Deaf {
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError> {
        self.0.request(ask, deadline).await
    }

    async fn notify(&self, _lost: Message) -> Result<(), BusError> {
        Ok(())
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        self.0.append(entry, dedup).await
    }

    async fn listen(&self, filter: &Filter, audience: Audience) -> Result<Inbox, BusError> {
        match audience {
            Audience::Everyone => Ok(stream::pending().boxed()),
            Audience::OneOf(_) => self.0.listen(filter, audience).await,
        }
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        self.0.consume(filter, group).await
    }
}
