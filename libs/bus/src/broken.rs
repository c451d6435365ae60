//! A bus that is wrong on purpose: every member of a group hears. Kept to show that the laws see.

use std::time::Duration;

use async_trait::async_trait;
use protocol::Filter;

use crate::{Audience, Bus, BusError, Inbox, Memory, Message};

/// Takes the members of a group for outsiders.
#[derive(Clone, Debug, Default)]
pub struct Broken {
    bus: Memory,
}

#[async_trait]
impl Bus for Broken {
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError> {
        self.bus.request(ask, deadline).await
    }

    async fn notify(&self, news: Message) -> Result<(), BusError> {
        self.bus.notify(news).await
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        self.bus.append(entry, dedup).await
    }

    async fn listen(&self, filter: &Filter, _audience: Audience) -> Result<Inbox, BusError> {
        self.bus.listen(filter, Audience::Everyone).await
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        self.bus.consume(filter, group).await
    }
}
