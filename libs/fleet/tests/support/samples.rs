//! One of each record, as full as the rules make it.

use std::time::Duration;

use fleet::{
    Actor, Artifact, ArtifactCommand, ArtifactId, ArtifactKind, AuditEntry, Budget, BudgetCommand,
    Control, Description, Disposition, EventRecord, EventType, Exit, Factory, FactoryCommand, Head,
    Heartbeat, Insights, Job, Lease, Lineage, LineageCommand, Lock, LockCommand, MicroUsd, Nonce,
    Owner, Product, ProductCommand, Profile, Record, Reservation, Run, Slot, SlotState, StageName,
    VerifyResult, Window, Wish, touched,
};
use serde_json::json;

use crate::world::{self, World, bidder, content, factory as name, job_id, patch, release};

/// Everything that a submission can say, and a life of two runs.
fn lived() -> World {
    let (mut world, id) = (World::new(), job_id("j"));
    world.submit(full()).unwrap();
    let first = world.claim(id, &bidder("f1")).unwrap();
    world.hold_lease(id, &first);
    let op = world.op();
    let mut building = patch(&first, op, Some(StageName::Building));
    building.checkpoint = Some(fleet::Checkpoint {
        wip_branch: "wip/j/e1".to_owned(),
        wip_base: "a1".to_owned(),
        wip_commit: "b2".to_owned(),
    });
    building.insights = Some(insights());
    building.verify = Some(verdict());
    world.patch(id, building).unwrap();
    world.pass(Duration::from_secs(5));
    world
}

fn full() -> fleet::Content {
    content(
        "j",
        &json!({
            "manifestSnapshot": {"priority": "high"}, "bodyMd": "# Do it\n\u{1f980}",
            "trackerItemId": "T-1", "priority": "high", "priorityRank": 1,
            "capabilities": ["git"], "engine": "echo", "engineClass": "agentic-coder",
            "prefersEngine": ["echo"], "profile": "fast@3", "command": ["make", "all"],
            "verify": "make test", "onDepFailure": "fail", "locks": ["main"],
            "budget": {"usd": 1.5, "tokens": 1000, "wall": 3600},
            "retry": {"max": 3, "backoff": "exp", "on": ["timeout", "verify_failed", "crash"]},
            "timeoutSec": 600, "notBefore": "2026-01-01T00:00:00.000Z", "cwd": "/srv/j",
            "yolo": true, "repo": "git@example.org:j", "baseBranch": "main",
            "allowedScope": ["src/**"], "artifactGlobs": ["out/*"], "sequence": 7,
        }),
    )
}

fn insights() -> Insights {
    Insights {
        model: Some("m-1".to_owned()),
        tokens_in: Some(10),
        tokens_out: Some(20),
        tokens_cached: Some(5),
        cost_usd: Some(MicroUsd::from_micros(123_456)),
        estimated: Some(true),
        turns: Some(2),
        tool_calls: Some(3),
        files_changed: Some(1),
        lines_added: Some(9),
        lines_deleted: Some(4),
    }
}

fn verdict() -> VerifyResult {
    VerifyResult {
        passed: true,
        exit_code: Some(0),
        duration_ms: Some(1200),
        summary: Some("12 passed".to_owned()),
    }
}

pub(crate) fn held_job() -> Job {
    lived().job(job_id("j")).clone()
}

/// Failed once and waiting for its second attempt.
fn retried() -> World {
    let mut world = lived();
    let id = job_id("j");
    let holder = world.job(id).holder().unwrap().clone();
    let holding = fleet::Holding {
        lease_epoch: world.job(id).lease_epoch,
        factory_id: holder.factory,
        claim_nonce: holder.nonce,
    };
    let op = world.op();
    let mut failed = release(&holding, op, Some(Disposition::Fail));
    failed.exit = Some(Exit { code: Some(1), signal: None });
    failed.reason = Some("it broke".to_owned());
    world.release(id, failed).unwrap();
    world
}

pub(crate) fn job() -> Job {
    retried().job(job_id("j")).clone()
}

pub(crate) fn tombstone() -> Job {
    let mut world = retried();
    let id = job_id("j");
    let op = world.op();
    world.operate(id, fleet::Action::CancelNow, op).unwrap();
    world.relay(id);
    world.ask(id, Actor::service("sweep"), Wish::Purge).unwrap();
    world.job(id).clone()
}

pub(crate) fn run() -> Run {
    let mut world = retried();
    world.relay(job_id("j"));
    let run = world.runs[&(job_id("j"), 1)].clone();
    let progress = json!({
        "percent": 50, "step": "build", "message": "half", "seq": 2, "at": world.now.to_string(),
    });
    Run { progress: serde_json::from_value(progress).unwrap(), ..touched(run, world.now) }
}

pub(crate) fn lease() -> Lease {
    lived().leases[&job_id("j")].clone()
}

pub(crate) fn event() -> EventRecord {
    let mut world = retried();
    world.relay(job_id("j"));
    let (events, _) = world.history(job_id("j"));
    let told = events.into_iter().find(|event| event.kind == EventType::RetryScheduled);
    touched(told.unwrap(), world.now)
}

