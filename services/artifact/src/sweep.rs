//! The sweeps: uploads that nobody brought, artifacts whose time is over, bytes that nobody points
//! to. All harmless to repeat, and to several at once. Ages decide about effort only: what goes is
//! judged by the job and by the pointers.

use std::convert::Infallible;
use std::time::Duration;

use blob::{BlobKey, Named, ReadError, RunLog, Stored};
use fleet::{Actor, Artifact, ArtifactId, ProductId, Timestamp};
use futures_util::TryStreamExt;
use ledger::{LedgerError, Outcome, Removing};
use node::{Asked, Served, problem_of};
use protocol::{ArtifactsSwept, SweepArtifacts};
use tracing::{info, warn};

use crate::Keeper;
use crate::bring::away;

const EVERY: Duration = Duration::from_hours(1);
/// Longer than any upload and any link.
const OLD: Duration = Duration::from_hours(24);
/// Pointers read at once.
const PAGE: usize = 256;
/// Under which the bytes of artifacts are, of every product.
const ROOT: &str = "fleet";

/// What is swept: one product or all, and how old a leftover is.
#[derive(Clone, Copy)]
struct Reach<'a> {
    product: Option<&'a ProductId>,
    age: Duration,
    now: Timestamp,
}

/// Why a sweep was cut short; the next one begins anew.
#[derive(Debug, thiserror::Error)]
enum CutShort {
    #[error("pointers cannot be swept")]
    Ledger(#[from] LedgerError),
    #[error("bytes cannot be swept")]
    Blobs(#[from] ReadError),
}

impl Keeper {
    /// By an operator's word.
    pub(crate) async fn sweep(self, asked: Asked<SweepArtifacts>) -> Served<SweepArtifacts> {
        let age = Duration::from_secs(asked.ask.older_than_sec);
        let product = Some(&asked.product);
        let reach = Reach { product, age, now: self.node.clock.now() };
        let swept = Box::pin(self.swept(reach)).await;
        swept.map_err(|why| match why {
            CutShort::Ledger(error) => problem_of(&error, asked.request_id),
            CutShort::Blobs(error) => away(&error, asked.request_id),
        })
    }

    /// Of itself, for as long as it serves.
    pub(crate) fn sweep_hourly(&self) {
        let keeper = self.clone();
        self.node.tasks.spawn("sweep", async move {
            while keeper.waits(EVERY).await {
                let now = keeper.node.clock.now();
                told(&Box::pin(keeper.swept(Reach { product: None, age: OLD, now })).await);
            }
            Ok::<(), Infallible>(())
        });
    }

    async fn swept(&self, reach: Reach<'_>) -> Result<ArtifactsSwept, CutShort> {
        let logs = self.close_all().await;
        let mut swept = ArtifactsSwept { logs, ..ArtifactsSwept::default() };
        self.sweep_pointers(reach, &mut swept).await?;
        swept.blobs = self.sweep_blobs(reach).await?;
        // An upload under way has no name yet: whoever sweeps, only old ones are given up.
        swept.blobs += self.blobs.sweep_staged(OLD, reach.now).await?;
        Ok(swept)
    }

    async fn sweep_pointers(
        &self,
        reach: Reach<'_>,
        swept: &mut ArtifactsSwept,
    ) -> Result<(), CutShort> {
        let mut cursor = None;
        loop {
            let page = self.ledger.artifacts.page_of_all(cursor.as_ref(), PAGE).await?;
            let pointers = page.0.iter().map(|found| &found.record);
            let over = pointers.filter_map(|one| Some((one, self.over(one, reach)?)));
            for (artifact, why) in over {
                let gone = self.drop_old(artifact, why).await?;
                match why {
                    Why::NeverBrought => swept.pending += u64::from(gone),
                    Why::Expired => swept.expired += u64::from(gone),
                }
            }
            match page.1 {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Why a pointer's time is over, if it is.
    fn over(&self, artifact: &Artifact, reach: Reach<'_>) -> Option<Why> {
        if reach.product.is_some_and(|product| *product != artifact.head.product_id) {
            return None;
        }
        let age = reach.now.since(artifact.head.created_at);
        if !artifact.is_ready() {
            return (age >= reach.age).then_some(Why::NeverBrought);
        }
        let kept_for = self.keep.0.get(&artifact.kind)?;
        (age >= *kept_for).then_some(Why::Expired)
    }

    /// A log whose pieces are there is closed by whoever comes next, and under the same id again.
    async fn has_pieces(&self, artifact: &Artifact) -> Result<bool, CutShort> {
        let Some(epoch) = artifact.epoch.filter(|_| artifact.is_of_log() && !artifact.is_ready())
        else {
            return Ok(false);
        };
        let (product, job) = (artifact.head.product_id.clone(), artifact.job_id);
        let log = RunLog::of(&self.blobs, &Named { product, job, epoch });
        Ok(!log.pieces().await?.is_empty())
    }

    /// An upload that was finished meanwhile stays, and so does what another sweeper took first.
    async fn drop_old(&self, artifact: &Artifact, why: Why) -> Result<bool, CutShort> {
        if self.has_pieces(artifact).await? {
            return Ok(false);
        }
        let removing = Removing {
            by: Actor::service("artifact"),
            holding: None,
            unless_ready: why == Why::NeverBrought,
            reason: Some(why.word().to_owned()),
        };
        let product = &artifact.head.product_id;
        let said = Box::pin(self.ledger.remove_artifact(product, artifact.id, removing)).await?;
        let Outcome::Done(artifact) = said else { return Ok(false) };
        if let Ok(key) = BlobKey::of(&artifact) {
            self.blobs.remove(&key).await?;
        }
        Ok(true)
    }

    async fn sweep_blobs(&self, reach: Reach<'_>) -> Result<u64, CutShort> {
        let root: BlobKey = ROOT.parse().expect("it is a segment");
        let named = reach.product.and_then(|product| root.child(product.as_str()).ok());
        let listed = self.blobs.list(&named.unwrap_or(root));
        let mut old = std::pin::pin!(listed.try_filter(|stored| {
            let old = reach.now.since(stored.written_at) >= reach.age;
            std::future::ready(old)
        }));
        let mut gone = 0;
        while let Some(stored) = old.try_next().await? {
            if self.is_orphan(&stored).await? {
                self.blobs.remove(&stored.key).await?;
                gone += 1;
            }
        }
        Ok(gone)
    }

    /// A pointer is made before its bytes are, and one that is gone never comes back: bytes without
    /// one are nobody's, however young they are.
    async fn is_orphan(&self, stored: &Stored) -> Result<bool, CutShort> {
        let Some(id) = artifact_of(&stored.key) else { return Ok(false) };
        let found = self.ledger.artifacts.get(id.job(), id).await?;
        Ok(found.is_none_or(|found| found.record.blob_key != stored.key.as_str()))
    }

    /// False once it is time to stop.
    async fn waits(&self, span: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.node.tasks.stopped() => false,
            () = tokio::time::sleep(span) => true,
        }
    }
}

/// Why a pointer goes without anybody's asking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    NeverBrought,
    Expired,
}

impl Why {
    fn word(self) -> &'static str {
        match self {
            Self::NeverBrought => "never_brought",
            Self::Expired => "expired",
        }
    }
}

fn told(swept: &Result<ArtifactsSwept, CutShort>) {
    match swept {
        Ok(swept) if *swept == ArtifactsSwept::default() => {}
        Ok(swept) => info!(?swept, "artifacts swept"),
        Err(error) => warn!(error = error as &dyn std::error::Error, "sweep cut short"),
    }
}

/// Whose bytes these are by their key. What is under another key is not this service's to judge.
fn artifact_of(key: &BlobKey) -> Option<ArtifactId> {
    let (id, _kind) = key.as_str().rsplit('/').next()?.rsplit_once('-')?;
    id.parse().ok()
}
