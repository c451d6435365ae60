//! The loops of the services: followers, reapers, the sweep, and what befalls their processes.
//! The wrong reapers are here, since a reaper is a loop with a memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fleet::{
    Actor, Cause, Circumstances, Command, Job, JobId, Lease, LeaseCommand, TakeBack, Timestamp,
    Wish,
};
use ledger::{LedgerError, Reaper};
use store::{Expect, Revision};
use tokio::time::sleep;

use super::fuse::under;
use super::mutant::Mutant;
use super::plan::TERMS;
use super::raw::{Raw, Wrote, after};
use super::stores::without_held;
use super::world::{Desk, SKEWED, World, nap};

const KEEPER: usize = 2;

pub(super) fn start(world: &Arc<World>) {
    for service in 0..world.services.len() {
        world.spawn(follow(Arc::clone(world), service));
    }
    for (number, service) in [(0, KEEPER), (1, SKEWED)] {
        world.spawn(reap(Arc::clone(world), service, number));
    }
    world.spawn(sweep(Arc::clone(world)));
    world.spawn(restarts(Arc::clone(world)));
}

async fn follow(world: Arc<World>, service: usize) {
    let mut dice = world.dice(400 + service as u64);
    loop {
        nap(&mut dice, 50, 400).await;
        if world.plan.notices {
            let fuse = world.fuse(&mut dice);
            let desk = world.desk(service);
            let _lost_or_away = under(fuse, desk.ledger.follow_all()).await;
        }
    }
}

async fn sweep(world: Arc<World>) {
    let mut dice = world.dice(500);
    loop {
        nap(&mut dice, 5_000, 9_000).await;
        let fuse = world.fuse(&mut dice);
        let mut desk = world.desk(KEEPER);
        if world.is(Mutant::LeaseWithoutRepair) {
            desk.ledger = without_held(&desk);
        }
        let _lost_or_away = under(fuse, desk.ledger.sweep()).await;
    }
}

async fn restarts(world: Arc<World>) {
    let mut dice = world.dice(600);
    while !world.is_healed() {
        nap(&mut dice, 2_000, 9_000).await;
        world.restart(dice.index(world.services.len()));
    }
}

async fn reap(world: Arc<World>, service: usize, number: u64) {
    let mut dice = world.dice(700 + number);
    let mut starts = 0;
    let mut keeper = None;
    let mut watch = Watch::default();
    loop {
        nap(&mut dice, 1_000, 2_000).await;
        let now = world.services[service].starts.load(Ordering::Relaxed);
        let desk = world.desk(service);
        if keeper.is_none() || now != starts {
            keeper = Some(Reaper::new(desk.ledger.clone()));
            watch = Watch::default();
            starts = now;
        }
        let fuse = world.fuse(&mut dice);
        let uptime = desk.clock.uptime();
        if world.is(Mutant::ReaperRereads) {
            let _lost = under(fuse, watch.round_rereading(&desk, uptime)).await;
        } else if world.is(Mutant::SkewedExpiry) {
            let _lost = under(fuse, round_by_the_wall(&desk)).await;
        } else if let Some(keeper) = &mut keeper {
            let _lost = under(fuse, keeper.round(uptime)).await;
        }
    }
}

/// What a wrong reaper has seen of each lease, and since when.
#[derive(Default)]
struct Watch(BTreeMap<JobId, (Revision, Duration)>);

impl Watch {
    /// Judges all that it read, then works off what is due; reads again, to have a revision that
    /// will be taken.
    async fn round_rereading(&mut self, desk: &Desk, uptime: Duration) -> Result<(), LedgerError> {
        let raw = Raw(Arc::clone(&desk.store));
        let mut due = Vec::new();
        for (lease, revision) in raw.all::<Lease>().await? {
            let since = match self.0.get(&lease.job_id) {
                Some((seen, since)) if *seen == revision => *since,
                Some(_) | None => uptime,
            };
            self.0.insert(lease.job_id, (revision, since));
            let silent = uptime.saturating_sub(since) >= TERMS.ttl + TERMS.reap_allowance;
            if lease.is_held() && silent {
                due.push(lease);
            }
        }
        for lease in due {
            sleep(Duration::from_secs(1) + desk.ids.jitter(Duration::from_secs(1))).await;
            take_as_it_is(desk, &raw, &lease).await?;
        }
        Ok(())
    }
}

/// Two hosts' wall clocks compared.
async fn round_by_the_wall(desk: &Desk) -> Result<(), LedgerError> {
    let raw = Raw(Arc::clone(&desk.store));
    for (lease, _) in raw.all::<Lease>().await? {
        let until = lease.expires_at.unwrap_or(Timestamp::EPOCH);
        if lease.is_held() && until.plus(TERMS.reap_allowance) < desk.clock.now() {
            take_as_it_is(desk, &raw, &lease).await?;
        }
    }
    Ok(())
}

async fn take_as_it_is(desk: &Desk, raw: &Raw, judged: &Lease) -> Result<(), LedgerError> {
    let (id, now) = (judged.job_id, desk.clock.now());
    let Some((lease, revision)) = raw.get::<Lease>(id, id).await? else { return Ok(()) };
    let command = LeaseCommand::Expire(judged.lease_epoch);
    let Ok(Some(expired)) = after(&lease, &command, now) else { return Ok(()) };
    if raw.put(&expired, &Expect::At(revision)).await? != Wrote::Yes {
        return Ok(());
    }
    let product = &desk.world.product;
    let Some((job, revision)) = raw.get::<Job>(product, id).await? else { return Ok(()) };
    let back = TakeBack { epoch: judged.lease_epoch, cause: Cause::Silent };
    let command = Command {
        by: Actor::service("lease-keeper"),
        given: Circumstances::default(),
        wish: Wish::TakeBack(back),
    };
    if let Ok(Some(taken)) = after(&job, &command, now) {
        raw.put(&taken, &Expect::At(revision)).await?;
    }
    Ok(())
}
