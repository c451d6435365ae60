//! Where the logs of one job lie: in pieces while a run goes on, as one artifact afterwards, the
//! same bytes at the same places. Reads only, and keeps nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use blob::{BlobKey, Blobs, Named, ReadError, RunLog};
use bytes::Bytes;
use client::{CallError, OverBus, Patience};
use fleet::{Artifact, ArtifactId, ArtifactKind, Epoch, JobId, ProductId};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use node::Node;
use protocol::{AboutJob, Ask, Code, JobView, ListArtifacts, OfJob};
use serde::Deserialize;

use crate::tail::ring::Place;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Pointers are asked for so many at a time, so often at most: a job has no more.
const PAGE: usize = 500;
const MOST_PAGES: usize = 4;
/// How far back the last lines are looked for, in widening windows.
const WINDOWS: [u64; 4] = [64 << 10, 512 << 10, 4 << 20, 16 << 20];

#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(crate) blobs: Blobs,
    pub(crate) link: OverBus,
    pub(crate) node: Node,
    pub(crate) product: ProductId,
    pub(crate) job: JobId,
}

/// How the job stands, as far as its log is concerned.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stand {
    /// The newest run, whatever became of it.
    pub(crate) now: Epoch,
    /// Runs up to this one are over: they say nothing more.
    pub(crate) over: Epoch,
    pub(crate) ended: bool,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Blob(#[from] ReadError),
}

pub(crate) type Bytewise = BoxStream<'static, Result<Bytes, Unread>>;
type Source = BoxStream<'static, Result<Bytes, ReadError>>;

/// Pieces that become an artifact under a reader are looked for so often.
const MOST_IDLE: u32 = 4;

/// Reads on where pieces end early because they became an artifact.
struct Walk {
    shelf: Shelf,
    at: Place,
    end: u64,
    source: Option<Source>,
    idle: u32,
}

impl Walk {
    async fn step(&mut self) -> Result<Option<Bytes>, Unread> {
        while self.at.offset < self.end && self.idle < MOST_IDLE {
            if self.source.is_none() {
                self.source = self.shelf.source(self.at, self.end).await?;
                self.idle += 1;
            }
            let Some(source) = &mut self.source else { continue };
            let Some(bytes) = source.try_next().await? else {
                self.source = None;
                continue;
            };
            self.at.offset += bytes.len() as u64;
            self.idle = 0;
            return Ok(Some(bytes));
        }
        Ok(None)
    }
}

impl Stand {
    fn gone() -> Self {
        let all = Epoch::new(u64::MAX);
        Self { now: all, over: all, ended: true }
    }
}

