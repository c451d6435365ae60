//! One of each message, as a fleet of one product would say it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use fleet::{
    Budget, Checkpoint, Disposition, Epoch, Exit, FactoryId, Health, Incarnation, Job, JobId, Key,
    Lock, Nonce, OpId, Priority, Profile, RequestId, StageName, Suits, SuitsCode, Timestamp, Why,
    WhyCode,
};
use protocol::{
    AboutJob, AboutProduct, AddChildren, Added, Beat, Beaten, BoardNumbers, BudgetView, ClaimWork,
    Code, DeadLetter, Deregister, Envelope, FactoryAction, FactoryNumbers, FactoryView, Finding,
    Granted, JobAction, JobName, JobView, Kick, ListJobs, Listed, LockHolder, LockView, OfJob,
    OfProduct, Offer, OfferSeen, Operate, OperateFactory, OperateProduct, Operated, PatchJob,
    PlanJob, Planned, Problem, ProductAction, ProfileStands, ProfileView, PutProfile, Receipt,
    ReleaseJob, RenewAnswer, RenewLeases, RenewOne, Renewed, ReportProgress, Seats, Stats,
    StopReason, StopWork, SubmitJob, Verified,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::documents;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const NOW: &str = "2026-01-02T03:04:05.678Z";
const FILE: &str = "---\nengine: shell\ncommand: make test\ntimeout: 90m\n---\n# Nightly\n";

/// A record as this version has stored it.
pub(crate) fn stored<R: DeserializeOwned>(name: &str) -> R {
    serde_json::from_value(documents::stored(name)).unwrap()
}

pub(crate) fn submission() -> Value {
    json!({
        "idempotencyKey": "nightly", "engine": "shell", "command": "make test",
        "priority": "high", "capabilities": ["os:linux", "node>=20.1"], "timeout": "90m",
        "retry": {"max": 3, "backoff": "30s"}, "bodyMd": "# Nightly\n",
    })
}

pub(crate) fn submit() -> SubmitJob {
    SubmitJob {
        file: Some(FILE.to_owned()),
        expect: Some("absent".to_owned()),
        ..SubmitJob::default()
    }
}

pub(crate) fn submit_keys() -> SubmitJob {
    SubmitJob { submission: submission().as_object().cloned(), ..SubmitJob::default() }
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        outcome: "created".to_owned(),
        job: job_view(),
        generation: 0,
        unknown_deps: vec![job()],
        warnings: vec!["nightly-base was never submitted".to_owned()],
    }
}

pub(crate) fn plan() -> PlanJob {
    PlanJob { file: Some(FILE.to_owned()), ..PlanJob::default() }
}

pub(crate) fn planned() -> Planned {
    let suits = Suits {
        factory_id: factory(),
        fits: false,
        code: SuitsCode::NoSeat,
        detail: "4 of 4 seats are taken".to_owned(),
    };
    Planned {
        outcome: "created".to_owned(),
        job_id: job(),
        idempotency_key: key(),
        manifest: submission(),
        content_hash: fleet::sha256_hex(b"nightly"),
        unknown_deps: Vec::new(),
        cycle: Vec::new(),
        factories: vec![json!(suits)],
        expect: "absent".to_owned(),
        warnings: Vec::new(),
    }
}

pub(crate) fn children() -> AddChildren {
    let keys: Map<String, Value> = submission().as_object().cloned().unwrap();
    AddChildren { job_id: job(), children: vec![keys], yolo: false }
}

pub(crate) fn added() -> Added {
    Added { job: job_view(), children: vec![job()], warnings: Vec::new() }
}

pub(crate) fn of_job(query: AboutJob) -> OfJob {
    OfJob { query, job: "nightly".to_owned() }
}

pub(crate) fn of_product(query: AboutProduct) -> OfProduct {
    OfProduct { query, named: Some("main".to_owned()) }
}

pub(crate) fn job_view() -> JobView {
    JobView::of(&stored::<Job>("job-held"), "17")
}

pub(crate) fn list() -> ListJobs {
    ListJobs {
        stage: vec![StageName::Queued, StageName::Building],
        priority: vec![Priority::High],
        created_after: Some(now()),
        limit: Some(50),
        ..ListJobs::default()
    }
}

pub(crate) fn listed() -> Listed {
    Listed { items: vec![job_view()], next_cursor: Some("bmV4dA".to_owned()) }
}

