//! `gigamesh factory`: one worker host. It reaches its coordinator through the HTTP door, finishes
//! or hands back what it holds when it is asked to end, and reports after a crash what it kept.

use std::path::PathBuf;
use std::sync::Arc;

use agent::CannotServe;
use clap::Args;
use clock::System;
use fleet::FactoryId;
use node::{Node, Tasks};

use crate::factories::{Equipment, Host};
use crate::say::Say;
use crate::signals::Interrupts;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;

/// Work for a fleet: claim jobs, run them, report
#[derive(Args, Clone, Debug)]
pub(crate) struct Factory {
    /// The name of this factory; one living process for each
    #[arg(long, env = "GIGAMESH_FACTORY_ID")]
    id: FactoryId,
    /// Where reports and claims are kept until they were answered
    #[arg(long, value_name = "DIR", env = "GIGAMESH_FACTORY_HOME")]
    home: Option<PathBuf>,
    #[command(flatten)]
    equipment: Equipment,
}

impl Factory {
    pub(crate) async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        let door = around.door()?;
        let mut interrupts = Interrupts::listen()?;
        let home = self
            .home
            .clone()
            .unwrap_or_else(|| PathBuf::from(".gigamesh").join("factories").join(self.id.as_str()));
        let host = Host::of(around, door.url.clone());
        let options = self.equipment.options(self.id.clone(), &home, &host).await;
        let hands = self.equipment.hands(&home, &host);
        let node = alone();
        let tasks = node.tasks.clone();
        agent::serve(node, door.link, hands, options)
            .await
            .map_err(|error| in_use(error, &home))?;
        say.talk(&format!("factory {} works for {}; Ctrl-C stops it", self.id, door.url));
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

/// A node without neighbours: over HTTP nobody is heard on a bus.
fn alone() -> Node {
    let system = Arc::new(System::start());
    Node {
        bus: Arc::new(bus::Memory::default()),
        clock: Arc::clone(&system) as _,
        ids: system,
        tasks: Tasks::default(),
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
