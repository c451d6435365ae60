//! Scenes for wrong designs that chance meets too seldom: the same few words each time, and one
//! request that stands still at the first look at the store, then at the second, and so on.

use std::sync::Arc;
use std::time::Duration;

use fleet::{
    Bidder, Disposition, Health, Holding, JobId, OpId, Patch, Release, RequestId, StageName,
};
use ledger::{ClaimRequest, Grant, Outcome};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::check::Check;
use super::fuse::{Fuse, Then, under};
use super::history::{Facts, Op, Phase};
use super::load::{content, named};
use super::mutant::Mutant;
use super::plan::Plan;
use super::run::{Report, close, inside};
use super::world::{Desk, World};
use super::wrong;

pub(super) struct Scene {
    pub mutant: Mutant,
    pub name: &'static str,
    pub said_by: Check,
    pub play: fn(Mutant, u64) -> Report,
}

/// More than any request of these scenes looks at the store.
pub(super) const MOMENTS: u64 = 30;

pub(super) const SCENES: &[Scene] = &[
    Scene {
        mutant: Mutant::LockWithoutConfirm,
        name: "lock without confirm",
        said_by: Check::TwoLocks,
        play: |mutant, moment| inside(|| a_claim_outlives_its_reservation(mutant, moment)),
    },
    Scene {
        mutant: Mutant::DepsBeforeWrite,
        name: "dependency check before write",
        said_by: Check::NeverEnds,
        play: |mutant, moment| inside(|| a_dependency_ships_during_a_submit(mutant, moment)),
    },
    Scene {
        mutant: Mutant::TwoFinishers,
        name: "two finishers reading each other's state",
        said_by: Check::NeverEnds,
        play: |mutant, moment| inside(|| two_dependencies_end_together(mutant, moment)),
    },
    Scene {
        mutant: Mutant::NoOfferedEpoch,
        name: "claim without the epoch it was offered",
        said_by: Check::OldOffer,
        play: |mutant, moment| inside(|| a_copy_of_a_claim_comes_late(mutant, moment)),
    },
];

/// A reservation that no claim followed is free after half a minute; this claim takes longer.
async fn a_claim_outlives_its_reservation(mutant: Mutant, moment: u64) -> Report {
    let stage = Stage::set(mutant);
    let a = stage.submit("a", json!({"lock": "gpu"})).await;
    let b = stage.submit("b", json!({"lock": "gpu"})).await;
    let mut late = JoinSet::new();
    let (slow, asked) = (stage.clone(), stage.asking(a, "f1").await);
    late.spawn(async move {
        slow.claim(&asked, slow.still(moment, 35)).await;
    });
    sleep(Duration::from_secs(33)).await;
    let asked = stage.asking(b, "f2").await;
    stage.claim(&asked, Fuse::Unlit).await;
    late.join_next().await;
    close(&stage.world).await
}

/// Nobody sweeps here: the look after the write alone must see what happened before it.
async fn a_dependency_ships_during_a_submit(mutant: Mutant, moment: u64) -> Report {
    let stage = Stage::set(mutant);
    let dep = stage.submit("d", json!({})).await;
    let holding = stage.begin(dep, "f1").await;
    let mut late = JoinSet::new();
    let slow = stage.clone();
    late.spawn(async move {
        let submitted = slow.submit("e", json!({"deps": ["d"]}));
        under(slow.still(moment, 5), submitted).await;
    });
    sleep(Duration::from_secs(1)).await;
    stage.ship(dep, &holding).await;
    stage.follow().await;
    late.join_next().await;
    stage.follow().await;
    stage.finish_the_rest().await;
    close(&stage.world).await
}

/// The same for two that end at once: the later write must see both.
async fn two_dependencies_end_together(mutant: Mutant, moment: u64) -> Report {
    let stage = Stage::set(mutant);
    let (one, two) = (stage.submit("d1", json!({})).await, stage.submit("d2", json!({})).await);
    let last = stage.submit("e", json!({"deps": ["d1", "d2"]})).await;
    stage.follow().await;
    let (first, second) = (stage.begin(one, "f1").await, stage.begin(two, "f2").await);
    let mut late = JoinSet::new();
    let (slow, holding) = (stage.clone(), first);
    late.spawn(async move {
        let ended = slow.end(one, &holding, (two, last));
        under(slow.still(moment, 5), ended).await;
    });
    sleep(Duration::from_secs(1)).await;
    stage.end(two, &second, (one, last)).await;
    late.join_next().await;
    stage.finish_the_rest().await;
    close(&stage.world).await
}

/// The first copy stands still; the second is granted, and the job goes out and comes back.
async fn a_copy_of_a_claim_comes_late(mutant: Mutant, moment: u64) -> Report {
    let stage = Stage::set(mutant);
    let job = stage.submit("a", json!({})).await;
    let asked = stage.asking(job, "f1").await;
    let mut late = JoinSet::new();
    let (slow, copy) = (stage.clone(), asked.clone());
    late.spawn(async move {
        slow.claim(&copy, slow.still(moment, 5)).await;
    });
    sleep(Duration::from_secs(1)).await;
    if let Some(grant) = stage.claim(&asked, Fuse::Unlit).await {
        stage.release(job, &grant.holding, Disposition::Yield).await;
    }
    late.join_next().await;
    close(&stage.world).await
}

