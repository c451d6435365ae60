//! A decorator that injects what real stores do on bad days, repeatably from a seed.
//! It never breaks a law by itself: a fault is a refusal, a lost answer, or time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};

/// How often each fault strikes, in operations of a thousand. The default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A write answers `Conflict` and writes nothing.
    pub conflict: u16,
    /// The store goes away: this and the next few operations answer `Unavailable`.
    pub outage: u16,
    /// The longest outage, in operations; none is shorter than one.
    pub longest_outage: u16,
    /// A write happens and answers `Unknown`.
    pub unknown_applied: u16,
    /// A write does not happen and answers `Unknown`.
    pub unknown_lost: u16,
    /// An operation takes up to `longest_delay`, before or after its effect.
    pub delay: u16,
    /// A write waits until a later write has overtaken it, at most `longest_delay`.
    pub reorder: u16,
    pub longest_delay: Duration,
}

/// How many faults struck so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    pub conflicts: u64,
    /// Operations refused by outages.
    pub outages: u64,
    pub unknown_applied: u64,
    pub unknown_lost: u64,
    pub delays: u64,
    pub reorders: u64,
}

/// A store with seeded faults. The same seed and the same calls give the same faults.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: S,
    dice: Mutex<Dice>,
    wrote: Notify,
}

impl<S: Store> Faulty<S> {
    pub fn new(inner: S, seed: u64, faults: Faults) -> Self {
        let chance = ChaCha8Rng::seed_from_u64(seed);
        let dice = Dice { chance, faults, away: 0, injected: Injected::default() };
        Self { inner, dice: Mutex::new(dice), wrote: Notify::new() }
    }

    /// From now on these faults; an outage in progress ends.
    pub fn set(&self, faults: Faults) {
        let mut dice = self.dice();
        dice.faults = faults;
        dice.away = 0;
    }

    /// No more faults.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    pub fn injected(&self) -> Injected {
        self.dice().injected
    }

    /// The store without faults, for looking at the truth.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, change: Change<'_>) -> Result<Put, StoreError> {
        let throw = self.dice().for_write();
        if let Some(limit) = throw.overtaken_within {
            // Nobody overtaking in time is as good: the write was late.
            let _late = timeout(limit, self.wrote.notified()).await;
        }
        pause(throw.before).await;
        let answer = match throw.fate {
            Fate::Fair => self.apply(change).await,
            Fate::Conflict => Ok(Put::Conflict),
            Fate::Away => Err(StoreError::Unavailable("injected outage".into())),
            Fate::UnknownApplied => match self.apply(change).await {
                Ok(_unsaid) => Err(StoreError::Unknown("injected, after the write".into())),
                Err(error) => Err(error),
            },
            Fate::UnknownLost => Err(StoreError::Unknown("injected, before the write".into())),
        };
        pause(throw.after).await;
        answer
    }

    async fn apply(&self, change: Change<'_>) -> Result<Put, StoreError> {
        let answer = match change {
            Change::Put(key, value, expect) => self.inner.put(key, value, expect).await,
            Change::Remove(key, at) => self.inner.remove(key, at).await,
        };
        self.wrote.notify_waiters();
        answer
    }

    async fn before_read(&self) -> Result<Option<Duration>, StoreError> {
        let throw = self.dice().for_read();
        pause(throw.before).await;
        match throw.fate {
            Fate::Away => Err(StoreError::Unavailable("injected outage".into())),
            Fate::Fair | Fate::Conflict | Fate::UnknownApplied | Fate::UnknownLost => {
                Ok(throw.after)
            }
        }
    }
}

#[async_trait]
impl<S: Store> Store for Faulty<S> {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let after = self.before_read().await?;
        let answer = self.inner.get(key).await;
        pause(after).await;
        answer
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.write(Change::Put(key, value, expect)).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.write(Change::Remove(key, at)).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let after = self.before_read().await?;
        let answer = self.inner.scan(scope, from, limit).await;
        pause(after).await;
        answer
    }
}

enum Change<'a> {
    Put(&'a Key, Bytes, &'a Expect),
    Remove(&'a Key, &'a Revision),
}

/// All that chance decides about one operation, thrown when it arrives.
struct Throw {
    fate: Fate,
    overtaken_within: Option<Duration>,
    before: Option<Duration>,
    after: Option<Duration>,
}

enum Fate {
    Fair,
    Conflict,
    Away,
    UnknownApplied,
    UnknownLost,
}

#[derive(Debug)]
struct Dice {
    chance: ChaCha8Rng,
    faults: Faults,
    /// Operations that the present outage still refuses.
    away: u64,
    injected: Injected,
}

impl Dice {
    fn for_write(&mut self) -> Throw {
        let faults = self.faults;
        let (before, after) = self.delays();
        let overtaken_within = self.strikes(faults.reorder).then_some(faults.longest_delay);
        self.injected.reorders += u64::from(overtaken_within.is_some());
        // Every throw is made whatever the others said: rates do not shift one another.
        let (conflict, applied, lost) = (
            self.strikes(faults.conflict),
            self.strikes(faults.unknown_applied),
            self.strikes(faults.unknown_lost),
        );
        let (fate, count) = if self.is_away() {
            (Fate::Away, &mut self.injected.outages)
        } else if applied {
            (Fate::UnknownApplied, &mut self.injected.unknown_applied)
        } else if lost {
            (Fate::UnknownLost, &mut self.injected.unknown_lost)
        } else if conflict {
            (Fate::Conflict, &mut self.injected.conflicts)
        } else {
            return Throw { fate: Fate::Fair, overtaken_within, before, after };
        };
        *count += 1;
        Throw { fate, overtaken_within, before, after }
    }

    fn for_read(&mut self) -> Throw {
        let (before, after) = self.delays();
        let away = self.is_away();
        self.injected.outages += u64::from(away);
        let fate = if away { Fate::Away } else { Fate::Fair };
        Throw { fate, overtaken_within: None, before, after }
    }

    fn delays(&mut self) -> (Option<Duration>, Option<Duration>) {
        let longest = self.faults.longest_delay;
        let (strikes, part) = (self.strikes(self.faults.delay), self.chance.next_u32());
        if !strikes {
            return (None, None);
        }
        self.injected.delays += 1;
        let delay = Some(longest.mul_f64(f64::from(part) / f64::from(u32::MAX)));
        if part % 2 == 0 { (delay, None) } else { (None, delay) }
    }

    fn is_away(&mut self) -> bool {
        let longest = u64::from(self.faults.longest_outage.max(1));
        let (begins, length) = (self.strikes(self.faults.outage), self.chance.next_u64());
        if self.away == 0 && begins {
            self.away = 1 + length % longest;
        }
        let away = self.away > 0;
        self.away = self.away.saturating_sub(1);
        away
    }

    fn strikes(&mut self, of_thousand: u16) -> bool {
        self.chance.next_u32() % 1000 < u32::from(of_thousand)
    }
}

async fn pause(delay: Option<Duration>) {
    if let Some(delay) = delay {
        sleep(delay).await;
    }
}
