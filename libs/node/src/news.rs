//! What is told rather than asked: hints to whoever listens, and entries that are kept until they
//! were dealt with.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bus::{Audience, BusError, Delivery, Inbox, Message};
use fleet::ProductId;
use futures_util::StreamExt;
use protocol::{Filter, Row, Subject};
use serde::Serialize;
use tracing::{debug, warn};

use crate::Node;
use crate::serve::Group;

/// The bus cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("the bus is away")]
pub struct BusAway(#[from] BusError);

/// Something that was said, to nobody in particular or to be kept.
#[derive(Clone, Debug)]
pub struct News {
    pub product: ProductId,
    pub body: Vec<u8>,
    /// How often it has come by now; always 1 for a hint.
    pub attempt: u32,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Done,
    Again(Duration),
}

/// Hears until it is dropped, for those who hear beside other things.
pub struct Ear {
    inbox: Inbox,
    node: Node,
}

impl Ear {
    /// `None` once it is time to stop, or where the bus is gone for good. Dropping the call loses
    /// nothing.
    pub async fn next(&mut self) -> Option<News> {
        let delivery = self.node.next_of(&mut self.inbox).await?;
        Some(News::of(&delivery))
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Ear")
    }
}

impl News {
    fn of(delivery: &Delivery) -> Self {
        Self {
            product: delivery.message.subject.product().clone(),
            body: delivery.message.body.to_vec(),
            attempt: delivery.attempt,
        }
    }
}

impl Node {
    /// A hint. Losing it costs time only, so that a failure is not the caller's business.
    pub async fn tell(&self, subject: Subject, body: &impl Serialize) {
        let news = Message::new(subject.clone(), encoded(body));
        if let Err(error) = self.bus.notify(news).await {
            debug!(%subject, %error, "hint not sent");
        }
    }

    /// Keeps an entry in its stream; the same `dedup` is kept once.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn keep(
        &self,
        subject: Subject,
        body: &impl Serialize,
        dedup: &str,
    ) -> Result<(), BusAway> {
        Ok(self.bus.append(Message::new(subject, encoded(body)), dedup).await?)
    }

    /// Hears every hint on a line of the table, one after the other, until it is time to stop.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn hear<F>(
        &self,
        row: Row,
        task: &'static str,
        handler: impl Fn(News) -> F + Send + Sync + 'static,
    ) -> Result<(), BusAway>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.hear_at(&Filter::every(row), task, handler).await
    }

    /// The same for a part of a line, where the rest of it is not this role's to hear.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn hear_at<F>(
        &self,
        filter: &Filter,
        task: &'static str,
        handler: impl Fn(News) -> F + Send + Sync + 'static,
    ) -> Result<(), BusAway>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut inbox = self.begin_to_listen(filter, Audience::Everyone).await?;
        let node = self.clone();
        self.tasks.spawn(task, async move {
            while let Some(delivery) = node.next_of(&mut inbox).await {
                handler(News::of(&delivery)).await;
            }
            Ok::<(), BusAway>(())
        });
        Ok(())
    }

    /// Hears a part of a line for as long as the answer is kept.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn ear(&self, filter: &Filter) -> Result<Ear, BusAway> {
        let inbox = self.bus.listen(filter, Audience::Everyone).await?;
        Ok(Ear { inbox, node: self.clone() })
    }

    /// Takes the entries of a stream one by one; each stays until its handler is done with it, and
    /// comes again where the bus went away meanwhile.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn take_in<F>(
        &self,
        row: Row,
        group: Group,
        handler: impl Fn(News) -> F + Send + Sync + 'static,
    ) -> Result<(), BusAway>
    where
        F: Future<Output = Result<Fate, BusAway>> + Send + 'static,
    {
        let mut inbox = self.begin_to_consume(&Filter::every(row), group.0).await?;
        let node = self.clone();
        self.tasks.spawn(group.0, async move {
            while let Some(delivery) = node.next_of(&mut inbox).await {
                let fate = handler(News::of(&delivery)).await;
                settle(group, delivery, fate).await;
            }
            Ok::<(), BusAway>(())
        });
        Ok(())
    }

    pub(crate) async fn next_of(&self, inbox: &mut Inbox) -> Option<Delivery> {
        tokio::select! {
            biased;
            () = self.tasks.stopped() => None,
            next = inbox.next() => next,
        }
    }
}

fn encoded(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("string keys and finite numbers encode")
}

/// A bus that is away comes back, and with it the entry.
async fn settle(group: Group, delivery: Delivery, fate: Result<Fate, BusAway>) {
    let settled = match fate {
        Ok(Fate::Done) => delivery.settle.done().await,
        Ok(Fate::Again(after)) => delivery.settle.again(after).await,
        Err(BusAway(error)) => Err(error),
    };
    if let Err(error) = settled {
        warn!(task = group.0, %error, "entry left unsettled");
    }
}
