//! A worker host with one seat: it asks for work, works, and keeps its last words on disk until
//! they are answered. It dies at any moment and comes back with its disk, or without.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use clock::Ids;
use fleet::{
    Bidder, Disposition, Epoch, FactoryId, Health, Holding, JobId, Nonce, Release, RequestId, Stage,
};
use futures_util::FutureExt;
use ledger::{ClaimRequest, Grant};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::timeout;

use super::ask::{Answer, Late};
use super::dice::Dice;
use super::history::{Facts, Op, Phase};
use super::mutant::Mutant;
use super::world::{Desk, World, nap};
use super::wrong;

pub(super) struct Factory {
    pub(super) world: Arc<World>,
    pub(super) id: FactoryId,
    pub(super) dice: Dice,
    pub(super) ids: Arc<dyn Ids>,
    /// The name of this start of it.
    pub(super) by: Arc<str>,
    starts: u32,
    pending: Pending,
}

/// What survives a crash of the agent.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) kept: VecDeque<Kept>,
    pub(super) outbox: VecDeque<Word>,
}

/// A grant that was taken up.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) job: JobId,
    pub(super) holding: Holding,
    pub(super) manual: bool,
}

/// A last word about a job.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) job: JobId,
    pub(super) release: Release,
}

/// Requests that were given up and may be granted all the same.
type Pending = VecDeque<(RequestId, Late<Option<Grant>>)>;

const REPEATS: u32 = 4;

impl Factory {
    /// `seat` tells apart two hosts that bear the same name.
    pub(super) fn new(world: &Arc<World>, number: u64, seat: u64) -> Self {
        Self {
            id: format!("f{number}").parse().expect("a name"),
            dice: world.dice(300 + seat),
            ids: world.seeded(300 + seat),
            world: Arc::clone(world),
            by: "".into(),
            starts: 0,
            pending: Pending::new(),
        }
    }

    pub(super) async fn run(mut self, seat: u64) {
        let mut disk = Disk::default();
        loop {
            self.starts += 1;
            self.by = format!("f{seat}#{}", self.starts).into();
            let life = self.dice.millis(4_000, 30_000);
            if self.world.plan.kills && !self.world.is_healed() {
                let _killed = timeout(life, self.live(&mut disk)).await;
            } else {
                self.live(&mut disk).await;
            }
            self.world.history.fate(&self.by, "killed");
            if self.world.is(Mutant::VolatileOutbox) {
                disk.outbox.clear();
            }
            // Another host takes its name: only what was decided and not said comes along.
            if self.dice.chance(250) {
                disk.kept.clear();
            }
            nap(&mut self.dice, 200, 12_000).await;
        }
    }

    async fn live(&mut self, disk: &mut Disk) {
        self.take_up(disk).await;
        self.pending.clear();
        loop {
            self.send_outbox(disk).await;
            self.take_late(disk);
            if disk.kept.is_empty() {
                self.ask_for_work(disk).await;
            }
            if disk.kept.is_empty() {
                nap(&mut self.dice, 1_500, 5_000).await;
            } else {
                self.work(disk).await;
            }
        }
    }

    /// After a restart: what was granted to the host before is adopted by its nonce, or handed
    /// back.
    async fn take_up(&mut self, disk: &mut Disk) {
        let mut adopted = VecDeque::new();
        for kept in std::mem::take(&mut disk.kept) {
            if self.dice.chance(500) && self.renew(&kept).await == Phase::Ok {
                adopted.push_back(kept);
            } else {
                let word = self.last_word(&kept, Disposition::Yield);
                disk.outbox.push_back(word);
            }
        }
        disk.kept = adopted;
    }

    async fn ask_for_work(&mut self, disk: &mut Disk) {
        let mut request = RequestId::from_uuid(self.ids.mint());
        let offer = if self.dice.chance(400) { self.offer().await } else { None };
        for _ in 0..REPEATS {
            let (answer, late) = self.claim(request, offer).await;
            match answer {
                Answer::Ok(grant) => {
                    self.keep(grant, disk);
                    return;
                }
                Answer::No(_) => return,
                Answer::Unknown => self.pending.push_back((request, late)),
            }
            // Whoever gives a request up asks with a new one, and may be granted both.
            if self.dice.chance(500) {
                request = RequestId::from_uuid(self.ids.mint());
            }
            nap(&mut self.dice, 200, 1_500).await;
        }
    }

