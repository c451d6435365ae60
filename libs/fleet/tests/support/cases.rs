//! One job and what surrounds it, ready to be explained. Every state is come by through the rules.

use std::time::Duration;

use fleet::{
    Action, Budget, Disposition, Factory, FactoryCommand, Heartbeat, Holding, Host, Incarnation,
    Job, JobId, Lock, LockCommand, LockSeen, MicroUsd, Nonce, OpId, Owner, Product, Progress,
    Record, RunCommand, RunResult, Slot, SlotState, StageName, Truths, Why, Window, touched,
};
use serde_json::{Value, json};

use crate::world::{TTL, World, bidder, content, job_id, patch, product, release};

/// What sets a factory apart.
pub(crate) type How = fn(&mut Heartbeat);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// One job and what surrounds it.
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) factories: Vec<Host>,
    pub(crate) product: Product,
    pub(crate) locks: Vec<LockSeen>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) ahead: Option<usize>,
}

impl Case {
    pub(crate) fn empty() -> Self {
        let world = World::new();
        let product = Product::absent(product(), world.now);
        let factories = vec![host(&world, "f1", |_| {})];
        let (locks, budgets) = (Vec::new(), Vec::new());
        Self { world, factories, product, locks, budgets, ahead: Some(0) }
    }

    /// Submitted, and ten minutes old.
    pub(crate) fn of(with: &Value) -> Self {
        let mut case = Self::empty();
        case.world.submit(content("j", with)).unwrap();
        case.pass(10 * MINUTE);
        case
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Time passes, and every factory is heard of meanwhile.
    pub(crate) fn pass(&mut self, span: Duration) {
        self.world.pass(span);
        for host in &mut self.factories {
            let beat = FactoryCommand::Heartbeat(Box::new(beat_of(&host.factory)));
            host.factory = after(host.factory.clone(), &beat, self.world.now);
        }
    }

    pub(crate) fn hosts(&mut self, hosts: &[(&str, How)]) {
        self.factories = hosts.iter().map(|(name, how)| host(&self.world, name, how)).collect();
    }

    pub(crate) fn claimed(&mut self) -> Holding {
        let holding = self.world.claim(job_id("j"), &bidder("f1")).unwrap();
        self.world.hold_lease(job_id("j"), &holding);
        holding
    }

    pub(crate) fn moved(&mut self, holding: &Holding, to: StageName) {
        let op = self.world.op();
        self.world.patch(job_id("j"), patch(holding, op, Some(to))).unwrap();
    }

    pub(crate) fn building(&mut self) -> Holding {
        let holding = self.claimed();
        self.moved(&holding, StageName::Building);
        holding
    }

    pub(crate) fn ended(&mut self, how: Disposition, result: Option<RunResult>) {
        let holding = self.building();
        if how != Disposition::Fail {
            self.moved(&holding, StageName::Review);
        }
        self.let_go(&holding, how, result);
    }

    pub(crate) fn let_go(
        &mut self,
        holding: &Holding,
        how: Disposition,
        result: Option<RunResult>,
    ) {
        let op = self.world.op();
        let mut release = release(holding, op, Some(how));
        release.result = result;
        self.world.release(job_id("j"), release).unwrap();
        self.pass(MINUTE);
    }

    pub(crate) fn operate(&mut self, key: &str, action: Action) {
        let op: OpId = self.world.op();
        self.world.operate(job_id(key), action, op).unwrap();
    }

    pub(crate) fn why(&self) -> Why {
        let job = self.world.job(job_id("j")).clone();
        let read = |id: &JobId| self.world.jobs.get(id).cloned();
        let (log, runs) = self.world.history(job.id);
        let cycle = cycle_of(&self.world, &job);
        Why::of(&Truths {
            deps: job.content.dep_ids.iter().filter_map(read).collect(),
            cycle,
            product: self.product.clone(),
            locks: self.locks.clone(),
            budgets: self.budgets.clone(),
            lease: self.world.leases.get(&job.id).cloned(),
            run: runs.last().cloned(),
            log,
            factories: self.factories.clone(),
            ahead: self.ahead,
            ttl: TTL,
            allowance: Duration::from_millis(500),
            now: self.world.now,
            job,
        })
    }
}

fn cycle_of(world: &World, job: &Job) -> Vec<fleet::Key> {
    let mut walk = fleet::Walk::from(job.id);
    while let Some(at) = walk.next() {
        let ahead = world.jobs.get(&at).map(fleet::waits_for).unwrap_or_default();
        walk.visit(at, &ahead).unwrap();
    }
    let path = walk.cycle().unwrap_or_default();
    path.iter().map(|id| world.job(*id).content.idempotency_key.clone()).collect()
}

fn host(world: &World, name: &str, how: impl FnOnce(&mut Heartbeat)) -> Host {
    let absent = Factory::absent(name.parse().unwrap(), product(), world.now);
    let mut beat = beat_of(&absent);
    beat.capabilities = bidder(name).capabilities;
    beat.engines = bidder(name).engines;
    beat.seat_limit = 2;
    how(&mut beat);
    let factory = after(absent, &FactoryCommand::Heartbeat(Box::new(beat)), world.now);
    Host { factory, held: Vec::new(), last_renewal: None, scope: None }
}

pub(crate) fn beat_of(factory: &Factory) -> Heartbeat {
    let first = || Incarnation::from_uuid(uuid::Uuid::from_u128(7 << 76));
    Heartbeat {
        incarnation: factory.incarnation.unwrap_or_else(first),
        descriptor: None,
        capabilities: factory.capabilities.clone(),
        engines: factory.engines.clone(),
        health: factory.health,
        load: factory.load,
        seat_limit: factory.seat_limit,
        last_renewal: None,
    }
}

pub(crate) fn after<R: Record>(record: R, command: &R::Command, now: fleet::Timestamp) -> R
where
    R::Rejection: std::fmt::Debug,
{
    let facts = record.decide(command, now).expect("allowed");
    touched(facts.iter().fold(record, R::evolve), now)
}

pub(crate) fn locked() -> Case {
    Case::of(&json!({"locks": ["main"]})).with(|case| {
        case.world.submit(content("other", &json!({"locks": ["main"]}))).unwrap();
        let other = job_id("other");
        let held = case.world.claim(other, &bidder("f1")).unwrap();
        let slot = Slot {
            claim_nonce: held.claim_nonce,
            job_id: other,
            factory_id: held.factory_id,
            epoch: held.lease_epoch,
            state: SlotState::Reserved,
            at: case.world.now,
        };
        let lock = Lock::absent("main".parse().unwrap(), product(), case.world.now);
        let reserve = LockCommand::Reserve { slot, owner: Owner::Gone };
        let lock = after(lock, &reserve, case.world.now);
        case.locks = vec![LockSeen {
            name: "main".parse().unwrap(),
            lock: Some(after(lock, &LockCommand::Confirm(held.claim_nonce), case.world.now)),
            holder: Some(case.world.job(other).clone()),
            ahead: 2,
        }];
        case.pass(MINUTE);
    })
}

pub(crate) fn without_money() -> Case {
    Case::of(&json!({})).with(|case| {
        let now = case.world.now;
        let mut budget = Budget::new("daily".parse().unwrap(), product(), Window::Day, now);
        budget.limit_usd = Some(MicroUsd::from_micros(20_000_000));
        let kept = fleet::Reservation {
            claim_nonce: Nonce::from_uuid(case.world.mint()),
            job_id: job_id("other"),
            usd: MicroUsd::from_micros(19_500_000),
            tokens: 0,
            told_usd: MicroUsd::ZERO,
            told_tokens: 0,
            at: now,
        };
        let nonce = kept.claim_nonce;
        let budget = after(budget, &fleet::BudgetCommand::Reserve(kept), now);
        let spent = MicroUsd::from_micros(12_000_000);
        let told = fleet::BudgetCommand::Tell(nonce, spent, 0);
        case.budgets = vec![after(budget, &told, now)];
        case.product.default_estimate_usd = MicroUsd::from_micros(1_000_000);
    })
}

pub(crate) fn with_progress() -> Case {
    Case::of(&json!({})).with(|case| {
        let holding = case.building();
        case.world.relay(job_id("j"));
        case.pass(Duration::from_secs(9));
        case.world.renew(job_id("j"), &holding).unwrap();
        let (percent, seq, at) = (40, 1, case.world.now);
        let step = Some(String::from("tests"));
        let told = RunCommand::Progress(Progress { percent, step, message: None, seq, at });
        let run = case.world.runs.get_mut(&(job_id("j"), 1)).unwrap();
        *run = after(run.clone(), &told, at);
        case.pass(Duration::from_secs(3));
    })
}

pub(crate) fn composite() -> Case {
    Case::empty().with(|case| {
        let parent = json!({"kind": "composite", "deps": ["c1", "c2", "c3"]});
        for child in ["c1", "c2", "c3"] {
            let of = json!({"parentId": job_id("j")});
            case.world.submit(content(child, &of)).unwrap();
        }
        case.world.submit(content("j", &parent)).unwrap();
        let shipped = case.world.claim(job_id("c1"), &bidder("f1")).unwrap();
        let op = case.world.op();
        let building = patch(&shipped, op, Some(StageName::Building));
        case.world.patch(job_id("c1"), building).unwrap();
        let op = case.world.op();
        let done = release(&shipped, op, Some(Disposition::Ship));
        case.world.release(job_id("c1"), done).unwrap();
        case.pass(5 * MINUTE);
    })
}

pub(crate) fn draining(case: &mut Case) {
    let host = &mut case.factories[0];
    host.factory =
        after(host.factory.clone(), &FactoryCommand::Drain { now: false }, case.world.now);
}
