//! The bus seam: how the roles reach one another. Messages are hints: losing every one of them may
//! cost time, never truth. Never reads a body, and knows no job.

use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use protocol::{Filter, Headers, Kind, Subject};

#[cfg(any(test, feature = "conformance"))]
mod broken;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod faulty;
#[cfg(test)]
mod laws;
mod memory;

#[cfg(any(test, feature = "conformance"))]
pub use broken::Broken;
pub use faulty::{Faulty, Injected, Odds};
pub use memory::{Limits, Memory};

/// The largest body that travels. A server needs a little more, for the headers beside it.
pub const MAX_BODY: usize = 1024 * 1024;

/// The one way to send and to hear. A message of one kind goes by that kind's verb only; anything
/// else is a bug and stops the caller.
#[async_trait]
pub trait Bus: Send + Sync + Debug + 'static {
    /// Asks and waits for the first answer. `NoResponders` comes at once and is safe to repeat
    /// blindly; after `TimedOut` the request may have been carried out, or may yet be.
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError>;

    /// Tells whoever listens now, each at most once. `Ok` says nothing about its being heard.
    async fn notify(&self, news: Message) -> Result<(), BusError>;

    /// Keeps an entry in its stream; `Ok` means that it is stored. The same `dedup` id within the
    /// stream's window is stored once. Those who listen on its subject hear of it too, as news.
    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError>;

    /// Hears requests and news from now on, until the inbox is dropped. A full inbox loses news.
    async fn listen(&self, filter: &Filter, audience: Audience) -> Result<Inbox, BusError>;

    /// Takes entries of one stream, from its oldest, sharing them with the others of the group and
    /// of the same filter. Each is this group's until `done`; left alone, it comes again.
    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError>;

    /// Messages that found an inbox of this process full and were lost, as far as it was told; for
    /// people who watch.
    fn lost(&self) -> u64 {
        0
    }
}

/// What arrives, in the order of arrival. Dropping it ends the subscription.
pub type Inbox = BoxStream<'static, Delivery>;

/// Who of those that listen alike is to hear a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    Everyone,
    /// One member of the group of that name.
    OneOf(Box<str>),
}

impl Audience {
    #[must_use]
    pub fn one_of(group: &str) -> Self {
        Self::OneOf(group.into())
    }
}

/// What is sent. An answer carries the subject of its question.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub subject: Subject,
    pub headers: Headers,
    pub body: Bytes,
}

impl Message {
    #[must_use]
    pub fn new(subject: Subject, body: impl Into<Bytes>) -> Self {
        Self { subject, headers: Headers::default(), body: body.into() }
    }

    /// What every implementation asks of a message before it sends it.
    ///
    /// # Errors
    /// `TooLarge` for a body above [`MAX_BODY`].
    ///
    /// # Panics
    /// The table of subjects says another kind.
    pub fn check(&self, kind: Kind) -> Result<(), BusError> {
        assert_eq!(self.subject.kind(), kind, "{} is of another kind", self.subject);
        fits(&self.body)
    }
}

/// Without the body, which may hold what no log may show.
impl Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Message({}, {} bytes)", self.subject, self.body.len())
    }
}

/// A message that arrived, and how to answer for it.
#[derive(Debug)]
pub struct Delivery {
    pub message: Message,
    /// One, and one more each time that an entry comes again. How many are too many is for the
    /// consumer to say.
    pub attempt: u32,
    pub settle: Box<dyn Settle>,
}

/// The last word on a delivery. Dropped unsaid, a request runs into its deadline and an entry
/// comes again.
#[async_trait]
pub trait Settle: Send + Sync + Debug {
    /// Answers a request; the first answer is heard. News and entries have nobody who would hear.
    async fn reply(self: Box<Self>, headers: Headers, body: Bytes) -> Result<(), BusError>;

    /// The entry does not come again. Nothing to do for a request or news.
    async fn done(self: Box<Self>) -> Result<(), BusError>;

    /// The entry comes again, not before `after` has passed. Nothing to do for a request or news.
    async fn again(self: Box<Self>, after: Duration) -> Result<(), BusError>;
}

/// Why the bus did not do it; each calls for another reaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Nobody heard: repeat as you like.
    #[error("nobody listens on {0}")]
    NoResponders(Subject),
    /// Somebody may have heard: repeat with the same operation id.
    #[error("no answer in time")]
    TimedOut,
    /// Nothing was sent, or nobody knows: wait, then repeat with the same id.
    #[error("the bus is away: {0}")]
    Unavailable(Box<str>),
    /// Never repeat it as it is.
    #[error("a body of {size} bytes, of which {limit} may travel")]
    TooLarge { size: usize, limit: usize },
}

pub(crate) fn fits(body: &Bytes) -> Result<(), BusError> {
    match body.len() {
        size if size > MAX_BODY => Err(BusError::TooLarge { size, limit: MAX_BODY }),
        _ => Ok(()),
    }
}

/// Whether this can be consumed: a filter of one stream.
pub(crate) fn is_stream(filter: &Filter) -> bool {
    filter.row().is_some_and(|row| row.route().kind == Kind::Stream)
}

/// The runtime's own time, which tests can hold still.
pub(crate) fn now() -> tokio::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "it meets only the runtime's own timers")]
    tokio::time::Instant::now()
}

/// The moment when `span` will have passed; one too long to add ends in a generation.
pub(crate) fn after(span: Duration) -> tokio::time::Instant {
    const GENERATION: Duration = Duration::from_hours(24 * 365 * 30);
    now() + span.min(GENERATION)
}
