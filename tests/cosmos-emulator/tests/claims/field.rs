//! Sixty-four claimers in four processes' shoes: four clients of one account, each with a ledger of
//! its own, let go together upon one job, round after round.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::{Clock, Ids, Seeded, System};
use cosmos_emulator::{Emulator, Faults, KEY, emulator};
use fleet::{
    Actor, Bidder, Content, Epoch, Health, JobId, ProductId, RequestId, Submission,
    Terms as Submitting, normalise,
};
use ledger::{
    ClaimRequest, KINDS, Ledger, LedgerError, Outcome, Placed, Terms, bulk_of, partitioned_by,
};
use store::{Expect, Key, Kind, Put, Store};
use store_cosmos::{Access, Container, Cosmos, Options, init};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

pub(crate) const CLAIMERS: usize = 64;
const PROCESSES: usize = 4;
/// Of a thousand.
const LOST: u16 = 300;
/// Of one claimer for its own words, each time a store does not say what became of a write.
const TRIES: usize = 20;

/// By what a claimer knows that it won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The ledger's claim: whatever the store says, its own nonce in the job.
    Ledger,
    /// The store's word: written is won, refused is lost.
    Naive,
}

/// What became of so many rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) rule: Rule,
    pub(crate) rounds: usize,
    pub(crate) exactly_one: usize,
    /// The job was given away and nobody knows that he has it.
    pub(crate) nobody: usize,
    pub(crate) several: usize,
    pub(crate) lost_replies: u64,
    /// Times that a claimer had to ask again what became of its own word.
    pub(crate) unknown: usize,
}

impl Told {
    pub(crate) fn of(rule: Rule, rounds: usize) -> Self {
        let (exactly_one, nobody, several, lost_replies, unknown) = (0, 0, 0, 0, 0);
        Self { rule, rounds, exactly_one, nobody, several, lost_replies, unknown }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, rounds, exactly_one, nobody, several, lost_replies, unknown } = self;
        write!(
            out,
            "{rule:?}: {rounds} rounds of {CLAIMERS}: one winner in {exactly_one}, nobody in \
             {nobody}, several in {several}; {lost_replies} replies lost, {unknown} claims asked \
             again"
        )
    }
}

pub(crate) struct Field {
    emulator: Emulator,
    pub(crate) stores: Vec<Arc<Cosmos>>,
    pub(crate) ledgers: Vec<Ledger>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) product: ProductId,
}

impl Field {
    pub(crate) async fn new() -> Self {
        Self::on(emulator(), bulk_of).await
    }

