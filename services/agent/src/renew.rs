//! Renewals, on an operating system's thread with a runtime of its own: however busy the agent is,
//! its leases live. Judges no answer; what was said is passed on.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::{Coordinator, Patience, Told};
use fleet::FactoryId;
use node::Node;
use protocol::{RenewAnswer, RenewLeases, RenewOne, Renewed};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::sleep;
use tracing::debug;

use crate::hold::{Grip, Why};
use crate::news::News;
use crate::session::Event;

/// Leases that one request may renew.
const MOST_AT_ONCE: usize = 256;
/// How soon a renewal that was not answered is repeated.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long nothing at all is looked at.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// The leases to renew.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    entries: Mutex<BTreeMap<Grip, Entry>>,
    changed: Notify,
}

#[derive(Clone, Debug)]
struct Entry {
    one: RenewOne,
    every: Duration,
    due: Duration,
}

impl Roster {
    /// Renews it from now on, the first time when a renewal sent at `sent` would be due.
    pub(crate) fn add(&self, grip: Grip, one: RenewOne, every: Duration, sent: Duration) {
        self.entries().insert(grip, Entry { one, every, due: sent + every });
        self.changed.notify_one();
    }

    pub(crate) fn remove(&self, grip: Grip) {
        self.entries().remove(&grip);
    }

    fn due(&self, now: Duration) -> BTreeMap<Grip, RenewOne> {
        let entries = self.entries();
        let due = entries.iter().filter(|(_, entry)| entry.due <= now);
        due.take(MOST_AT_ONCE).map(|(grip, entry)| (*grip, entry.one.clone())).collect()
    }

    fn nap(&self, now: Duration) -> Duration {
        let next = self.entries().values().map(|entry| entry.due).min();
        next.map_or(LONGEST_NAP, |next| next.saturating_sub(now)).min(LONGEST_NAP)
    }

    fn patience(&self) -> Duration {
        let every = self.entries().values().map(|entry| entry.every).min();
        every.unwrap_or(AGAIN_AFTER).max(AGAIN_AFTER)
    }

    /// Renewed at `sent`, or to be tried again soon.
    fn set(&self, grip: Grip, sent: Option<Duration>, now: Duration) {
        if let Some(entry) = self.entries().get_mut(&grip) {
            let soon = now + AGAIN_AFTER.min(entry.every);
            entry.due = sent.map_or(soon, |sent| sent + entry.every);
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Grip, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Renewer<L> {
    pub(crate) node: Node,
    pub(crate) link: Arc<L>,
    pub(crate) factory: FactoryId,
    pub(crate) roster: Arc<Roster>,
    pub(crate) news: mpsc::Sender<News>,
}

impl<L: Coordinator> Renewer<L> {
    /// Starts the thread. It ends when nobody hears its news any more; the receiver is told so,
    /// and is told nothing if it ended in any other way.
    pub(crate) fn start(self) -> io::Result<oneshot::Receiver<()>> {
        let (ended, end) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(String::from("renew")).spawn(move || {
            runtime.block_on(self.renew_all());
            // Nobody may be left to hear it.
            let _gone = ended.send(());
        })?;
        Ok(end)
    }

    async fn renew_all(self) {
        loop {
            tokio::select! {
                biased;
                () = self.news.closed() => return,
                () = self.roster.changed.notified() => {}
                () = sleep(self.roster.nap(self.node.clock.uptime())) => {}
            }
            self.renew_once().await;
        }
    }

    async fn renew_once(&self) {
        let sent = self.node.clock.uptime();
        let due = self.roster.due(sent);
        if due.is_empty() {
            return;
        }
        let (grips, leases): (Vec<Grip>, Vec<RenewOne>) = due.into_iter().unzip();
        let answer = self.ask(leases).await;
        let now = self.node.clock.uptime();
        match answer {
            Ok(answer) => {
                for (grip, renewed) in grips.into_iter().zip(answer.leases) {
                    self.take_in(grip, renewed, sent);
                }
            }
            Err(error) => {
                debug!(%error, "renewals not answered");
                grips.into_iter().for_each(|grip| self.roster.set(grip, None, now));
            }
        }
    }

    async fn ask(&self, leases: Vec<RenewOne>) -> Told<RenewAnswer> {
        let span = self.roster.patience();
        let until = self.node.clock.now().plus(span);
        let patience = Patience { request_id: self.node.ids.mint(), until, span };
        let ask = RenewLeases { factory_id: self.factory.clone(), leases };
        self.link.renew(&ask, patience).await
    }

    fn take_in(&self, grip: Grip, renewed: Renewed, sent: Duration) {
        let now = self.node.clock.uptime();
        let event = match renewed.error {
            Some(problem) if problem.retryable => {
                self.roster.set(grip, None, now);
                return;
            }
            Some(problem) => {
                self.roster.set(grip, None, now);
                Event::Refused(grip, problem.code)
            }
            None => {
                self.roster.set(grip, Some(sent), now);
                Event::Renewed { grip, sent, stop: renewed.stop.as_deref().map(why_of) }
            }
        };
        // Never waits for the agent: news that find no room come again with the next renewal.
        if let Err(error) = self.news.try_send(News::Seen(event)) {
            debug!(%error, "renewal not passed on");
        }
    }
}

fn why_of(stop: &str) -> Why {
    match stop {
        "cancel" => Why::Cancelled,
        "budget" => Why::Budget,
        // `drain`, and whatever a later coordinator asks for: handing back charges nobody.
        _ => Why::Yielded,
    }
}
