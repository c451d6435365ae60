//! Offers as agents take them up: no storm for one job, nothing twice, nothing that does not fit.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bus::{Bus, Memory, Message};
use client::{Coordinator, NotBrought, Parcel, Patience, Told};
use clock::{Clock, System};
use fleet::{Epoch, JobId, ProductId, RequestId, Timestamp};
use node::{Node, Tasks};
use protocol::{
    AppendLog, Beat, Beaten, BeginArtifact, Begun, ClaimWork, CommitArtifact, Deregister, Granted,
    JobView, Linked, Offer, OfferSeen, PatchJob, ReleaseJob, RenewAnswer, RenewLeases,
    ReportProgress, Subject, Topic, Upload,
};

use crate::scripted::Scripted;
use crate::town::{eventually, options_in};

/// A coordinator without work: claims wait at it, and those that came with an offer are counted.
#[derive(Clone, Debug)]
struct Idle {
    time: Arc<System>,
    waiting: Arc<Mutex<usize>>,
    offered: Arc<Mutex<Vec<(OfferSeen, Duration)>>>,
    /// The requests that were heard so far.
    known: Arc<Mutex<BTreeSet<RequestId>>>,
}

#[async_trait]
impl Coordinator for Idle {
    async fn claim(&self, ask: &ClaimWork, _: Patience) -> Told<Option<Granted>> {
        let is_new = self.known.lock().unwrap().insert(ask.claim_request_id);
        assert_eq!(ask.fresh, is_new, "what was said before may have been granted");
        if let Some(offer) = ask.offer {
            self.offered.lock().unwrap().push((offer, self.time.uptime()));
            return Ok(None);
        }
        *self.waiting.lock().unwrap() += 1;
        std::future::pending().await
    }

    async fn heartbeat(&self, _: &Beat, _: Patience) -> Told<Beaten> {
        Ok(Beaten { server_time: self.time.now(), draining: false })
    }

    async fn deregister(&self, _: &Deregister, _: Patience) -> Told<()> {
        Ok(())
    }

    async fn renew(&self, _: &RenewLeases, _: Patience) -> Told<RenewAnswer> {
        unreachable!("nothing is held")
    }

    async fn patch(&self, _: &PatchJob, _: Patience) -> Told<JobView> {
        unreachable!("nothing is held")
    }

    async fn progress(&self, _: &ReportProgress, _: Patience) -> Told<()> {
        unreachable!("nothing is held")
    }

    async fn release(&self, _: &ReleaseJob, _: Patience) -> Told<JobView> {
        unreachable!("nothing is held")
    }

    async fn log(&self, _: &AppendLog, _: Patience) -> Told<()> {
        unreachable!("nothing is held")
    }

    async fn begin(&self, _: &BeginArtifact, _: Patience) -> Told<Begun> {
        unreachable!("nothing is held")
    }

    async fn bring(&self, _: &Upload, _: Parcel) -> Result<(), NotBrought> {
        unreachable!("nothing is held")
    }

    async fn commit(&self, _: &CommitArtifact, _: Patience) -> Told<Linked> {
        unreachable!("nothing is held")
    }
}

/// Idle factories on one bus.
struct Crowd {
    node: Node,
    link: Idle,
    home: tempfile::TempDir,
}

impl Crowd {
    async fn of(many: usize) -> Self {
        let time = Arc::new(System::start());
        let bus: Arc<dyn Bus> = Arc::new(Memory::default());
        let (clock, ids) = (Arc::clone(&time) as _, Arc::clone(&time) as _);
        let node = Node { bus, clock, ids, tasks: Tasks::default() };
        let (waiting, offered, known) = Default::default();
        let link = Idle { time, waiting, offered, known };
        let home = tempfile::tempdir().unwrap();
        for n in 0..many {
            let name = format!("f{n}");
            let options = options_in(home.path(), &name, &name);
            agent::serve(node.clone(), link.clone(), Scripted::default(), options).await.unwrap();
        }
        let crowd = Self { node, link, home };
        eventually("all are idle", async || {
            (*crowd.link.waiting.lock().unwrap() == many).then_some(())
        })
        .await;
        crowd
    }

