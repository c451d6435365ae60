//! What running jobs say: each word is stored before it is answered, and told to whoever follows
//! only then. The hold is judged before a word is stored and again before it is answered, so that
//! a log that was closed in between lacks nothing that was ever acknowledged.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use blob::{Named, Pieces, RunLog, WriteError};
use bytes::Bytes;
use fleet::{Holding, JobId, LARGEST_ARTIFACT};
use node::{Asked, Served};
use protocol::{AppendLog, Code, LogPiece, Problem, Subject, Topic};
use tracing::{debug, warn};

use crate::Keeper;
use crate::bring::away;

/// Bytes of one word.
const LARGEST_WORD: u64 = 64 << 10;
/// A log that is so long gets one more word, which says so; it still fits into an artifact.
pub(crate) const LONGEST_LOG: u64 = LARGEST_ARTIFACT - 2 * LARGEST_WORD;
const LAST_WORD: &str = "gigamesh: the log of this run ends here, at 2 GiB\n";
/// So many words become one piece.
const MERGED: usize = 64;
/// Logs whose end is remembered; of others it is looked up.
const REMEMBERED: usize = 4096;

/// What this replica remembers of logs. Beliefs: a log only grows, so that an old one costs a look.
#[derive(Debug, Default)]
pub(crate) struct Logs(Mutex<BTreeMap<Named, Known>>);

#[derive(Clone, Copy, Debug)]
struct Known {
    end: u64,
    /// Pieces since the last merge.
    pieces: usize,
    /// The last word was said.
    full: bool,
}

/// Where a word goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// What comes before it is missing.
    Gap { end: u64 },
    /// It is there already, or nothing more is taken.
    There,
    /// There, without so many bytes that are there already.
    Here { at: u64, without: u64 },
    /// The log is as long as logs may be.
    Last { at: u64 },
}

impl Keeper {
    pub(crate) async fn append(self, asked: Asked<AppendLog>) -> Served<AppendLog> {
        let length = asked.ask.text.len() as u64;
        if length > LARGEST_WORD {
            return Err(too_large(length, &asked));
        }
        self.heard(&asked).await?;
        let ask = &asked.ask;
        let (product, job, epoch) = (asked.product.clone(), ask.job_id, ask.lease_epoch);
        let named = Named { product, job, epoch };
        let log = RunLog::of(&self.blobs, &named);
        let known = self.known(&asked, &named, &log).await?;
        let said = match known.room_for(ask.from, length) {
            Room::There => None,
            Room::Gap { end } => return Err(gap(end, &asked)),
            Room::Here { at, without } => Some(rest(at, &ask.text, without)),
            Room::Last { at } => Some((at, LAST_WORD.to_owned())),
        };
        if let Some((at, text)) = &said {
            let written = log.write(*at, Bytes::copy_from_slice(text.as_bytes())).await;
            written.map_err(|error| unwritten(&error, &asked))?;
        }
        // † stored, and the hold ended meanwhile: not acknowledged, so it may be in the log or not.
        self.heard(&asked).await?;
        if let Some((from, text)) = said {
            self.remember(&named, from + text.len() as u64, &log);
            let piece = LogPiece { epoch, from, text };
            self.node.tell(Subject::new(&asked.product, Topic::Log(job)), &piece).await;
        }
        Ok(())
    }

    async fn heard(&self, asked: &Asked<AppendLog>) -> Result<(), Box<Problem>> {
        let ask = &asked.ask;
        let holding = Holding {
            lease_epoch: ask.lease_epoch,
            factory_id: ask.factory_id.clone(),
            claim_nonce: ask.claim_nonce,
        };
        asked.settle(self.ledger.may_log(&asked.product, ask.job_id, &holding).await)
    }

    async fn known(
        &self,
        asked: &Asked<AppendLog>,
        named: &Named,
        log: &RunLog,
    ) -> Result<Known, Box<Problem>> {
        // Another replica may have taken words that this one has not heard of.
        let remembered = self.logs.of(named).filter(|known| known.covers(asked.ask.from));
        if let Some(known) = remembered {
            return Ok(known);
        }
        let pieces = log.pieces().await.map_err(|error| away(&error, asked.request_id))?;
        let known = Known::of(&pieces);
        self.logs.keep(named.clone(), known);
        Ok(known)
    }

    fn remember(&self, named: &Named, end: u64, log: &RunLog) {
        if !self.logs.grow(named, end) {
            return;
        }
        let (named, log) = (named.clone(), log.clone());
        self.node.tasks.spawn("merge log", async move {
            if let Err(error) = log.merge(MERGED, LONGEST_LOG).await {
                debug!(job = %named.job, epoch = %named.epoch, %error, "log not merged");
            }
            Ok::<(), Infallible>(())
        });
    }
}

impl Logs {
    /// The runs of this job that this replica has heard.
    pub(crate) fn of_job(&self, job: JobId) -> Vec<Named> {
        self.lock().keys().filter(|named| named.job == job).cloned().collect()
    }

