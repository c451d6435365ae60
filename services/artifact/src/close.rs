//! A log whose run is over becomes one artifact. Found by events where this replica heard the run,
//! and by looking through all pieces otherwise; every step can be repeated by anybody, and two who
//! do it at once make the same one.

use std::convert::Infallible;
use std::time::Duration;

use blob::{BadKey, BlobKey, LogError, Named, ReadError, RunLog, WriteError};
use fleet::{Artifact, EventRecord, LARGEST_ARTIFACT};
use ledger::{LedgerError, LogStand, Outcome};
use node::{BusAway, News};
use protocol::Row;
use tracing::{info, warn};

use crate::Keeper;

const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Why a log stays in pieces for now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unclosed {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Key(#[from] BadKey),
    #[error("the job takes no artifact: {0}")]
    Refused(&'static str),
}

impl From<ReadError> for Unclosed {
    fn from(error: ReadError) -> Self {
        Self::Log(error.into())
    }
}

impl From<WriteError> for Unclosed {
    fn from(error: WriteError) -> Self {
        Self::Log(error.into())
    }
}

impl Keeper {
    pub(crate) async fn close_logs(&self) -> Result<(), BusAway> {
        let keeper = self.clone();
        let hear = move |news| keeper.clone().hear_event(news);
        self.node.hear(Row::Event, "ended runs", hear).await?;
        self.node.tasks.spawn("open logs", self.clone().sweep_logs());
        Ok(())
    }

    async fn hear_event(self, news: News) {
        let Ok(event) = serde_json::from_slice::<EventRecord>(&news.body) else { return };
        for named in self.logs.of_job(event.job_id) {
            if named.product == news.product {
                self.close_or_leave(&named).await;
            }
        }
    }

    /// At the start too: what ended while nobody heard lies in pieces until it is found here.
    async fn sweep_logs(self) -> Result<(), Infallible> {
        while !self.node.tasks.is_stopping() {
            self.close_all().await;
            tokio::select! {
                biased;
                () = self.node.tasks.stopped() => break,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
        Ok(())
    }

    /// How many logs of runs that are over were closed.
    pub(crate) async fn close_all(&self) -> u64 {
        let found = match self.blobs.logs().await {
            Ok(found) => found,
            Err(error) => {
                warn!(%error, "logs not looked through");
                return 0;
            }
        };
        let mut closed = 0;
        for named in &found {
            closed += u64::from(self.close_or_leave(named).await);
        }
        closed
    }

    async fn close_or_leave(&self, named: &Named) -> bool {
        match Box::pin(self.close(named)).await {
            Ok(closed) => closed,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(job = %named.job, epoch = %named.epoch, error, "log left to the next sweep");
                false
            }
        }
    }

    /// False where the run goes on, or nothing was left to do.
    pub(crate) async fn close(&self, named: &Named) -> Result<bool, Unclosed> {
        let log = RunLog::of(&self.blobs, named);
        let stand = self.ledger.begin_log(&named.product, named.job, named.epoch).await?;
        match stand {
            LogStand::Held => return Ok(false),
            LogStand::Gone | LogStand::Kept => {}
            LogStand::Awaited(pointer) => self.bring_together(&log, &pointer).await?,
        }
        // † kept, pieces still there: the sweep finds them, and only removes them.
        self.logs.forget(named);
        log.remove().await?;
        info!(job = %named.job, epoch = %named.epoch, "log closed");
        Ok(true)
    }

    /// † written, pointer still pending: whoever comes next finds the blob and counts it.
    async fn bring_together(&self, log: &RunLog, pointer: &Artifact) -> Result<(), Unclosed> {
        let end = log.pieces().await?.end();
        if end == 0 {
            // Somebody else kept it, and removed them since.
            return Ok(());
        }
        let key = BlobKey::of(pointer)?;
        let counted = match self.blobs.write(&key, log.exactly(0..end), LARGEST_ARTIFACT).await {
            Err(WriteError::Taken) => self.blobs.count(&key).await?,
            written => written?,
        };
        let kept = self.ledger.keep_log(pointer, counted.size, counted.sha256).await?;
        match kept {
            Outcome::Done(()) => Ok(()),
            Outcome::Rejected(no) => Err(Unclosed::Refused(no.reason.unwrap_or("it is gone"))),
        }
    }
}
