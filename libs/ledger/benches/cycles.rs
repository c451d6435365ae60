//! Full cycles through the ledger, from submit to shipped with every awaited write durable, while
//! the followers run beside them. Prints cycles and writes; never compares two runs.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use clock::{Clock, Ids, System};
use fleet::{
    Actor, Bidder, Content, Disposition, Epoch, Health, OpId, Patch, ProductId, Release, RequestId,
    StageName, Submission, Terms as Submitting, normalise,
};
use ledger::{ClaimRequest, Grant, Ledger, Terms};
use store::{
    Cursor, Expect, Key, Memory, Page, Put, Revision, Scope, Store, StoreError, Versioned,
};
use store_embedded::Embedded;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

const IN_FLIGHT: usize = 64;
const SLICE: Duration = Duration::from_secs(4);
const BODY: usize = 1500;

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(measure("memory", Memory::new()));
    let embedded = Embedded::open(place.path()).expect("the store opens");
    runtime.block_on(measure("embedded", embedded));
}

async fn measure(name: &str, store: impl Store) {
    let counted = Arc::new(Counted { store, writes: AtomicU64::new(0) });
    let yard = Yard::over(&(Arc::clone(&counted) as Arc<dyn Store>));
    let started = yard.system.uptime();
    let mut workers = JoinSet::new();
    for worker in 0..IN_FLIGHT {
        workers.spawn(work(yard.clone(), worker, started));
    }
    let mut followers = JoinSet::new();
    followers.spawn(follow(yard.clone()));
    let cycles: u64 = workers.join_all().await.into_iter().sum();
    let awaited = (yard.system.uptime() - started).as_secs_f64();
    followers.shutdown().await;
    yard.ledger.follow_all().await.expect("the store is there");
    let settled = (yard.system.uptime() - started).as_secs_f64();
    let writes = counted.writes.load(Ordering::Relaxed);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{name:9} {IN_FLIGHT} in flight: {:7.0} cycles/s acknowledged, {:7.0} with all followers, \
         {:.1} writes a cycle",
        per_second(cycles, awaited),
        per_second(cycles, settled),
        per_second(writes, per_second(cycles, 1.0)),
    )
    .expect("somebody reads this");
}

#[expect(clippy::cast_precision_loss, reason = "a figure for eyes")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

async fn work(yard: Yard, worker: usize, started: Duration) -> u64 {
    let mut done = 0;
    while yard.system.uptime() - started < SLICE {
        Box::pin(yard.cycle(&format!("{worker}-{done}"), &format!("f{worker}"))).await;
        done += 1;
    }
    done
}

async fn follow(yard: Yard) {
    loop {
        yard.ledger.agenda().added().await;
        yard.ledger.follow_all().await.expect("the store is there");
    }
}

#[derive(Clone)]
struct Yard {
    ledger: Ledger,
    system: Arc<System>,
    product: ProductId,
}

impl Yard {
    fn over(store: &Arc<dyn Store>) -> Self {
        let system = Arc::new(System::start());
        let (clock, ids) = (Arc::clone(&system), Arc::clone(&system));
        let bus = Arc::new(bus::Memory::default());
        let ledger = Ledger::new(store, bus, clock, ids, Terms::default());
        Self { ledger, system, product: "acme".parse().expect("a name") }
    }

    async fn cycle(&self, key: &str, factory: &str) {
        let (ledger, product) = (&self.ledger, &self.product);
        let submitted = ledger.submit(product, &self.content(key), &Actor::user("ci")).await;
        let job = submitted.expect("stored").done().expect("created").job.id;
        let granted = ledger.claim(&self.claim(job, factory)).await;
        let grant = granted.expect("stored").done().expect("nobody else asks");
        let built = ledger.patch(product, job, self.building(&grant)).await;
        built.expect("stored").done().expect("it is the holder's");
        let shipped = ledger.release(product, job, self.shipping(grant)).await;
        shipped.expect("stored").done().expect("it is the holder's");
    }

    fn content(&self, key: &str) -> Content {
        let body = "x".repeat(BODY);
        let json = format!(r#"{{"idempotencyKey":"{key}","engine":"echo","bodyMd":"{body}"}}"#);
        let terms = Submitting {
            product: self.product.clone(),
            submitted_by: "ci".into(),
            now: self.system.now(),
            auto_key: self.system.mint(),
            defaults: serde_json::Map::new(),
            profiles: std::collections::BTreeMap::new(),
            allow_yolo: false,
            dev_engine: None,
        };
        let submission = Submission::from_json(json.as_bytes()).expect("an object");
        normalise(&submission, &terms).expect("without fault").content
    }

    fn claim(&self, job: fleet::JobId, factory: &str) -> ClaimRequest {
        ClaimRequest {
            product: self.product.clone(),
            job,
            bidder: Bidder {
                factory: factory.parse().expect("a name"),
                capabilities: Vec::new(),
                engines: vec!["echo".parse().expect("a name")],
                health: Health::Ok,
                draining: false,
                stale: false,
                free_seats: 1,
            },
            request: RequestId::from_uuid(self.system.mint()),
            epoch_seen: Epoch::ZERO,
            deadline: self.system.now().plus(Duration::from_secs(20)),
        }
    }

    fn building(&self, grant: &Grant) -> Patch {
        Patch {
            holding: grant.holding.clone(),
            op: OpId::from_uuid(self.system.mint()),
            stage: Some(StageName::Building),
            checkpoint: None,
            note: None,
            verify: None,
            insights: None,
        }
    }

    fn shipping(&self, grant: Grant) -> Release {
        Release {
            holding: grant.holding,
            op: OpId::from_uuid(self.system.mint()),
            disposition: Some(Disposition::Ship),
            result: None,
            exit: None,
            verify: None,
            insights: None,
            checkpoint: None,
            reason: None,
        }
    }
}

#[derive(Debug)]
struct Counted<S> {
    store: S,
    writes: AtomicU64,
}

#[async_trait]
impl<S: Store> Store for Counted<S> {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.store.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.store.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.store.scan(scope, from, limit).await
    }
}
