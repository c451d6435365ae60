//! What is heard as it is said: requests and news of a core subscription. The inbox is the client's
//! own, which drops what finds it full; nothing is copied to a second one and no task stands
//! between. Never keeps anything.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message as Sent, Subject as Address, Subscriber};
use async_trait::async_trait;
use bus::{Audience, BusError, Delivery, Inbox, Settle};
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::{Filter, Header, Headers, Kind, NOWHERE, is_inbox};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::link::{Link, away, rarely};
use crate::service::{Endpoint, Services};
use crate::wire::{self, Odd};

/// The ear of one subscription.
struct Ear {
    link: Arc<Link>,
    /// Whether whoever sends here waits for our answer.
    asked: bool,
    endpoint: Option<Arc<Endpoint>>,
}

pub(crate) async fn listen(
    link: &Arc<Link>,
    services: &Services,
    filter: &Filter,
    audience: Audience,
) -> Result<Inbox, BusError> {
    let kind = filter.row().map(|row| row.route().kind);
    let asked = kind == Some(Kind::Request);
    let endpoint = match &audience {
        Audience::OneOf(group) if asked => Some(services.open(filter, group, &link.ids)),
        Audience::OneOf(_) | Audience::Everyone => None,
    };
    let subscriber = link.talk(subscribed(link, filter, audience)).await?;
    let ear = Arc::new(Ear { link: Arc::clone(link), asked, endpoint });
    let heard = subscriber.filter_map(move |sent| {
        let ear = Arc::clone(&ear);
        async move { ear.hear(sent).await }
    });
    Ok(heard.boxed())
}

/// Returns once the server has it: what is sent after that, by whomever, is heard.
async fn subscribed(
    link: &Link,
    filter: &Filter,
    audience: Audience,
) -> Result<Subscriber, BusError> {
    let client = &link.client;
    let subscriber = match audience {
        Audience::Everyone => client.subscribe(filter.to_string()).await,
        Audience::OneOf(group) => client.queue_subscribe(filter.to_string(), group.into()).await,
    };
    let subscriber = subscriber.map_err(away)?;
    echo(link).await?;
    Ok(subscriber)
}

/// There and back to the server, which handles a connection's words in their order. Nobody listens
/// there, and the server says so at once. † an inbox of our own would do as well, but whoever may
/// answer must not speak to itself: see `protocol::Permits`.
async fn echo(link: &Link) -> Result<(), BusError> {
    use async_nats::client::RequestErrorKind::{
        InvalidSubject, MaxPayloadExceeded, NoResponders, Other, TimedOut,
    };
    let asked = link.client.request(NOWHERE, Bytes::new());
    match timeout(link.patience, asked).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => match error.kind() {
            NoResponders => Ok(()),
            TimedOut => Err(BusError::TimedOut),
            InvalidSubject | MaxPayloadExceeded | Other => Err(away(error)),
        },
        Err(_) => Err(BusError::TimedOut),
    }
}

impl Ear {
    async fn hear(&self, sent: Sent) -> Option<Delivery> {
        let read = match &sent.reply {
            // † the answer would be a word of ours wherever a stranger wants one.
            Some(to) if self.asked && !is_inbox(to) => Err(Odd::Answer),
            Some(_) | None => wire::read(&sent),
        };
        let message = match read {
            Ok(message) => message,
            Err(odd) => {
                self.refuse(&sent, odd).await;
                return None;
            }
        };
        // Whoever appends to a stream is answered by the stream, and news by nobody.
        let answer = sent.reply.filter(|_| message.subject.kind() == Kind::Request);
        let settle = Open {
            link: Arc::clone(&self.link),
            answer,
            since: self.link.clock.uptime(),
            endpoint: self.endpoint.clone(),
        };
        Some(Delivery { message, attempt: 1, settle: Box::new(settle) })
    }

    async fn refuse(&self, sent: &Sent, odd: Odd) {
        match rarely(&self.link.events.odd) {
            Some(count) => warn!(subject = %sent.subject, %odd, count, "message refused"),
            None => debug!(subject = %sent.subject, %odd, "message refused"),
        }
        let Some(answer) = sent.reply.clone().filter(|to| self.asked && is_inbox(to)) else {
            return;
        };
        let (headers, body) = wire::refusal(odd, self.link.ids.mint());
        let told = self.link.client.publish_with_headers(answer, headers, body);
        let told = self.link.talk(async { told.await.map_err(away) }).await;
        if let Err(error) = told {
            debug!(%error, "refusal not sent");
        }
    }
}

/// A question not yet answered, or news, which nobody answers.
struct Open {
    link: Arc<Link>,
    answer: Option<Address>,
    since: Duration,
    endpoint: Option<Arc<Endpoint>>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Open").field("answer", &self.answer).finish_non_exhaustive()
    }
}

#[async_trait]
impl Settle for Open {
    async fn reply(self: Box<Self>, headers: Headers, body: Bytes) -> Result<(), BusError> {
        wire::fits(&body)?;
        let Some(answer) = self.answer else { return Ok(()) };
        if let Some(endpoint) = &self.endpoint {
            let took = self.link.clock.uptime().saturating_sub(self.since);
            endpoint.count(took, headers.get(Header::Code));
        }
        let client = &self.link.client;
        let told = async {
            let headers = wire::written(&headers);
            client.publish_with_headers(answer, headers, body).await.map_err(away)
        };
        self.link.talk(told).await
    }

    async fn done(self: Box<Self>) -> Result<(), BusError> {
        Ok(())
    }

    async fn again(self: Box<Self>, _after: Duration) -> Result<(), BusError> {
        Ok(())
    }
}
