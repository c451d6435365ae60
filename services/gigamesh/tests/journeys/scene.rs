//! The scene on which each service is a process, and this one only asks.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, System};
use node::open::{self, BusChoice, Process, StoreChoice};
use node::{Node, Tasks};
use servers::Nats;
use store::Store;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const ROLES: [&str; 5] = ["scheduler", "scheduler", "lease-keeper", "artifact", "submit"];
/// Longer than a start takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// All of it ends with the scene, the processes before what they stand on.
pub(crate) struct Scene {
    node: Node,
    store: Arc<dyn Store>,
    roles: Vec<Child>,
    server: Nats,
    folder: TempDir,
}

impl Scene {
    pub(crate) async fn set(_: &str) -> Self {
        let mut scene = Self::bare().await;
        scene.serve_all().await;
        scene
    }

    /// A server with all that is kept on it, and nobody who serves.
    pub(crate) async fn bare() -> Self {
        // Processes have a time of their own, so that this one must run too.
        tokio::time::resume();
        let limits = servers::Options { max_payload: Some(2 << 20), ..Default::default() };
        let (server, folder) = (Nats::start(limits).unwrap(), tempfile::tempdir().unwrap());
        let url = server.url();
        let made = gigamesh(folder.path(), &["admin", "init", "--nats", &url]).status();
        assert!(made.await.unwrap().success());
        let (node, store) = outside(&url).await;
        Self { node, store, roles: Vec::new(), server, folder }
    }

    pub(crate) async fn serve_all(&mut self) {
        let (url, monitor) = (self.server.url(), self.server.monitor());
        for role in ROLES {
            let words = [role, "--nats", &url, "--nats-monitor", &monitor];
            self.roles.push(serve(self.folder.path(), &words).await);
        }
    }

    pub(crate) fn node(&self) -> Node {
        self.node.clone()
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    pub(crate) async fn strike(self) {
        self.node.tasks.stop();
        self.node.tasks.join().await.unwrap();
    }
}

fn gigamesh(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gigamesh"));
    command.current_dir(folder).args(words).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// A role, once it says that it serves.
async fn serve(folder: &Path, words: &[&str]) -> Child {
    let words = [&["serve"], words].concat();
    let mut child = gigamesh(folder, &words).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts");
    assert!(line.unwrap().is_some(), "it serves");
    child
}

async fn outside(url: &str) -> (Node, Arc<dyn Store>) {
    let system = Arc::new(System::start());
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::clone(&system) as _, system);
    let tasks = Tasks::default();
    let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
    let process =
        Process { name: "journeys".to_owned(), clock: time, ids: chance, tasks: tasks.clone() };
    let bus = open::bus(&BusChoice::Nats(url.into()), &process).await.unwrap();
    let kept = open::store(&StoreChoice::Nats(url.into()), &[], &process).await.unwrap();
    (Node { bus, clock, ids, tasks }, kept.store)
}
