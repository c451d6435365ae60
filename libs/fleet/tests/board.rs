//! The board against the rules: what it picks is what filtering and sorting everything would give.
#![cfg(test)]

#[path = "support/world.rs"]
#[expect(dead_code, reason = "each target tells other stories")]
mod world;

use std::time::Duration;

use fleet::{Bidder, Board, Health, JobId, Rank, unfit};
use proptest::prelude::*;
use serde_json::json;
use world::{World, bidder, content, job_id, product};

const AGEING: Duration = Duration::from_secs(1800);

/// What filtering and sorting every job gives.
fn naive(world: &World, bidder: &Bidder, ageing: Duration) -> Vec<JobId> {
    let fits = |job: &&fleet::Job| unfit(job, bidder, &world.given(job), world.now).is_none();
    let mut ranks: Vec<Rank> =
        world.jobs.values().filter(fits).map(|job| Rank::of(job, ageing, world.now)).collect();
    ranks.sort();
    ranks.into_iter().map(|rank| rank.job).collect()
}

fn picked(board: &mut Board, world: &World, bidder: &Bidder) -> Vec<JobId> {
    let picked = board.pick(&product(), bidder, usize::MAX, world.now);
    picked.into_iter().map(|candidate| candidate.job).collect()
}

#[derive(Clone, Debug)]
enum Deed {
    Submit { key: u8, rank: u8, gpu: bool, engine: bool, delay: u64 },
    Claim { key: u8 },
    Fail { key: u8 },
    Pass { seconds: u64 },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..8u8, 0..4u8, any::<bool>(), any::<bool>(), 0..3u64).prop_map(
            |(key, rank, gpu, engine, delay)| Deed::Submit { key, rank, gpu, engine, delay }
        ),
        2 => (0..8u8).prop_map(|key| Deed::Claim { key }),
        2 => (0..8u8).prop_map(|key| Deed::Fail { key }),
        3 => (0..2000u64).prop_map(|seconds| Deed::Pass { seconds }),
    ]
}

fn does(world: &mut World, deed: &Deed) {
    let key = |key: &u8| format!("k{key}");
    match deed {
        Deed::Submit { key: n, rank, gpu, engine, delay } => {
            let priority = ["critical", "high", "medium", "low"][usize::from(*rank)];
            let start = world.now.plus(Duration::from_secs(delay * 900)).to_string();
            let with = json!({
                "priority": priority, "priorityRank": rank,
                "capabilities": if *gpu { json!(["gpu"]) } else { json!(["git"]) },
                "engine": if *engine { json!("echo") } else { json!(null) },
                "notBefore": start,
                "retry": {"max": 9, "backoff": "exp", "on": ["crash"]},
            });
            drop(world.submit(content(&key(n), &with)));
        }
        Deed::Claim { key: n } => {
            let id = job_id(&key(n));
            if world.jobs.contains_key(&id) {
                drop(world.claim(id, &strong()));
            }
        }
        Deed::Fail { key: n } => {
            let id = job_id(&key(n));
            let holder = world.jobs.get(&id).and_then(fleet::Job::holder).cloned();
            if let Some(holder) = holder {
                let holding = fleet::Holding {
                    lease_epoch: world.job(id).lease_epoch,
                    factory_id: holder.factory,
                    claim_nonce: holder.nonce,
                };
                let op = world.op();
                let fail = Some(fleet::Disposition::Fail);
                world.release(id, world::release(&holding, op, fail)).unwrap();
            }
        }
        Deed::Pass { seconds } => world.pass(Duration::from_secs(*seconds)),
    }
}

fn strong() -> Bidder {
    let mut strong = bidder("f2");
    strong.capabilities.push("gpu:a100".parse().unwrap());
    strong
}

