//! One seed from its first moment to its last: bad days, good days until everything rests, and
//! then the checks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fleet::{Invariant, Job, JobId, audit, audit_dependencies};
use ledger::Ledger;
use tokio::time::sleep;

use super::check::{Check, Finding, check};
use super::factory::Factory;
use super::history::Line;
use super::plan::Plan;
use super::world::World;
use super::{keepers, people};

#[derive(Debug)]
pub(super) struct Report {
    pub lines: Vec<Line>,
    pub found: Vec<Finding>,
}

/// How long good days may last before whatever still stirs will stir for ever.
const DRAIN: Duration = Duration::from_secs(240);
/// What is said last is said after the last job rests; the sweep comes by once more.
const AFTERWARDS: Duration = Duration::from_secs(12);

/// A world of its own, on a thread of the caller's.
pub(super) fn run(plan: Plan) -> Report {
    inside(|| async move {
        let world = World::new(plan);
        people::send(&world);
        keepers::start(&world);
        for number in 0..world.plan.factories {
            hire(&world, number, number);
        }
        for clone in 0..world.plan.clones {
            hire(&world, 0, 50 + clone);
        }
        sleep(world.plan.bad).await;
        world.heal();
        drain(&world).await;
        close(&world).await
    })
}

/// Time stands until every task waits; nothing else runs on this thread.
pub(super) fn inside<T, F: Future<Output = T>>(world: impl FnOnce() -> F) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(async { world().await })
}

fn hire(world: &Arc<World>, number: u64, seat: u64) {
    world.spawn(Factory::new(world, number, seat).run(seat));
}

async fn drain(world: &Arc<World>) {
    let mut waited = Duration::ZERO;
    let step = Duration::from_secs(2);
    while waited < DRAIN {
        let silent = world.talking.load(Ordering::Relaxed) == 0;
        if silent && world.store.inner().is_at_rest() {
            break;
        }
        sleep(step).await;
        waited += step;
    }
    sleep(AFTERWARDS).await;
}

/// What the lines say and what the auditor says of the records.
pub(super) async fn close(world: &Arc<World>) -> Report {
    let lines = world.history.take();
    let mut found = check(&lines);
    let truth = world.truth();
    truth.sweep().await.expect("the true store has no faults");
    truth.sweep().await.expect("the true store has no faults");
    let at = world.clock.now().millis();
    found.extend(audited(&truth, at).await);
    Report { lines, found }
}

async fn audited(truth: &Ledger, at: i64) -> Vec<Finding> {
    let (jobs, _) = truth.jobs.page_of_all(None, 1000).await.expect("no faults");
    let jobs: Vec<Job> = jobs.into_iter().map(|found| found.record).collect();
    let mut found = Vec::new();
    for job in &jobs {
        let events = truth.events_of(job.id).await.expect("no faults");
        let runs: Vec<_> = records(truth.runs.all_of(job.id).await);
        let lease = truth.leases.get(job.id, job.id).await.expect("no faults");
        let lease = lease.map(|found| found.record);
        let find = |id: &JobId| jobs.iter().find(|job| job.id == *id);
        let mut violations = audit(job, &events, &runs, lease.as_ref());
        violations.extend(audit_dependencies(job, &events, find));
        found.extend(violations.into_iter().map(|violation| Finding {
            check: if violation.invariant == Invariant::I17 { Check::Log } else { Check::Records },
            at,
            what: violation.to_string(),
        }));
    }
    found
}

fn records<R>(found: Result<Vec<ledger::Found<R>>, ledger::LedgerError>) -> Vec<R> {
    found.expect("no faults").into_iter().map(|found| found.record).collect()
}
