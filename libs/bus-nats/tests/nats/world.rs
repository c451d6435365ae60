//! A server, a bus on it, and the few words that every test here says.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::{Audience, Bus, BusError, Delivery, Inbox, Message};
use bus_nats::{Nats, Settings};
use clock::System;
use futures_util::StreamExt;
use protocol::{Filter, Headers, Subject};
use servers::Options;
use tokio::time::{sleep, timeout};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server lets a whole body and its headers through only if it is told to.
pub(crate) fn options() -> Options {
    Options { max_payload: Some(2 << 20), ..Options::default() }
}

pub(crate) fn server() -> servers::Nats {
    servers::Nats::start(options()).expect("a server starts")
}

pub(crate) async fn bus_on(url: &str) -> Nats {
    connected(url, Duration::from_secs(30)).await
}

/// With its streams made.
pub(crate) async fn bus_with_streams(url: &str, replicas: usize) -> Nats {
    let bus = connected(url, Duration::from_secs(2)).await;
    bus.init(replicas, &[]).await.expect("the streams are made");
    bus
}

async fn connected(url: &str, ack_wait: Duration) -> Nats {
    let servers = url.split(',').map(str::to_owned).collect();
    let settings = Settings { ack_wait, ..Settings::new(servers, "test") };
    let (clock, ids) = (Arc::new(System::start()), Arc::new(System::start()));
    Nats::connect(&settings, clock, ids).await.expect("it connects")
}

/// A bus that keeps its servers.
#[derive(Debug)]
pub(crate) struct Kept<S> {
    pub(crate) bus: Nats,
    pub(crate) _servers: S,
}

#[async_trait]
impl<S: std::fmt::Debug + Send + Sync + 'static> Bus for Kept<S> {
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
        self.bus.listen(filter, audience).await
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        self.bus.consume(filter, group).await
    }
}

pub(crate) fn subject(topic: &str) -> Subject {
    format!("fleet.v1.acme.{topic}").parse().expect("the table has it")
}

pub(crate) async fn next(inbox: &mut Inbox) -> Delivery {
    let arrived = timeout(PATIENCE, inbox.next()).await.expect("something comes in time");
    arrived.expect("an inbox does not end")
}

/// Answers every request with its own body, until it is dropped.
pub(crate) async fn echo(mut inbox: Inbox) {
    while let Some(delivery) = inbox.next().await {
        let body = delivery.message.body.clone();
        drop(delivery.settle.reply(Headers::default(), body).await);
    }
}

/// Waits for a condition of the world outside, which tells nobody when it is met.
pub(crate) async fn until(what: &str, met: &impl AsyncFn() -> bool) {
    let met = async {
        while !met().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, met).await.unwrap_or_else(|_| panic!("{what} did not come to pass"));
}
