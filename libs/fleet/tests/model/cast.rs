//! Names and contents for the models: small numbers in, the product's real types out.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use fleet::{
    Actor, Bidder, Checkpoint, Content, DepsMode, Entry, Epoch, FactoryId, Health, Holding, Job,
    JobId, Key, Kind, Lease, Lock, LockName, Nonce, OnDepFailure, OpId, Priority, ProductId,
    Record, RequestId, ReviewPolicy, Stage, Submitted, Timestamp, submit, touched,
};
use uuid::Uuid;

use crate::search::hash_of;

/// A holder by numbers: what a factory says it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Held {
    pub(crate) job: u8,
    pub(crate) epoch: u64,
    pub(crate) factory: u8,
    pub(crate) nonce: u8,
}

impl Held {
    pub(crate) fn holding(self) -> Holding {
        Holding {
            lease_epoch: Epoch::new(self.epoch),
            factory_id: factory(self.factory),
            claim_nonce: nonce(self.nonce),
        }
    }

    /// Whether `job` says the same, in all three.
    pub(crate) fn is_heard_by(self, job: &Job) -> bool {
        job.lease_epoch.get() == self.epoch
            && job.holder().is_some_and(|holder| {
                holder.factory == factory(self.factory) && holder.nonce == nonce(self.nonce)
            })
    }
}

/// A record with the hash of what matters in it, so that it is hashed once.
#[derive(Clone)]
pub(crate) struct Stored<R> {
    pub(crate) record: Rc<R>,
    pub(crate) key: u64,
}

impl<R> Hash for Stored<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000_000)
}

/// Beyond every deadline and limit that was set `now`.
pub(crate) fn late() -> Timestamp {
    now().plus(Duration::from_secs(100_000))
}

pub(crate) fn product() -> ProductId {
    "p".parse().expect("a name")
}

pub(crate) fn factory(number: u8) -> FactoryId {
    format!("f{number}").parse().expect("a name")
}

fn uuid(number: u8) -> Uuid {
    Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_0000_0000_0000 + u128::from(number))
}

pub(crate) fn nonce(number: u8) -> Nonce {
    Nonce::from_uuid(uuid(number))
}

pub(crate) fn request(number: u8) -> RequestId {
    RequestId::from_uuid(uuid(number))
}

pub(crate) fn op(number: u8) -> OpId {
    OpId::from_uuid(uuid(number))
}

/// The number that a nonce was made of.
pub(crate) fn number_of(nonce: Nonce) -> u8 {
    nonce.uuid().as_bytes()[15]
}

pub(crate) fn factory_number(factory: &FactoryId) -> u8 {
    factory.as_str().bytes().last().map_or(0, |digit| digit - b'0')
}

pub(crate) fn key(number: u8) -> Key {
    format!("job{number}").parse().expect("a key")
}

pub(crate) fn job_id(number: u8) -> JobId {
    JobId::of(&product(), &key(number))
}

pub(crate) fn lock_name() -> LockName {
    "lock".parse().expect("a name")
}

pub(crate) fn coordinator() -> Actor {
    Actor::service("coordinator")
}

pub(crate) fn checkpoint() -> Checkpoint {
    Checkpoint { wip_branch: "wip".into(), wip_base: "base".into(), wip_commit: "commit".into() }
}

pub(crate) fn bidder(number: u8) -> Bidder {
    Bidder {
        factory: factory(number),
        capabilities: Vec::new(),
        engines: Vec::new(),
        health: Health::Ok,
        draining: false,
        stale: false,
        free_seats: 1,
    }
}

/// What job `number` is asked to do; `version` tells its contents apart.
pub(crate) fn content(number: u8, version: u8, deps: &[u8]) -> Content {
    Content {
        idempotency_key: key(number),
        manifest_snapshot: fleet::ManifestSnapshot::default(),
        body_md: "work".into(),
        content_hash: format!("v{version}"),
        kind: Kind::Leaf,
        parent_id: None,
        tracker_item_id: None,
        priority: Priority::Medium,
        priority_rank: Priority::Medium.rank(),
        capabilities: Vec::new(),
        engine: None,
        engine_class: None,
        prefers_engine: Vec::new(),
        profile: None,
        command: None,
        verify: None,
        deps: deps.iter().map(|dep| key(*dep).as_str().to_owned()).collect(),
        dep_ids: deps.iter().map(|dep| job_id(*dep)).collect(),
        deps_mode: DepsMode::Hard,
        on_dep_failure: OnDepFailure::Wait,
        locks: Vec::new(),
        budget: None,
        retry: None,
        review_policy: ReviewPolicy::Auto,
        timeout_sec: 14_400,
        not_before: None,
        cwd: None,
        yolo: false,
        repo: None,
        base_branch: None,
        allowed_scope: Vec::new(),
        artifact_globs: Vec::new(),
        submitted_by: "u".into(),
        sequence: None,
    }
}

