//! The one connection of a process: its options, whether it stands, and what went wrong on it.
//! Never sends while it is away: the client would keep the message and deliver it late.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use access_nats::Access;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr, ServerError};
use bus::BusError;
use clock::{Clock, Ids};
use futures_util::future::{Either, select};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::{Settings, Unfit};

/// A link that is silent is asked this often whether it lives; two answers may be missing.
const PING: Duration = Duration::from_secs(5);
/// The longest pause before another try to connect. The client's own rule grows to four seconds.
const RETRY: Duration = Duration::from_millis(250);
/// How soon, and then how often, it is said that a server is waited for.
const PATIENT: Duration = Duration::from_millis(500);
const STILL_WAITING: Duration = Duration::from_secs(10);
/// Unheard messages per inbox. Above it the client drops what comes.
pub(crate) const INBOX: usize = 8_192;

pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) events: Arc<Events>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    /// How long the server may take to answer for itself.
    pub(crate) patience: Duration,
}

/// What the connection told of itself.
#[derive(Debug, Default)]
pub(crate) struct Events {
    pub(crate) losses: watch::Sender<u64>,
    returns: watch::Sender<u64>,
    /// Messages that found an inbox full.
    overflowed: AtomicU64,
    /// What the server refused, a forbidden subject for one.
    faults: AtomicU64,
    /// What came and was no message of ours.
    pub(crate) odd: AtomicU64,
    /// What the server did not let us hear, or ask of it, in its words.
    deaf: watch::Sender<Option<Arc<str>>>,
}

/// What a bus has lived through so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often the connection was lost.
    pub losses: u64,
    /// Messages that found an inbox full and were lost.
    pub overflowed: u64,
    /// Errors that the server or the client reported.
    pub faults: u64,
    /// Messages that were not ours: a strange subject, a bad header, too large a body.
    pub odd: u64,
}

impl Link {
    /// Returns once a server has answered; until then it says whom it waits for.
    pub(crate) async fn open(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, Unfit> {
        let servers = addresses(&settings.servers)?;
        let access = settings.files.open()?;
        let names = named(&servers);
        let events = Arc::new(Events::default());
        let began = clock.uptime();
        let mut next_word = PATIENT;
        let client = loop {
            let options = options(settings, &access, (&events, &ids));
            let error = match Box::pin(options.connect(servers.clone())).await {
                Ok(client) => break client,
                Err(error) => error,
            };
            if let Some(no) = access.judge(&error) {
                return Err(no.into());
            }
            if clock.uptime().saturating_sub(began) >= next_word {
                warn!(%error, "waiting for NATS at {names}");
                next_word += STILL_WAITING;
            }
            sleep(RETRY).await;
        };
        let link = Self { client, events, clock, ids, patience: settings.patience };
        info!(servers = names, "connected to NATS");
        Ok(link)
    }

    pub(crate) fn stands(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Whether the connection stands now or within `span`.
    pub(crate) async fn stands_within(&self, span: Duration) -> bool {
        let mut returns = self.events.returns.subscribe();
        if !self.stands() {
            // Its outcome is not asked: the client may be connected and the event still under way.
            drop(timeout(span, returns.changed()).await);
        }
        self.stands()
    }

    /// Carries on a talk as long as the connection stands. With its loss the talk is over: whether
    /// the other side heard, nobody knows.
    pub(crate) async fn talk<T>(
        &self,
        talk: impl Future<Output = Result<T, BusError>>,
    ) -> Result<T, BusError> {
        let mut losses = self.events.losses.subscribe();
        if !self.stands() {
            return Err(BusError::Unavailable("no connection to NATS".into()));
        }
        match select(pin!(talk), pin!(losses.changed())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(BusError::Unavailable("the connection was lost".into())),
        }
    }

    /// Waits until the server refuses to let us hear something, or ask it, and says what.
    pub(crate) async fn not_heard(&self) -> Arc<str> {
        let mut deaf = self.events.deaf.subscribe();
        let said = deaf.wait_for(Option::is_some).await.ok().and_then(|said| said.clone());
        said.expect("the sender lives as long as we do")
    }

    pub(crate) fn counts(&self) -> Counts {
        let events = &self.events;
        Counts {
            losses: *events.losses.borrow(),
            overflowed: events.overflowed.load(Ordering::Relaxed),
            faults: events.faults.load(Ordering::Relaxed),
            odd: events.odd.load(Ordering::Relaxed),
        }
    }
}

impl Events {
    fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.returns.send_modify(|count| *count += 1);
                debug!("the connection to NATS stands");
            }
            Event::Disconnected => {
                self.losses.send_modify(|count| *count += 1);
                warn!("the connection to NATS is lost");
            }
            Event::SlowConsumer(inbox) => {
                if let Some(count) = rarely(&self.overflowed) {
                    warn!(inbox, count, "messages lost, their inbox is full");
                }
            }
            Event::ServerError(error) => {
                self.faults.fetch_add(1, Ordering::Relaxed);
                if let ServerError::Other(said) = error
                    && is_deafness(said)
                {
                    self.deaf.send_replace(Some(said.as_str().into()));
                }
                warn!(%error, "NATS refuses");
            }
            Event::ClientError(error) => {
                // While a server is away, each try to reach it is one.
                if let Some(count) = rarely(&self.faults) {
                    warn!(%error, count, "the NATS client is in trouble");
                }
            }
            Event::LameDuckMode => info!("this NATS server is about to stop"),
            Event::Draining | Event::Closed => debug!("the connection to NATS ends"),
        }
    }
}

