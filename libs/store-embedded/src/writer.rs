//! The one thread that writes: it takes what waits, judges each write against the state before
//! it, appends one batch, syncs once, shows the new state, then answers all.
//! It never answers `Written` before the sync, and never writes again after one failed.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use store::{Put, Revision, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::compact::Compaction;
use crate::damage::Trouble;
use crate::frame::{self, Entry};
use crate::index::{Name, Place};
use crate::log::{Log, place};
use crate::shared::Shared;

/// The most writes that share one sync.
pub(crate) const LARGEST_GROUP: usize = 512;
// Bounds the memory of a group; one more value may go over it.
const GROUP_BYTES: usize = 4 << 20;
// How often the writer lets others run to let a group grow, while it still grows.
const PATIENCE: usize = 8;

pub(crate) type Answer = Result<Put, StoreError>;

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) name: Name,
    pub(crate) want: Want,
    /// `None` removes.
    pub(crate) value: Option<Bytes>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    Absent,
    At(u64),
}

pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) directory: PathBuf,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) compact_above: u64,
    /// The compaction under way, if any.
    pub(crate) compaction: Option<Compaction>,
    /// Why no write is taken any more.
    pub(crate) stopped: Option<String>,
}

/// What a group will change once it is durable, and what to tell whom.
#[derive(Default)]
struct Group {
    changes: BTreeMap<Name, Option<Place>>,
    values: Vec<(u64, Bytes)>,
    verdicts: Vec<(oneshot::Sender<Answer>, Put)>,
    last: u64,
}

enum Failure {
    /// Nothing of the group will ever count.
    Append(io::Error),
    /// The group may or may not be there when the store is opened again.
    Sync(io::Error),
}

impl Writer {
    /// Until every handle of the store is gone.
    pub(crate) fn run(mut self) {
        let (mut waiting, mut batch) = (Vec::with_capacity(LARGEST_GROUP), Vec::new());
        let mut usual = 1;
        while let Some(first) = self.requests.blocking_recv() {
            waiting.push(first);
            self.gather(&mut waiting, usual);
            usual = waiting.len();
            self.commit(&mut waiting, &mut batch);
            self.compact();
        }
        self.close();
    }

    /// Takes what else waits. Writers answered together come back together, so if fewer are here
    /// than last time, the others are likely on their way.
    fn gather(&mut self, waiting: &mut Vec<Request>, usual: usize) {
        let mut bytes = 0;
        for _ in 0..PATIENCE {
            let before = waiting.len();
            self.take(waiting, &mut bytes);
            if waiting.len() >= usual || (waiting.len() == before && before == 1) {
                return;
            }
            std::thread::yield_now();
        }
    }

    fn take(&mut self, waiting: &mut Vec<Request>, bytes: &mut usize) {
        while waiting.len() < LARGEST_GROUP && *bytes < GROUP_BYTES {
            let Ok(next) = self.requests.try_recv() else { return };
            *bytes += next.value.as_ref().map_or(0, Bytes::len);
            waiting.push(next);
        }
    }

    fn commit(&mut self, waiting: &mut Vec<Request>, batch: &mut Vec<u8>) {
        if let Some(why) = &self.stopped {
            for request in waiting.drain(..) {
                let _gone = request.answer.send(Err(StoreError::Unavailable(self.refusal(why))));
            }
            return;
        }
        let group = self.judge(waiting, batch);
        match self.persist(&group, batch) {
            Ok(()) => self.acknowledge(group),
            Err(failure) => self.stop(group, &failure),
        }
    }