/// A job as the first write of a submission makes it.
pub(crate) fn submitted(content: &Content) -> Job {
    match submit(None, content, &product(), &Actor::user("u"), now()) {
        Ok(Submitted::Create(job)) => *job,
        Ok(Submitted::Existing | Submitted::Supersede) | Err(_) => unreachable!("nothing stands"),
    }
}

/// The record that a decision makes of `old`.
pub(crate) fn evolved<R: Record + Clone>(old: &R, events: &[R::Event], at: Timestamp) -> R {
    touched(events.iter().fold(old.clone(), R::evolve), at)
}

/// Time, numbers and told events go out of a stored job: they differ on every path and nothing in
/// these worlds depends on them.
pub(crate) fn stored_job(mut job: Job) -> Stored<Job> {
    job.head.updated_at = now();
    job.fenced_at = job.fenced_at.map(|_| now());
    job.outbox.clear();
    let key = job_key(&job);
    Stored { record: Rc::new(job), key }
}

pub(crate) fn job_key(job: &Job) -> u64 {
    let holder = job.holder().map(|holder| (factory_number(&holder.factory), holder.nonce));
    let ops: Vec<OpId> = job.last_ops.iter().map(|done| done.op_id).collect();
    let stands = (stage_word(&job.stage), holder, job.admitted, job.lease_epoch, job.generation);
    let claim = &job.claim;
    let known = (claim.run_id, claim.claim_request_id, claim.building_at.is_some(), claim.verified);
    let counted = (job.attempts, job.attempts_base, job.failures, job.reaps);
    let flags = (job.checkpoint.is_some(), job.cancel_requested.is_some(), job.purged);
    let fenced = job.fenced_by.map(|by| by.word());
    let rest = (&job.content.content_hash, &job.content.dep_ids, &job.troubled_deps);
    let result = claim.last_result;
    hash_of(&(stands, known, counted, flags, fenced, (ops, rest, result.map(|was| was as u8))))
}

pub(crate) fn stored_lease(mut lease: Lease) -> Stored<Lease> {
    lease.head.rev = 0;
    // Whether it was ever renewed is a fact; how often is not.
    lease.renewals = lease.renewals.min(1);
    let stands = (lease.lease_epoch, lease.status as u8, lease.claim_nonce, lease.renewals);
    let key = hash_of(&stands);
    Stored { record: Rc::new(lease), key }
}

pub(crate) fn stored_lock(lock: Lock) -> Stored<Lock> {
    let slot = lock.slot().map(|slot| (slot.claim_nonce, slot.job_id, slot.state as u8));
    let key = hash_of(&(slot, lock.fenced.map(|fenced| fenced.job_id)));
    Stored { record: Rc::new(lock), key }
}

/// The stage in a word, with parks told apart.
pub(crate) fn stage_word(stage: &Stage) -> &'static str {
    match stage {
        Stage::Queued => "queued",
        Stage::Blocked => "blocked",
        Stage::Assigned(_) => "assigned",
        Stage::Building(_) => "building",
        Stage::Review(Some(_)) => "review",
        Stage::Review(None) => "review, parked",
        Stage::Testing(Some(_)) => "testing",
        Stage::Testing(None) => "testing, parked",
        Stage::Shipped => "shipped",
        Stage::Failed(_) => "failed",
        Stage::DeadLetter(_) => "dead_letter",
    }
}

/// # Errors
/// The new entries are not numbered on from the old ones, or go back in time.
pub(crate) fn numbered(old: &Job, new: &Job) -> Result<(), String> {
    let fresh: Vec<&Entry> = new.outbox.iter().filter(|e| e.seq > old.event_seq).collect();
    let kept = new.outbox.iter().filter(|entry| entry.seq <= old.event_seq);
    let last = old.outbox.last().map_or(old.head.created_at, |entry| entry.at);
    let gapless = fresh.iter().zip(old.event_seq + 1..).all(|(entry, seq)| entry.seq == seq);
    let counted = old.event_seq + fresh.len() as u64 == new.event_seq;
    let in_time = fresh.iter().try_fold(last, |before, e| (e.at >= before).then_some(e.at));
    let same =
        kept.cloned().collect::<Vec<_>>() == old.outbox || new.outbox.len() < old.outbox.len();
    if gapless && counted && same && in_time.is_some() {
        Ok(())
    } else {
        Err("I17: the log of a job has a gap, or changed".into())
    }
}

/// Index of records by job.
pub(crate) type ByJob<T> = BTreeMap<u8, T>;
