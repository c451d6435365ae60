//! What the agent says to its coordinator, with the patience that each word needs: repeated with
//! the same id until it is answered. Decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::{Coordinator, NotBrought, Parcel, Patience, Told, Unanswered};
use fleet::{
    Disposition, Health, Incarnation, Insights, Nonce, OpId, RequestId, StageName, VerifyResult,
};
use node::Node;
use protocol::{
    AppendLog, Beat, Beaten, BeginArtifact, Begun, ClaimWork, Code, CommitArtifact, Deregister,
    Granted, Hold, Linked, OfferSeen, PatchJob, Problem, ReleaseJob, ReportProgress, Upload,
};
use tracing::debug;

use crate::hints::Reminders;
use crate::hold::{Grip, Verdict};
use crate::{Identity, desk::Desk};

/// How long the coordinator may look for work.
const CLAIM_WAITS: Duration = Duration::from_secs(4);
/// With what the answer may take. A scheduler that dies takes the claims that wait at it along, so
/// that this is how long its death can keep a seat idle.
const CLAIM_SPAN: Duration = Duration::from_secs(6);
const SPAN: Duration = Duration::from_secs(5);
/// The bytes are read again before this is answered.
const COMMIT_SPAN: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a claim that may have been granted is asked for again.
const CLAIM_TRIES: u32 = 3;

#[derive(Debug)]
pub(crate) struct Calls<L> {
    pub(crate) node: Node,
    pub(crate) link: Arc<L>,
    pub(crate) who: Identity,
    pub(crate) seats: u32,
    pub(crate) reminders: Reminders,
    /// Somebody keeps logs in this fleet: an answer was heard once.
    pub(crate) logs_are_kept: AtomicBool,
}

impl<L: Coordinator> Calls<L> {
    /// Asks for one job; the second value is when the first of its requests was sent.
    pub(crate) async fn claim(
        &self,
        free_seats: u32,
        offer: Option<OfferSeen>,
    ) -> (Told<Option<Granted>>, Duration) {
        let mut ask = ClaimWork {
            claim_request_id: RequestId::from_uuid(self.node.ids.mint()),
            factory_id: self.who.factory.clone(),
            incarnation: self.who.incarnation,
            capabilities: self.who.capabilities.clone(),
            engines: self.who.engines.clone(),
            free_seats,
            wait_ms: u64::try_from(CLAIM_WAITS.as_millis()).unwrap_or_default(),
            exclude: Vec::new(),
            offer,
            fresh: true,
        };
        let sent = self.node.clock.uptime();
        let mut told = self.claim_or_reminded(&ask).await;
        for _ in 1..CLAIM_TRIES {
            if !matches!(told, Err(Unanswered::Unknown(_))) {
                break;
            }
            // The same grant if there was one, and nothing to wait for otherwise.
            ask = ClaimWork { wait_ms: 0, fresh: false, ..ask };
            told = self.link.claim(&ask, self.patience(SPAN)).await;
        }
        (told, sent)
    }

    /// A claim that waits, and a copy of it beside it for each reminder: who waits at a coordinator
    /// that died is answered by another one.
    async fn claim_or_reminded(&self, ask: &ClaimWork) -> Told<Option<Granted>> {
        let mut waiting = self.link.claim(ask, self.patience(CLAIM_SPAN));
        loop {
            let offer = tokio::select! {
                biased;
                told = &mut waiting => return told,
                offer = self.reminders.next() => offer,
            };
            let copy = ClaimWork { wait_ms: 0, offer: Some(offer), fresh: false, ..ask.clone() };
            tokio::select! {
                biased;
                told = &mut waiting => return told,
                told = self.link.claim(&copy, self.patience(SPAN)) => {
                    // Otherwise the claim itself is still to be answered.
                    if let Ok(Some(granted)) = told {
                        return Ok(Some(granted));
                    }
                }
            }
        }
    }

    pub(crate) async fn beat(&self) -> Told<Beaten> {
        let ask = Beat {
            factory_id: self.who.factory.clone(),
            incarnation: self.who.incarnation,
            capabilities: self.who.capabilities.clone(),
            engines: self.who.engines.clone(),
            health: Health::Ok,
            load: 0.0,
            seat_limit: self.seats,
            descriptor: self.who.descriptor.clone(),
        };
        self.link.heartbeat(&ask, self.patience(SPAN)).await
    }

    /// Frees the name that this start has, said once: silence does the same half a minute later.
    pub(crate) async fn leave(&self, incarnation: Incarnation) {
        let ask = Deregister { factory_id: self.who.factory.clone(), incarnation };
        if let Err(error) = self.link.deregister(&ask, self.patience(SPAN)).await {
            debug!(%error, "left without a word");
        }
    }

    /// Moves the job on; repeated until it is answered or nobody cares any more.
    pub(crate) async fn enter(
        &self,
        held: (Grip, Nonce),
        stage: StageName,
        verify: Option<VerifyResult>,
    ) -> Result<(), Code> {
        let (grip, _) = held;
        let ask = PatchJob { stage: Some(stage), verify_result: verify, ..self.change(held) };
        let mut pause = FIRST_PAUSE;
        loop {
            match self.link.patch(&ask, self.patience(SPAN)).await {
                Ok(_) => return Ok(()),
                Err(Unanswered::Refused(problem)) if is_answer(&problem) => {
                    return Err(problem.code);
                }
                Err(error) => debug!(job = %grip.job, %error, "stage not entered yet"),
            }
            pause = self.pause(pause).await;
        }
    }