    async fn offer(&self, topic: Topic, offer: &Offer) {
        let subject = Subject::new(&product(), topic);
        let body = serde_json::to_vec(offer).unwrap();
        self.node.bus.notify(Message::new(subject, body)).await.unwrap();
    }

    fn offered(&self) -> Vec<(OfferSeen, Duration)> {
        self.link.offered.lock().unwrap().clone()
    }

    async fn end(self) {
        self.node.tasks.stop();
        self.node.tasks.join().await.unwrap();
        drop(self.home);
    }
}

fn product() -> ProductId {
    "acme".parse().unwrap()
}

fn offer(key: &str, expires_at: Timestamp) -> Offer {
    Offer {
        offer_id: uuid::Uuid::nil(),
        job_id: JobId::of(&product(), &key.parse().unwrap()),
        epoch_seen: Epoch::new(3),
        priority: fleet::Priority::Medium,
        capabilities: Vec::new(),
        engine: Some("echo".parse().unwrap()),
        expires_at,
    }
}

const CROWD: usize = 100;
const BUCKET: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_idle_factories_that_hear_one_broadcast_few_ask_at_once() {
    let crowd = Crowd::of(CROWD).await;
    let soon = crowd.node.clock.now().plus(Duration::from_secs(5));
    let (told, offer) = (crowd.node.clock.uptime(), offer("one", soon));
    // The same word twice is one.
    crowd.offer(Topic::OfferAny, &offer).await;
    crowd.offer(Topic::OfferAny, &offer).await;
    eventually("everybody took it up once", async || {
        (crowd.offered().len() == CROWD).then_some(())
    })
    .await;
    let mut buckets = std::collections::BTreeMap::<u128, usize>::new();
    for (seen, at) in crowd.offered() {
        assert_eq!(seen, OfferSeen { job_id: offer.job_id, epoch_seen: Epoch::new(3) });
        *buckets.entry((at - told).as_millis() / BUCKET.as_millis()).or_default() += 1;
    }
    println!("claims in each 100 ms after the broadcast: {buckets:?}");
    let most = *buckets.values().max().unwrap();
    assert!(most <= CROWD / 3, "{most} of {CROWD} within 100 ms: {buckets:?}");
    // A claim that waits is given the time to be answered, so that nobody is quicker than that.
    assert!(*buckets.first_key_value().unwrap().0 >= 5, "{buckets:?}");
    crowd.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_fits_is_taken_up_and_a_targeted_offer_by_its_factory_alone() {
    let crowd = Crowd::of(3).await;
    let now = crowd.node.clock.now();
    let soon = now.plus(Duration::from_secs(5));
    let gpu = Offer { capabilities: vec!["gpu".parse().unwrap()], ..offer("gpu", soon) };
    let codex = Offer { engine: Some("codex".parse().unwrap()), ..offer("codex", soon) };
    let mine = Topic::Offer("f1".parse().unwrap());
    for unfit in [gpu, codex, offer("over", Timestamp::from_millis(now.millis() - 1))] {
        crowd.offer(mine.clone(), &unfit).await;
    }
    let stranger = Subject::new(&"other".parse().unwrap(), Topic::OfferAny);
    let body = serde_json::to_vec(&offer("foreign", soon)).unwrap();
    crowd.node.bus.notify(Message::new(stranger, body)).await.unwrap();
    crowd.offer(mine, &offer("mine", soon)).await;
    eventually("it is taken up", async || (!crowd.offered().is_empty()).then_some(())).await;
    let seen: Vec<JobId> = crowd.offered().iter().map(|(seen, _)| seen.job_id).collect();
    assert_eq!(seen, [offer("mine", soon).job_id]);
    crowd.end().await;
}
