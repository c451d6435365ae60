//! Full cycles through the ledger, submit to shipped, each write awaited; how many a second, and
//! how many writes each costs. A program, not a test: figures depend on the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use clock::{Clock, Ids, System};
use fleet::{
    Actor, Bidder, Content, Disposition, Epoch, Health, Holding, OpId, Patch, ProductId, Release,
    RequestId, StageName, Submission, Terms as Submitting, normalise,
};
use ledger::{ClaimRequest, Ledger, Terms};
use store::{Cursor, Expect, Key, Memory, Page, Put, Revision, Scope, Store, StoreError, Versioned};

#[derive(Debug)]
struct Counted<S>(S, AtomicU64);

#[async_trait]
impl<S: Store> Store for Counted<S> {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.0.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.0.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.scan(scope, from, limit).await
    }
}

struct Yard {
    ledger: Ledger,
    ids: Arc<System>,
    clock: Arc<System>,
    product: ProductId,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let counted = Arc::new(Counted(Memory::new(), AtomicU64::new(0)));
    let store: Arc<dyn Store> = counted.clone();
    let system = Arc::new(System::start());
    let ledger = Ledger::new(
        &store,
        Arc::new(bus::Memory::default()),
        system.clone(),
        system.clone(),
        Terms::default(),
    );
    let yard = Arc::new(Yard {
        ledger,
        ids: system.clone(),
        clock: system,
        product: "acme".parse().expect("name"),
    });
    let started = Instant::now();
    let cycles = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for worker in 0..64 {
        let (yard, cycles) = (yard.clone(), cycles.clone());
        tasks.push(tokio::spawn(async move {
            let mut n = 0;
            while started.elapsed() < Duration::from_secs(5) {
                cycle(&yard, &format!("{worker}-{n}"), &format!("f{worker}")).await;
                cycles.fetch_add(1, Ordering::Relaxed);
                n += 1;
            }
        }));
    }
    let follower = {
        let yard = yard.clone();
        tokio::spawn(async move {
            loop {
                yard.ledger.agenda().added().await;
                yard.ledger.follow_all().await.expect("memory");
            }
        })
    };
    for task in tasks {
        task.await.expect("cycle");
    }
    let elapsed = started.elapsed().as_secs_f64();
    let done = cycles.load(Ordering::Relaxed) as f64;
    println!("{:.0} cycles/s while follower runs", done / elapsed);
    let t = Instant::now();
    follower.abort();
    let left = yard.ledger.follow_all().await.expect("memory");
    println!("followers left {left} took {:?}; {:.1} writes per cycle", t.elapsed(), counted.1.load(Ordering::Relaxed) as f64 / done);
}

async fn cycle(yard: &Yard, key: &str, factory: &str) {
    let content = content(yard, key);
    let by = Actor::user("ci");
    let receipt = yard.ledger.submit(&yard.product, &content, &by).await.expect("submit");
    let job = receipt.done().expect("created").job.id;
    let request = ClaimRequest {
        product: yard.product.clone(),
        job,
        bidder: Bidder {
            factory: factory.parse().expect("name"),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().expect("name")],
            health: Health::Ok,
            draining: false,
            stale: false,
            free_seats: 1,
        },
        request: RequestId::from_uuid(yard.ids.mint()),
        epoch_seen: Epoch::ZERO,
        deadline: yard.clock.now().plus(Duration::from_secs(20)),
    };
    let grant = yard.ledger.claim(&request).await.expect("claim").done().expect("granted");
    let patch = Patch {
        holding: grant.holding.clone(),
        op: OpId::from_uuid(yard.ids.mint()),
        stage: Some(StageName::Building),
        checkpoint: None,
        note: None,
        verify: None,
        insights: None,
    };
    yard.ledger.patch(&yard.product, job, patch).await.expect("patch").done().expect("moved");
    let release = shipping(grant.holding, OpId::from_uuid(yard.ids.mint()));
    yard.ledger.release(&yard.product, job, release).await.expect("ship").done().expect("shipped");
}

fn shipping(holding: Holding, op: OpId) -> Release {
    Release {
        holding,
        op,
        disposition: Some(Disposition::Ship),
        result: None,
        exit: None,
        verify: None,
        insights: None,
        checkpoint: None,
        reason: None,
    }
}

fn content(yard: &Yard, key: &str) -> Content {
    let text = format!(r#"{{"idempotencyKey":"{key}","engine":"echo","bodyMd":"{}"}}"#, "x".repeat(1500));
    let submission = Submission::from_json(text.as_bytes()).expect("json");
    let terms = Submitting {
        product: yard.product.clone(),
        submitted_by: "ci".into(),
        now: yard.clock.now(),
        auto_key: yard.ids.mint(),
        defaults: serde_json::Map::new(),
        profiles: std::collections::BTreeMap::new(),
        allow_yolo: false,
        dev_engine: None,
    };
    normalise(&submission, &terms).expect("valid").content
}
