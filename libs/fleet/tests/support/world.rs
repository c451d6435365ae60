//! A fleet small enough for a test: a few jobs with their leases, runs and events. Every record
//! is changed by the rules alone, in the order of writes of the protocols.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{
    Action, Actor, Admission, Bidder, Capability, Cause, Circumstances, Claim, Command, Content,
    DepsView, Disposition, EventRecord, EventType, FactoryId, Head, Health, Holding, Jitter, Job,
    JobId, Lease, LeaseCommand, Nonce, OpId, Operation, Patch, Product, Record, Rejection, Release,
    Run, RunCommand, StageName, Submitted, TakeBack, Timestamp, Violation, Walk, Wish, audit,
    audit_dependencies, submit, touched,
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const TTL: Duration = Duration::from_secs(30);
const GRANT: Duration = Duration::from_secs(10);
const ALLOWANCE: Duration = Duration::from_millis(500);
/// 2026-01-01T00:00:00.000Z
const START: i64 = 1_767_225_600_000;

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) leases: BTreeMap<JobId, Lease>,
    pub(crate) runs: BTreeMap<(JobId, u32), Run>,
    pub(crate) events: BTreeMap<JobId, Vec<EventRecord>>,
    pub(crate) max_reaps: u32,
    pub(crate) paused: bool,
    minted: u128,
}