pub(crate) fn factory() -> Factory {
    let mut world = World::new();
    let incarnation = fleet::Incarnation::from_uuid(world.mint());
    let descriptor = json!({
        "hostname": "h1", "os": "linux", "arch": "x86_64", "version": "0.1.0", "region": "eu",
        "labels": {"rack": "7"},
    });
    let beat = Heartbeat {
        incarnation,
        descriptor: serde_json::from_value(descriptor).unwrap(),
        capabilities: bidder("f1").capabilities,
        engines: bidder("f1").engines,
        health: fleet::Health::Degraded,
        load: 0.5,
        seat_limit: 4,
        last_renewal: None,
    };
    let absent = Factory::absent(name("f1"), world::product(), world.now);
    after(absent, &FactoryCommand::Heartbeat(Box::new(beat)), world.now)
}

pub(crate) fn profile() -> Profile {
    let snapshot = json!({
        "engine": "echo", "args": ["--fast"], "env": {"A": "b"}, "promptTemplate": "{body}",
        "model": "m-1", "timeout": "5h", "verify": ["make", "test"], "capabilities": ["git"],
        "estimateUsd": 0.25, "estimateTokens": 1000, "priceTable": {"m-1": {"in": 1}},
    });
    let snapshot = serde_json::from_value(snapshot).unwrap();
    let now = World::new().now;
    touched(Profile::new("fast".parse().unwrap(), 3, snapshot, world::product(), now), now)
}

pub(crate) fn lineage() -> Lineage {
    let now = World::new().now;
    let absent = Lineage::absent("fast".parse().unwrap(), world::product(), now);
    after(absent, &LineageCommand::Reach(3), now)
}

pub(crate) fn artifact() -> Artifact {
    let mut world = World::new();
    let id = ArtifactId::new(job_id("j"), world.mint());
    let now = world.now;
    let described = Description {
        kind: ArtifactKind::Log,
        content_type: None,
        name: Some("out.log".to_owned()),
        size_bytes: Some(3),
        sha256: None,
    };
    let described = described.judged().unwrap();
    let mut pending = Artifact::pending(id, world::product(), described, now);
    pending.run_id = Some(Nonce::from_uuid(world.mint()));
    pending.epoch = Some(fleet::Epoch::new(1));
    pending.quarantined = Some(true);
    let sha256 = fleet::sha256_hex(b"abc");
    after(pending, &ArtifactCommand::Commit { size_bytes: 3, sha256 }, now)
}

pub(crate) fn lock() -> Lock {
    let mut world = World::new();
    let slot = Slot {
        claim_nonce: Nonce::from_uuid(world.mint()),
        job_id: job_id("j"),
        factory_id: name("f1"),
        epoch: fleet::Epoch::new(1),
        state: SlotState::Reserved,
        at: world.now,
    };
    let lock = Lock::absent("main".parse().unwrap(), world::product(), world.now);
    after(lock, &LockCommand::Reserve { slot, owner: Owner::Gone }, world.now)
}

pub(crate) fn budget() -> Budget {
    let mut world = World::new();
    let now = world.now;
    let mut budget = Budget::new("daily".parse().unwrap(), world::product(), Window::Day, now);
    budget.limit_usd = Some(MicroUsd::from_micros(20_000_000));
    budget.limit_tokens = Some(1_000_000);
    budget.applies_to =
        Some(fleet::AppliesTo { profile: "fast".parse().ok(), engine: "echo".parse().ok() });
    let nonce = Nonce::from_uuid(world.mint());
    let kept = Reservation {
        claim_nonce: nonce,
        job_id: job_id("j"),
        usd: MicroUsd::from_micros(500_000),
        tokens: 100,
        told_usd: MicroUsd::ZERO,
        told_tokens: 0,
        at: now,
    };
    let budget = after(budget, &BudgetCommand::Reserve(kept), now);
    after(budget, &BudgetCommand::Tell(nonce, MicroUsd::from_micros(250_000), 50), now)
}

pub(crate) fn product() -> Product {
    let now = World::new().now;
    let mut product = Product::absent(world::product(), now);
    product.defaults = json!({"engine": "echo"}).as_object().unwrap().clone();
    let reason = Some("release day".to_owned());
    after(product, &ProductCommand::Pause { by: Actor::user("olga"), reason }, now)
}

pub(crate) fn audit() -> AuditEntry {
    let mut world = World::new();
    let head = Head::new(world::product(), world.now);
    let id = world.mint();
    let mut entry = AuditEntry::new(id, head, Actor::user("olga"), "pause", "product acme");
    entry.data = json!({"reason": "release day"}).as_object().unwrap().clone();
    touched(entry, world.now)
}

pub(crate) fn control() -> Control {
    let now = World::new().now;
    touched(Control::new(8, 3, now), now)
}

fn after<R: Record>(record: R, command: &R::Command, now: fleet::Timestamp) -> R
where
    R::Rejection: std::fmt::Debug,
{
    let facts = record.decide(command, now).expect("allowed");
    touched(facts.iter().fold(record, R::evolve), now)
}
