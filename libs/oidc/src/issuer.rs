//! One issuer as it is known here: its keys and addresses, fetched when they are needed and at most
//! once a minute, whoever asks for whatever key. What is fetched comes from the issuer's own
//! address; nothing that a token says leads anywhere.

mod published;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::Clock;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::claims::Claims;
use crate::fetch::Fetcher;
use crate::outcome::NotOurs;
use crate::provider::Provider;
use crate::token::Token;
pub(crate) use published::Published;

/// Between two fetches, however many unknown keys are named.
const PAUSE: Duration = Duration::from_mins(1);
/// Older keys are fetched anew, beside the work.
const TURN: Duration = Duration::from_mins(5);
/// Still older ones are not used before that was tried: a key that was taken back is gone by then.
const OVERDUE: Duration = Duration::from_mins(10);
/// While the issuer is away, its last keys are good for so long.
const KEPT: Duration = Duration::from_hours(24);
/// Longer than a fetch can take.
const PATIENCE: Duration = Duration::from_secs(12);

/// An issuer, and what it published when it was last asked.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) provider: Provider,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    plan: Mutex<Plan>,
    known: Arc<Known>,
}

/// The fetches so far. They run beside those who wait, so that nobody can stop one by leaving.
#[derive(Debug, Default)]
struct Plan {
    begun: u64,
    tried_at: Option<Duration>,
    flight: JoinSet<()>,
}

#[derive(Debug)]
struct Known {
    last: Mutex<Option<Kept>>,
    /// The number of the last fetch that ended, in whichever way.
    settled: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
struct Kept {
    published: Arc<Published>,
    read_at: Duration,
}

impl Issuer {
    pub(crate) fn new(provider: Provider, fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        let known = Known { last: Mutex::default(), settled: watch::Sender::new(0) };
        Self { provider, fetcher, clock, plan: Mutex::default(), known: Arc::new(known) }
    }

    /// What the token says, if a key of this issuer signed it, and it is meant for one of these
    /// and valid now.
    pub(crate) async fn believe(
        &self,
        token: Token<'_>,
        audience: &BTreeSet<String>,
    ) -> Result<Claims, NotOurs> {
        if token.issuer() != &*self.provider.issuer {
            return Err(NotOurs::Stranger);
        }
        if !self.provider.algorithms.contains(&token.algorithm()) {
            return Err(NotOurs::Unproven);
        }
        let published = self.published(|it| it.keys.has(&token)).await.ok_or(NotOurs::Away)?;
        if !published.keys.prove(&token) {
            return Err(NotOurs::Unproven);
        }
        let claims = Claims(token.into_claims());
        claims.hold(audience, self.clock.now())?;
        Ok(claims)
    }

    /// What it publishes; fetched anew where what is at hand does not do, or is old.
    pub(crate) async fn published(
        &self,
        does: impl Fn(&Published) -> bool,
    ) -> Option<Arc<Published>> {
        if let Some((published, age)) = self.at_hand().filter(|(published, _)| does(published)) {
            if age >= TURN {
                self.begin();
            }
            if age < OVERDUE {
                return Some(published);
            }
        }
        self.settle(self.begin()).await;
        let (published, age) = self.at_hand()?;
        (age < KEPT).then_some(published)
    }

    fn at_hand(&self) -> Option<(Arc<Published>, Duration)> {
        let kept = locked(&self.known.last).clone()?;
        Some((kept.published, self.clock.uptime().saturating_sub(kept.read_at)))
    }

    /// Begins a fetch where the last one was begun long enough ago; the number of the latest.
    fn begin(&self) -> u64 {
        let now = self.clock.uptime();
        let mut plan = locked(&self.plan);
        if plan.tried_at.is_none_or(|at| now.saturating_sub(at) >= PAUSE) {
            plan.tried_at = Some(now);
            plan.begun += 1;
            plan.flight = JoinSet::new();
            let fetch = fetched(
                self.fetcher.clone(),
                self.provider.issuer.clone(),
                Arc::clone(&self.known),
                Moment { number: plan.begun, at: now },
            );
            plan.flight.spawn(fetch);
        }
        plan.begun
    }

    async fn settle(&self, number: u64) {
        let mut settled = self.known.settled.subscribe();
        let ended = settled.wait_for(|last| *last >= number);
        // After that, what is at hand has to do.
        let _late = tokio::time::timeout(PATIENCE, ended).await.is_err();
    }
}

/// Which fetch, and when it was begun: what it brings is as old as that.
#[derive(Clone, Copy, Debug)]
struct Moment {
    number: u64,
    at: Duration,
}

async fn fetched(fetcher: Fetcher, issuer: Box<str>, known: Arc<Known>, moment: Moment) {
    match Box::pin(Published::fetch(&fetcher, &issuer)).await {
        Ok(published) => {
            let published = Arc::new(published);
            *locked(&known.last) = Some(Kept { published, read_at: moment.at });
        }
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(%issuer, error, "the keys of an issuer cannot be fetched");
        }
    }
    known.settled.send_replace(moment.number);
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