    /// A job as it was seen a while ago.
    async fn offer(&mut self) -> Option<(JobId, Epoch)> {
        let desk = self.world.desk(0);
        let (jobs, _) = desk.ledger.jobs.page(&self.world.product, None, 64).await.ok()?;
        let queued: Vec<_> =
            jobs.iter().filter(|found| found.record.stage == Stage::Queued).collect();
        if queued.is_empty() {
            return None;
        }
        let job = &queued[self.dice.index(queued.len())].record;
        let offer = (job.id, job.lease_epoch);
        nap(&mut self.dice, 0, 2_500).await;
        Some(offer)
    }

    async fn claim(
        &mut self,
        request: RequestId,
        offer: Option<(JobId, Epoch)>,
    ) -> (Answer<Option<Grant>>, Late<Option<Grant>>) {
        let op = if offer.is_some() { Op::Claim } else { Op::ClaimNext };
        let key = offer.map(|(job, _)| job);
        let args = Facts {
            factory: Some(self.id.to_string()),
            id: Some(request.uuid()),
            epoch: offer.map(|(_, epoch)| epoch.get()),
            ..Facts::default()
        };
        self.world.history.call(&self.by, op, key, args.clone());
        let asked = ClaimRequest {
            product: self.world.product.clone(),
            job: key
                .unwrap_or_else(|| JobId::of(&self.world.product, &"any".parse().expect("a key"))),
            bidder: self.bidder(),
            request,
            epoch_seen: offer.map_or(Epoch::ZERO, |(_, epoch)| epoch),
            deadline: self.world.clock.now().plus(Duration::from_secs(20)),
        };
        let offered = offer.is_some();
        let serve = move |desk: Desk| {
            let asked = asked.clone();
            async move { wrong::claim_or_any(&desk, &asked, offered).await }.boxed()
        };
        let (answer, late) = self.world.ask(&mut self.dice, serve).await;
        self.note_claim(op, key, &args, &answer);
        (answer, late)
    }

    fn note_claim(&self, op: Op, key: Option<JobId>, args: &Facts, answer: &Answer<Option<Grant>>) {
        let (key, phase, result) = match answer {
            Answer::Ok(Some(grant)) => (Some(grant.job.id), Phase::Ok, facts_of(grant)),
            Answer::Ok(None) => (key, Phase::No, Facts::default()),
            Answer::No(no) => {
                let reason = no.reason.unwrap_or_default();
                let word = Some(format!("{:?}/{reason}", no.code));
                (key, Phase::No, Facts { word, ..Facts::default() })
            }
            Answer::Unknown => (key, Phase::Unknown, Facts::default()),
        };
        self.world.history.push(&self.by, (op, phase), key, (args.clone(), result));
    }

    /// One grant for one seat: what comes beyond is handed back at once.
    fn keep(&self, grant: Option<Grant>, disk: &mut Disk) {
        let Some(grant) = grant else { return };
        let nonce: Nonce = grant.holding.claim_nonce;
        if disk.kept.iter().any(|kept| kept.holding.claim_nonce == nonce) {
            return;
        }
        let manual = grant.job.content.review_policy == fleet::ReviewPolicy::Manual;
        let kept = Kept { job: grant.job.id, holding: grant.holding, manual };
        if disk.kept.is_empty() || self.world.is(Mutant::BeyondSeats) {
            disk.kept.push_back(kept);
        } else {
            let word = self.last_word(&kept, Disposition::Yield);
            disk.outbox.push_back(word);
        }
    }

    /// A grant that comes after its request was given up may be one more than there are seats.
    pub(super) fn take_late(&mut self, disk: &mut Disk) {
        for (request, mut late) in std::mem::take(&mut self.pending) {
            let answer = match late.try_recv() {
                Ok(answer) => answer,
                Err(TryRecvError::Empty) => Answer::Unknown,
                Err(TryRecvError::Disconnected) => continue,
            };
            if let Answer::Ok(Some(grant)) = answer {
                let args = Facts {
                    factory: Some(self.id.to_string()),
                    id: Some(request.uuid()),
                    ..Facts::default()
                };
                let answer = Answer::Ok(Some(grant.clone()));
                self.note_claim(Op::ClaimNext, None, &args, &answer);
                self.keep(Some(grant), disk);
            }
            self.pending.push_back((request, late));
        }
    }

    fn bidder(&self) -> Bidder {
        Bidder {
            factory: self.id.clone(),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().expect("a name")],
            health: Health::Ok,
            draining: false,
            stale: false,
            free_seats: 1,
        }
    }
}

pub(super) fn facts_of(grant: &Grant) -> Facts {
    Facts {
        epoch: Some(grant.holding.lease_epoch.get()),
        factory: Some(grant.holding.factory_id.to_string()),
        nonce: Some(grant.holding.claim_nonce),
        hash: Some(grant.job.content.content_hash.clone()),
        locks: grant.job.content.locks.iter().map(ToString::to_string).collect(),
        ..Facts::default()
    }
}
