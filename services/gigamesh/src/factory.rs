//! `gigamesh factory`: one worker host. It reaches its coordinator through the HTTP door, or the
//! services themselves over NATS; finishes or hands back what it holds when it is asked to end, and
//! reports after a crash what it kept.

use std::path::PathBuf;
use std::sync::Arc;

use agent::CannotServe;
use clap::Args;
use client::{Coordinator, OverBus};
use clock::{Ids, System};
use fleet::FactoryId;
use node::open::{self, Process};
use node::{Node, Tasks};

use crate::factories::{Equipment, Host};
use crate::reach::Credentials;
use crate::say::Say;
use crate::signals::Interrupts;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;

/// Work for a fleet: claim jobs, run them, report
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Factory {
    /// The name of this factory; one living process for each
    #[arg(long, env = "GIGAMESH_FACTORY_ID", required = true)]
    id: Option<FactoryId>,
    /// Reach the services over NATS, instead of through the HTTP door: one address or several with
    /// commas between
    #[arg(long, value_name = "URL", env = "GIGAMESH_NATS")]
    nats: Option<String>,
    #[command(flatten)]
    credentials: Credentials,
    /// Where reports and claims are kept until they were answered
    #[arg(long, value_name = "DIR", env = "GIGAMESH_FACTORY_HOME")]
    home: Option<PathBuf>,
    #[command(flatten)]
    equipment: Equipment,
    /// Instead of working: what an admin does about a factory's token
    #[command(subcommand)]
    pub(crate) verb: Option<cli::FactoryVerb>,
}

/// A way to the coordinator.
struct Way<L> {
    node: Node,
    link: L,
    host: Host,
    /// As people are told.
    to: String,
}

impl Factory {
    pub(crate) async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        let mut interrupts = Interrupts::listen()?;
        let Some(nats) = &self.nats else {
            let door = around.door()?;
            let host = Host::of(around, Some(door.url.clone()));
            // Over HTTP nobody is heard on a bus.
            let node = node_on(Arc::new(bus::Memory::default()), &process(self.id()));
            return self
                .work(Way { node, link: door.link, host, to: door.url }, interrupts, say)
                .await;
        };
        let (product, reach) = (around.product()?, self.credentials.at(nats));
        let process = process(self.id());
        say.talk("waiting for NATS …");
        let bus = tokio::select! {
            biased;
            () = interrupts.next() => return Err(Trouble::interrupted()),
            bus = open::outside(&reach, &process) => bus?,
        };
        let mut link = OverBus::new(Arc::clone(&bus), product.clone());
        // Bytes go through the door, and programs of a job may want it, if there is one.
        let door = around.door().ok();
        if let Some(door) = &door {
            link = link.with_door(door.link.clone());
        }
        let url = door.map(|door| door.url);
        let host = Host::of(around, url).on_a_bus(product);
        let way = Way { node: node_on(bus, &process), link, host, to: nats.clone() };
        self.work(way, interrupts, say).await
    }

    fn id(&self) -> &FactoryId {
        self.id.as_ref().expect("it is asked for wherever no verb is typed")
    }

    async fn work<L: Coordinator>(
        &self,
        way: Way<L>,
        mut interrupts: Interrupts,
        say: Say,
    ) -> Result<(), Trouble> {
        let home = self.home.clone().unwrap_or_else(|| {
            PathBuf::from(".gigamesh").join("factories").join(self.id().as_str())
        });
        let options = self.equipment.options(self.id().clone(), &home, &way.host).await;
        let hands = self.equipment.hands(&home, &way.host);
        let tasks = way.node.tasks.clone();
        agent::serve(way.node, way.link, hands, options)
            .await
            .map_err(|error| in_use(error, &home))?;
        say.talk(&format!("factory {} works for {}; Ctrl-C stops it", self.id(), way.to));
        tokio::select! {
            biased;
            () = interrupts.next() => say.talk("stopping: what runs is handed back …"),
            () = tasks.stopped() => {}
        }
        tasks.stop();
        tokio::select! {
            biased;
            ended = tasks.join() => Ok(ended?),
            () = interrupts.next() => {
                Err(Trouble::hurried())
            }
        }
    }
}

fn process(factory: &FactoryId) -> Process {
    let system = Arc::new(System::start());
    Process {
        name: format!("gigamesh-factory-{factory}-{}", system.mint().simple()),
        clock: Arc::clone(&system) as _,
        ids: system,
        tasks: Tasks::default(),
    }
}

fn node_on(bus: Arc<dyn bus::Bus>, process: &Process) -> Node {
    Node {
        bus,
        clock: Arc::clone(&process.clock),
        ids: Arc::clone(&process.ids),
        tasks: process.tasks.clone(),
    }
}

fn in_use(error: CannotServe, home: &std::path::Path) -> Trouble {
    match &error {
        CannotServe::Folder(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {
            let next = format!(
                "stop the factory that lives in {}, or give this one --home",
                home.display()
            );
            Trouble::failed("the factory cannot start").caused_by(&error).next(next)
        }
        CannotServe::Folder(_) | CannotServe::Bus(_) => error.into(),
    }
}