impl Shelf {
    /// # Errors
    /// Who knows is away. A job that is gone has ended.
    pub(crate) async fn stand(&self) -> Result<Stand, Unread> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Looked {
            lease_epoch: Epoch,
            #[serde(default)]
            holder_factory_id: Option<String>,
        }
        let ask = OfJob { query: AboutJob::Get, job: self.job.to_string() };
        let found = match self.ask(&ask).await {
            Err(CallError::Refused(problem)) if problem.code == Code::NotFound => None,
            found => found?.items.into_iter().next(),
        };
        let Some(found) = found else { return Ok(Stand::gone()) };
        let view: JobView = serde_json::from_value(found.clone()).map_err(CallError::Garbled)?;
        let looked: Looked = serde_json::from_value(found).map_err(CallError::Garbled)?;
        let now = looked.lease_epoch;
        let held = looked.holder_factory_id.is_some();
        let over = if held { Epoch::new(now.get().saturating_sub(1)) } else { now };
        Ok(Stand { now, over, ended: view.stage.has_ended() })
    }

    /// The run of this attempt.
    pub(crate) async fn epoch_of(&self, attempt: u32) -> Result<Option<Epoch>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Run {
            attempt: u32,
            lease_epoch: Epoch,
        }
        let ask = OfJob { query: AboutJob::Runs, job: self.job.to_string() };
        let runs = self.ask(&ask).await?.items.into_iter();
        let runs = runs.filter_map(|run| serde_json::from_value::<Run>(run).ok());
        Ok(runs.filter(|run| run.attempt == attempt).map(|run| run.lease_epoch).max())
    }

    /// The runs that have said anything.
    pub(crate) async fn epochs(&self) -> Result<BTreeSet<Epoch>, Unread> {
        // Pieces first: what becomes an artifact meanwhile is found there.
        let pieces = self.blobs.logs_of(&self.product, self.job).await?;
        let kept = self.artifacts().await?;
        let kept = kept.iter().filter_map(|artifact| artifact.epoch);
        Ok(pieces.into_iter().map(|named| named.epoch).chain(kept).collect())
    }

    /// What this run has said by now.
    pub(crate) async fn reach(&self, epoch: Epoch) -> Result<u64, Unread> {
        match self.pieces(epoch).pieces().await?.end() {
            0 => Ok(self.kept(epoch).await?.map_or(0, |kept| kept.size_bytes)),
            end => Ok(end),
        }
    }

    /// What the run has said behind this place, up to now; `None` if that is nothing.
    pub(crate) async fn open(&self, from: Place) -> Result<Option<Bytewise>, Unread> {
        let end = self.reach(from.epoch).await?;
        if end <= from.offset {
            return Ok(None);
        }
        let walk = Walk { shelf: self.clone(), at: from, end, source: None, idle: 0 };
        let steps = stream::try_unfold(walk, |mut walk| async move {
            let bytes = walk.step().await?;
            Ok(bytes.map(|bytes| (bytes, walk)))
        });
        Ok(Some(steps.boxed()))
    }

    /// What lies behind this place in one form or the other, as it is now.
    async fn source(&self, from: Place, end: u64) -> Result<Option<Source>, Unread> {
        let pieces = self.pieces(from.epoch);
        if pieces.pieces().await?.end() > from.offset {
            return Ok(Some(pieces.read(from.offset..end)));
        }
        let Some(kept) = self.kept(from.epoch).await? else { return Ok(None) };
        let Ok(key) = BlobKey::of(&kept) else { return Ok(None) };
        if kept.size_bytes <= from.offset {
            return Ok(None);
        }
        let part = from.offset..end.min(kept.size_bytes);
        Ok(Some(self.blobs.read(&key, Some(part)).await?.bytes))
    }

    /// Where the last so many lines of a run begin.
    pub(crate) async fn last_lines(&self, epoch: Epoch, lines: usize) -> Result<Place, Unread> {
        let end = self.reach(epoch).await?;
        let mut offset = end;
        for window in WINDOWS {
            let begin = end.saturating_sub(window);
            let Some(bytes) = self.open(Place { epoch, offset: begin }).await? else { break };
            let found = newest(bytes, end - begin, lines).await?;
            let all = (begin == 0).then_some(end);
            if let Some(back) = found.whole.or(all) {
                return Ok(Place { epoch, offset: end - back });
            }
            offset = end - found.most;
        }
        Ok(Place { epoch, offset })
    }

    fn pieces(&self, epoch: Epoch) -> RunLog {
        let named = Named { product: self.product.clone(), job: self.job, epoch };
        RunLog::of(&self.blobs, &named)
    }

    async fn kept(&self, epoch: Epoch) -> Result<Option<Artifact>, CallError> {
        Ok(self.artifacts().await?.into_iter().find(|kept| kept.epoch == Some(epoch)))
    }

    /// The logs that were made out of pieces; others of that kind are of no run's place.
    async fn artifacts(&self) -> Result<Vec<Artifact>, CallError> {
        let (mut kept, mut cursor) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let (job, kind) = (self.job.to_string(), Some(ArtifactKind::Log));
            let page = self.ask(&ListArtifacts { job, kind, limit: Some(PAGE), cursor }).await?;
            let of_run = |one: &Artifact| {
                one.epoch.is_some_and(|epoch| one.id == ArtifactId::of_log(self.job, epoch))
            };
            kept.extend(page.items.into_iter().filter(of_run));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(kept)
    }

    async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, CallError> {
        let (now, span) = (self.node.clock.now(), ANSWER_WITHIN);
        let patience = Patience { request_id: self.node.ids.mint(), until: now.plus(span), span };
        self.link.call(ask, patience).await
    }
}

/// Bytes before the end of a stretch at which lines begin.
struct Found {
    /// Before the last lines that were wanted, if as many are there.
    whole: Option<u64>,
    /// Before as many as there are.
    most: u64,
}

async fn newest(mut bytes: Bytewise, length: u64, lines: usize) -> Result<Found, Unread> {
    let (mut begins, mut at) = (std::collections::VecDeque::new(), 0);
    while let Some(next) = bytes.try_next().await? {
        for byte in next {
            at += 1;
            if byte == b'\n' && at < length {
                begins.push_back(length - at);
            }
            if begins.len() > lines {
                begins.pop_front();
            }
        }
        if at >= length {
            break;
        }
    }
    let whole = (begins.len() >= lines).then(|| begins.front().copied().unwrap_or(0));
    Ok(Found { whole, most: begins.front().copied().unwrap_or(length) })
}
