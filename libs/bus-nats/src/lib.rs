//! The bus over NATS: requests and news by core messages, what is kept by streams. Messages are
//! hints here as everywhere. Never keeps what cannot be sent now, and never makes a stream unless it
//! is told to.
//!
//! **Late requests.** While the connection is away nothing is sent: a request fails at once, and one
//! under way fails with the connection. What the client had already taken when the connection went,
//! a few requests at most, it delivers after its return; those carry their deadline, and whoever
//! hears one past it drops it unseen. That compares two clocks, and so it decides about effort
//! alone: a late request that is carried out all the same is harmless by its operation id and its
//! epoch.

mod heard;
mod inner;
mod link;
mod reader;
mod service;
mod streams;
mod taken;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use access_nats::Files;
use async_nats::client::{Request, RequestErrorKind};
use async_nats::jetstream::context::{ContextBuilder, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use async_trait::async_trait;
use bus::{Audience, Bus, BusError, Inbox, Message};
use clock::{Clock, Ids};
use protocol::{Filter, Headers, Kind, Row, Subject};
use tokio::time::timeout;

pub use inner::{asked_by_all, asked_by_readers, asked_to_make};
pub use link::Counts;
pub use streams::{Fault, Standing, Unfit};

use link::{Link, away};
use reader::Reader;
use service::Services;

/// How to reach NATS, and as whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Any of them will do: `nats://host:port`.
    pub servers: Vec<String>,
    /// As whom; its inboxes bear that name then.
    pub files: Files,
    /// This process among the others: its connection bears the name, and its inboxes where it
    /// shows no credential.
    pub name: String,
    /// The version of the services, as discovery tells it.
    pub version: String,
    /// How long an entry may be left unsettled before it comes again.
    pub ack_wait: Duration,
    /// How long the server itself may take for an answer.
    pub patience: Duration,
}

impl Settings {
    #[must_use]
    pub fn new(servers: Vec<String>, name: &str) -> Self {
        Self {
            servers,
            files: Files::default(),
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ack_wait: Duration::from_secs(30),
            patience: Duration::from_secs(5),
        }
    }
}

/// A bus over one connection; its clones are the same.
#[derive(Clone)]
pub struct Nats {
    link: Arc<Link>,
    jetstream: Context,
    services: Arc<Services>,
    ack_wait: Duration,
}

impl Nats {
    /// Waits for a server, and says so. Enough for whoever only asks; whoever serves verifies, too.
    ///
    /// # Errors
    /// An address that is none; a file that is missing or over; a server that lets us not in.
    pub async fn connect(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, Unfit> {
        let services = Arc::new(Services::new(&settings.version, clock.now().to_string()));
        let link = Arc::new(Link::open(settings, clock, ids).await?);
        let jetstream = ContextBuilder::new()
            .timeout(settings.patience)
            .ack_timeout(settings.patience)
            .backpressure_on_inflight(true)
            .build(link.client.clone());
        Ok(Self { link, jetstream, services, ack_wait: settings.ack_wait })
    }

    /// Makes the streams that are missing, on so many servers each, and of these lines the readers of
    /// these groups; for the first initialisation.
    ///
    /// # Errors
    /// What is there already is not as it is to be, or the server does not make it.
    pub async fn init(&self, replicas: usize, groups: &[(Row, &str)]) -> Result<(), Unfit> {
        Box::pin(streams::init(&self.link, &self.jetstream, replicas)).await?;
        for (row, group) in groups {
            self.reader(&Filter::every(*row), group).settle_in(&self.link, &self.jetstream).await?;
        }
        Ok(())
    }

    /// The streams as they stand.
    ///
    /// # Errors
    /// All that is wrong or missing, by its name.
    pub async fn verify(&self) -> Result<Vec<Standing>, Unfit> {
        Box::pin(streams::verify(&self.link, &self.jetstream)).await
    }

    /// Answers discovery for all that is served over this bus. For a task of the process; it ends
    /// with an error only.
    ///
    /// # Errors
    /// The connection is away as it begins.
    pub async fn announce(&self) -> Result<(), BusError> {
        self.services.announce(&self.link).await
    }

    /// Waits until the server does not let us hear what we wanted to, or ask it, and says what: whoever
    /// serves would wait for ever.
    pub async fn not_heard(&self) -> Arc<str> {
        self.link.not_heard().await
    }

    /// Whether the connection stands.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.link.stands()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.link.counts()
    }

