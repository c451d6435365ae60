//! The events of every product as they happen, and the latest of them for whoever was away a moment.
//! Forgets: what it no longer has is in the records.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleet::{EventRecord, EventType, JobId, ProductId};
use node::{BusAway, News, Node};
use protocol::Row;
use tokio::sync::broadcast;

/// Events that are kept for those who come back.
const KEPT: usize = 4096;
/// Events that one slow listener may be behind before it is told of a gap.
const BEHIND: usize = 1024;

/// One event on its way to listeners.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) product: ProductId,
    /// The cursor: `<jobId>-<seq>`.
    pub(crate) id: String,
    pub(crate) job: JobId,
    pub(crate) seq: Option<u64>,
    pub(crate) kind: EventType,
    pub(crate) json: String,
}

#[derive(Debug)]
pub(crate) struct Feed {
    latest: Mutex<Latest>,
    live: broadcast::Sender<Arc<Told>>,
}

/// What is kept, and the names of it.
#[derive(Debug, Default)]
struct Latest {
    told: VecDeque<Arc<Told>>,
    ids: BTreeSet<String>,
}

/// What a listener begins with.
pub(crate) struct Start {
    /// What it missed; `None` if that is no longer known here.
    pub(crate) missed: Option<Vec<Arc<Told>>>,
    pub(crate) live: broadcast::Receiver<Arc<Told>>,
}

/// Hears from now on.
pub(crate) async fn open(node: &Node) -> Result<Arc<Feed>, BusAway> {
    let (live, _) = broadcast::channel(BEHIND);
    let feed = Arc::new(Feed { latest: Mutex::default(), live });
    let ours = Arc::clone(&feed);
    let handler = move |news: News| {
        ours.tell(&news);
        std::future::ready(())
    };
    node.hear(Row::Event, "feed", handler).await?;
    Ok(feed)
}

impl Told {
    /// Without what a holder proves itself with: whoever follows is told what happened.
    pub(crate) fn of(product: &ProductId, event: &EventRecord) -> Self {
        let mut shown = event.clone();
        shown.data.claim_nonce = None;
        Self {
            product: product.clone(),
            id: event.id.clone(),
            job: event.job_id,
            seq: event.seq,
            kind: event.kind,
            json: serde_json::to_string(&shown).expect("string keys and finite numbers encode"),
        }
    }
}

impl Feed {
    /// From now on, and what came after the event `cursor`.
    pub(crate) fn start(&self, cursor: Option<&str>) -> Start {
        // Both under one lock, so that nothing falls between the two or is in both.
        let latest = self.latest();
        let live = self.live.subscribe();
        let Some(cursor) = cursor else { return Start { missed: Some(Vec::new()), live } };
        let at = latest.told.iter().rposition(|told| told.id == cursor);
        let missed = at.map(|at| latest.told.iter().skip(at + 1).cloned().collect());
        Start { missed, live }
    }

    fn tell(&self, news: &News) {
        let Ok(page) = serde_json::from_slice::<EventRecord>(&news.body) else { return };
        // The subject says whose it is, and who may say it is for the bus to judge.
        let told: Vec<_> =
            page.each().map(|event| Arc::new(Told::of(&news.product, &event))).collect();
        let mut latest = self.latest();
        for told in told {
            // Two roles may tell the same event, and a stream keeps it once but lets it be heard
            // twice.
            if latest.keep(&told) {
                // Nobody listens: nothing to do.
                drop(self.live.send(told));
            }
        }
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Latest {
    /// Whether it is news.
    fn keep(&mut self, told: &Arc<Told>) -> bool {
        if !self.ids.insert(told.id.clone()) {
            return false;
        }
        if self.told.len() == KEPT
            && let Some(oldest) = self.told.pop_front()
        {
            self.ids.remove(&oldest.id);
        }
        self.told.push_back(Arc::clone(told));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "j_aaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn told(seq: usize) -> Arc<Told> {
        Arc::new(Told {
            product: "acme".parse().unwrap(),
            id: format!("{JOB}-{seq}"),
            job: JOB.parse().unwrap(),
            seq: None,
            kind: EventType::Queued,
            json: String::new(),
        })
    }

    #[test]
    fn what_two_roles_tell_is_passed_on_once_for_as_long_as_it_is_kept() {
        let mut latest = Latest::default();
        assert!(latest.keep(&told(0)));
        assert!(!latest.keep(&told(0)));
        for seq in 1..=KEPT {
            assert!(latest.keep(&told(seq)));
        }
        assert_eq!((latest.told.len(), latest.ids.len()), (KEPT, KEPT));
        assert!(latest.keep(&told(0)), "it was forgotten, and memory is bounded");
    }
}
