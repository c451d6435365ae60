//! A factory that does as it is told: each word once, and what it presents is its own affair.

use std::time::Duration;

use client::{CallError, Unanswered};
use fleet::{Disposition, Health, Incarnation, OpId, RequestId, RunResult, StageName};
use protocol::{
    Ask, Beat, Beaten, ClaimWork, Granted, JobView, PatchJob, ReleaseJob, RenewLeases, RenewOne,
    Renewed, ReportProgress,
};

use super::world::World;

#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) world: World,
    pub(crate) factory: String,
    pub(crate) incarnation: Incarnation,
}

impl Hand {
    pub(crate) fn of(world: World, factory: &str) -> Self {
        let incarnation = Incarnation::from_uuid(world.ids.mint());
        Self { world, factory: factory.to_owned(), incarnation }
    }

    pub(crate) async fn beat(&self) -> Result<Beaten, CallError> {
        let ask = Beat {
            factory_id: self.factory.parse().unwrap(),
            incarnation: self.incarnation,
            capabilities: Vec::new(),
            engines: vec!["echo".parse().unwrap()],
            health: Health::Ok,
            load: 0.0,
            seat_limit: 8,
            descriptor: None,
        };
        self.world.ask(&ask).await
    }

    /// A claim under a name of its own.
    pub(crate) fn claiming(&self, wait: Duration) -> ClaimWork {
        ClaimWork {
            claim_request_id: RequestId::from_uuid(self.world.ids.mint()),
            factory_id: self.factory.parse().unwrap(),
            incarnation: self.incarnation,
            capabilities: Vec::new(),
            engines: vec!["echo".parse().unwrap()],
            free_seats: 8,
            wait_ms: u64::try_from(wait.as_millis()).unwrap(),
            exclude: Vec::new(),
            offer: None,
            fresh: false,
        }
    }

    pub(crate) async fn claim(&self, wait: Duration) -> Option<Granted> {
        self.world.ask(&self.claiming(wait)).await.unwrap()
    }

    /// Asks again until something is given.
    pub(crate) async fn held(&self, most: Duration) -> Granted {
        let clock = &self.world.clock;
        let until = clock.now().plus(most);
        while clock.now() < until {
            if let Some(held) = self.claim(Duration::from_secs(10)).await {
                return held;
            }
        }
        panic!("nothing was given to {} within {most:?}", self.factory);
    }

    pub(crate) async fn building(&self, most: Duration) -> Granted {
        self.built(most).await.unwrap()
    }

    /// Where a store may have forgotten the grant.
    pub(crate) async fn built(&self, most: Duration) -> Result<Granted, CallError> {
        let held = self.held(most).await;
        self.build(&held).await?;
        Ok(held)
    }

    pub(crate) fn patching(&self, held: &Granted, stage: Option<StageName>) -> PatchJob {
        PatchJob {
            job_id: held.job.id,
            factory_id: self.factory.parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: self.op(),
            stage,
            checkpoint: None,
            note: stage.is_none().then(|| "on its way".to_owned()),
            verify_result: None,
            insights: None,
        }
    }

    pub(crate) async fn build(&self, held: &Granted) -> Result<JobView, CallError> {
        self.world.ask(&self.patching(held, Some(StageName::Building))).await
    }

    pub(crate) async fn note(&self, held: &Granted) -> Result<JobView, CallError> {
        self.world.ask(&self.patching(held, None)).await
    }

    pub(crate) async fn progress(&self, held: &Granted) -> Result<(), CallError> {
        let ask = ReportProgress {
            job_id: held.job.id,
            factory_id: self.factory.parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            seq: 1,
            percent: 50,
            step: None,
            message: None,
        };
        self.world.ask(&ask).await
    }

    pub(crate) fn releasing(&self, held: &Granted, disposition: Disposition) -> ReleaseJob {
        let failed = disposition == Disposition::Fail;
        ReleaseJob {
            job_id: held.job.id,
            factory_id: self.factory.parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: self.op(),
            disposition: Some(disposition),
            result: failed.then_some(RunResult::Crash),
            exit: None,
            verify_result: None,
            insights: None,
            checkpoint: None,
            reason: None,
            artifacts: Vec::new(),
        }
    }

    pub(crate) async fn release(
        &self,
        held: &Granted,
        disposition: Disposition,
    ) -> Result<JobView, CallError> {
        self.world.ask(&self.releasing(held, disposition)).await
    }

    pub(crate) async fn ship(&self, held: &Granted) -> Result<JobView, CallError> {
        self.release(held, Disposition::Ship).await
    }

    pub(crate) async fn renew(&self, held: &Granted) -> Renewed {
        self.try_renew(held, Duration::from_secs(60)).await.expect("an answer within a minute")
    }

    /// Nothing: nobody answered in that time.
    pub(crate) async fn try_renew(&self, held: &Granted, span: Duration) -> Option<Renewed> {
        let one = RenewOne {
            job_id: held.job.id,
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
        };
        let factory_id = self.factory.parse().unwrap();
        let ask = RenewLeases { factory_id, leases: vec![one] };
        let answer = self.world.ask_for(&ask, span).await;
        answer.ok().map(|mut answer| answer.leases.remove(0))
    }

    /// Says the same again and again until there is an answer.
    pub(crate) async fn insist<A: Ask>(&self, ask: &A) -> A::Reply {
        loop {
            match self.world.ask_for(ask, Duration::from_secs(40)).await.map_err(Unanswered::from) {
                Ok(reply) => return reply,
                Err(Unanswered::Refused(problem)) => panic!("refused: {problem:?}"),
                Err(Unanswered::Unknown(_) | Unanswered::Away(_)) => {
                    self.world.wait(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Takes job after job, builds and ships it, until nothing was given for `patience`.
    pub(crate) async fn work_off(&self, patience: Duration) -> usize {
        let (mut shipped, mut idle_since) = (0, self.world.clock.uptime());
        while self.world.clock.uptime() - idle_since < patience {
            let Some(held) = self.claim(Duration::from_secs(5)).await else { continue };
            self.build(&held).await.unwrap();
            self.ship(&held).await.unwrap();
            shipped += 1;
            idle_since = self.world.clock.uptime();
        }
        shipped
    }

    fn op(&self) -> OpId {
        OpId::from_uuid(self.world.ids.mint())
    }
}
