//! What one job says, heard and read once for all of its readers. Lines that are heard in order go
//! straight into the ring; whatever else is heard, or nothing, means: look.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet::Epoch;
use node::{Ear, News};
use protocol::LogPiece;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::watch;
use tracing::debug;

use crate::feed::Told;
use crate::tail::Tails;
use crate::tail::ring::{Next, Place, Ring};
use crate::tail::shelf::{Shelf, Unread};
use crate::tail::text::Texts;

/// It is looked so often though nothing was heard.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a job's readers share.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    ring: Mutex<Ring>,
    moved: watch::Sender<()>,
}

/// A reader's end of a hub; the hub closes when the last one is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    moved: watch::Receiver<()>,
}

/// Where a hub hears.
pub(crate) struct Ears {
    pub(crate) lines: Ear,
    pub(crate) events: Receiver<Arc<Told>>,
}

/// A hub at work.
pub(crate) struct Work {
    pub(crate) tails: Arc<Tails>,
    pub(crate) shelf: Shelf,
    pub(crate) hub: Arc<Hub>,
}

impl Hub {
    pub(crate) fn seat(self: &Arc<Self>) -> Seat {
        Seat { hub: Arc::clone(self), moved: self.moved.subscribe() }
    }

    /// Nothing more comes here.
    pub(crate) fn is_done(&self) -> bool {
        self.ring().is_done()
    }

    pub(crate) fn is_left(&self) -> bool {
        self.moved.receiver_count() == 0
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// What comes behind this place. Nothing that comes later is missed by [`Self::moved`].
    pub(crate) fn after(&mut self, place: Place) -> (Next, Epoch) {
        self.moved.mark_unchanged();
        let ring = self.hub.ring();
        (ring.after(place), ring.over())
    }

    pub(crate) async fn moved(&mut self) {
        // The hub lives as long as this seat.
        drop(self.moved.changed().await);
    }
}

impl Work {
    pub(crate) async fn go_on(self, mut ears: Ears) -> Result<(), Infallible> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let before = self.hub.ring().mark();
            let looked = tokio::select! {
                biased;
                () = self.shelf.node.tasks.stopped() => return Ok(()),
                () = self.hub.moved.closed() => Ok(()),
                news = ears.lines.next() => self.hear(news).await,
                told = ears.events.recv() => self.hear_event(told).await,
                _ = look.tick() => self.look().await,
            };
            if let Err(error) = looked {
                debug!(job = %self.shelf.job, %error, "log not looked at");
            }
            // Most events are of other jobs, and wake no reader of this one.
            if self.hub.ring().mark() != before {
                self.hub.moved.send_replace(());
            }
            if self.tails.retire(self.shelf.job, &self.hub) {
                return Ok(());
            }
        }
    }

    async fn hear(&self, news: Option<News>) -> Result<(), Unread> {
        let Some(news) = news else {
            // The bus is away; looking goes on.
            tokio::time::sleep(LOOK_EVERY).await;
            return self.look().await;
        };
        let Ok(piece) = serde_json::from_slice::<LogPiece>(&news.body) else {
            return Ok(());
        };
        let begin = Place { epoch: piece.epoch, offset: piece.from };
        let end = Place { offset: piece.from + piece.text.len() as u64, ..begin };
        let head = {
            let mut ring = self.hub.ring();
            if ring.has_begun() && ring.head() == begin {
                ring.push(&piece);
                return Ok(());
            }
            ring.has_begun().then(|| ring.head())
        };
        match head {
            Some(head) if end <= head => Ok(()),
            Some(head) if head.epoch == piece.epoch => self.fill().await,
            Some(_) | None => self.look().await,
        }
    }

    async fn hear_event(&self, told: Result<Arc<Told>, RecvError>) -> Result<(), Unread> {
        match told {
            Ok(told) if told.job != self.shelf.job => Ok(()),
            Ok(_) | Err(RecvError::Lagged(_)) => self.look().await,
            Err(RecvError::Closed) => {
                tokio::time::sleep(LOOK_EVERY).await;
                Ok(())
            }
        }
    }

    /// Reads all that there is. How the job stands is read first: what a run said that is over by
    /// then is all there.
    async fn look(&self) -> Result<(), Unread> {
        let stand = self.shelf.stand().await?;
        if !self.hub.ring().has_begun() {
            self.begin().await?;
        }
        let (head, over) = self.reached();
        if head.epoch > over {
            self.fill().await?;
        }
        if stand.now > head.epoch {
            self.go_on_to_later_runs().await?;
        }
        self.hub.ring().settle(stand.over, stand.ended);
        Ok(())
    }

    /// What was said before the first reader came stays in the store.
    async fn begin(&self) -> Result<(), Unread> {
        let last = self.shelf.epochs().await?.pop_last().unwrap_or_default();
        let offset = self.shelf.reach(last).await?;
        self.hub.ring().begin(Place { epoch: last, offset });
        Ok(())
    }

    async fn go_on_to_later_runs(&self) -> Result<(), Unread> {
        for epoch in self.shelf.epochs().await? {
            if epoch > self.reached().0.epoch {
                self.hub.ring().go_on_at(epoch);
                self.fill().await?;
            }
        }
        Ok(())
    }

    /// What the run at the head has said behind it.
    async fn fill(&self) -> Result<(), Unread> {
        let head = self.reached().0;
        let Some(bytes) = self.shelf.open(head).await? else { return Ok(()) };
        let mut texts = Texts::new(bytes, head);
        while let Some(piece) = texts.next().await? {
            let mut ring = self.hub.ring();
            if ring.head().offset == piece.from {
                ring.push(&piece);
            }
        }
        Ok(())
    }

    fn reached(&self) -> (Place, Epoch) {
        let ring = self.hub.ring();
        (ring.head(), ring.over())
    }
}
