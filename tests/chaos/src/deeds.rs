//! Carries the plan of faults out, one task for each, and writes down what was done when. Undoes
//! what it did, always.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::{Clock, System};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::sleep;

use crate::account::{Account, Weather};
use crate::cast::Cast;
use crate::ground::Ground;
use crate::plan::{Fault, Kind};
use crate::proxy::Way;

const LOSSES: Weather = Weather { lost_replies: 300, lost_writes: 100, throttled: 0 };
const STORM: Weather = Weather { lost_replies: 0, lost_writes: 0, throttled: 900 };
/// How late everything comes on a slow way.
const LAG: Duration = Duration::from_millis(80);

/// What was done, and to whom.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) kind: Kind,
    pub(crate) whom: String,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    /// Why it could not be done or undone.
    pub(crate) trouble: Option<String>,
}

impl fmt::Display for Deed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, whom, from, until, trouble } = self;
        write!(
            out,
            "{:>8} ms {} {whom} until {}",
            from.as_millis(),
            kind.words(),
            until.as_millis()
        )?;
        trouble.as_ref().map_or(Ok(()), |trouble| write!(out, ": {trouble}"))
    }
}

/// The world that faults befall.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) ground: Arc<Ground>,
    pub(crate) cast: Arc<Cast>,
    pub(crate) clock: Arc<System>,
    deeds: Arc<Mutex<Vec<Deed>>>,
}

impl World {
    pub(crate) fn new(ground: Arc<Ground>, cast: Arc<Cast>, clock: Arc<System>) -> Self {
        Self { ground, cast, clock, deeds: Arc::default() }
    }

    /// Answers when the last fault is undone.
    pub(crate) async fn suffer(&self, plan: &[Fault]) {
        let begun = self.clock.uptime();
        let mut under_way = JoinSet::new();
        for fault in plan {
            let passed = self.clock.uptime().saturating_sub(begun);
            sleep(fault.at.saturating_sub(passed)).await;
            let (world, fault) = (self.clone(), *fault);
            under_way.spawn(async move { world.commit(fault).await });
        }
        while under_way.join_next().await.is_some() {}
    }

    pub(crate) fn deeds(&self) -> Vec<Deed> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn by_kind(&self) -> BTreeMap<Kind, Vec<Deed>> {
        let mut by_kind: BTreeMap<Kind, Vec<Deed>> = BTreeMap::new();
        for deed in self.deeds() {
            by_kind.entry(deed.kind).or_default().push(deed);
        }
        by_kind
    }

    async fn commit(&self, fault: Fault) {
        let from = self.clock.uptime();
        let done = block_in_place(|| self.begin(fault));
        sleep(fault.span).await;
        let undone = block_in_place(|| self.end(fault));
        let trouble = done.and(undone).err().map(|error| format!("{error:#}"));
        let whom = match fault.kind {
            Kind::FreezeServer if self.account_at(fault.target).is_some() => "account".to_owned(),
            Kind::KillServer | Kind::FreezeServer => format!("server {}", fault.target),
            Kind::LoseReplies | Kind::Throttle => "account".to_owned(),
            Kind::Kill | Kind::Freeze | Kind::Cut | Kind::Stall | Kind::Slow => {
                self.cast.members()[fault.target].name.clone()
            }
        };
        let deed = Deed { kind: fault.kind, whom, from, until: self.clock.uptime(), trouble };
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).push(deed);
    }

    fn begin(&self, fault: Fault) -> anyhow::Result<()> {
        let member = |n: usize| &self.cast.members()[n];
        let server = |n: usize| &self.ground.nodes()[n];
        match fault.kind {
            Kind::Kill => member(fault.target).kill(),
            Kind::Freeze => member(fault.target).freeze()?,
            Kind::Cut => member(fault.target).set(Way::Cut),
            Kind::Stall => member(fault.target).set(Way::Stalled),
            Kind::Slow => member(fault.target).set(Way::Slow(LAG)),
            Kind::KillServer => server(fault.target).kill(),
            Kind::FreezeServer => match self.account_at(fault.target) {
                Some(account) => account.freeze()?,
                None => server(fault.target).freeze()?,
            },
            Kind::LoseReplies => self.weather(LOSSES)?,
            Kind::Throttle => self.weather(STORM)?,
        }
        Ok(())
    }

    fn end(&self, fault: Fault) -> anyhow::Result<()> {
        let member = |n: usize| &self.cast.members()[n];
        let server = |n: usize| &self.ground.nodes()[n];
        match fault.kind {
            Kind::Kill => member(fault.target).start()?,
            Kind::Freeze => member(fault.target).thaw()?,
            Kind::Cut | Kind::Stall | Kind::Slow => member(fault.target).set(Way::Open),
            Kind::KillServer => server(fault.target).restart()?,
            Kind::FreezeServer => match self.account_at(fault.target) {
                Some(account) => account.thaw()?,
                None => server(fault.target).thaw()?,
            },
            Kind::LoseReplies | Kind::Throttle => self.weather(Weather::default())?,
        }
        Ok(())
    }

    /// It comes after all servers.
    fn account_at(&self, target: usize) -> Option<&Account> {
        self.ground.account.as_deref().filter(|_| target == self.ground.nodes().len())
    }

    fn weather(&self, weather: Weather) -> anyhow::Result<()> {
        self.ground.account.as_ref().map_or(Ok(()), |account| account.set(weather))
    }
}