pub(crate) fn why() -> Why {
    Why {
        job_id: job(),
        stage: StageName::Queued,
        code: WhyCode::NoFactory,
        sentence: "No factory has ever been seen.".to_owned(),
        since: now(),
        next_at: None,
        blockers: Vec::new(),
        factories: Vec::new(),
        position: Some(1),
        next: vec!["gigamesh factory".to_owned()],
    }
}

pub(crate) fn stats() -> Stats {
    Stats {
        server_time: now(),
        paused: false,
        jobs: BTreeMap::from([(StageName::Queued, 1)]),
        queued: BTreeMap::from([(Priority::High, 1)]),
        oldest_queued_sec: Some(12),
        claimable: 1,
        factories: FactoryNumbers { ok: 2, ..FactoryNumbers::default() },
        seats: Seats { total: 8, used: 3 },
        leases_active: 3,
        locks_held: 0,
        board: BoardNumbers { queued: 1, claimable: 1 },
    }
}

pub(crate) fn factory_view() -> FactoryView {
    FactoryView { factory: stored("factory"), stale: false, seats_used: 1, jobs: vec![named()] }
}

pub(crate) fn lock_view() -> LockView {
    let lock: Lock = stored("lock");
    let holder = lock.slots.first().map(|slot| LockHolder {
        job_id: slot.job_id,
        key: Some(key()),
        factory_id: slot.factory_id.clone(),
        epoch: slot.epoch,
        state: slot.state,
        since: slot.at,
    });
    LockView { name: lock.name, holders: holder.into_iter().collect(), waiters: vec![named()] }
}

pub(crate) fn budget_view() -> BudgetView {
    let budget: Budget = stored("budget");
    BudgetView { now: budget.standing(now()), budget }
}

pub(crate) fn profile_view() -> ProfileView {
    ProfileView::Version(Box::new(stored("profile")))
}

pub(crate) fn put_profile() -> PutProfile {
    let Profile { name, version, snapshot, .. } = stored("profile");
    PutProfile { name, version: NonZeroU32::new(version).unwrap(), snapshot }
}

pub(crate) fn profile_stands() -> ProfileStands {
    ProfileStands { outcome: "created".to_owned(), profile: stored("profile") }
}

pub(crate) fn operate(action: JobAction) -> Operate {
    Operate {
        action,
        job_id: job(),
        op_id: Some(op()),
        reason: Some("release day".to_owned()),
        force: false,
        now: false,
        alone: false,
    }
}

pub(crate) fn operated() -> Operated {
    Operated { job: job_view(), warnings: vec!["its holder is told to stop".to_owned()] }
}

pub(crate) fn operate_product(action: ProductAction) -> OperateProduct {
    OperateProduct { action, reason: Some("release day".to_owned()) }
}

pub(crate) fn operate_factory(action: FactoryAction) -> OperateFactory {
    OperateFactory { action, factory_id: factory(), now: false }
}

pub(crate) fn verified() -> Verified {
    let finding = Finding {
        job_id: job(),
        invariant: "I4".to_owned(),
        detail: "event 3 is missing".to_owned(),
    };
    Verified { jobs: 12, events: 96, artifacts: Some(3), violations: vec![finding] }
}

pub(crate) fn claim() -> ClaimWork {
    ClaimWork {
        claim_request_id: ID.parse::<RequestId>().unwrap(),
        factory_id: factory(),
        incarnation: incarnation(),
        capabilities: vec!["os:linux".parse().unwrap(), "node=20.1".parse().unwrap()],
        engines: vec!["shell".parse().unwrap()],
        free_seats: 2,
        wait_ms: 20_000,
        exclude: vec![job()],
        offer: Some(OfferSeen { job_id: job(), epoch_seen: Epoch::new(2) }),
        fresh: true,
    }
}

pub(crate) fn granted() -> Granted {
    Granted {
        job: job_view(),
        run_id: nonce(),
        attempt: 1,
        lease_epoch: Epoch::new(1),
        claim_nonce: nonce(),
        expires_at: now(),
        ttl_sec: 30,
        renew_every_sec: 10,
        stop_margin_sec: 5,
        checkpoint: Some(checkpoint()),
        profile_snapshot: Some(stored::<Profile>("profile").snapshot),
        server_time: now(),
    }
}

pub(crate) fn renew() -> RenewLeases {
    let lease = RenewOne { job_id: job(), lease_epoch: Epoch::new(1), claim_nonce: nonce() };
    RenewLeases { factory_id: factory(), leases: vec![lease] }
}

