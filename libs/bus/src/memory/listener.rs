//! Who listens, who of a group is next, and how an answer finds its way back. Never keeps a
//! message that nobody has room for.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::Stream;
use protocol::{Filter, Headers, Row, Subject};
use tokio::sync::mpsc;

use super::Hub;
use crate::{Audience, BusError, Delivery, Message, Settle, fits};

#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// By the line they listen on, for those that keep to one, and then by their place.
    by_row: BTreeMap<Option<Row>, BTreeMap<u64, Listener>>,
    places: u64,
    /// How often each group has been asked: its members take turns.
    turns: BTreeMap<Box<str>, usize>,
}

#[derive(Debug)]
struct Listener {
    filter: Filter,
    audience: Audience,
    inbox: mpsc::Sender<Delivery>,
}

impl Listeners {
    pub(super) fn add(
        &mut self,
        filter: Filter,
        audience: Audience,
        inbox: mpsc::Sender<Delivery>,
    ) -> u64 {
        self.places += 1;
        let row = self.by_row.entry(filter.row()).or_default();
        row.insert(self.places, Listener { filter, audience, inbox });
        self.places
    }

    fn remove(&mut self, place: u64) {
        let gone = self.by_row.values_mut().find_map(|row| row.remove(&place));
        self.by_row.retain(|_, row| !row.is_empty());
        let Some(Listener { audience: Audience::OneOf(group), .. }) = gone else { return };
        let left = |listener: &Listener| listener.audience == Audience::OneOf(group.clone());
        if !self.by_row.values().flat_map(BTreeMap::values).any(left) {
            self.turns.remove(&group);
        }
    }

    /// Every outsider, and of each group the member whose turn it is; one with a full inbox is
    /// passed over while another has room.
    pub(super) fn hearers(&mut self, subject: &Subject) -> Vec<mpsc::Sender<Delivery>> {
        let mut hearers = Vec::new();
        let mut groups: BTreeMap<&str, Vec<&mpsc::Sender<Delivery>>> = BTreeMap::new();
        let here = self.by_row.get(&Some(subject.row()));
        let listening = here.into_iter().chain(self.by_row.get(&None)).flat_map(BTreeMap::values);
        for listener in listening.filter(|one| one.filter.matches(subject)) {
            match &listener.audience {
                Audience::Everyone => hearers.push(listener.inbox.clone()),
                Audience::OneOf(group) => groups.entry(group).or_default().push(&listener.inbox),
            }
        }
        for (group, mut members) in groups {
            let turn = self.turns.entry(group.into()).or_default();
            let first = *turn % members.len();
            *turn = turn.wrapping_add(1);
            members.rotate_left(first);
            let roomy = members.iter().position(|member| member.capacity() > 0);
            hearers.push(members.swap_remove(roomy.unwrap_or(0)).clone());
        }
        hearers
    }
}

/// An inbox; dropped, it gives up its place.
#[derive(Debug)]
pub(super) struct Heard {
    hub: Arc<Hub>,
    place: u64,
    inbox: mpsc::Receiver<Delivery>,
}

impl Heard {
    pub(super) fn new(hub: Arc<Hub>, place: u64, inbox: mpsc::Receiver<Delivery>) -> Self {
        Self { hub, place, inbox }
    }
}

impl Stream for Heard {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.inbox.poll_recv(context)
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.hub.state().listeners.remove(self.place);
    }
}

/// Where the answer to one question goes, if anywhere.
#[derive(Debug)]
pub(super) struct Answer(Option<mpsc::Sender<Message>>);

impl Answer {
    pub(super) fn to(asker: &mpsc::Sender<Message>) -> Self {
        Self(Some(asker.clone()))
    }

    pub(super) fn nobody() -> Self {
        Self(None)
    }

    pub(super) fn deliver(self, message: Message) -> Delivery {
        let settle = Box::new(Open { subject: message.subject.clone(), answer: self });
        Delivery { message, attempt: 1, settle }
    }
}

/// A question not yet answered.
#[derive(Debug)]
struct Open {
    subject: Subject,
    answer: Answer,
}

#[async_trait]
impl Settle for Open {
    async fn reply(self: Box<Self>, headers: Headers, body: Bytes) -> Result<(), BusError> {
        fits(&body)?;
        if let Answer(Some(asker)) = self.answer {
            // Full: somebody was quicker. Closed: the asker has given up. Both are no news here.
            drop(asker.try_send(Message { subject: self.subject, headers, body }));
        }
        Ok(())
    }

    async fn done(self: Box<Self>) -> Result<(), BusError> {
        Ok(())
    }

    async fn again(self: Box<Self>, _after: Duration) -> Result<(), BusError> {
        Ok(())
    }
}
