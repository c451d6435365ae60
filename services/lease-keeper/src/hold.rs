//! What a holder says: that it lives, how far it is, that it lets go. And what a factory says of
//! itself.

use fleet::{Heartbeat, Holding, JobId, Patch, Release};
use futures_util::future::join_all;
use ledger::{Outcome, ProgressReport, Stop};
use node::{Asked, Served, problem_of};
use protocol::{
    Ask, Beat, Beaten, Code, Deregister, JobView, PatchJob, Problem, ReleaseJob, RenewAnswer,
    RenewLeases, RenewOne, Renewed, ReportProgress,
};

use crate::Keeper;

/// Leases that one request may renew.
const MOST_LEASES: usize = 256;

impl Keeper {
    pub(crate) async fn renew(self, asked: Asked<RenewLeases>) -> Served<RenewLeases> {
        if asked.ask.leases.len() > MOST_LEASES {
            let mut problem = Problem::new(Code::Validation, asked.request_id);
            problem.field = Some(String::from("leases"));
            problem.message = format!("at most {MOST_LEASES} leases are renewed at once");
            return Err(Box::new(problem));
        }
        // Together, so that their writes share the store's groups.
        let renewals = asked.ask.leases.iter().map(|one| self.renew_one(&asked, one));
        let leases = join_all(renewals).await;
        Ok(RenewAnswer { leases, server_time: self.node.clock.now() })
    }

    async fn renew_one(&self, asked: &Asked<RenewLeases>, one: &RenewOne) -> Renewed {
        let holding = Holding {
            lease_epoch: one.lease_epoch,
            factory_id: asked.ask.factory_id.clone(),
            claim_nonce: one.claim_nonce,
        };
        let mut answer = Renewed { job_id: one.job_id, expires_at: None, stop: None, error: None };
        match self.ledger.renew(&asked.product, one.job_id, &holding).await {
            Ok(Outcome::Done(renewed)) => {
                answer.expires_at = Some(renewed.expires_at);
                answer.stop = renewed.stop.map(|stop| word(stop).to_owned());
            }
            Ok(Outcome::Rejected(rejection)) => answer.error = Some(*asked.refused(&rejection)),
            Err(error) => answer.error = Some(*problem_of(&error, asked.request_id)),
        }
        answer
    }

    pub(crate) async fn patch(self, asked: Asked<PatchJob>) -> Served<PatchJob> {
        let ask = &asked.ask;
        let patch = Patch {
            holding: Holding {
                lease_epoch: ask.lease_epoch,
                factory_id: ask.factory_id.clone(),
                claim_nonce: ask.claim_nonce,
            },
            op: ask.op_id,
            stage: ask.stage,
            checkpoint: ask.checkpoint.clone(),
            note: ask.note.clone(),
            verify: ask.verify_result.clone(),
            insights: ask.insights.clone(),
        };
        let said = self.ledger.patch(&asked.product, ask.job_id, patch).await;
        asked.settle(said).map(|found| JobView::of(&found.record, &found.etag()))
    }

    pub(crate) async fn progress(self, asked: Asked<ReportProgress>) -> Served<ReportProgress> {
        let ask = &asked.ask;
        let report = ProgressReport {
            holding: Holding {
                lease_epoch: ask.lease_epoch,
                factory_id: ask.factory_id.clone(),
                claim_nonce: ask.claim_nonce,
            },
            percent: ask.percent,
            step: ask.step.clone(),
            message: ask.message.clone(),
            seq: ask.seq,
        };
        let said = self.ledger.progress(&asked.product, ask.job_id, &report).await;
        asked.settle(said).map(|_| ())
    }

    pub(crate) async fn release(self, asked: Asked<ReleaseJob>) -> Served<ReleaseJob> {
        let ask = &asked.ask;
        let release = Release {
            holding: Holding {
                lease_epoch: ask.lease_epoch,
                factory_id: ask.factory_id.clone(),
                claim_nonce: ask.claim_nonce,
            },
            op: ask.op_id,
            disposition: ask.disposition,
            result: ask.result,
            exit: ask.exit.clone(),
            verify: ask.verify_result.clone(),
            insights: ask.insights.clone(),
            checkpoint: ask.checkpoint.clone(),
            reason: ask.reason.clone(),
            artifacts: ask.artifacts.clone(),
        };
        let said = self.ledger.release(&asked.product, ask.job_id, release).await;
        asked.settle(said).map(|found| JobView::of(&found.record, &found.etag()))
    }

    pub(crate) async fn beat(self, asked: Asked<Beat>) -> Served<Beat> {
        let ask = &asked.ask;
        let beat = Heartbeat {
            incarnation: ask.incarnation,
            descriptor: ask.descriptor.clone(),
            capabilities: ask.capabilities.clone(),
            engines: ask.engines.clone(),
            health: ask.health,
            load: ask.load,
            seat_limit: ask.seat_limit,
            last_renewal: None,
        };
        if let Some((field, message)) = beat.out_of_range() {
            let mut problem = Problem::new(Code::Validation, asked.request_id);
            problem.field = Some(field.to_owned());
            problem.reason = Some("out_of_range".to_owned());
            problem.message = message;
            return Err(Box::new(problem));
        }
        let said = self.ledger.heartbeat(&asked.product, &ask.factory_id, beat).await;
        let factory = asked.settle(said)?;
        Ok(Beaten { server_time: self.node.clock.now(), draining: factory.draining })
    }

    pub(crate) async fn leave(self, asked: Asked<Deregister>) -> Served<Deregister> {
        let ask = &asked.ask;
        let said = self.ledger.leave(&asked.product, &ask.factory_id, ask.incarnation).await;
        asked.settle(said).map(|_| ())
    }

    /// The job as it now stands; the write before it is already durable.
    pub(crate) async fn view<A: Ask>(
        &self,
        asked: &Asked<A>,
        job: JobId,
    ) -> Result<JobView, Box<Problem>> {
        let unknown = || Box::new(Problem::new(Code::CommitUnknown, asked.request_id));
        let found = self.ledger.jobs.get(&asked.product, job).await.ok().flatten();
        found.map(|found| JobView::of(&found.record, &found.etag())).ok_or_else(unknown)
    }
}

fn word(stop: Stop) -> &'static str {
    match stop {
        Stop::Cancel => "cancel",
        Stop::Budget => "budget",
        Stop::Drain => "drain",
    }
}
