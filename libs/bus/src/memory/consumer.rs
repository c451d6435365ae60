//! One reader of a stream: takes an entry only when asked for the next, so that whoever is slow
//! slows the stream and loses nothing.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use protocol::{Filter, Headers, Row};
use tokio::time::timeout_at;

use super::Hub;
use super::log::{Log, Next, Share};
use crate::{BusError, Delivery, Settle, fits};

#[derive(Debug)]
pub(super) struct Consumer {
    hub: Arc<Hub>,
    share: Share,
}

impl Consumer {
    pub(super) fn new(hub: Arc<Hub>, filter: Filter, group: &str) -> Self {
        Self { hub, share: (group.into(), filter) }
    }

    pub(super) async fn next(&self) -> Delivery {
        loop {
            let mut stirred = pin!(self.hub.stirred.notified());
            // Before looking: what comes between the look and the wait must wake us.
            stirred.as_mut().enable();
            match self.look() {
                Next::Entry { number, message, attempt } => {
                    let owed = Taken {
                        hub: Arc::clone(&self.hub),
                        row: message.subject.row(),
                        share: self.share.clone(),
                        number,
                    };
                    return Delivery { message, attempt, settle: Box::new(owed) };
                }
                Next::Nothing { until: None } => stirred.await,
                Next::Nothing { until: Some(due) } => drop(timeout_at(due, stirred).await),
            }
        }
    }

    fn look(&self) -> Next {
        let mut state = self.hub.state();
        let row = self.share.1.row();
        let Some(log) = row.and_then(|row| state.streams.get_mut(&row)) else {
            return Next::Nothing { until: None };
        };
        log.take(&self.share, &self.hub.limits)
    }
}

/// An entry in a consumer's hands.
#[derive(Debug)]
struct Taken {
    hub: Arc<Hub>,
    row: Row,
    share: Share,
    number: u64,
}

impl Taken {
    fn settle(&self, word: impl FnOnce(&mut Log)) {
        if let Some(log) = self.hub.state().streams.get_mut(&self.row) {
            word(log);
        }
        self.hub.stirred.notify_waiters();
    }
}

#[async_trait]
impl Settle for Taken {
    async fn reply(self: Box<Self>, _headers: Headers, body: Bytes) -> Result<(), BusError> {
        fits(&body)
    }

    async fn done(self: Box<Self>) -> Result<(), BusError> {
        self.settle(|log| log.done(&self.share, self.number));
        Ok(())
    }

    async fn again(self: Box<Self>, after: Duration) -> Result<(), BusError> {
        self.settle(|log| log.again(&self.share, self.number, after));
        Ok(())
    }
}