    pub(crate) fn forget(&self, named: &Named) {
        self.lock().remove(named);
    }

    fn of(&self, named: &Named) -> Option<Known> {
        self.lock().get(named).copied()
    }

    fn keep(&self, named: Named, known: Known) {
        let mut all = self.lock();
        if all.len() >= REMEMBERED && !all.contains_key(&named) {
            all.pop_first();
        }
        all.insert(named, known);
    }

    /// Whether it is time to merge.
    fn grow(&self, named: &Named, end: u64) -> bool {
        let mut all = self.lock();
        let Some(known) = all.get_mut(named) else { return false };
        known.full |= known.end >= LONGEST_LOG;
        known.end = known.end.max(end);
        known.pieces += 1;
        let ripe = known.pieces >= MERGED;
        if ripe {
            known.pieces = 1;
        }
        ripe
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Named, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(pieces: &Pieces) -> Self {
        let full = pieces.last_begin() >= LONGEST_LOG;
        Self { end: pieces.end(), pieces: pieces.len(), full }
    }

    fn covers(&self, from: u64) -> bool {
        from <= self.end || self.full
    }

    fn room_for(&self, from: u64, length: u64) -> Room {
        let end = from.saturating_add(length);
        if self.full || end <= self.end {
            Room::There
        } else if from > self.end {
            Room::Gap { end: self.end }
        } else if self.end >= LONGEST_LOG {
            Room::Last { at: self.end }
        } else {
            Room::Here { at: self.end, without: self.end - from }
        }
    }
}

/// What is not there yet. Where that would cut a letter, all of it: what is there is the same.
fn rest(at: u64, text: &str, without: u64) -> (u64, String) {
    let rest = usize::try_from(without).ok().and_then(|without| text.get(without..));
    rest.map_or_else(|| (at - without, text.to_owned()), |rest| (at, rest.to_owned()))
}

fn gap(end: u64, asked: &Asked<AppendLog>) -> Box<Problem> {
    let mut problem = Box::new(Problem::new(Code::Validation, asked.request_id));
    problem.field = Some("from".to_owned());
    problem.reason = Some("gap".to_owned());
    problem.message = format!("the log of this run has {end} bytes by now");
    problem.hint = Some("each word once the one before was answered".to_owned());
    problem
}

fn too_large(length: u64, asked: &Asked<AppendLog>) -> Box<Problem> {
    let mut problem = Box::new(Problem::new(Code::TooLarge, asked.request_id));
    (problem.limit, problem.actual) = (Some(LARGEST_WORD), Some(length));
    problem
}

fn unwritten(error: &WriteError, asked: &Asked<AppendLog>) -> Box<Problem> {
    let error = error as &dyn std::error::Error;
    warn!(job = %asked.ask.job_id, error, "log not written");
    let mut problem = Box::new(Problem::new(Code::Unavailable, asked.request_id));
    problem.reason = Some("blobs".to_owned());
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(end: u64) -> Known {
        Known { end, pieces: 1, full: false }
    }

    #[test]
    fn a_word_goes_behind_the_one_before_and_a_repeat_goes_nowhere() {
        assert_eq!(known(10).room_for(10, 5), Room::Here { at: 10, without: 0 });
        assert_eq!(known(10).room_for(5, 5), Room::There);
        assert_eq!(known(10).room_for(8, 5), Room::Here { at: 10, without: 2 });
        assert_eq!(known(10).room_for(11, 5), Room::Gap { end: 10 });
        assert_eq!(rest(10, "abcde", 2), (10, "cde".to_owned()));
        assert_eq!(rest(10, "aäcde", 2), (8, "aäcde".to_owned()));
    }

    #[test]
    fn a_log_that_is_too_long_has_a_last_word_and_then_nothing_more() {
        let before = LONGEST_LOG - 1;
        assert_eq!(known(before).room_for(before, 9), Room::Here { at: before, without: 0 });
        let logs = Logs::default();
        let product = "acme".parse().unwrap();
        let job = "j_aaaaaaaaaaaaaaaaaaaaaaaaaa".parse().unwrap();
        let named = Named { product, job, epoch: fleet::Epoch::new(1) };
        logs.keep(named.clone(), known(LONGEST_LOG + 8));
        let room = |from| logs.of(&named).unwrap().room_for(from, 9);
        assert_eq!(room(LONGEST_LOG + 8), Room::Last { at: LONGEST_LOG + 8 });
        logs.grow(&named, LONGEST_LOG + 60);
        assert_eq!(room(LONGEST_LOG + 8), Room::There);
        assert_eq!(room(LONGEST_LOG + 1_000_000), Room::There, "its writer counts on");
        assert!(LONGEST_LOG + LARGEST_WORD + LAST_WORD.len() as u64 <= LARGEST_ARTIFACT);
    }
}