    /// Decides each write as if those before it in the group had happened, and encodes them.
    fn judge(&self, waiting: &mut Vec<Request>, batch: &mut Vec<u8>) -> Group {
        frame::begin(batch);
        let view = self.shared.view();
        let index = &view.index;
        let mut group = Group { last: index.last, ..Group::default() };
        for request in waiting.drain(..) {
            let now = group.changes.get(&request.name).copied();
            let now = now.unwrap_or_else(|| index.get(&request.name));
            let verdict = match (now, request.want) {
                (None, Want::Absent) => None,
                (Some(_), Want::Absent) => Some(Put::Conflict),
                (None, Want::At(_)) => Some(Put::Missing),
                (Some(now), Want::At(at)) => (now.revision != at).then_some(Put::Conflict),
            };
            let verdict = verdict.unwrap_or_else(|| {
                group.last += 1;
                let value = request.value.as_deref();
                let entry = Entry { key: &request.name, value, revision: group.last };
                let change = place(&entry, self.log.end + batch.len() as u64);
                entry.encode(batch);
                group.changes.insert(request.name, change);
                group.values.extend(request.value.map(|value| (group.last, value)));
                Put::Written(Revision::number(group.last))
            });
            group.verdicts.push((request.answer, verdict));
        }
        group
    }

    fn persist(&mut self, group: &Group, batch: &mut [u8]) -> Result<(), Failure> {
        if group.changes.is_empty() {
            return Ok(());
        }
        frame::seal(batch, self.log.end);
        #[cfg(test)]
        self.shared.fail_append().map_err(Failure::Append)?;
        self.log.append(batch).map_err(Failure::Append)?;
        #[cfg(test)]
        self.shared.fail_sync().map_err(Failure::Sync)?;
        self.log.file.sync_data().map_err(Failure::Sync)?;
        // Durable already; without the mark nobody may be told, or a lost tail would look torn.
        self.log.mark().map_err(Failure::Sync)
    }

    fn acknowledge(&self, group: Group) {
        {
            let mut view = self.shared.view();
            view.end = self.log.end;
            view.index.last = group.last;
            for (name, change) in group.changes {
                view.index.set(name, change);
            }
            for (revision, value) in group.values {
                view.recent.keep(revision, value);
            }
        }
        for (answer, verdict) in group.verdicts {
            // Whoever asked may be gone; the write stands.
            let _gone = answer.send(Ok(verdict));
        }
    }

    fn stop(&mut self, group: Group, failure: &Failure) {
        let why = match failure {
            Failure::Append(error) => format!("append: {error}"),
            Failure::Sync(error) => format!("sync: {error}"),
        };
        for (answer, verdict) in group.verdicts {
            let cause = self.refusal(&why);
            let error = match (failure, verdict) {
                (Failure::Sync(_), Put::Written(_)) => StoreError::Unknown(cause),
                (Failure::Sync(_), Put::Conflict | Put::Missing) => StoreError::Unavailable(cause),
                (Failure::Append(_), _) => StoreError::Unavailable(cause),
            };
            let _gone = answer.send(Err(error));
        }
        self.stopped = Some(why);
    }

    fn refusal(&self, why: &str) -> store::Cause {
        Box::new(Trouble::Stopped { path: self.log.path.clone(), why: why.into() })
    }

    fn compact(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        match self.compaction.take() {
            Some(running) if running.is_finished() => self.install(running),
            Some(running) => self.compaction = Some(running),
            None if self.is_wasteful() => {
                self.compaction = Compaction::start(&self.shared, &self.log, &self.directory);
            }
            None => {}
        }
    }

    /// More than half is dead, and enough for a rewrite to be worth it.
    fn is_wasteful(&self) -> bool {
        self.log.end > 2 * self.shared.view().index.live() + self.compact_above
    }

    fn install(&mut self, done: Compaction) {
        match done.finish(&self.shared, &self.log, &self.directory) {
            Ok(Some(log)) => self.log = log,
            // Given up before anything changed. The old log goes on, and may grow as much again
            // before the next attempt.
            Ok(None) => self.compact_above = self.compact_above.saturating_add(self.log.end),
            Err(error) => self.stopped = Some(format!("compaction: {error}")),
        }
    }

    fn close(mut self) {
        if let Some(running) = self.compaction.take() {
            running.abandon(&self.directory);
        }
        if self.stopped.is_none() {
            // Only the mark is unsynced; a failure leaves what a crash would.
            let _marked = self.log.file.sync_data();
        }
    }
}
