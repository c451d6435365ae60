//! A worker host that reaches the services over a genuine nats-server, which dies in the middle of
//! a job.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use client::{OverBus, Patience};
use clock::{Clock, Ids, System};
use dev::Fleet;
use fleet::{Job, JobId, Lease, ProductId, StageName};
use ledger::{Ledger, Terms};
use node::open::{self, BusChoice, Making, Process};
use node::{Node, Tasks};
use protocol::{JobAction, Operate, SubmitJob};
use tokio::process::Child;

use crate::process::{PATIENCE, eventually, gigamesh, terminate};

/// Renewals are a third of it apart.
const TERM: Duration = Duration::from_secs(15);

/// All services in this process, on a server of their own.
struct Town {
    server: servers::Nats,
    ledger: Ledger,
    link: OverBus,
    time: Arc<System>,
    fleet: Fleet,
}

impl Town {
    async fn new() -> Self {
        let most = Some(2 << 20);
        let options = servers::Options { max_payload: most, ..servers::Options::default() };
        let server = servers::Nats::start(options).unwrap();
        let time = Arc::new(System::start());
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) =
            (Arc::clone(&time) as _, Arc::clone(&time) as _);
        let process = Process {
            name: "town".to_owned(),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            tasks: Tasks::default(),
        };
        let making = Making { replicas: 1, partitions: 1, new_generation: false, most_bytes: None };
        open::make(&server.url().into(), making, &process).await.unwrap();
        let bus = open::bus(&BusChoice::Nats(server.url().into()), &process).await.unwrap();
        let store: Arc<dyn store::Store> = Arc::new(store::Memory::new());
        let terms = Terms { ttl: TERM, ..Terms::default() };
        let (bus_too, tasks) = (Arc::clone(&bus), process.tasks);
        let ledger = Ledger::new(&store, bus_too, Arc::clone(&clock), Arc::clone(&ids), terms);
        let node = Node { bus: Arc::clone(&bus), clock, ids, tasks };
        let shell = Some("shell".parse().unwrap());
        let blobs = blob::Blobs::memory(Arc::clone(&node.ids));
        let fleet = Fleet::start(node, &ledger, &blobs, shell).await.unwrap();
        Self { server, ledger, link: OverBus::new(bus, product()), time, fleet }
    }

    fn factory(&self, folder: &Path) -> Child {
        let mut command = gigamesh(folder);
        command.args(["factory", "--id", "f1", "--product", "acme", "--nats", &self.server.url()]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    async fn ask<A: protocol::Ask>(&self, ask: &A) -> A::Reply {
        let until = self.time.now().plus(PATIENCE);
        let patience = Patience { request_id: self.time.mint(), until, span: PATIENCE };
        self.link.call(ask, patience).await.unwrap()
    }

    async fn submit(&self, command: &str) -> JobId {
        let file = format!("---\ncommand: {command}\n---\nwork\n");
        self.ask(&SubmitJob { file: Some(file), ..SubmitJob::default() }).await.job.id
    }

    async fn job(&self, id: JobId) -> Job {
        self.ledger.jobs.get(product(), id).await.unwrap().unwrap().record
    }

    async fn lease(&self, id: JobId) -> Lease {
        self.ledger.leases.get(id, id).await.unwrap().unwrap().record
    }

    async fn stop(self, mut factory: Child) {
        terminate(&factory);
        let ended = tokio::time::timeout(PATIENCE, factory.wait()).await.expect("it ends");
        assert_eq!(ended.unwrap().code(), Some(0));
        self.fleet.stop().await.unwrap();
    }
}

fn product() -> ProductId {
    "acme".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_over_nats_ships_once_though_the_server_is_killed_meanwhile() {
    let (town, place) = (Town::new().await, tempfile::tempdir().unwrap());
    let factory = town.factory(place.path());
    let at = |name: &str| place.path().join(name);
    let command = format!(
        "echo run >> {}; while ! test -e {}; do sleep 0.05; done",
        at("runs").display(),
        at("go").display(),
    );
    let job = town.submit(&command).await;
    eventually("it runs", async || at("runs").exists().then_some(())).await;
    eventually("its lease stands", async || {
        (town.job(job).await.stage.name() == StageName::Building).then_some(())
    })
    .await;
    town.server.kill();
    let before = town.lease(job).await.renewals;
    town.server.restart().unwrap();
    eventually("renewals go on", async || (town.lease(job).await.renewals > before).then_some(()))
        .await;
    std::fs::write(at("go"), "").unwrap();
    eventually("it ships", async || {
        (town.job(job).await.stage.name() == StageName::Shipped).then_some(())
    })
    .await;
    let shipped = town.job(job).await;
    assert_eq!((shipped.attempts, shipped.lease_epoch.get(), shipped.failures), (1, 1, 0));
    assert_eq!(std::fs::read_to_string(at("runs")).unwrap(), "run\n", "it ran once");
    town.stop(factory).await;
}

/// Less than the renewals are apart.
const AT_ONCE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_a_factory_over_nats_before_its_next_renewal() {
    let (town, place) = (Town::new().await, tempfile::tempdir().unwrap());
    let factory = town.factory(place.path());
    let marker = place.path().join("marker");
    let job = town.submit(&format!("touch {}; exec sleep 600", marker.display())).await;
    eventually("it runs", async || marker.exists().then_some(())).await;
    let cancel = Operate {
        action: JobAction::Cancel,
        job_id: job,
        op_id: None,
        reason: None,
        force: false,
        now: false,
        alone: false,
    };
    town.ask(&cancel).await;
    let ended = eventually("it has ended", async || {
        (town.job(job).await.stage.name() == StageName::Failed).then_some(())
    });
    tokio::time::timeout(AT_ONCE, ended).await.expect("the holder was told");
    town.stop(factory).await;
}
