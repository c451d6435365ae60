//! `gigamesh admin`: what an operator does once, and no service ever does by itself.

use std::sync::Arc;

use clap::{Args, Subcommand};
use clock::System;
use node::Tasks;
use node::open::{self, Durability, Making, Process};
use serde_json::json;

use crate::say::Say;
use crate::serve::NATS;
use crate::trouble::Trouble;
use crate::trust::Trust;

/// Prepare what a fleet stands on
#[derive(Args, Clone, Debug)]
pub(crate) struct Admin {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Make the streams and buckets of a fleet on new servers; repeated, it changes nothing
    Init(Init),
}

#[derive(Args, Clone, Debug)]
struct Init {
    /// Where NATS is: one address or several with commas between
    #[arg(long, env = "GIGAMESH_NATS", value_name = "URL", default_value = NATS)]
    nats: String,
    /// On so many servers each record is kept: 1, or 3 in a cluster
    #[arg(long, env = "GIGAMESH_REPLICAS", default_value_t = 1)]
    replicas: usize,
    /// Buckets of each kind that is spread; fixed for ever
    #[arg(long, env = "GIGAMESH_PARTITIONS", default_value_t = 8)]
    partitions: usize,
    #[command(flatten)]
    trust: Trust,
    /// Say that whatever is missing is gone for good, and begin anew
    #[arg(long)]
    new_generation: bool,
}

impl Admin {
    pub(crate) async fn run(self, say: Say) -> Result<(), Trouble> {
        let Verb::Init(init) = self.verb;
        let process = process("gigamesh-admin");
        let Init { nats, replicas, partitions, new_generation, trust } = init;
        let making = Making { replicas, partitions, new_generation };
        let durability = Durability::of(&open::syncs(&nats, &trust.monitors).await, replicas);
        trust.admit(durability)?;
        open::make(&nats, making, &process).await?;
        say.data(&json!({
            "nats": nats,
            "replicas": replicas,
            "partitions": partitions,
            "durability": durability.to_string(),
        }));
        say.talk(&format!("streams and buckets are there, on {nats}"));
        say.talk(&format!("durability {durability}"));
        Ok(())
    }
}

/// One that serves nothing: it asks, and ends.
pub(crate) fn process(name: &str) -> Process {
    let system = Arc::new(System::start());
    Process {
        name: name.to_owned(),
        clock: Arc::clone(&system) as _,
        ids: system,
        tasks: Tasks::default(),
    }
}