    /// Tells how far a run is, once: the next telling makes up for a lost one.
    pub(crate) async fn progress(&self, ask: &ReportProgress) {
        if let Err(error) = self.link.progress(ask, self.patience(SPAN)).await {
            debug!(job = %ask.job_id, %error, "progress not told");
        }
    }

    /// Tells the next lines of a run, once.
    pub(crate) async fn log(&self, ask: &AppendLog) -> Told<()> {
        let told = self.link.log(ask, self.patience(SPAN)).await;
        if !matches!(told, Err(Unanswered::Away(_))) {
            self.logs_are_kept.store(true, Ordering::Relaxed);
        }
        told
    }

    pub(crate) async fn begin(&self, ask: &BeginArtifact) -> Told<Begun> {
        self.link.begin(ask, self.patience(SPAN)).await
    }

    pub(crate) async fn bring(&self, to: &Upload, parcel: Parcel) -> Result<(), NotBrought> {
        self.link.bring(to, parcel).await
    }

    pub(crate) async fn commit(&self, ask: &CommitArtifact) -> Told<Linked> {
        self.link.commit(ask, self.patience(COMMIT_SPAN)).await
    }

    /// Says something to people who look at the job, once.
    pub(crate) async fn remark(&self, held: (Grip, Nonce), note: String) {
        let ask = PatchJob { note: Some(note), ..self.change(held) };
        if let Err(error) = self.link.patch(&ask, self.patience(SPAN)).await {
            debug!(job = %ask.job_id, %error, "remark not told");
        }
    }

    pub(crate) fn hold(&self, (grip, nonce): (Grip, Nonce)) -> Hold {
        let factory_id = self.who.factory.clone();
        Hold { factory_id, lease_epoch: grip.epoch, claim_nonce: nonce }
    }

    /// Sends a report that is on disk until it is answered.
    pub(crate) async fn deliver(&self, desk: &Desk, report: &ReleaseJob) -> std::io::Result<()> {
        let mut pause = FIRST_PAUSE;
        let mut report = report.clone();
        loop {
            match self.link.release(&report, self.patience(SPAN)).await {
                Ok(_) => return desk.answered(report.op_id),
                Err(Unanswered::Refused(problem)) if lacks_artifacts(&problem, &report) => {
                    // Somebody removed one meanwhile. The result is not lost with it.
                    report.artifacts.clear();
                    desk.put(&report)?;
                    continue;
                }
                Err(Unanswered::Refused(problem)) if is_answer(&problem) => {
                    let code = problem.code.as_str();
                    tracing::warn!(job = %report.job_id, code, "report refused and put aside");
                    return desk.put_aside(report.op_id);
                }
                Err(error) => debug!(job = %report.job_id, %error, "report not answered yet"),
            }
            pause = self.pause(pause).await;
        }
    }

    /// Nothing yet, in the name of its holder.
    fn change(&self, (grip, nonce): (Grip, Nonce)) -> PatchJob {
        PatchJob {
            job_id: grip.job,
            factory_id: self.who.factory.clone(),
            lease_epoch: grip.epoch,
            claim_nonce: nonce,
            op_id: self.op(),
            stage: None,
            checkpoint: None,
            note: None,
            verify_result: None,
            insights: None,
        }
    }

    pub(crate) fn report(
        &self,
        held: (Grip, Nonce),
        verdict: Verdict,
        insights: Option<Insights>,
    ) -> ReleaseJob {
        let (grip, nonce) = held;
        let mut report = ReleaseJob {
            job_id: grip.job,
            factory_id: self.who.factory.clone(),
            lease_epoch: grip.epoch,
            claim_nonce: nonce,
            op_id: self.op(),
            disposition: None,
            result: None,
            exit: None,
            verify_result: None,
            insights,
            checkpoint: None,
            reason: None,
            artifacts: Vec::new(),
        };
        match verdict {
            Verdict::Shipped => report.disposition = Some(Disposition::Ship),
            Verdict::Parked => report.disposition = Some(Disposition::Park),
            Verdict::Yielded(why) => {
                report.disposition = Some(Disposition::Yield);
                report.reason = Some(why.to_owned());
            }
            Verdict::Failed { result, exit, verify, why } => {
                report.disposition = Some(Disposition::Fail);
                report.result = Some(result);
                report.exit = exit;
                report.verify_result = verify;
                report.reason = why;
            }
        }
        report
    }

    fn op(&self) -> OpId {
        OpId::from_uuid(self.node.ids.mint())
    }

    fn patience(&self, span: Duration) -> Patience {
        let until = self.node.clock.now().plus(span);
        Patience { request_id: self.node.ids.mint(), until, span }
    }

    async fn pause(&self, pause: Duration) -> Duration {
        tokio::time::sleep(pause + self.node.ids.jitter(pause / 2)).await;
        (pause * 2).min(LONGEST_PAUSE)
    }
}

/// Whether it would be answered the same again. A credential that is not believed is replaced while
/// the work goes on, and nothing was heard of what was said with it.
pub(crate) fn is_answer(problem: &Problem) -> bool {
    problem.code != Code::Unauthenticated
}

fn lacks_artifacts(problem: &Problem, report: &ReleaseJob) -> bool {
    !report.artifacts.is_empty() && problem.reason.as_deref() == Some("artifacts_pending")
}