/// What every process asks for before it serves. What the server is asked of its streams it leaves
/// unanswered where that is not allowed.
const ASKED_FIRST: [&str; 3] =
    ["Subscription", "Publish to \"$JS.API.STREAM.INFO.", "Publish to \"$JS.API.CONSUMER.INFO."];

/// The server tells it in words alone: for this there is no kind.
fn is_deafness(said: &str) -> bool {
    let forbidden = said.strip_prefix("Permissions Violation for ");
    forbidden.is_some_and(|it| ASKED_FIRST.iter().any(|first| it.starts_with(first)))
}

/// Counts one more; a power of two is worth a line, so that a flood writes few.
pub(crate) fn rarely(counter: &AtomicU64) -> Option<u64> {
    let count = counter.fetch_add(1, Ordering::Relaxed) + 1;
    count.is_power_of_two().then_some(count)
}

pub(crate) fn away(why: impl std::fmt::Display) -> BusError {
    BusError::Unavailable(why.to_string().into())
}

fn options(
    settings: &Settings,
    access: &Access,
    (events, ids): (&Arc<Events>, &Arc<dyn Ids>),
) -> ConnectOptions {
    let (events, chance) = (Arc::clone(events), Arc::clone(ids));
    let (refused, admitted) = (access.clone(), access.clone());
    access
        .options()
        .name(&settings.name)
        .custom_inbox_prefix(access.inbox().unwrap_or_else(|| inboxes_of(&settings.name)))
        .subscription_capacity(INBOX)
        .request_timeout(Some(settings.patience))
        .connection_timeout(settings.patience)
        .ping_interval(PING)
        .reconnect_delay_callback(move |attempts| delay(attempts, &*chance).max(refused.pause()))
        .event_callback(move |event| {
            if event == Event::Connected {
                admitted.admitted();
            }
            events.note(&event);
            std::future::ready(())
        })
}

/// One token, whatever the process is called.
fn inboxes_of(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    format!("_INBOX_{}", name.chars().map(plain).collect::<String>())
}

/// Doubles from nothing; half of it is chance, so that a fleet does not come back as one.
fn delay(attempts: usize, chance: &dyn Ids) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    let most = match attempts {
        0 | 1 => Duration::ZERO,
        _ => RETRY.min(Duration::from_millis(1 << doublings)),
    };
    most / 2 + chance.jitter(most / 2)
}

fn addresses(servers: &[String]) -> Result<Vec<ServerAddr>, BusError> {
    let parsed: Result<Vec<ServerAddr>, _> = servers.iter().map(|server| server.parse()).collect();
    match parsed {
        Ok(servers) if !servers.is_empty() => Ok(servers),
        Ok(_) => Err(away("no NATS server is named")),
        Err(error) => Err(away(error)),
    }
}

/// Hosts and ports alone: an address may hold a password.
fn named(servers: &[ServerAddr]) -> String {
    let names: Vec<_> =
        servers.iter().map(|server| format!("{}:{}", server.host(), server.port())).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pause_before_another_try_is_longer_than_a_quarter_of_a_second() {
        let chance = clock::System::start();
        assert_eq!(delay(1, &chance), Duration::ZERO, "the first try is at once");
        for attempts in 0..100 {
            assert!(delay(attempts, &chance) <= RETRY);
        }
        assert!(delay(usize::MAX, &chance) >= RETRY / 2);
    }

    #[test]
    fn no_password_is_said_when_a_server_is_waited_for() {
        let servers = addresses(&["nats://user:secret@host:4222".to_owned()]).unwrap();
        assert_eq!(named(&servers), "host:4222");
    }

    #[test]
    fn no_name_of_a_process_makes_a_subject_of_its_own() {
        assert_eq!(inboxes_of("agent f.1 > *"), "_INBOX_agent-f-1----");
    }

    #[test]
    fn a_flood_is_counted_in_full_and_told_rarely() {
        let counter = AtomicU64::new(0);
        let told = (0..1_000).filter(|_| rarely(&counter).is_some()).count();
        assert_eq!((counter.load(Ordering::Relaxed), told), (1_000, 10));
    }
}
