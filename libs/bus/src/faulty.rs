//! A bus that misbehaves by plan: what real ones do now and then, as often as wanted, and the same
//! for the same seed. Never breaks what was stored.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream;
use protocol::Filter;
use tokio::time::sleep_until;

use self::disturbed::Disturbed;
use self::plan::{Fate, Plan};
use crate::{Audience, Bus, BusError, Inbox, Message, after, now};

mod disturbed;
mod plan;

pub use self::plan::{Injected, Odds};

/// Any bus, disturbed. What arrives (news, requests, entries) is dropped, doubled, delayed or
/// overtaken on its way into each inbox, answers on their way back; a dropped entry comes again as
/// an unsettled one does. One seed and one order of events give the same faults.
#[derive(Debug)]
pub struct Faulty<B> {
    bus: B,
    plan: Plan,
}

impl<B: Bus> Faulty<B> {
    #[must_use]
    pub fn new(bus: B, seed: u64, odds: Odds) -> Self {
        Self { bus, plan: Plan::new(seed, odds) }
    }

    /// From now on nothing on these subjects passes, in either direction: news is lost, requests
    /// and answers run into their deadline, nothing can be appended.
    pub fn partition(&self, filter: Filter) {
        self.plan.partition(filter);
    }

    /// Takes back one partition.
    pub fn rejoin(&self, filter: &Filter) {
        self.plan.rejoin(filter);
    }

    /// No partition and no fault from now on; what is under way arrives.
    pub fn heal(&self) {
        self.plan.heal();
    }

    #[must_use]
    pub fn injected(&self) -> Injected {
        self.plan.injected()
    }

    fn disturb(&self, inbox: Inbox) -> Inbox {
        let disturbed = Disturbed::new(inbox, self.plan.clone());
        stream::unfold(disturbed, |mut inbox| async {
            let delivery = inbox.next().await?;
            Some((delivery, inbox))
        })
        .boxed()
    }
}

#[async_trait]
impl<B: Bus> Bus for Faulty<B> {
    async fn request(&self, ask: Message, deadline: Duration) -> Result<Message, BusError> {
        let (subject, end) = (ask.subject.clone(), after(deadline));
        if !self.plan.cuts(&subject) {
            let answer = self.bus.request(ask, deadline).await?;
            let arrival = match self.plan.fate() {
                Fate::Pass | Fate::Duplicate(_) => Some(now()),
                Fate::Drop => None,
                Fate::Delay(by) | Fate::Reorder(by) => Some(after(by)),
            };
            if let Some(arrival) = arrival.filter(|arrival| *arrival < end) {
                sleep_until(arrival).await;
                if !self.plan.cuts(&subject) {
                    return Ok(answer);
                }
            }
        }
        sleep_until(end).await;
        Err(BusError::TimedOut)
    }

    async fn notify(&self, news: Message) -> Result<(), BusError> {
        if self.plan.cuts(&news.subject) {
            return Ok(());
        }
        self.bus.notify(news).await
    }

    async fn append(&self, entry: Message, dedup: &str) -> Result<(), BusError> {
        if self.plan.cuts(&entry.subject) {
            return Err(BusError::Unavailable("partitioned".into()));
        }
        self.bus.append(entry, dedup).await
    }

    async fn listen(&self, filter: &Filter, audience: Audience) -> Result<Inbox, BusError> {
        Ok(self.disturb(self.bus.listen(filter, audience).await?))
    }

    async fn consume(&self, filter: &Filter, group: &str) -> Result<Inbox, BusError> {
        Ok(self.disturb(self.bus.consume(filter, group).await?))
    }
}

#[cfg(test)]
mod tests;