pub(crate) fn renewed() -> RenewAnswer {
    let going_on = Renewed {
        job_id: job(),
        expires_at: Some(now()),
        stop: Some("cancel".to_owned()),
        error: None,
    };
    let fenced = Renewed {
        job_id: job(),
        expires_at: None,
        stop: None,
        error: Some(Problem::new(Code::Fenced, Uuid::parse_str(ID).unwrap())),
    };
    RenewAnswer { leases: vec![going_on, fenced], server_time: now() }
}

pub(crate) fn patch() -> PatchJob {
    PatchJob {
        job_id: job(),
        factory_id: factory(),
        lease_epoch: Epoch::new(1),
        claim_nonce: nonce(),
        op_id: op(),
        stage: Some(StageName::Building),
        checkpoint: Some(checkpoint()),
        note: Some("half way".to_owned()),
        verify_result: None,
        insights: None,
    }
}

pub(crate) fn progress() -> ReportProgress {
    ReportProgress {
        job_id: job(),
        factory_id: factory(),
        lease_epoch: Epoch::new(1),
        claim_nonce: nonce(),
        seq: 2,
        percent: 50,
        step: Some("build".to_owned()),
        message: Some("half way".to_owned()),
    }
}

pub(crate) fn release() -> ReleaseJob {
    ReleaseJob {
        job_id: job(),
        factory_id: factory(),
        lease_epoch: Epoch::new(1),
        claim_nonce: nonce(),
        op_id: op(),
        disposition: Some(Disposition::Fail),
        result: None,
        exit: Some(Exit { code: Some(1), signal: None }),
        verify_result: None,
        insights: None,
        checkpoint: Some(checkpoint()),
        reason: Some("two tests failed".to_owned()),
        artifacts: Vec::new(),
    }
}

pub(crate) fn beat() -> Beat {
    let record: fleet::Factory = stored("factory");
    Beat {
        factory_id: factory(),
        incarnation: incarnation(),
        capabilities: record.capabilities,
        engines: record.engines,
        health: Health::Ok,
        load: 0.5,
        seat_limit: 4,
        descriptor: Some(record.descriptor),
    }
}

pub(crate) fn beaten() -> Beaten {
    Beaten { server_time: now(), draining: false }
}

pub(crate) fn deregister() -> Deregister {
    Deregister { factory_id: factory(), incarnation: incarnation() }
}

pub(crate) fn offer() -> Offer {
    Offer {
        offer_id: Uuid::parse_str(ID).unwrap(),
        job_id: job(),
        epoch_seen: Epoch::new(2),
        priority: Priority::High,
        capabilities: vec!["os:linux".parse().unwrap()],
        engine: Some("shell".parse().unwrap()),
        expires_at: now(),
    }
}

pub(crate) fn stop_work() -> StopWork {
    StopWork {
        factory_id: factory(),
        job_id: job(),
        lease_epoch: Epoch::new(3),
        claim_nonce: nonce(),
        reason: StopReason::Cancel,
    }
}

pub(crate) fn kick() -> Kick {
    Kick { job_id: Some(job()) }
}

pub(crate) fn dead_letter() -> DeadLetter {
    DeadLetter { error: refusal().error, submission: "{\"submision\":{}}".to_owned() }
}

pub(crate) fn refusal() -> Envelope {
    let mut problem = Problem::new(Code::Validation, Uuid::parse_str(ID).unwrap());
    problem.field = Some("submision".to_owned());
    problem.reason = Some("unknown_key".to_owned());
    problem.message = "unknown field \"submision\"; did you mean \"submission\"?".to_owned();
    problem.hint = Some("submission".to_owned());
    problem.into()
}

fn named() -> JobName {
    JobName { job_id: job(), key: key() }
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        wip_branch: "wip/nightly/e1".to_owned(),
        wip_base: "a1b2c3".to_owned(),
        wip_commit: "d4e5f6".to_owned(),
    }
}

pub(crate) fn job() -> JobId {
    JobId::of(&"acme".parse().unwrap(), &key())
}

fn key() -> Key {
    "nightly".parse().unwrap()
}

pub(crate) fn factory() -> FactoryId {
    "f1".parse().unwrap()
}

pub(crate) fn nonce() -> Nonce {
    ID.parse().unwrap()
}

fn op() -> OpId {
    ID.parse().unwrap()
}

fn incarnation() -> Incarnation {
    ID.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}
