//! One stream: its entries, the dedup ids it remembers, and what it owes each group. Never waits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use protocol::{Filter, Row};
use tokio::time::Instant;

use super::Limits;
use crate::{BusError, Message, after, now};

#[derive(Debug)]
pub(super) struct Log {
    row: Row,
    entries: BTreeMap<u64, Message>,
    last: u64,
    remembered: BTreeMap<Box<str>, Instant>,
    /// The same ids in the order in which they are forgotten.
    forgetting: VecDeque<Box<str>>,
    groups: BTreeMap<Share, Group>,
}

/// Those who share entries: a group, and what it wants of the stream.
pub(super) type Share = (Box<str>, Filter);

#[derive(Debug, Default)]
struct Group {
    /// The last entry that was looked at for the first time.
    seen: u64,
    /// Taken and not settled.
    owed: BTreeMap<u64, Owed>,
}

#[derive(Debug)]
struct Owed {
    due: Instant,
    attempt: u32,
}

/// What a consumer finds.
#[derive(Debug)]
pub(super) enum Next {
    Entry { number: u64, message: Message, attempt: u32 },
    Nothing { until: Option<Instant> },
}

impl Log {
    pub(super) fn of(row: Row) -> Self {
        Self {
            row,
            entries: BTreeMap::new(),
            last: 0,
            remembered: BTreeMap::new(),
            forgetting: VecDeque::new(),
            groups: BTreeMap::new(),
        }
    }

    /// Whether it is new.
    pub(super) fn append(
        &mut self,
        entry: Message,
        dedup: &str,
        limits: &Limits,
    ) -> Result<bool, BusError> {
        self.forget(limits.stream);
        if self.remembered.contains_key(dedup) {
            return Ok(false);
        }
        if self.entries.len() >= limits.stream {
            if self.is_queue() {
                return Err(BusError::Unavailable("the stream is full".into()));
            }
            self.entries.pop_first();
        }
        self.last += 1;
        self.entries.insert(self.last, entry);
        self.remembered.insert(dedup.into(), after(limits.dedup));
        self.forgetting.push_back(dedup.into());
        Ok(true)
    }

    /// The next entry for this share: one that is due again before one that is new.
    pub(super) fn take(&mut self, share: &Share, limits: &Limits) -> Next {
        let now = now();
        let group = self.groups.entry(share.clone()).or_default();
        group.owed.retain(|number, _| self.entries.contains_key(number));
        let again = group.owed.iter().find(|(_, owed)| owed.due <= now);
        let number = match again {
            Some((&number, _)) => Some(number),
            None if group.owed.len() >= limits.unsettled => None,
            None => group.unseen(&self.entries, &share.1),
        };
        let Some((number, message)) =
            number.and_then(|number| Some((number, self.entries.get(&number)?.clone())))
        else {
            return Next::Nothing { until: group.owed.values().map(|owed| owed.due).min() };
        };
        let due = after(limits.ack_wait);
        let owed = group.owed.entry(number).or_insert(Owed { due, attempt: 0 });
        *owed = Owed { due, attempt: owed.attempt.saturating_add(1) };
        Next::Entry { number, message, attempt: owed.attempt }
    }

    pub(super) fn done(&mut self, share: &Share, number: u64) {
        if let Some(group) = self.groups.get_mut(share) {
            group.owed.remove(&number);
        }
        if self.is_queue() {
            self.entries.remove(&number);
        }
    }

    pub(super) fn again(&mut self, share: &Share, number: u64, wait: Duration) {
        let owed = self.groups.get_mut(share).and_then(|group| group.owed.get_mut(&number));
        if let Some(owed) = owed {
            owed.due = after(wait);
        }
    }

    /// A settled entry of the intake is gone; the other streams keep theirs for the next reader.
    fn is_queue(&self) -> bool {
        self.row == Row::Intake
    }

    fn forget(&mut self, most: usize) {
        let now = now();
        while let Some(oldest) = self.forgetting.front() {
            let expired = self.remembered.get(oldest).is_none_or(|until| *until <= now);
            if !expired && self.forgetting.len() < most {
                return;
            }
            self.remembered.remove(oldest);
            self.forgetting.pop_front();
        }
    }
}

impl Group {
    fn unseen(&mut self, entries: &BTreeMap<u64, Message>, filter: &Filter) -> Option<u64> {
        for (&number, entry) in entries.range(self.seen + 1..) {
            self.seen = number;
            if filter.matches(&entry.subject) {
                return Some(number);
            }
        }
        None
    }
}
