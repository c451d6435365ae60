//! The logins that were finished here lately, so that none is finished twice. In this process only:
//! elsewhere the issuer refuses the code, which it takes once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fleet::Timestamp;

/// What happens beyond: nobody logs in by an issuer until some are forgotten. Doors that count
/// the logins of each address never come near.
const MOST: usize = 65_536;

#[derive(Debug)]
pub(crate) struct Spent {
    life: Duration,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    /// As they came, so those that die first are in front.
    order: VecDeque<(Timestamp, Box<str>)>,
    all: BTreeSet<Box<str>>,
}

/// Whether a mark was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    Again,
    /// There is no room to remember it.
    Full,
}

impl Spent {
    pub(crate) fn for_a(life: Duration) -> Self {
        Self { life, marks: Mutex::default() }
    }

    pub(crate) fn spend(&self, mark: &str, now: Timestamp) -> Seen {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, dead)) = marks.order.pop_front_if(|(until, _)| *until <= now) {
            marks.all.remove(&dead);
        }
        if marks.all.contains(mark) {
            return Seen::Again;
        }
        if marks.all.len() >= MOST {
            return Seen::Full;
        }
        marks.all.insert(mark.into());
        marks.order.push_back((now.plus(self.life), mark.into()));
        Seen::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(10);

    #[test]
    fn a_mark_is_spent_once_for_its_life() {
        let spent = Spent::for_a(LIFE);
        let begin = Timestamp::EPOCH;
        assert_eq!(spent.spend("a", begin), Seen::First);
        assert_eq!(spent.spend("b", begin), Seen::First);
        let last = begin.plus(LIFE - Duration::from_millis(1));
        assert_eq!(spent.spend("a", last), Seen::Again);
        assert_eq!(spent.spend("a", begin.plus(LIFE)), Seen::First);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nothing_is_forgotten_for_room() {
        let spent = Spent::for_a(LIFE);
        for mark in 0..MOST {
            assert_eq!(spent.spend(&mark.to_string(), Timestamp::EPOCH), Seen::First);
        }
        assert_eq!(spent.spend("more", Timestamp::EPOCH), Seen::Full);
        assert_eq!(spent.spend("0", Timestamp::EPOCH), Seen::Again);
        assert_eq!(spent.spend("more", Timestamp::EPOCH.plus(LIFE)), Seen::First);
    }
}
