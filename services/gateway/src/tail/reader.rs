//! One who follows a log: its place, and nothing else that could grow. What the hub has no more is
//! read from the store.

use std::time::Duration;

use bytes::Bytes;
use fleet::Epoch;
use node::Node;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Interval;
use tracing::debug;

use crate::tail::hub::Seat;
use crate::tail::ring::{Frame, Next, Place};
use crate::tail::shelf::{Shelf, Unread};
use crate::tail::text::Texts;

const COMMENT: &[u8] = b":\n\n";
/// All was said.
const END: &[u8] = b"event: end\ndata: {}\n\n";
/// Lines between are gone: the log was removed.
const GAP: &[u8] = b"event: gap\ndata: {}\n\n";
/// A store that is away is not asked again at once.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// From where on, and through which run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) from: Place,
    pub(crate) through: Option<Epoch>,
}

pub(crate) struct Reader {
    pub(crate) seat: Seat,
    pub(crate) shelf: Shelf,
    pub(crate) node: Node,
    pub(crate) wanted: Wanted,
    pub(crate) comment: Interval,
    pub(crate) _room: OwnedSemaphorePermit,
    /// What is being read from the store.
    pub(crate) stored: Option<Texts>,
    pub(crate) is_over: bool,
}

impl Reader {
    /// The next frame; `None` after the last one, or once the door closes.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        while !self.is_over && !self.node.tasks.is_stopping() {
            match self.turn().await {
                Ok(Some(frame)) => return Some(frame),
                Ok(None) => {}
                Err(error) => {
                    debug!(job = %self.shelf.job, %error, "log not read on");
                    self.stored = None;
                    tokio::time::sleep(AFTER_TROUBLE).await;
                    return Some(Bytes::from_static(COMMENT));
                }
            }
        }
        None
    }

    async fn turn(&mut self) -> Result<Option<Bytes>, Unread> {
        if let Some(stored) = &mut self.stored {
            match stored.next().await? {
                Some(piece) => return Ok(Some(self.say(&Frame::of(&piece)))),
                None => self.stored = None,
            }
        }
        let place = self.wanted.from;
        match self.seat.after(place) {
            (Next::Frame(frame), _) if self.is_beyond(frame.from.epoch) => Ok(Some(self.end())),
            (Next::Frame(frame), _) if frame.from < place => Ok(Some(self.say(&frame.rest(place)))),
            (Next::Frame(frame), _) => Ok(Some(self.say(&frame))),
            (Next::Behind(start), _) => self.read_up_to(start).await,
            (Next::Ended, _) => Ok(Some(self.end())),
            (Next::Wait, over) if self.wanted.through.is_some_and(|last| last <= over) => {
                Ok(Some(self.end()))
            }
            (Next::Wait, _) => Ok(self.wait().await),
        }
    }

    fn say(&mut self, frame: &Frame) -> Bytes {
        self.wanted.from = frame.end();
        frame.sent.clone()
    }

    fn end(&mut self) -> Bytes {
        self.is_over = true;
        Bytes::from_static(END)
    }

    fn is_beyond(&self, epoch: Epoch) -> bool {
        self.wanted.through.is_some_and(|last| epoch > last)
    }

    async fn wait(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            () = self.node.tasks.stopped() => None,
            _ = self.comment.tick() => Some(Bytes::from_static(COMMENT)),
            () = self.seat.moved() => None,
        }
    }

    /// Opens what the store has behind this place, of this run or of the next one.
    async fn read_up_to(&mut self, start: Place) -> Result<Option<Bytes>, Unread> {
        let place = self.wanted.from;
        if let Some(bytes) = self.shelf.open(place).await? {
            self.stored = Some(Texts::new(bytes, place));
            return Ok(None);
        }
        let later = self.shelf.epochs().await?.into_iter().find(|epoch| *epoch > place.epoch);
        match later.filter(|epoch| *epoch <= start.epoch && start.epoch > place.epoch) {
            Some(epoch) if self.is_beyond(epoch) => Ok(Some(self.end())),
            Some(epoch) => {
                self.wanted.from = Place { epoch, offset: 0 };
                Ok(None)
            }
            None => {
                self.wanted.from = start;
                Ok((start.offset > 0).then(|| Bytes::from_static(GAP)))
            }
        }
    }
}
