//! One inbox with faults in front of it. Holds at most a fixed number of late messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use protocol::Headers;
use tokio::time::{Instant, timeout_at};

use super::plan::{Fate, Plan};
use crate::{BusError, Delivery, Inbox, Settle, after, now};

/// Above it, what should be late comes in time.
const MOST_LATE: usize = 1_024;

pub(super) struct Disturbed {
    inbox: Inbox,
    plan: Plan,
    /// By the moment when it comes, then by the order in which it should have.
    late: BTreeMap<(Instant, u64), Delivery>,
    /// Comes after the next message that passes, or when its moment does.
    overtaken: BTreeMap<(Instant, u64), Delivery>,
    arrived: u64,
}

impl Disturbed {
    pub(super) fn new(inbox: Inbox, plan: Plan) -> Self {
        Self { inbox, plan, late: BTreeMap::new(), overtaken: BTreeMap::new(), arrived: 0 }
    }

    pub(super) async fn next(&mut self) -> Option<Delivery> {
        loop {
            let first_late = |held: &BTreeMap<(Instant, u64), Delivery>| {
                held.first_key_value().map(|((due, _), _)| *due)
            };
            let wake = [first_late(&self.late), first_late(&self.overtaken)];
            let wake = wake.into_iter().flatten().min();
            if wake.is_some_and(|due| due <= now()) {
                match self.overdue() {
                    Some(delivery) => return Some(delivery),
                    None => continue,
                }
            }
            let arrived = match wake {
                None => self.inbox.next().await?,
                Some(due) => match timeout_at(due, self.inbox.next()).await {
                    Ok(arrived) => arrived?,
                    Err(_) => continue,
                },
            };
            if let Some(delivery) = self.meet(arrived) {
                return Some(delivery);
            }
        }
    }

    /// A late one whose moment has come, unless a partition has come before it.
    fn overdue(&mut self) -> Option<Delivery> {
        let now = now();
        let due = |held: &mut BTreeMap<(Instant, u64), Delivery>| {
            let entry = held.first_entry()?;
            (entry.key().0 <= now).then(|| entry.remove())
        };
        let delivery = due(&mut self.late).or_else(|| due(&mut self.overtaken))?;
        (!self.plan.cuts(&delivery.message.subject)).then_some(delivery)
    }

    fn meet(&mut self, delivery: Delivery) -> Option<Delivery> {
        if self.plan.cuts(&delivery.message.subject) {
            return None;
        }
        let full = self.late.len() + self.overtaken.len() >= MOST_LATE;
        self.arrived += 1;
        match self.plan.fate() {
            Fate::Drop => None,
            Fate::Delay(by) if !full => {
                self.late.insert((after(by), self.arrived), delivery);
                None
            }
            Fate::Reorder(by) if !full => {
                self.overtaken.insert((after(by), self.arrived), delivery);
                None
            }
            Fate::Duplicate(by) if !full => {
                let (first, second) = twins(delivery);
                self.late.insert((after(by), self.arrived), second);
                Some(self.pass(first))
            }
            Fate::Pass | Fate::Delay(_) | Fate::Reorder(_) | Fate::Duplicate(_) => {
                Some(self.pass(delivery))
            }
        }
    }

    /// What it overtakes comes right behind it.
    fn pass(&mut self, delivery: Delivery) -> Delivery {
        let now = now();
        for ((_, order), overtaken) in std::mem::take(&mut self.overtaken) {
            self.late.insert((now, order), overtaken);
        }
        delivery
    }
}

/// Two deliveries of one message; the first word on either is the word on both.
fn twins(delivery: Delivery) -> (Delivery, Delivery) {
    let Delivery { message, attempt, settle } = delivery;
    let settle: Shared = Arc::new(Mutex::new(Some(settle)));
    let twin = |settle| Delivery { message: message.clone(), attempt, settle };
    (twin(Box::new(Twin(Arc::clone(&settle)))), twin(Box::new(Twin(settle))))
}

type Shared = Arc<Mutex<Option<Box<dyn Settle>>>>;

#[derive(Debug)]
struct Twin(Shared);

impl Twin {
    fn word(&self) -> Option<Box<dyn Settle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Settle for Twin {
    async fn reply(self: Box<Self>, headers: Headers, body: Bytes) -> Result<(), BusError> {
        match self.word() {
            Some(settle) => settle.reply(headers, body).await,
            None => Ok(()),
        }
    }

    async fn done(self: Box<Self>) -> Result<(), BusError> {
        match self.word() {
            Some(settle) => settle.done().await,
            None => Ok(()),
        }
    }

    async fn again(self: Box<Self>, wait: Duration) -> Result<(), BusError> {
        match self.word() {
            Some(settle) => settle.again(wait).await,
            None => Ok(()),
        }
    }
}
