//! Hands that do as they are told by a test, and a link that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use agent::{Ending, Errand, Executor, Process, Run, Trail};
use async_trait::async_trait;
use bus::BusError;
use client::{CallError, Coordinator, NotBrought, OverBus, Parcel, Patience, Told};
use fleet::Exit;
use protocol::{
    AppendLog, Beat, Beaten, BeginArtifact, Begun, ClaimWork, Code, CommitArtifact, Deregister,
    Granted, JobView, Linked, PatchJob, Problem, ReleaseJob, RenewAnswer, RenewLeases,
    ReportProgress, Upload,
};
use uuid::Uuid;

/// Succeeds at everything at once, and counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) runs: Arc<AtomicUsize>,
}

#[async_trait]
impl Executor for Scripted {
    async fn run(&self, _run: Run) -> Ending {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Ending::Exited { exit: Exit { code: Some(0), signal: None }, insights: None }
    }

    fn trail(&self, _errand: &Errand) -> Option<Trail> {
        None
    }

    async fn clear_away(&self, _left: &Process) {}
}

/// A way to the coordinator on which parts can be cut.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(crate) link: OverBus,
    pub(crate) no_renewals: Arc<AtomicBool>,
    /// Releases are carried out, but their answers are lost.
    pub(crate) deaf_to_releases: Arc<AtomicBool>,
    /// What is said of a job in hand is not believed, as after its credential ended.
    pub(crate) unbelieved: Arc<AtomicBool>,
    pub(crate) disbeliefs: Arc<AtomicUsize>,
}

impl Cut {
    pub(crate) fn of(link: &OverBus) -> Self {
        Self {
            link: link.clone(),
            no_renewals: Arc::default(),
            deaf_to_releases: Arc::default(),
            unbelieved: Arc::default(),
            disbeliefs: Arc::default(),
        }
    }

    fn believed(&self) -> Told<()> {
        if !self.unbelieved.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.disbeliefs.fetch_add(1, Ordering::SeqCst);
        let problem = Problem::new(Code::Unauthenticated, Uuid::nil());
        Err(CallError::Refused(Box::new(problem)).into())
    }
}

fn lost<T>() -> Told<T> {
    Err(CallError::Bus(BusError::TimedOut).into())
}

#[async_trait]
impl Coordinator for Cut {
    async fn claim(&self, ask: &ClaimWork, patience: Patience) -> Told<Option<Granted>> {
        self.link.claim(ask, patience).await
    }

    async fn renew(&self, ask: &RenewLeases, patience: Patience) -> Told<RenewAnswer> {
        if self.no_renewals.load(Ordering::SeqCst) {
            return lost();
        }
        self.link.renew(ask, patience).await
    }

    async fn patch(&self, ask: &PatchJob, patience: Patience) -> Told<JobView> {
        self.believed()?;
        self.link.patch(ask, patience).await
    }

    async fn progress(&self, ask: &ReportProgress, patience: Patience) -> Told<()> {
        self.link.progress(ask, patience).await
    }

    async fn release(&self, ask: &ReleaseJob, patience: Patience) -> Told<JobView> {
        self.believed()?;
        let told = self.link.release(ask, patience).await;
        if self.deaf_to_releases.load(Ordering::SeqCst) { lost() } else { told }
    }

    async fn heartbeat(&self, ask: &Beat, patience: Patience) -> Told<Beaten> {
        self.link.heartbeat(ask, patience).await
    }

    async fn deregister(&self, ask: &Deregister, patience: Patience) -> Told<()> {
        self.link.deregister(ask, patience).await
    }

    async fn log(&self, ask: &AppendLog, patience: Patience) -> Told<()> {
        self.link.log(ask, patience).await
    }

    async fn begin(&self, ask: &BeginArtifact, patience: Patience) -> Told<Begun> {
        self.link.begin(ask, patience).await
    }

    async fn bring(&self, to: &Upload, parcel: Parcel) -> Result<(), NotBrought> {
        self.link.bring(to, parcel).await
    }

    async fn commit(&self, ask: &CommitArtifact, patience: Patience) -> Told<Linked> {
        self.link.commit(ask, patience).await
    }
}
