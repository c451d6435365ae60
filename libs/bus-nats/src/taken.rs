//! What a reader hands out: one entry is asked for when the next one is wanted. So whoever is slow
//! slows the stream, no entry waits unseen in a buffer while its time runs, and no attempt is counted
//! that nobody saw.

use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::jetstream::{Context, Message as Entry};
use async_nats::{Message as Sent, StatusCode, Subject as Address, Subscriber};
use async_trait::async_trait;
use bus::{BusError, Delivery, Inbox, Settle};
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use protocol::Headers;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::link::{Link, away, rarely};
use crate::reader::Reader;
use crate::wire;

/// A question for an entry stands so long; then it is asked anew.
const STANDS: Duration = Duration::from_secs(10);
/// The server says this often that it still knows of the question.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A question of which nothing was heard for so long is lost: asked again.
const SILENCE: Duration = Duration::from_millis(2_500);
/// Before asking again where the server could not answer.
const PAUSE: Duration = Duration::from_millis(250);

struct Consumer {
    link: Arc<Link>,
    jetstream: Context,
    reader: Reader,
    /// Where the server puts what it hands out.
    inbox: Subscriber,
    address: Address,
    /// A question stands with the server.
    asked: bool,
}

/// What came of waiting for an entry.
enum Came {
    Entry(Delivery),
    /// The question still stands.
    Nothing,
    /// The question is over, or nobody knows of it any longer.
    Over,
    /// The server knows of no such consumer, or has nobody to answer for it.
    Astray,
}

pub(crate) async fn consume(
    link: &Arc<Link>,
    jetstream: &Context,
    reader: Reader,
) -> Result<Inbox, BusError> {
    let address = Address::from(link.client.new_inbox());
    let inbox = async { link.client.subscribe(address.clone()).await.map_err(away) };
    let inbox = link.talk(inbox).await?;
    let consumer = Consumer {
        link: Arc::clone(link),
        jetstream: jetstream.clone(),
        reader,
        inbox,
        address,
        asked: false,
    };
    link.talk(consumer.settle_in()).await?;
    let entries = stream::unfold(consumer, |mut consumer| async {
        let entry = consumer.next().await;
        Some((entry, consumer))
    });
    Ok(entries.boxed())
}

impl Consumer {
    async fn settle_in(&self) -> Result<(), BusError> {
        self.reader.settle_in(&self.link, &self.jetstream).await
    }

    async fn next(&mut self) -> Delivery {
        loop {
            if !self.asked && !self.ask().await {
                self.link.stands_within(PAUSE).await;
                continue;
            }
            match self.wait().await {
                Came::Entry(entry) => {
                    self.asked = false;
                    return entry;
                }
                Came::Nothing => {}
                Came::Over => self.asked = false,
                Came::Astray => {
                    self.asked = false;
                    self.find_back().await;
                }
            }
        }
    }

    /// Whether the question went out.
    async fn ask(&mut self) -> bool {
        let address =
            format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.reader.stream, self.reader.name);
        let question = json!({
            "batch": 1,
            "expires": STANDS.as_nanos(),
            "idle_heartbeat": HEARTBEAT.as_nanos(),
        });
        let body = Bytes::from(question.to_string());
        let client = &self.link.client;
        let asked = client.publish_with_reply(address, self.address.clone(), body);
        self.asked = self.link.talk(async { asked.await.map_err(away) }).await.is_ok();
        self.asked
    }

    async fn wait(&mut self) -> Came {
        let mut losses = self.link.events.losses.subscribe();
        let heard = Box::pin(timeout(SILENCE, self.inbox.next()));
        let sent = match select(heard, Box::pin(losses.changed())).await {
            Either::Left((Ok(Some(sent)), _)) => sent,
            Either::Left((Ok(None), _)) => return Came::Over,
            Either::Left((Err(_), _)) => return Came::Astray,
            // A server that was started anew knows nothing of the question.
            Either::Right(_) => return Came::Over,
        };
        match sent.status {
            None => self.taken(sent).await,
            Some(StatusCode::IDLE_HEARTBEAT) => Came::Nothing,
            Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => Came::Over,
            Some(status) => {
                debug!(reader = self.reader.name, %status, why = sent.description, "no entry");
                Came::Astray
            }
        }
    }

    async fn taken(&self, sent: Sent) -> Came {
        let entry = Entry { message: sent, context: self.jetstream.clone() };
        let Ok(attempt) = entry.info().map(|info| u32::try_from(info.delivered)) else {
            // Whoever says something into this inbox that the server did not.
            rarely(&self.link.events.odd);
            return Came::Nothing;
        };
        let (sent, attempt) = (entry.message, attempt.unwrap_or(u32::MAX));
        let read = wire::read_kept(&sent);
        let address = sent.reply.expect("what has an attempt says where to settle it");
        let settle = Taken { link: Arc::clone(&self.link), address };
        match read {
            Ok(message) => Came::Entry(Delivery { message, attempt, settle: Box::new(settle) }),
            Err(odd) => {
                let count = rarely(&self.link.events.odd);
                warn!(subject = %sent.subject, %odd, count, "entry thrown away");
                if let Err(error) = settle.say(Bytes::from_static(b"+TERM")).await {
                    debug!(%error, "it comes again");
                }
                Came::Over
            }
        }
    }

    async fn find_back(&self) {
        sleep(PAUSE).await;
        if let Err(error) = self.link.talk(self.settle_in()).await {
            let Reader { stream, name, .. } = &self.reader;
            warn!(reader = name, stream, %error, "a stream is out of reach");
        }
    }
}

/// An entry in a consumer's hands.
struct Taken {
    link: Arc<Link>,
    address: Address,
}

impl Taken {
    /// Returns once the server has heard the word: an entry that is done does not come again.
    async fn say(&self, word: Bytes) -> Result<(), BusError> {
        let request = Request::new().payload(word).timeout(Some(self.link.patience));
        let said = self.link.client.send_request(self.address.clone(), request);
        let said = async {
            said.await.map(drop).map_err(|error| match error.kind() {
                RequestErrorKind::TimedOut => BusError::TimedOut,
                RequestErrorKind::NoResponders
                | RequestErrorKind::InvalidSubject
                | RequestErrorKind::MaxPayloadExceeded
                | RequestErrorKind::Other => away(error),
            })
        };
        self.link.talk(said).await
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Taken").field("address", &self.address).finish_non_exhaustive()
    }
}

#[async_trait]
impl Settle for Taken {
    async fn reply(self: Box<Self>, _headers: Headers, body: Bytes) -> Result<(), BusError> {
        wire::fits(&body)
    }

    async fn done(self: Box<Self>) -> Result<(), BusError> {
        self.say(Bytes::from_static(b"+ACK")).await
    }

    async fn again(self: Box<Self>, after: Duration) -> Result<(), BusError> {
        let delay = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let word = format!("-NAK {}", json!({ "delay": delay }));
        self.say(Bytes::from(word)).await
    }
}