/// A submission's content: the defaults, with the fields of `with` in their place.
pub(crate) fn content(key: &str, with: &Value) -> Content {
    let deps: Vec<String> = with
        .get("deps")
        .and_then(Value::as_array)
        .map(|deps| deps.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let dep_ids: Vec<JobId> = deps.iter().map(|dep| job_id(dep)).collect();
    let mut stored = json!({
        "idempotencyKey": key, "manifestSnapshot": {}, "bodyMd": "do it", "kind": "leaf",
        "priority": "medium", "priorityRank": 2, "capabilities": [], "prefersEngine": [],
        "deps": deps, "depIds": dep_ids, "depsMode": "hard", "onDepFailure": "wait", "locks": [],
        "reviewPolicy": "auto", "timeoutSec": 14400, "yolo": false, "allowedScope": [],
        "artifactGlobs": [], "submittedBy": "ci",
    });
    let digest = fleet::sha256_hex(with.to_string().as_bytes());
    stored["contentHash"] = json!(digest);
    for (field, value) in with.as_object().expect("fields") {
        stored[field] = value.clone();
    }
    serde_json::from_value(stored).expect("a content")
}

pub(crate) fn product() -> fleet::ProductId {
    "acme".parse().unwrap()
}

pub(crate) fn job_id(key: &str) -> JobId {
    JobId::of(&product(), &key.parse().unwrap())
}

pub(crate) fn factory(name: &str) -> FactoryId {
    name.parse().unwrap()
}

pub(crate) fn op_by(user: &str) -> Actor {
    Actor::user(user)
}

/// A factory that fits every job which names nothing it could lack.
pub(crate) fn bidder(name: &str) -> Bidder {
    let capabilities: Vec<Capability> = vec!["git".parse().unwrap(), "os:linux".parse().unwrap()];
    Bidder {
        factory: factory(name),
        capabilities,
        engines: vec!["echo".parse().unwrap()],
        health: Health::Ok,
        draining: false,
        stale: false,
        free_seats: 4,
    }
}

pub(crate) fn patch(holding: &Holding, op: OpId, stage: Option<StageName>) -> Patch {
    Patch {
        holding: holding.clone(),
        op,
        stage,
        checkpoint: None,
        note: None,
        verify: None,
        insights: None,
    }
}

pub(crate) fn release(holding: &Holding, op: OpId, disposition: Option<Disposition>) -> Release {
    Release {
        holding: holding.clone(),
        op,
        disposition,
        result: None,
        exit: None,
        verify: None,
        insights: None,
        checkpoint: None,
        reason: None,
        artifacts: Vec::new(),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: Timestamp::from_millis(START),
            jobs: BTreeMap::new(),
            leases: BTreeMap::new(),
            runs: BTreeMap::new(),
            events: BTreeMap::new(),
            max_reaps: Product::absent(product(), Timestamp::EPOCH).max_reaps,
            paused: false,
            minted: 0,
        }
    }

    pub(crate) fn job(&self, id: JobId) -> &Job {
        self.jobs.get(&id).expect("a submitted job")
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
    }

    pub(crate) fn mint(&mut self) -> Uuid {
        self.minted += 1;
        Uuid::from_u128(0x0189_0a5d_ac96_7000_8000_0000_0000_0000 + self.minted)
    }

    pub(crate) fn op(&mut self) -> OpId {
        OpId::from_uuid(self.mint())
    }

    pub(crate) fn deps_of(&self, job: &Job) -> DepsView {
        DepsView::of(job, |id| self.jobs.get(id))
    }

    pub(crate) fn given(&self, job: &Job) -> Circumstances {
        Circumstances {
            ready: self.deps_of(job).is_satisfied(),
            paused: self.paused,
            max_reaps: self.max_reaps,
            jitter: Jitter::NONE,
            pointer: fleet::Pointer::Ready,
        }
    }

    /// One conditional write; how many facts it stored.
    pub(crate) fn ask(&mut self, id: JobId, by: Actor, wish: Wish) -> Result<usize, Rejection> {
        let Some(job) = self.jobs.get(&id) else { panic!("no job {id}") };
        let command = Command { by, given: self.given(job), wish };
        let facts = job.decide(&command, self.now).inspect_err(|no| {
            assert_eq!(no.current, Some(job.current()), "a refusal carries the truth");
        })?;
        if !facts.is_empty() {
            let next = touched(facts.iter().fold(job.clone(), Record::evolve), self.now);
            let again = next.decide(&command, self.now).map(|facts| facts.len());
            assert_eq!(again, Ok(0), "{command:?} once more is nothing new");
            holds(job, &next, &command.wish);
            self.jobs.insert(id, next);
        }
        Ok(facts.len())
    }

    pub(crate) fn submit(&mut self, content: Content) -> Result<&'static str, Rejection> {
        let by = Actor::user("ci");
        let id = JobId::of(&product(), &content.idempotency_key);
        let standing = self.jobs.get(&id);
        let outcome = match submit(standing, &content, &product(), &by, self.now)? {
            Submitted::Create(job) => {
                self.jobs.insert(id, touched(*job, self.now));
                "created"
            }
            Submitted::Existing => "existing",
            Submitted::Supersede => {
                self.ask(id, by, Wish::Supersede(Box::new(content)))?;
                "superseded"
            }
        };
        if !self.job(id).admitted && !self.job(id).stage.has_ended() {
            let admission = self.walk(id);
            self.ask(id, Actor::service("submit"), Wish::Admit(admission))?;
        }
        self.settle_all();
        Ok(outcome)
    }

    fn walk(&self, id: JobId) -> Admission {
        let mut walk = Walk::from(id);
        while let Some(at) = walk.next() {
            let ahead = self.jobs.get(&at).map(fleet::waits_for).unwrap_or_default();
            walk.visit(at, &ahead).expect("a small graph");
        }
        walk.cycle().map_or(Admission::Acyclic, Admission::Cycle)
    }

    /// Agrees every job with its dependencies, until nothing changes any more.
    pub(crate) fn settle_all(&mut self) {
        for _ in 0..=self.jobs.len() {
            self.jobs
                .keys()
                .copied()
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|id| self.settle(id));
        }
    }

    fn settle(&mut self, id: JobId) {
        if self.job(id).purged {
            return;
        }
        let wish = Wish::Settle(self.deps_of(self.job(id)));
        self.ask(id, Actor::service("scheduler"), wish).expect("never refused");
    }

    pub(crate) fn claim(&mut self, id: JobId, bidder: &Bidder) -> Result<Holding, Rejection> {
        let epoch_seen = self.job(id).lease_epoch;
        let nonce = Nonce::from_uuid(self.mint());
        let claim = Claim {
            bidder: bidder.clone(),
            nonce,
            request: fleet::RequestId::from_uuid(self.mint()),
            epoch_seen,
            profile: chosen(self.job(id)),
            grant_deadline: self.now.plus(GRANT),
        };
        let by = Actor::service("scheduler");
        self.ask(id, by, Wish::Claim(Box::new(claim)))?;
        let holding = Holding {
            lease_epoch: self.job(id).lease_epoch,
            factory_id: bidder.factory.clone(),
            claim_nonce: nonce,
        };
        Ok(holding)
    }

    /// The follower of a claim.
    pub(crate) fn hold_lease(&mut self, id: JobId, holding: &Holding) {
        let until = self.now.plus(TTL);
        self.lease(id, &LeaseCommand::Hold(holding.clone(), until)).expect("never refused");
    }

    pub(crate) fn renew(&mut self, id: JobId, holding: &Holding) -> Result<usize, Rejection> {
        let by = Actor::factory(&holding.factory_id);
        self.ask(id, by, Wish::Renew(holding.clone()))?;
        let until = self.now.plus(TTL);
        self.lease(id, &LeaseCommand::Renew(holding.clone(), until))
    }

    pub(crate) fn lease(&mut self, id: JobId, command: &LeaseCommand) -> Result<usize, Rejection> {
        let absent = || Lease::absent(id, product(), self.now);
        let lease = self.leases.get(&id).cloned().unwrap_or_else(absent);
        let facts = lease.decide(command, self.now)?;
        if !facts.is_empty() {
            let next = facts.iter().fold(lease, Record::evolve);
            self.leases.insert(id, touched(next, self.now));
        }
        Ok(facts.len())
    }

    pub(crate) fn patch(&mut self, id: JobId, patch: Patch) -> Result<usize, Rejection> {
        let by = Actor::factory(&patch.holding.factory_id);
        let facts = self.ask(id, by, Wish::Patch(Box::new(patch)))?;
        self.settle_all();
        Ok(facts)
    }

    pub(crate) fn release(&mut self, id: JobId, release: Release) -> Result<usize, Rejection> {
        let by = Actor::factory(&release.holding.factory_id);
        let epoch = release.holding.lease_epoch;
        let facts = self.ask(id, by, Wish::Release(Box::new(release)))?;
        self.lease(id, &LeaseCommand::Release(epoch))?;
        self.settle_all();
        Ok(facts)
    }

    pub(crate) fn operate(
        &mut self,
        id: JobId,
        action: Action,
        op: OpId,
    ) -> Result<usize, Rejection> {
        let operation = Operation { action, op: Some(op), reason: None };
        let facts = self.ask(id, op_by("olga"), Wish::Operate(operation))?;
        self.settle_all();
        Ok(facts)
    }

    pub(crate) fn take_back(&mut self, id: JobId, cause: Cause) -> usize {
        let back = TakeBack { epoch: self.job(id).lease_epoch, cause };
        let by = Actor::service("lease-keeper");
        let facts = self.ask(id, by, Wish::TakeBack(back)).expect("never refused");
        self.settle_all();
        facts
    }

    /// The lease first, then the job, then the lease again: whether the job was taken back.
    pub(crate) fn reap(&mut self, id: JobId) -> bool {
        let Some(lease) = self.leases.get(&id).cloned() else { return false };
        let silent = lease.expires_at.is_some_and(|end| end.plus(ALLOWANCE) < self.now);
        if !silent || !lease.is_held_for(lease.lease_epoch) {
            return false;
        }
        let epoch = lease.lease_epoch;
        self.lease(id, &LeaseCommand::Expire(epoch)).expect("never refused");
        self.take_back_from(id, TakeBack { epoch, cause: Cause::Silent })
    }

    pub(crate) fn repair(&mut self, id: JobId) -> bool {
        let job = self.job(id);
        let epoch = job.lease_epoch;
        let leased = self.leases.get(&id).is_some_and(|lease| lease.is_held_for(epoch));
        if leased || job.holder().is_none() || !job.is_past_grant(self.now) {
            return false;
        }
        self.lease(id, &LeaseCommand::Repair(epoch)).expect("never refused");
        self.take_back_from(id, TakeBack { epoch, cause: Cause::NoLease })
    }

    fn take_back_from(&mut self, id: JobId, back: TakeBack) -> bool {
        let by = Actor::service("lease-keeper");
        let facts = self.ask(id, by, Wish::TakeBack(back)).expect("never refused");
        if facts > 0 {
            self.lease(id, &LeaseCommand::Raise(back.epoch.next())).expect("never refused");
        }
        self.settle_all();
        facts > 0
    }

    /// Records what waits in the outbox, tells the runs, and trims.
    pub(crate) fn relay(&mut self, id: JobId) {
        let job = self.job(id).clone();
        let Some(last) = job.outbox.last() else { return };
        for entry in &job.outbox {
            let record = EventRecord::of(entry, id, &job.head.product_id);
            self.events.entry(id).or_default().push(record);
            if entry.kind == EventType::Claimed {
                let head = Head::new(product(), entry.at);
                let run = Run::opened_by(entry, id, head).expect("a claim names its run");
                self.runs.insert((id, run.attempt), run);
            }
        }
        for ((of, _), run) in &mut self.runs {
            let told = RunCommand::Follow(job.outbox.clone());
            if *of == id {
                let facts = run.decide(&told, self.now).expect("never refused");
                *run = facts.iter().fold(run.clone(), Record::evolve);
            }
        }
        let trim = Wish::Trim { through: last.seq };
        self.ask(id, Actor::service("relay"), trim).expect("never refused");
    }

    pub(crate) fn history(&self, id: JobId) -> (Vec<EventRecord>, Vec<Run>) {
        let events = self.events.get(&id).cloned().unwrap_or_default();
        let runs = self.runs.iter().filter(|((of, _), _)| *of == id);
        (events, runs.map(|(_, run)| run.clone()).collect())
    }

    /// What the auditor says of everything.
    pub(crate) fn audit(&self) -> Vec<Violation> {
        let of_job = |(id, job): (&JobId, &Job)| {
            let (events, runs) = self.history(*id);
            let mut found = audit(job, &events, &runs, self.leases.get(id));
            found.extend(audit_dependencies(job, &events, |dep| self.jobs.get(dep)));
            found
        };
        self.jobs.iter().flat_map(of_job).collect()
    }
}