    /// On this account, where these fields of a kind lie apart.
    pub(crate) async fn on(emulator: Emulator, apart: fn(Kind) -> &'static [&'static str]) -> Self {
        let mut options = Options::new(emulator.url(), "fleet", Access::Key(KEY.into()));
        // Longer than the slowest machine makes a claimer wait.
        options.timeout = Duration::from_secs(30);
        let of =
            |kind| Container { kind, partitioned_by: partitioned_by(kind), apart: apart(kind) };
        let containers = KINDS.map(of);
        init(&options, &containers, false, "first").await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(System::start());
        let ids: Arc<dyn Ids> = Arc::new(Seeded::new(7, Arc::clone(&clock)));
        let (mut stores, mut ledgers) = (Vec::new(), Vec::new());
        for seed in 0..PROCESSES {
            let store = Arc::new(Cosmos::open(&options, &containers).await.unwrap());
            let records: Arc<dyn Store> = Arc::<Cosmos>::clone(&store);
            let own = Arc::new(Seeded::new(100 + seed as u64, Arc::clone(&clock)));
            let bus = Arc::new(bus::Memory::default());
            let ledger = Ledger::new(&records, bus, Arc::clone(&clock), own, Terms::default());
            stores.push(store);
            ledgers.push(ledger);
        }
        Self { emulator, stores, ledgers, clock, ids, product: "acme".parse().unwrap() }
    }

    pub(crate) async fn rounds(&self, rule: Rule, rounds: usize) -> Told {
        let mut told = Told::of(rule, rounds);
        let before = self.emulator.injected().lost_replies;
        for round in 0..rounds {
            let job = self.submit(&format!("k-{}", self.ids.mint()), "Work.").await;
            self.emulator.set(Faults { lost_replies: LOST, ..Faults::default() });
            let (winners, unknown) = self.round(rule, job).await;
            self.emulator.heal();
            assert!(self.is_taken(job).await, "in round {round} nobody's write was done");
            told.unknown += unknown;
            match winners {
                0 => told.nobody += 1,
                1 => told.exactly_one += 1,
                _ => told.several += 1,
            }
        }
        told.lost_replies = self.emulator.injected().lost_replies - before;
        told
    }

    /// How many know that they won, and how often somebody had to ask again.
    async fn round(&self, rule: Rule, job: JobId) -> (usize, usize) {
        let barrier = Arc::new(Barrier::new(CLAIMERS));
        let mut claimers = JoinSet::new();
        for n in 0..CLAIMERS {
            let barrier = Arc::clone(&barrier);
            let (store, ledger) =
                (Arc::clone(&self.stores[n % PROCESSES]), &self.ledgers[n % PROCESSES]);
            let (ledger, asked) = (ledger.clone(), self.asking(job, n));
            claimers.spawn(async move {
                barrier.wait().await;
                match rule {
                    Rule::Ledger => Box::pin(by_ledger(&ledger, &asked)).await,
                    Rule::Naive => (naively(&*store, &asked).await, 0),
                }
            });
        }
        let told = claimers.join_all().await;
        let winners = told.iter().filter(|(won, _)| *won).count();
        (winners, told.iter().map(|(_, again)| again).sum())
    }

    pub(crate) async fn submit(&self, key: &str, body: &str) -> JobId {
        let content = self.content(&self.product, key, body);
        let receipt = self.ledgers[0].submit(&self.product, &content, &Actor::user("ada")).await;
        receipt.unwrap().done().expect("a fresh submission is accepted").job.id
    }

    pub(crate) fn content(&self, product: &ProductId, key: &str, body: &str) -> Content {
        let text = format!("---\nidempotencyKey: {key}\nengine: echo\n---\n{body}\n");
        let terms = Submitting {
            product: product.clone(),
            submitted_by: "ci".into(),
            now: self.clock.now(),
            auto_key: self.ids.mint(),
            defaults: serde_json::Map::new(),
            profiles: std::collections::BTreeMap::new(),
            allow_yolo: false,
            dev_engine: None,
        };
        let submission = Submission::from_markdown(text.as_bytes()).unwrap();
        normalise(&submission, &terms).unwrap().content
    }

    async fn is_taken(&self, job: JobId) -> bool {
        let found = self.stores[0].get(&key(&self.product, job)).await.unwrap().unwrap();
        let job: serde_json::Value = serde_json::from_slice(&found.value).unwrap();
        job["claimNonce"].is_string()
    }

    pub(crate) fn asking(&self, job: JobId, n: usize) -> ClaimRequest {
        let bidder = Bidder {
            factory: format!("f{n}").parse().unwrap(),
            capabilities: Vec::new(),
            engines: vec!["echo".parse().unwrap()],
            health: Health::Ok,
            draining: false,
            stale: false,
            free_seats: 1,
        };
        ClaimRequest {
            product: self.product.clone(),
            job,
            bidder,
            request: RequestId::from_uuid(self.ids.mint()),
            epoch_seen: Epoch::new(0),
            deadline: self.clock.now().plus(Duration::from_secs(600)),
        }
    }
}

/// As every caller may: the same request again where its outcome is not known.
async fn by_ledger(ledger: &Ledger, asked: &ClaimRequest) -> (bool, usize) {
    for again in 0..TRIES {
        match ledger.claim(asked).await {
            Ok(Outcome::Done(_)) => return (true, again),
            Ok(Outcome::Rejected(_)) => return (false, again),
            Err(LedgerError::CommitUnknown | LedgerError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{asked:?} never heard what became of it");
}

/// Writes its name at what it read, and believes the answer.
async fn naively(store: &dyn Store, asked: &ClaimRequest) -> bool {
    let key = key(&asked.product, asked.job);
    let Ok(Some(found)) = store.get(&key).await else { return false };
    let mut job: serde_json::Value = serde_json::from_slice(&found.value).unwrap();
    if job["claimNonce"].is_string() {
        return false;
    }
    job["claimNonce"] = asked.bidder.factory.to_string().into();
    let put = store.put(&key, Bytes::from(job.to_string()), &Expect::At(found.revision)).await;
    matches!(put, Ok(Put::Written(_)))
}

fn key(product: &ProductId, job: JobId) -> Key {
    Key::new(<fleet::Job as Placed>::KIND, product.to_string(), job.to_string()).unwrap()
}
