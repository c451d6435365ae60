//! Those who send jobs and those who interfere: each repeats what was not answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fleet::{Action, Actor, Content, JobId, OpId, Operation};
use futures_util::FutureExt;
use ledger::Verdict;

use super::ask::Answer;
use super::dice::Dice;
use super::history::{Facts, Op, Phase};
use super::load::{Order, orders};
use super::world::{World, nap};
use super::wrong;

pub(super) fn send(world: &Arc<World>) {
    let now = world.clock.now();
    for (n, order) in orders(&world.plan, now).into_iter().enumerate() {
        let dice = world.dice(100 + n as u64);
        speak(world, submit(Arc::clone(world), order, dice, n));
    }
    speak(world, operate(Arc::clone(world)));
    world.spawn(ship_the_parked(Arc::clone(world)));
}

/// The world does not rest before they have said everything.
fn speak(world: &Arc<World>, task: impl Future<Output = ()> + Send + 'static) {
    world.talking.fetch_add(1, Ordering::Relaxed);
    let owner = Arc::clone(world);
    world.spawn(async move {
        task.await;
        owner.talking.fetch_sub(1, Ordering::Relaxed);
    });
}

async fn submit(world: Arc<World>, order: Order, mut dice: Dice, n: usize) {
    let by: Arc<str> = format!("sub{n}").into();
    // Two that close a cycle come at the same time.
    if order.contents.iter().all(|content| content.idempotency_key.as_str() < "x") {
        nap(&mut dice, 0, 9_000).await;
    }
    for content in order.contents {
        submit_one(&world, &by, &content, &mut dice).await;
        nap(&mut dice, 500, 8_000).await;
        if dice.chance(300) {
            submit_one(&world, &by, &content, &mut dice).await;
        }
    }
}

/// Until somebody answers.
async fn submit_one(world: &Arc<World>, by: &Arc<str>, content: &Content, dice: &mut Dice) {
    let key = Some(JobId::of(&world.product, &content.idempotency_key));
    let args = || Facts { hash: Some(content.content_hash.clone()), ..Facts::default() };
    loop {
        world.history.call(by, Op::Submit, key, args());
        let sent = content.clone();
        let serve = move |desk: super::world::Desk| {
            let sent = sent.clone();
            async move { wrong::submit(&desk, &sent).await }.boxed()
        };
        let (phase, result) = match world.ask(dice, serve).await.0 {
            Answer::Ok((verdict, job)) => {
                let result = Facts {
                    word: Some(format!("{verdict:?}")),
                    hash: (verdict != Verdict::Existing).then(|| job.content.content_hash.clone()),
                    ..Facts::default()
                };
                (Phase::Ok, result)
            }
            Answer::No(no) => {
                (Phase::No, Facts { word: Some(format!("{:?}", no.code)), ..Facts::default() })
            }
            Answer::Unknown => (Phase::Unknown, Facts::default()),
        };
        world.history.push(by, (Op::Submit, phase), key, (args(), result));
        if phase != Phase::Unknown {
            return;
        }
        nap(dice, 300, 1_500).await;
    }
}

/// A few words of an operator in the bad days; at the end they ship whatever waits for a person.
async fn operate(world: Arc<World>) {
    let mut dice = world.dice(200);
    let ids = world.seeded(200);
    for _ in 0..dice.below(4) {
        nap(&mut dice, 4_000, 14_000).await;
        let action = [
            Action::CancelGraceful,
            Action::CancelNow,
            Action::Requeue,
            Action::Redrive,
            Action::Ship { force: true },
            Action::Reject,
        ][dice.index(6)];
        let key = format!("k{}", dice.below(world.plan.jobs)).parse().expect("a key");
        let op = OpId::from_uuid(ids.mint());
        let operation = Operation { action, op: Some(op), reason: None };
        operate_one(&world, JobId::of(&world.product, &key), &operation, &mut dice).await;
    }
    while !world.is_healed() {
        nap(&mut dice, 1_000, 3_000).await;
    }
}

/// In the good days whatever waits for a person gets one.
async fn ship_the_parked(world: Arc<World>) {
    let mut dice = world.dice(201);
    let ids = world.seeded(201);
    loop {
        nap(&mut dice, 2_000, 4_000).await;
        let parked = if world.is_healed() { world.store.inner().parked() } else { Vec::new() };
        for job in parked {
            let op = Some(OpId::from_uuid(ids.mint()));
            let action = Action::Ship { force: true };
            operate_one(&world, job, &Operation { action, op, reason: None }, &mut dice).await;
        }
    }
}

async fn operate_one(world: &Arc<World>, job: JobId, operation: &Operation, dice: &mut Dice) {
    let by: Arc<str> = "operator".into();
    let args = || Facts {
        id: operation.op.map(OpId::uuid),
        word: Some(format!("{:?}", operation.action)),
        ..Facts::default()
    };
    loop {
        world.history.call(&by, Op::Operate, Some(job), args());
        let (product, wish) = (world.product.clone(), operation.clone());
        let serve = move |desk: super::world::Desk| {
            let (product, wish) = (product.clone(), wish.clone());
            async move { desk.ledger.cancel(&product, job, &Actor::user("op"), wish).await }.boxed()
        };
        let (phase, result) = match world.ask(dice, serve).await.0 {
            Answer::Ok(job) => {
                (Phase::Ok, Facts { stage: Some(job.stage.name()), ..Facts::default() })
            }
            Answer::No(no) => {
                (Phase::No, Facts { word: Some(format!("{:?}", no.code)), ..Facts::default() })
            }
            Answer::Unknown => (Phase::Unknown, Facts::default()),
        };
        world.history.push(&by, (Op::Operate, phase), Some(job), (args(), result));
        if phase != Phase::Unknown {
            return;
        }
        nap(dice, 300, 1_500).await;
    }
}
