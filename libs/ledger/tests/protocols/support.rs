//! A fleet of one product over a given store: jobs, bidders and the words of holders. Builds state
//! through the ledger only.

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, Seeded, System, Virtual};
use fleet::{
    Actor, Bidder, Content, Disposition, Epoch, Health, Holding, Job, JobId, OpId, Patch,
    ProductId, Release, RequestId, StageName, Submission, Terms as Submitting, Timestamp,
    normalise,
};
use ledger::{ClaimRequest, Grant, Ledger, Outcome, Terms};
use store::Store;

/// One product's ledger, its clock and its chance.
#[derive(Clone)]
pub(crate) struct Yard {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) product: ProductId,
}

impl Yard {
    /// Real time, for races on several threads.
    pub(crate) fn racing(store: &Arc<dyn Store>) -> Self {
        Self::new(store, Arc::new(System::start()))
    }

    /// Time that stands until every task waits.
    pub(crate) fn paused(store: &Arc<dyn Store>) -> Self {
        Self::new(store, Arc::new(Virtual::starting_at(Timestamp::from_millis(1_767_323_045_678))))
    }

    fn new(store: &Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let ids: Arc<dyn Ids> = Arc::new(Seeded::new(7, Arc::clone(&clock)));
        let bus = Arc::new(bus::Memory::default());
        let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
        let ledger = Ledger::new(store, bus, time, chance, Terms::default());
        Self { ledger, clock, ids, product: "acme".parse().unwrap() }
    }

    /// The content of a submission with these keys beside the given one.
    pub(crate) fn content(&self, key: &str, rest: &str) -> Content {
        let comma = if rest.is_empty() { "" } else { "," };
        let text = format!(r#"{{"idempotencyKey":"{key}","engine":"echo"{comma}{rest}}}"#);
        let submission = Submission::from_json(text.as_bytes()).unwrap();
        let terms = Submitting {
            product: self.product.clone(),
            submitted_by: "ci".into(),
            now: self.clock.now(),
            auto_key: self.ids.mint(),
            defaults: serde_json::Map::new(),
            profiles: std::collections::BTreeMap::new(),
            allow_yolo: false,
            dev_engine: None,
        };
        normalise(&submission, &terms).unwrap().content
    }

    pub(crate) async fn submit(&self, key: &str, rest: &str) -> JobId {
        let content = self.content(key, rest);
        let receipt = self.ledger.submit(&self.product, &content, &someone()).await.unwrap();
        receipt.done().expect("a fresh submission is accepted").job.id
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.ledger.jobs.get(&self.product, id).await.unwrap().expect("the job is there").record
    }

    pub(crate) fn asking(&self, job: JobId, factory: &str, epoch_seen: u64) -> ClaimRequest {
        ClaimRequest {
            product: self.product.clone(),
            job,
            bidder: bidder(factory),
            request: RequestId::from_uuid(self.ids.mint()),
            epoch_seen: Epoch::new(epoch_seen),
            deadline: self.clock.now().plus(Duration::from_secs(20)),
        }
    }

    pub(crate) async fn claim(&self, job: JobId, factory: &str) -> Outcome<Grant> {
        let epoch = self.job(job).await.lease_epoch.get();
        self.ledger.claim(&self.asking(job, factory, epoch)).await.unwrap()
    }

    pub(crate) async fn granted(&self, job: JobId, factory: &str) -> Grant {
        self.claim(job, factory).await.done().expect("nobody else wants it")
    }

    pub(crate) fn op(&self) -> OpId {
        OpId::from_uuid(self.ids.mint())
    }

    pub(crate) fn moving(&self, holding: &Holding, stage: StageName) -> Patch {
        Patch {
            holding: holding.clone(),
            op: self.op(),
            stage: Some(stage),
            checkpoint: None,
            note: None,
            verify: None,
            insights: None,
        }
    }

    pub(crate) fn letting_go(&self, holding: &Holding, how: Disposition) -> Release {
        Release {
            holding: holding.clone(),
            op: self.op(),
            disposition: Some(how),
            result: None,
            exit: None,
            verify: None,
            insights: None,
            checkpoint: None,
            reason: None,
        }
    }
}

pub(crate) fn someone() -> Actor {
    Actor::user("ada")
}

pub(crate) fn bidder(factory: &str) -> Bidder {
    Bidder {
        factory: factory.parse().unwrap(),
        capabilities: Vec::new(),
        engines: vec!["echo".parse().unwrap()],
        health: Health::Ok,
        draining: false,
        stale: false,
        free_seats: 1,
    }
}
