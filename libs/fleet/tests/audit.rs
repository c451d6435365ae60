//! The auditor: silent on every history that the rules made, and naming every one that was
//! tampered with.
#![cfg(test)]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "each target tells other stories")]
mod world;

use std::time::Duration;

use fleet::{
    Action, Actor, Cause, Checkpoint, Disposition, Epoch, EventRecord, EventType, Invariant, Job,
    JobId, Lease, LeaseStatus, Nonce, RetryClass, Run, RunResult, StageName, Timestamp, Wish,
    audit, audit_dependencies,
};
use serde_json::json;
use world::{World, bidder, content, factory, job_id, patch, release};

/// The records of one job, open to tampering.
#[derive(Clone)]
struct Files {
    job: Job,
    events: Vec<EventRecord>,
    runs: Vec<Run>,
    lease: Lease,
}

impl Files {
    fn of(world: &World, id: JobId) -> Self {
        let (events, runs) = world.history(id);
        let lease = world.leases[&id].clone();
        Self { job: world.job(id).clone(), events, runs, lease }
    }

    fn found(&self) -> Vec<Invariant> {
        let found = audit(&self.job, &self.events, &self.runs, Some(&self.lease));
        found.iter().map(|violation| violation.invariant).collect()
    }

    fn event(&mut self, kind: EventType) -> &mut EventRecord {
        self.events.iter_mut().find(|event| event.kind == kind).expect("such an event")
    }
}

/// Reaped once from f1, failed and retried on f2, shipped by f1: every kind of claim's end.
fn shipped() -> Files {
    let (mut world, id) = (World::new(), job_id("j"));
    let retry = json!({"max": 3, "backoff": "exp", "on": ["crash"]});
    world.submit(content("j", &json!({"retry": retry}))).unwrap();
    let first = world.claim(id, &bidder("f1")).unwrap();
    world.hold_lease(id, &first);
    let op = world.op();
    let mut building = patch(&first, op, Some(StageName::Building));
    building.checkpoint = Some(checkpoint("c1"));
    world.patch(id, building).unwrap();
    world.relay(id);
    world.pass(Duration::from_secs(31));
    assert!(world.reap(id));
    let second = world.claim(id, &bidder("f2")).unwrap();
    world.hold_lease(id, &second);
    let op = world.op();
    world.release(id, release(&second, op, Some(Disposition::Fail))).unwrap();
    world.pass(Duration::from_secs(40));
    let third = world.claim(id, &bidder("f1")).unwrap();
    world.hold_lease(id, &third);
    for stage in [StageName::Building, StageName::Review, StageName::Testing] {
        let op = world.op();
        world.patch(id, patch(&third, op, Some(stage))).unwrap();
    }
    let op = world.op();
    world.release(id, release(&third, op, Some(Disposition::Ship))).unwrap();
    world.relay(id);
    Files::of(&world, id)
}

/// Held by f1 and building.
fn held() -> Files {
    let (mut world, id) = (World::new(), job_id("j"));
    world.submit(content("j", &json!({}))).unwrap();
    let holding = world.claim(id, &bidder("f1")).unwrap();
    world.hold_lease(id, &holding);
    let op = world.op();
    world.patch(id, patch(&holding, op, Some(StageName::Building))).unwrap();
    world.relay(id);
    Files::of(&world, id)
}

fn checkpoint(commit: &str) -> Checkpoint {
    Checkpoint {
        wip_branch: "wip/j/e1".to_owned(),
        wip_base: "base".to_owned(),
        wip_commit: commit.to_owned(),
    }
}

#[test]
fn a_history_that_the_rules_made_is_not_reported() {
    for files in [shipped(), held()] {
        assert_eq!(audit(&files.job, &files.events, &files.runs, Some(&files.lease)), []);
    }
}

#[test]
fn a_history_that_still_waits_in_the_outbox_is_not_reported() {
    let (mut world, id) = (World::new(), job_id("j"));
    world.submit(content("j", &json!({}))).unwrap();
    world.claim(id, &bidder("f1")).unwrap();
    assert_eq!(world.audit(), []);
    world.take_back(id, Cause::LockLost);
    let op = world.op();
    world.operate(id, Action::CancelNow, op).unwrap();
    assert_eq!(world.audit(), []);
}

