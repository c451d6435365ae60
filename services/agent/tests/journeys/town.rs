//! A fleet to put factories into, in real time and with short terms.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent::{Executor, Options, Pace, Place, Processes};
use bus::{Bus, Memory};
use client::{CallError, Coordinator, OverBus, Patience};
use clock::{Clock, Ids, System};
use dev::Fleet;
use fleet::{Incarnation, JobId, OpId, RequestId, StageName};
use ledger::{Ledger, Terms};
use node::{Node, Tasks};
use protocol::{
    AboutJob, Ask, Beat, ClaimWork, Granted, JobAction, OfJob, Operate, PatchJob, SubmitJob,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes, so that only what hangs meets it.
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Town {
    pub(crate) home: TempDir,
    pub(crate) link: OverBus,
    node: Node,
}

/// An agent with tasks of its own, to be stopped alone.
pub(crate) struct Factory {
    tasks: Tasks,
}

impl Town {
    pub(crate) async fn new() -> Self {
        Self::with(Terms { ttl: Duration::from_secs(6), ..Terms::default() }).await
    }

    pub(crate) async fn with(terms: Terms) -> Self {
        let bus: Arc<dyn Bus> = Arc::new(Memory::default());
        let time = Arc::new(System::start());
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::clone(&time) as _, time);
        let store: Arc<dyn store::Store> = Arc::new(store::Memory::new());
        let ledger =
            Ledger::new(&store, Arc::clone(&bus), Arc::clone(&clock), Arc::clone(&ids), terms);
        let node = Node { bus: Arc::clone(&bus), clock, ids, tasks: Tasks::default() };
        let echo = Some("echo".parse().unwrap());
        // It ends with its runtime.
        let blobs = blob::Blobs::memory(Arc::clone(&node.ids));
        Fleet::start(node.clone(), &ledger, &blobs, echo).await.unwrap();
        let link = OverBus::new(bus, "acme".parse().unwrap());
        Self { home: tempfile::tempdir().unwrap(), link, node }
    }

    pub(crate) fn options(&self, factory: &str, home: &str) -> Options {
        options_in(self.home.path(), factory, home)
    }

    pub(crate) fn processes(&self) -> Processes {
        let path = std::env::vars().filter(|(name, _)| name == "PATH");
        Processes::at(Place {
            runs: self.home.path().join("runs"),
            environment: path.collect::<BTreeMap<_, _>>(),
            ..Place::default()
        })
    }

    /// A factory that runs processes.
    pub(crate) async fn factory(&self) -> Factory {
        let options = self.options("f1", "f1");
        self.start(self.link.clone(), self.processes(), options).await
    }

    pub(crate) async fn start(
        &self,
        link: impl Coordinator,
        hands: impl Executor,
        options: Options,
    ) -> Factory {
        let tasks = Tasks::default();
        let node = Node { tasks: tasks.clone(), ..self.node.clone() };
        agent::serve(node, link, hands, options).await.unwrap();
        Factory { tasks }
    }

    pub(crate) async fn submit(&self, file: &str) -> JobId {
        let ask = SubmitJob { file: Some(file.to_owned()), ..SubmitJob::default() };
        self.ask(&ask).await.job.id
    }

    /// What a factory whose agent is about to crash was granted, its work confirmed.
    pub(crate) async fn claimed(&self, factory: &str) -> Granted {
        let ask = ClaimWork {
            claim_request_id: RequestId::from_uuid(self.node.ids.mint()),
            factory_id: factory.parse().unwrap(),
            incarnation: Incarnation::from_uuid(self.node.ids.mint()),
            capabilities: Vec::new(),
            engines: vec!["shell".parse().unwrap()],
            free_seats: 1,
            wait_ms: 10_000,
            exclude: Vec::new(),
            offer: None,
            fresh: false,
        };
        let held = self.ask(&ask).await.unwrap();
        let ask = PatchJob {
            job_id: held.job.id,
            factory_id: factory.parse().unwrap(),
            lease_epoch: held.lease_epoch,
            claim_nonce: held.claim_nonce,
            op_id: OpId::from_uuid(self.node.ids.mint()),
            stage: Some(StageName::Building),
            checkpoint: None,
            note: None,
            verify_result: None,
            insights: None,
        };
        self.ask(&ask).await;
        held
    }

    /// Whether another start of this name is taken, or why not.
    pub(crate) async fn beats(&self, factory: &str) -> Result<(), Option<String>> {
        let ask = Beat {
            factory_id: factory.parse().unwrap(),
            incarnation: Incarnation::from_uuid(self.node.ids.mint()),
            capabilities: Vec::new(),
            engines: Vec::new(),
            health: fleet::Health::Ok,
            load: 0.0,
            seat_limit: 1,
            descriptor: None,
        };
        match self.link.call(&ask, self.patience()).await {
            Ok(_) => Ok(()),
            Err(CallError::Refused(problem)) => Err(problem.reason),
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn operate(&self, job: JobId, action: JobAction) {
        self.operate_with(job, action, false).await;
    }

    pub(crate) async fn force(&self, job: JobId, action: JobAction) {
        self.operate_with(job, action, true).await;
    }

    async fn operate_with(&self, job: JobId, action: JobAction, force: bool) {
        let ask = Operate {
            action,
            job_id: job,
            op_id: None,
            reason: None,
            force,
            now: false,
            alone: false,
        };
        self.ask(&ask).await;
    }

    pub(crate) async fn job(&self, job: JobId) -> Value {
        self.found(AboutJob::Get, job).await.remove(0)
    }

    pub(crate) async fn found(&self, query: AboutJob, job: JobId) -> Vec<Value> {
        self.ask(&OfJob { query, job: job.to_string() }).await.items
    }

    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> A::Reply {
        self.link.call(ask, self.patience()).await.unwrap()
    }

    pub(crate) fn patience(&self) -> Patience {
        let until = self.node.clock.now().plus(PATIENCE);
        Patience { request_id: self.node.ids.mint(), until, span: PATIENCE }
    }

    pub(crate) async fn job_is(&self, job: JobId, what: impl Fn(&Value) -> bool) -> Value {
        eventually("the job is as awaited", async || {
            let found = self.job(job).await;
            what(&found).then_some(found)
        })
        .await
    }

    pub(crate) async fn stage_is(&self, job: JobId, stage: &str) -> Value {
        self.job_is(job, |found| found["stage"] == json!(stage)).await
    }

    /// The file of this name in the work folder of the job's run.
    pub(crate) fn in_work(&self, job: JobId, attempt: u32, name: &str) -> PathBuf {
        self.home.path().join(format!("runs/{job}-{attempt}/work/{name}"))
    }

    pub(crate) fn log(&self, job: JobId) -> String {
        std::fs::read_to_string(self.home.path().join(format!("runs/{job}-1/log-1.txt"))).unwrap()
    }
}

/// A factory of the product `acme`.
pub(crate) fn options_in(place: &Path, factory: &str, home: &str) -> Options {
    Options {
        factory: factory.parse().unwrap(),
        product: Some("acme".parse().unwrap()),
        engines: ["echo", "shell"].map(|name| name.parse().unwrap()).into(),
        capabilities: Vec::new(),
        descriptor: None,
        home: place.join(home),
        pace: Pace {
            timeout_grace: Duration::from_millis(300),
            stop_grace: Duration::from_millis(300),
            ..Pace::default()
        },
    }
}

impl Factory {
    pub(crate) async fn stop(self) {
        self.tasks.stop();
        self.tasks.join().await.unwrap();
    }
}

/// Looks again and again until there is something; fails once it takes too long.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// The process id that a job's command wrote down.
pub(crate) async fn pid_in(path: &Path) -> i32 {
    eventually("a process id is written", async || {
        std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'))?.trim().parse().ok()
    })
    .await
}

pub(crate) async fn is_gone(pid: i32) {
    let process = agent::Process::of(pid);
    eventually("the process is gone", async || (!process.is_alive()).then_some(())).await;
}