/// A world without chance: nothing moves that the scene does not move.
#[derive(Clone)]
struct Stage {
    world: Arc<World>,
    desk: Desk,
}

impl Stage {
    fn set(mutant: Mutant) -> Self {
        let world = World::new(Plan::calm(0, mutant));
        let desk = world.desk(0);
        Self { world, desk }
    }

    fn still(&self, moment: u64, seconds: u64) -> Fuse {
        Fuse::Lit(moment, Then::Freeze(Duration::from_secs(seconds)))
    }

    async fn submit(&self, key: &str, rest: Value) -> JobId {
        let sent = content(&named(key, rest), self.desk.clock.now());
        let id = JobId::of(&self.world.product, &sent.idempotency_key);
        if self.world.is(Mutant::DepsBeforeWrite) {
            let _answer = wrong::submit_looking_first(&self.desk, &sent).await;
            self.desk.ledger.follow(&self.world.product, id).await.expect("no faults");
        } else {
            let by = fleet::Actor::user("ada");
            self.desk.ledger.submit(&self.world.product, &sent, &by).await.expect("no faults");
        }
        id
    }

    async fn asking(&self, job: JobId, factory: &str) -> ClaimRequest {
        let found = self.desk.ledger.jobs.get(&self.world.product, job).await.expect("no faults");
        ClaimRequest {
            product: self.world.product.clone(),
            job,
            bidder: bidder(factory),
            request: RequestId::from_uuid(self.desk.ids.mint()),
            epoch_seen: found.expect("it was submitted").record.lease_epoch,
            deadline: self.desk.clock.now().plus(Duration::from_secs(60)),
        }
    }

    async fn claim(&self, asked: &ClaimRequest, fuse: Fuse) -> Option<Grant> {
        let by: Arc<str> = asked.bidder.factory.as_str().into();
        let args = Facts {
            factory: Some(by.to_string()),
            id: Some(asked.request.uuid()),
            epoch: Some(asked.epoch_seen.get()),
            ..Facts::default()
        };
        self.world.history.call(&by, Op::Claim, Some(asked.job), args.clone());
        let answer = under(fuse, wrong::claim(&self.desk, asked)).await;
        let grant = answer.expect("it only stands still").expect("no faults").done();
        let (phase, result) = match &grant {
            Some(grant) => (Phase::Ok, super::factory::facts_of(grant)),
            None => (Phase::No, Facts::default()),
        };
        self.world.history.push(&by, (Op::Claim, phase), Some(asked.job), (args, result));
        grant
    }

    async fn begin(&self, job: JobId, factory: &str) -> Holding {
        let asked = self.asking(job, factory).await;
        let grant = self.claim(&asked, Fuse::Unlit).await.expect("nobody else wants it");
        self.confirm(job, &grant.holding).await;
        grant.holding
    }

    async fn confirm(&self, job: JobId, holding: &Holding) {
        let patch = Patch {
            holding: holding.clone(),
            op: OpId::from_uuid(self.desk.ids.mint()),
            stage: Some(StageName::Building),
            checkpoint: None,
            note: None,
            verify: None,
            insights: None,
        };
        self.desk.ledger.patch(&self.world.product, job, patch).await.expect("no faults");
    }

    async fn ship(&self, job: JobId, holding: &Holding) {
        self.release(job, holding, Disposition::Ship).await;
    }

    async fn release(&self, job: JobId, holding: &Holding, disposition: Disposition) {
        let release = Release {
            holding: holding.clone(),
            op: OpId::from_uuid(self.desk.ids.mint()),
            disposition: Some(disposition),
            result: None,
            exit: None,
            verify: None,
            insights: None,
            checkpoint: None,
            reason: None,
            artifacts: Vec::new(),
        };
        let said =
            self.desk.ledger.release(&self.world.product, job, release).await.expect("no faults");
        assert!(matches!(said, Outcome::Done(_)), "{said:?}");
    }

    /// Ships, and tells those who wait. The wrong way looks at the other dependency before.
    async fn end(&self, job: JobId, holding: &Holding, (other, last): (JobId, JobId)) {
        if self.world.is(Mutant::TwoFinishers) {
            let both = wrong::has_shipped(&self.desk, other).await;
            self.ship(job, holding).await;
            if both {
                self.desk.ledger.follow(&self.world.product, last).await.expect("no faults");
                self.follow().await;
            }
        } else {
            self.ship(job, holding).await;
            self.follow().await;
        }
    }

    async fn follow(&self) {
        self.desk.ledger.follow_all().await.expect("no faults");
    }

    /// Whatever may be claimed is carried out.
    async fn finish_the_rest(&self) {
        for _ in 0..4 {
            let request = RequestId::from_uuid(self.desk.ids.mint());
            let deadline = self.desk.clock.now().plus(Duration::from_secs(60));
            let (product, bidder) = (&self.world.product, bidder("f9"));
            let claimed = self.desk.ledger.claim_next(product, &bidder, request, deadline).await;
            let Some(grant) = claimed.expect("no faults") else { return };
            self.confirm(grant.job.id, &grant.holding).await;
            self.ship(grant.job.id, &grant.holding).await;
        }
    }
}

fn bidder(factory: &str) -> Bidder {
    Bidder {
        factory: factory.parse().expect("a name"),
        capabilities: Vec::new(),
        engines: vec!["echo".parse().expect("a name")],
        health: Health::Ok,
        draining: false,
        stale: false,
        free_seats: 1,
    }
}