#[test]
fn a_tombstone_is_not_reported() {
    let files = shipped();
    let mut world = World::new();
    let id = files.job.id;
    world.jobs.insert(id, files.job);
    world.ask(id, Actor::service("sweep"), Wish::Purge).unwrap();
    assert_eq!(audit(world.job(id), &files.events[..3], &[], Some(&files.lease)), []);
}

type Tampering = (&'static str, Invariant, fn(&mut Files));

const TAMPERED: &[Tampering] = &[
    ("one event lost", Invariant::I17, |files| drop(files.events.remove(4))),
    ("the last event lost", Invariant::I17, |files| drop(files.events.pop())),
    ("one number, two tales", Invariant::I17, |files| {
        let mut other = files.event(EventType::Building).clone();
        other.data.reason = Some("another".to_owned());
        files.events.push(other);
    }),
    ("the time falls", Invariant::I17, |files| {
        files.event(EventType::Building).at = Timestamp::EPOCH;
    }),
    ("an event stored under another number", Invariant::I17, |files| {
        files.event(EventType::Building).id = "j_x-99".to_owned();
    }),
    ("a note that took a number", Invariant::I17, |files| {
        files.event(EventType::Review).kind = EventType::Fenced;
    }),
    ("an event of another product", Invariant::I18, |files| {
        files.event(EventType::Claimed).head.product_id = "other".parse().unwrap();
    }),
    ("a run of another product", Invariant::I18, |files| {
        files.runs[0].head.product_id = "other".parse().unwrap();
    }),
    ("a lease of another product", Invariant::I18, |files| {
        files.lease.head.product_id = "other".parse().unwrap();
    }),
    ("a job under another key", Invariant::I7, |files| {
        let other = "other".parse().unwrap();
        let content = &files.job.content;
        files.job.content = content.amended(|content| content.idempotency_key = other);
    }),
    ("two claims in one epoch", Invariant::I1, |files| {
        let epoch = files.event(EventType::Claimed).epoch;
        let mut claims = files.events.iter_mut().filter(|event| event.kind == EventType::Claimed);
        claims.nth(1).unwrap().epoch = epoch;
    }),
    ("an epoch that falls", Invariant::I3, |files| {
        files.event(EventType::Shipped).epoch = Epoch::new(1);
    }),
    ("an epoch that skips", Invariant::I3, |files| {
        files.event(EventType::Shipped).epoch = Epoch::new(9);
    }),
    ("an epoch raised by a stage", Invariant::I3, |files| {
        files.event(EventType::Building).epoch = Epoch::new(2);
    }),
    ("a job that forgot a fence", Invariant::I3, |files| files.job.lease_epoch = Epoch::new(1)),
    ("a stranger builds", Invariant::I4, |files| {
        files.event(EventType::Building).actor = Actor::factory(&factory("f9"));
    }),
    ("the holder builds under an old nonce", Invariant::I4, |files| {
        files.event(EventType::Building).data.claim_nonce = Some(nonce(99));
    }),
    ("a zombie ends what was taken from it", Invariant::I4, |files| {
        files.event(EventType::LeaseExpired).actor = Actor::factory(&factory("f1"));
    }),
    ("a claim without nonce", Invariant::I5, |files| {
        files.event(EventType::Claimed).data.claim_nonce = None;
    }),
    ("a claim before the back-off was over", Invariant::I9, |files| {
        let after = Timestamp::from_millis(i64::MAX / 2);
        let mut queued = files.events.iter_mut().filter(|event| event.kind == EventType::Queued);
        queued.nth(1).unwrap().data.not_before = Some(after);
    }),
    ("a claim of a blocked job", Invariant::I9, |files| {
        files.event(EventType::Queued).kind = EventType::Blocked;
    }),
    ("a run missing", Invariant::I12, |files| drop(files.runs.pop())),
    ("a run too many", Invariant::I12, |files| {
        let mut run = files.runs[0].clone();
        run.attempt = 7;
        run.id = Run::id_of(files.job.id, 7);
        files.runs.push(run);
    }),
    ("two runs of one attempt", Invariant::I12, |files| files.runs.push(files.runs[0].clone())),
    ("attempts that were not told", Invariant::I12, |files| files.job.attempts = 9),
    ("a run of another claim", Invariant::I1, |files| files.runs[0].run_id = nonce(99)),
    ("a run on another factory", Invariant::I1, |files| {
        files.runs[0].factory_id = Some(factory("f9"));
    }),
    ("a second result", Invariant::I13, |files| {
        files.event(EventType::Building).data.result = Some(RunResult::Shipped);
    }),
    ("a result changed afterwards", Invariant::I13, |files| {
        files.runs[0].result = Some(RunResult::Shipped);
    }),
    ("a result that was lost", Invariant::I13, |files| files.runs[0].result = None),
    ("a checkpoint lost", Invariant::I15, |files| files.job.checkpoint = None),
    ("more failures than allowed", Invariant::I20, |files| files.job.failures = 4),
    ("content changed under a holder", Invariant::I21, |files| {
        files.event(EventType::Review).kind = EventType::Superseded;
    }),
    ("a word after shipped", Invariant::I12, |files| {
        let mut again = files.event(EventType::Claimed).clone();
        again.seq = Some(files.job.event_seq + 1);
        again.id = EventRecord::id_of(files.job.id, files.job.event_seq + 1);
        files.job.event_seq += 1;
        files.events.push(again);
    }),
    ("a stage skipped backwards", Invariant::Table, |files| {
        files.event(EventType::Testing).kind = EventType::Building;
    }),
    ("a lease ahead of its job", Invariant::I2, |files| files.lease.lease_epoch = Epoch::new(99)),
    ("a lease of another nonce", Invariant::I1, |files| {
        files.lease.status = LeaseStatus::Held;
        files.lease.claim_nonce = Some(nonce(99));
    }),
];

#[test]
fn every_tampered_history_is_named() {
    for (story, invariant, tamper) in TAMPERED {
        let mut files = shipped();
        tamper(&mut files);
        assert!(files.found().contains(invariant), "{story}: {:?}", files.found());
    }
}

#[test]
fn a_tampered_holder_is_named() {
    let mut files = held();
    files.job.claim.run_id = Some(nonce(99));
    assert!(files.found().contains(&Invariant::I5));
    let mut files = held();
    files.job.stage = fleet::Stage::Queued;
    assert!(files.found().contains(&Invariant::I1));
    let mut files = held();
    files.job.stage = fleet::Stage::Shipped;
    assert!(files.found().contains(&Invariant::Table));
}

#[test]
fn a_claim_without_its_dependencies_is_named() {
    let mut world = World::new();
    world.submit(content("dep", &json!({}))).unwrap();
    world.submit(content("j", &json!({"deps": ["dep"]}))).unwrap();
    let dep = world.claim(job_id("dep"), &bidder("f1")).unwrap();
    let op = world.op();
    world.patch(job_id("dep"), patch(&dep, op, Some(StageName::Building))).unwrap();
    let op = world.op();
    world.release(job_id("dep"), release(&dep, op, Some(Disposition::Ship))).unwrap();
    world.claim(job_id("j"), &bidder("f1")).unwrap();
    world.relay(job_id("j"));
    assert_eq!(world.audit(), []);
    let (events, _) = world.history(job_id("j"));
    let found = audit_dependencies(world.job(job_id("j")), &events, |_| None);
    assert_eq!(found.iter().map(|found| found.invariant).collect::<Vec<_>>(), [Invariant::I9]);
    assert_eq!(found[0].to_string().lines().count(), 1);
}

#[test]
fn a_violation_names_its_invariant_its_job_and_its_events() {
    let mut files = shipped();
    files.event(EventType::Building).actor = Actor::factory(&factory("f9"));
    let found = audit(&files.job, &files.events, &files.runs, Some(&files.lease));
    let job = files.job.id;
    let said = found[0].to_string();
    assert_eq!(said, format!("I4 {job}: f9 speaks, f1 holds (events [4, 5])"));
    assert_eq!(files.job.content.retry.as_ref().unwrap().on, [RetryClass::Crash]);
}

fn nonce(n: u128) -> Nonce {
    Nonce::from_uuid(uuid::Uuid::from_u128(0x0189_0a5d_ac96_7000_9000_0000_0000_0000 + n))
}