/// Factories of every sort.
fn bidders() -> Vec<Bidder> {
    let plain = bidder("f1");
    vec![
        strong(),
        Bidder { health: Health::Degraded, ..strong() },
        Bidder { health: Health::Down, ..strong() },
        Bidder { free_seats: 0, ..plain.clone() },
        Bidder { draining: true, ..plain.clone() },
        Bidder { engines: Vec::new(), ..plain.clone() },
        plain,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pick_is_what_sorting_everything_would_give(
        deeds in prop::collection::vec(deed(), 1..40),
        ageing in prop::sample::select(vec![Duration::ZERO, AGEING]),
    ) {
        let (mut world, mut board) = (World::new(), Board::new());
        board.settle(&product(), ageing, false);
        for deed in &deeds {
            does(&mut world, deed);
            for job in world.jobs.values() {
                board.upsert(job);
                prop_assert!(!board.upsert(job), "it is known");
            }
            for bidder in bidders() {
                let naive = naive(&world, &bidder, ageing);
                prop_assert_eq!(picked(&mut board, &world, &bidder), naive, "{:?}", bidder);
            }
            let order = naive(&world, &strong(), ageing);
            for (ahead, job) in order.iter().enumerate() {
                prop_assert_eq!(board.ahead_of(*job, world.now), Some(ahead));
            }
            let known = board.known_of(&product(), world.now);
            prop_assert_eq!((known.queued, known.claimable), (board.len(), order.len()));
        }
        let held = world.jobs.values().filter(|job| job.holder().is_some()).count();
        prop_assert_eq!(board.held_by(&strong().factory).count(), held);
    }
}

#[test]
fn news_of_an_older_version_is_no_news() {
    let (mut world, mut board) = (World::new(), Board::new());
    let id = job_id("j");
    world.submit(content("j", &json!({}))).unwrap();
    let queued = world.job(id).clone();
    world.claim(id, &bidder("f1")).unwrap();
    assert!(board.upsert(world.job(id)));
    assert!(!board.upsert(&queued));
    assert!(board.is_empty());
    assert_eq!(board.held_by(&bidder("f1").factory).map(|(job, _)| job).collect::<Vec<_>>(), [id]);
    board.remove(id, queued.head.rev);
    assert_eq!(board.held_by(&bidder("f1").factory).count(), 1);
    board.remove(id, world.job(id).head.rev);
    assert_eq!(board.held_by(&bidder("f1").factory).count(), 0);
}

#[test]
fn a_request_that_was_granted_is_known_until_its_job_is_left() {
    let (mut world, mut board) = (World::new(), Board::new());
    for key in ["a", "b"] {
        world.submit(content(key, &json!({}))).unwrap();
        world.claim(job_id(key), &bidder("f1")).unwrap();
        board.upsert(world.job(job_id(key)));
    }
    let [a, b] = ["a", "b"].map(|key| world.job(job_id(key)).clone());
    let asked = a.claim.claim_request_id.unwrap();
    assert_eq!(board.granted(&bidder("f1").factory, asked), Some(a.id));
    assert_eq!(board.granted(&bidder("f2").factory, asked), None);
    board.remove(a.id, a.head.rev);
    assert_eq!(board.granted(&bidder("f1").factory, asked), None);
    let other = b.claim.claim_request_id.unwrap();
    assert_eq!(board.granted(&bidder("f1").factory, other), Some(b.id));
}

#[test]
fn a_paused_product_offers_nothing_and_a_timer_tells_when_to_look() {
    let (mut world, mut board) = (World::new(), Board::new());
    let start = world.now.plus(Duration::from_secs(60));
    world.submit(content("j", &json!({"notBefore": start.to_string()}))).unwrap();
    board.settle(&product(), AGEING, true);
    board.upsert(world.job(job_id("j")));
    assert_eq!((board.len(), board.next_due()), (1, Some(start)));
    world.pass(Duration::from_secs(60));
    assert!(picked(&mut board, &world, &bidder("f1")).is_empty());
    board.settle(&product(), AGEING, false);
    assert_eq!(picked(&mut board, &world, &bidder("f1")), [job_id("j")]);
    assert_eq!(board.next_due(), Some(start.plus(AGEING)));
}