/// What every single write must leave true.
fn holds(before: &Job, after: &Job, wish: &Wish) {
    let claims = matches!(wish, Wish::Claim(_));
    let supersedes = matches!(wish, Wish::Supersede(_) | Wish::Purge);
    let reports = matches!(wish, Wish::Patch(_) | Wish::Release(_));
    let epochs = (before.lease_epoch, after.lease_epoch);
    assert!(epochs.1 == epochs.0 || epochs.1 == epochs.0.next(), "I3: {epochs:?}");
    assert!(!claims || (before.holder().is_none() && epochs.1 > epochs.0), "I3: a new epoch");
    let fenced = before.holder().is_some() && after.fenced_at == Some(after.head.updated_at);
    assert!(claims || epochs.1 == epochs.0 || fenced, "I3: only claim and fence");
    let bound = after.holder().is_none_or(|holder| after.claim.run_id == Some(holder.nonce));
    assert!(bound, "I5: the holder is of the newest claim");
    assert_eq!(Job::decode(&after.encode().unwrap()).unwrap(), *after, "I5: stored as it is");
    assert!(before.stage != fleet::Stage::Shipped || after.stage == before.stage, "I12");
    assert_eq!(after.attempts, before.attempts + u32::from(claims), "I12: attempts are claims");
    let kept = after.checkpoint == before.checkpoint;
    assert!(kept || supersedes || reports, "I15: {wish:?}");
    let numbered = after.outbox.iter().zip(after.outbox.iter().skip(1));
    assert!(numbered.clone().all(|(a, b)| b.seq == a.seq + 1 && b.at >= a.at), "I17");
    let most = after.content.retry.as_ref().map_or(u32::MAX, |policy| policy.max);
    assert!(after.failures <= most, "I20");
    let waiting = matches!(before.stage, fleet::Stage::Queued | fleet::Stage::Blocked);
    assert!(after.generation == before.generation || waiting || after.purged, "I21");
}

/// The profile that a job names, as a look into the store would find it.
fn chosen(job: &Job) -> Option<fleet::Chosen> {
    let named = job.content.profile.as_ref()?;
    let engine = bidder("f1").engines.into_iter().next()?;
    Some(fleet::Chosen { version: named.version.unwrap_or(1), engine })
}
