//! Offers that an agent heard: each is taken up once, and one at a time. They are hints; whoever
//! forgets one asks all the same.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::OfferSeen;

use crate::session::{Action, Actions, Session};

/// Offers that are remembered, so that a repeated one is none.
const REMEMBERED: usize = 256;
/// What a live coordinator takes at most to answer a claim that waits at it.
const ANSWER_TAKES: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(super) struct Offers {
    heard: VecDeque<OfferSeen>,
    next: Option<(OfferSeen, Duration)>,
}

impl Offers {
    pub(super) fn due(&self) -> Option<Duration> {
        self.next.map(|(_, at)| at)
    }

    /// A job was had: what else was offered is asked for with the next free seat.
    pub(super) fn forget(&mut self) {
        self.next = None;
    }

    /// Of two that wait the earlier stays: one question finds both jobs.
    fn add(&mut self, offer: OfferSeen, at: Duration) {
        if self.heard.contains(&offer) {
            return;
        }
        self.heard.push_back(offer);
        if self.heard.len() > REMEMBERED {
            self.heard.pop_front();
        }
        if self.next.is_none_or(|(_, before)| at < before) {
            self.next = Some((offer, at));
        }
    }
}

impl Session {
    /// A claim that waits is answered at once where it can be, and is given the time for that.
    pub(super) fn offered(&mut self, offer: OfferSeen, at: Duration) {
        if self.may_ask() && self.free() > 0 {
            let waits = self.free() <= self.asking;
            self.offers.add(offer, if waits { at + ANSWER_TAKES } else { at });
        }
    }

    pub(super) fn take_up(&mut self, now: Duration, out: &mut Actions) {
        if !self.may_ask() || self.free() == 0 {
            return;
        }
        let Some((offer, _)) = self.offers.next.take_if(|(_, at)| *at <= now) else { return };
        if self.free() > self.asking {
            self.asking += 1;
            out.push(Action::Ask { free: self.free(), offer: Some(offer) });
        } else {
            out.push(Action::Remind(offer));
        }
    }
}
