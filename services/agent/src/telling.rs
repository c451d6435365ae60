//! Tells what a run says while it goes on: piece by piece out of its journal, each repeated until
//! it is answered. Never slows the run: what waits lies on disk, and nobody waits for the telling
//! but the last report, for a while.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use client::{Coordinator, Told, Unanswered};
use fleet::JobId;
use futures_util::FutureExt;
use futures_util::future::Shared;
use protocol::AppendLog;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::calls::{Calls, is_answer};
use crate::journal::Journal;

/// Between one piece and the next, so that a chatty run says many lines at once.
const BREATH: Duration = Duration::from_millis(300);
/// With as much waiting, there is no pause for breath.
const MUCH: u64 = 48 << 10;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long the last report waits for what is still untold.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// The same where nobody was ever heard who keeps logs.
const LAST_WORDS_TO_NOBODY: Duration = Duration::from_secs(1);
/// And how much longer for the piece that is on its way, and for a last line.
const LAST_LINE: Duration = Duration::from_secs(1);

/// The telling of one run, under way. Dropped, it ends where it is.
#[derive(Debug)]
pub(crate) struct Telling {
    ending: watch::Sender<bool>,
    told: oneshot::Receiver<u64>,
}

/// Why no more is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// The run is over, and its last report waits no longer.
    OutOfTime,
    /// Nobody has a use for it.
    Dropped,
}

/// Whose lines are told.
#[derive(Debug)]
pub(crate) struct Teller<L> {
    pub(crate) calls: Arc<Calls<L>>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) as_holder: AppendLog,
}

impl<L: Coordinator> Teller<L> {
    /// The telling, and the work that does it.
    pub(crate) fn begin(self) -> (Telling, impl Future<Output = ()> + Send + 'static) {
        let (ending, end) = watch::channel(false);
        let (tell, told) = oneshot::channel();
        let work = async move {
            let said = self.tell_all(end).await;
            // The run may be forgotten.
            let _gone = tell.send(said);
        };
        (Telling { ending, told }, work)
    }

    /// Until all is told after the end, or nobody wants to hear it; how far it came.
    async fn tell_all(self, mut end: watch::Receiver<bool>) -> u64 {
        let mut written = self.journal.written();
        let mut ending = end.clone();
        let calls = Arc::clone(&self.calls);
        let late = async move {
            if end.wait_for(|over| *over).await.is_err() {
                return Late::Dropped;
            }
            sleep(LAST_WORDS_TO_NOBODY).await;
            if calls.logs_are_kept.load(Ordering::Relaxed) {
                sleep(LAST_WORDS.saturating_sub(LAST_WORDS_TO_NOBODY)).await;
            }
            Late::OutOfTime
        };
        let late = late.shared();
        let mut from = 0;
        loop {
            let waiting = async {
                tokio::select! {
                    biased;
                    more = written.wait_for(|written| *written > from) => more.is_ok(),
                    _over = ending.wait_for(|over| *over) => false,
                }
            };
            tokio::select! {
                biased;
                late = late.clone() => {
                    self.say_what_is_missing(from, late).await;
                    return from;
                }
                more = waiting => if !more { return from },
            }
            match self.tell_piece(from, late.clone()).await {
                Some(told) => from += told,
                None => return from,
            }
            let breath = async {
                tokio::select! {
                    biased;
                    _over = ending.wait_for(|over| *over) => {}
                    _much = written.wait_for(|written| *written >= from + MUCH) => {}
                    () = sleep(BREATH) => {}
                }
            };
            breath.await;
        }
    }

    /// How much was told; nothing once there is no use in telling more.
    async fn tell_piece(
        &self,
        from: u64,
        late: Shared<impl Future<Output = Late> + Send>,
    ) -> Option<u64> {
        let text = match self.journal.read(from) {
            Ok(text) if !text.is_empty() => text,
            Ok(_) => {
                warn!(job = %self.job(), "a line of the log is too long to be told");
                return None;
            }
            Err(error) => {
                warn!(job = %self.job(), %error, "log cannot be read and is told no further");
                return None;
            }
        };
        let length = text.len() as u64;
        let ask = AppendLog { from, text, ..self.as_holder.clone() };
        let mut pause = FIRST_PAUSE;
        loop {
            let mut call = pin!(self.calls.log(&ask));
            let told = tokio::select! {
                biased;
                told = call.as_mut() => told,
                late = late.clone() => match late {
                    Late::Dropped => return None,
                    Late::OutOfTime => timeout(LAST_LINE, call).await.ok()?,
                },
            };
            match told {
                Ok(()) => return Some(length),
                Err(Unanswered::Refused(problem)) if is_answer(&problem) => {
                    debug!(job = %self.job(), code = problem.code.as_str(), "log told no further");
                    return None;
                }
                Err(error) => debug!(job = %self.job(), %error, "lines not told yet"),
            }
            tokio::select! {
                biased;
                _late = late.clone() => return None,
                () = sleep(pause + self.calls.node.ids.jitter(pause / 2)) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Only where no piece is on its way: at this offset stands nothing else then.
    async fn say_what_is_missing(&self, from: u64, late: Late) {
        let missing = self.journal.written().borrow().saturating_sub(from);
        if missing == 0 || late == Late::Dropped {
            return;
        }
        let text = format!("[gigamesh: {missing} more bytes did not get through in time]\n");
        let ask = AppendLog { from, text, ..self.as_holder.clone() };
        let _late: Result<Told<()>, _> = timeout(LAST_LINE, self.calls.log(&ask)).await;
    }

    fn job(&self) -> JobId {
        self.as_holder.job_id
    }
}

impl Telling {
    /// Lets it tell the rest, and waits for that as long as a last report may wait. What could not
    /// be told is noted where the log is kept.
    pub(crate) async fn end(self, journal: &Journal) {
        let (ending, told) = (self.ending, self.told);
        ending.send_replace(true);
        // Longer than the telling allows itself: its task has gone where this ends first.
        let said = timeout(LAST_WORDS + 3 * LAST_LINE, told).await;
        let said = said.ok().and_then(Result::ok).unwrap_or(0);
        let missing = journal.written().borrow().saturating_sub(said);
        if missing > 0 {
            journal.note(&format!("{missing} bytes of this log did not get through"));
        }
    }
}

#[cfg(test)]
mod tests;
