//! What the core costs: a claim judged and applied, a job read and written, a job picked.
#![cfg(test)]

#[path = "../tests/support/world.rs"]
#[expect(dead_code, reason = "each target tells other stories")]
mod world;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fleet::{Actor, Board, Circumstances, Claim, Command, Job, Nonce, Record, RequestId, Wish};
use serde_json::json;
use world::{World, bidder, content, job_id};

fn claim(bench: &mut Criterion) {
    let mut world = World::new();
    world.submit(content("j", &json!({"capabilities": ["git"], "engine": "echo"}))).unwrap();
    let job = world.job(job_id("j")).clone();
    let claim = Claim {
        bidder: bidder("f1"),
        nonce: Nonce::from_uuid(world.mint()),
        request: RequestId::from_uuid(world.mint()),
        epoch_seen: job.lease_epoch,
        profile: None,
        grant_deadline: world.now,
    };
    let wish = Wish::Claim(Box::new(claim));
    let given = Circumstances::default();
    let command = Command { by: Actor::service("scheduler"), given, wish };
    bench.bench_function("decide and evolve a claim", |bench| {
        bench.iter_batched(
            || job.clone(),
            |job| {
                let facts = job.decide(black_box(&command), world.now).unwrap();
                facts.iter().fold(job, Record::evolve)
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

/// As long as a job with a short body usually is.
fn codec(bench: &mut Criterion) {
    let mut world = World::new();
    let with = json!({
        "capabilities": ["git", "os:linux", "node>=20"], "engine": "echo",
        "retry": {"max": 3, "backoff": "exp", "on": ["crash", "timeout"]}, "deps": ["a"],
    });
    let body = "x".repeat(400);
    world.submit(content("j", &json!({"bodyMd": body, "engine": "echo"}))).unwrap();
    let id = job_id("j");
    world.claim(id, &bidder("f1")).unwrap();
    let mut job = world.job(id).clone();
    let capabilities = content("j", &with).capabilities;
    job.content = job.content.amended(|content| content.capabilities = capabilities);
    let bytes = job.encode().unwrap();
    bench.bench_function(&format!("decode a job of {} bytes", bytes.len()), |bench| {
        bench.iter(|| Job::decode(black_box(&bytes)).unwrap());
    });
    bench.bench_function("encode the same", |bench| bench.iter(|| black_box(&job).encode()));
}

/// A hundred thousand queued jobs in twelve classes and four ranks.
fn pick(bench: &mut Criterion) {
    let world = World::new();
    let mut board = Board::new();
    board.settle(&world::product(), std::time::Duration::from_secs(1800), false);
    for n in 0..100_000u32 {
        let capabilities: Vec<String> = (0..n % 12).map(|c| format!("has:{c}")).collect();
        let with = json!({"capabilities": capabilities, "priorityRank": n % 4});
        let mut one = World::new();
        one.submit(content(&format!("k{n}"), &with)).unwrap();
        board.upsert(one.job(job_id(&format!("k{n}"))));
    }
    let mut bidder = bidder("f1");
    bidder.capabilities.extend((0..6).map(|c| format!("has:{c}").parse().unwrap()));
    bench.bench_function("pick one of 100,000", |bench| {
        bench.iter(|| board.pick(&world::product(), black_box(&bidder), 1, world.now));
    });
    bench.bench_function("pick five of 100,000", |bench| {
        bench.iter(|| board.pick(&world::product(), black_box(&bidder), 5, world.now));
    });
}

criterion_group!(core, claim, codec, pick);
criterion_main!(core);
