//! Whoever follows logs: one hub for each job that is followed, which hears and reads for all of
//! its readers. What is heard is a hint; every gap is filled from the store, and it is looked
//! there again though nothing was heard.

mod hub;
mod reader;
mod ring;
mod shelf;
mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blob::Blobs;
use client::OverBus;
use fleet::{JobId, ProductId};
use node::{BusAway, Node};
use protocol::{Filter, Subject, Topic};

use crate::feed::Feed;
use hub::Hub;

pub(crate) use reader::{Reader, Wanted};
pub(crate) use ring::Place;
pub(crate) use shelf::{Shelf, Unread};

#[derive(Debug)]
pub(crate) struct Tails {
    node: Node,
    feed: Arc<Feed>,
    blobs: Blobs,
    hubs: Mutex<BTreeMap<JobId, Arc<Hub>>>,
}

impl Tails {
    pub(crate) fn new(node: &Node, feed: &Arc<Feed>, blobs: &Blobs) -> Arc<Self> {
        Arc::new(Self {
            node: node.clone(),
            feed: Arc::clone(feed),
            blobs: blobs.clone(),
            hubs: Mutex::default(),
        })
    }

    pub(crate) fn shelf(&self, product: &ProductId, job: JobId) -> Shelf {
        Shelf {
            blobs: self.blobs.clone(),
            link: OverBus::new(Arc::clone(&self.node.bus), product.clone()),
            node: self.node.clone(),
            product: product.clone(),
            job,
        }
    }

    /// One more reader of the job's hub, which is opened for the first. No two products have a
    /// job of the same id.
    pub(crate) async fn join(self: &Arc<Self>, shelf: &Shelf) -> Result<hub::Seat, BusAway> {
        let job = shelf.job;
        if let Some(seat) = self.seat_at(job) {
            return Ok(seat);
        }
        // Heard before it is looked for the first time, so that nothing falls between.
        let subject = Subject::new(&shelf.product, Topic::Log(job));
        let lines = self.node.ear(&Filter::exact(&subject)).await?;
        let mut hubs = self.hubs();
        if let Some(hub) = hubs.get(&job).filter(|hub| !hub.is_done()) {
            return Ok(hub.seat());
        }
        let hub = Arc::new(Hub::default());
        let seat = hub.seat();
        hubs.insert(job, Arc::clone(&hub));
        drop(hubs);
        let ears = hub::Ears { lines, events: self.feed.start(None).live };
        let work = hub::Work { tails: Arc::clone(self), shelf: shelf.clone(), hub };
        self.node.tasks.spawn("tail", work.go_on(ears));
        Ok(seat)
    }

    fn seat_at(&self, job: JobId) -> Option<hub::Seat> {
        self.hubs().get(&job).filter(|hub| !hub.is_done()).map(|hub| hub.seat())
    }

    /// Closes a hub that nobody reads at; whoever comes later opens another one.
    fn retire(&self, job: JobId, hub: &Arc<Hub>) -> bool {
        let mut hubs = self.hubs();
        let free = hub.is_done() || hub.is_left();
        let listed = hubs.get(&job).is_some_and(|other| Arc::ptr_eq(other, hub));
        if free && listed {
            hubs.remove(&job);
        }
        free
    }

    fn hubs(&self) -> MutexGuard<'_, BTreeMap<JobId, Arc<Hub>>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