    fn reader(&self, filter: &Filter, group: &str) -> Reader {
        let row = filter.row().filter(|row| row.route().kind == Kind::Stream);
        let row = row.unwrap_or_else(|| panic!("{filter} is no part of one stream"));
        Reader::of(streams::keeper(row), filter, group, self.ack_wait)
    }

    async fn asked(&self, ask: Message) -> Result<Message, BusError> {
        // Without a time of its own: the deadline stands around all of it.
        let request = Request::new().timeout(None).payload(ask.body);
        let request = match headers_of(&ask.headers) {
            Some(headers) => request.headers(headers),
            None => request,
        };
        let subject = ask.subject;
        match self.link.client.send_request(subject.to_string(), request).await {
            Ok(answer) => {
                let headers = answer.headers.as_ref().map(wire::read_headers).transpose();
                let headers = headers.map_err(|odd| away(format!("an answer: {odd}")))?;
                let headers = headers.unwrap_or_default();
                Ok(Message { subject, headers, body: answer.payload })
            }
            Err(error) => Err(match error.kind() {
                RequestErrorKind::NoResponders => BusError::NoResponders(subject),
                RequestErrorKind::TimedOut => BusError::TimedOut,
                RequestErrorKind::MaxPayloadExceeded => self.too_large(),
                RequestErrorKind::InvalidSubject | RequestErrorKind::Other => away(error),
            }),
        }
    }

    async fn stored(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        // A stream of another name on this subject would be somebody else's.
        let publish = PublishMessage::build()
            .payload(entry.body)
            .headers(wire::written(&entry.headers))
            .message_id(dedup)
            .expected_stream(streams::keeper(entry.subject.row()));
        let sent = self.jetstream.send_publish(entry.subject.to_string(), publish).await;
        let stored = match sent {
            Ok(stored) => stored.await,
            Err(error) => Err(error),
        };
        stored.map(drop).map_err(|error| match error.kind() {
            PublishErrorKind::TimedOut => BusError::TimedOut,
            PublishErrorKind::MaxPayloadExceeded => self.too_large(),
            PublishErrorKind::StreamNotFound => nobody_keeps(&entry.subject),
            PublishErrorKind::WrongLastMessageId
            | PublishErrorKind::WrongLastSequence
            | PublishErrorKind::BrokenPipe
            | PublishErrorKind::MaxAckPending
            | PublishErrorKind::Other => away(with_causes(&error)),
        })
    }

    /// The body is within our bound, and the server's is narrower.
    fn too_large(&self) -> BusError {
        let limit = self.link.client.max_payload();
        BusError::TooLarge { size: limit + 1, limit }
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        out.debug_struct("Nats").field("counts", &counts).finish_non_exhaustive()
    }
}

#[async_trait]
impl Bus for Nats {
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError> {
        ask.check(Kind::Request)?;
        let answer = timeout(deadline, self.link.talk(self.asked(ask))).await;
        answer.unwrap_or(Err(BusError::TimedOut))
    }

    async fn notify(&self, news: Message) -> Result<(), BusError> {
        news.check(Kind::Notice)?;
        let (client, subject) = (&self.link.client, news.subject.to_string());
        let told = async {
            let told = match headers_of(&news.headers) {
                Some(headers) => client.publish_with_headers(subject, headers, news.body).await,
                None => client.publish(subject, news.body).await,
            };
            told.map_err(away)
        };
        self.link.talk(told).await
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        entry.check(Kind::Stream)?;
        self.link.talk(self.stored(entry, dedup)).await
    }

    async fn listen(&self, filter: &Filter, audience: Audience) -> Result<Inbox, BusError> {
        heard::listen(&self.link, &self.services, filter, audience).await
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        taken::consume(&self.link, &self.jetstream, self.reader(filter, group)).await
    }

    fn lost(&self) -> u64 {
        self.counts().overflowed
    }
}

/// None where there are none, which is a shorter message.
fn headers_of(headers: &Headers) -> Option<async_nats::HeaderMap> {
    headers.iter().next().map(|_| wire::written(headers))
}

fn nobody_keeps(subject: &Subject) -> BusError {
    let stream = streams::keeper(subject.row());
    away(format!("stream {stream} is missing or has no leader"))
}

fn with_causes(error: &jetstream::context::PublishError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
