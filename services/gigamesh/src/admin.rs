//! `gigamesh admin`: what an operator does once, and no service ever does by itself.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use client::{OverBus, Patience};
use clock::System;
use fleet::Span;
use node::Tasks;
use node::open::{self, CosmosChoice, Durability, Making, Process};
use protocol::{ArtifactsSwept, SweepArtifacts};
use serde_json::json;

use crate::cosmos::CosmosKey;
use crate::place::Identity;
use crate::reach::Credentials;
use crate::say::Say;
use crate::serve::{NATS, StoreName};
use crate::size;
use crate::surroundings::Surroundings;
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
    /// Make the streams and buckets of a fleet on new servers, or the containers in a new account;
    /// repeated, it changes nothing
    Init(Box<Init>),
    /// Remove uploads that were given up and bytes that nobody points to, now
    Sweep(Sweep),
}

#[derive(Args, Clone, Debug)]
struct Init {
    /// Where NATS is: one address or several with commas between
    #[arg(long, env = "GIGAMESH_NATS", value_name = "URL", default_value = NATS)]
    nats: String,
    #[command(flatten)]
    credentials: Credentials,
    /// On so many servers each record is kept: 1, or 3 in a cluster
    #[arg(long, env = "GIGAMESH_REPLICAS", default_value_t = 1)]
    replicas: usize,
    /// Buckets of each kind that is spread; fixed for ever
    #[arg(long, env = "GIGAMESH_PARTITIONS", default_value_t = 8)]
    partitions: usize,
    #[command(flatten)]
    trust: Trust,
    /// Where records will lie: nats, or cosmos://ACCOUNT.documents.azure.com/DATABASE, and then
    /// only the streams on NATS
    #[arg(long, env = "GIGAMESH_STORE", value_name = "STORE")]
    store: Option<StoreName>,
    #[command(flatten)]
    cosmos: CosmosKey,
    #[command(flatten)]
    identity: Identity,
    /// The most that the records of each kind may take on each server, like 4GiB; 0 is without
    /// bound. Before they do, no new jobs are taken, so that those that run can end; said again
    /// with more, there is room again
    #[arg(long, env = "GIGAMESH_MAX_BYTES", value_name = "SIZE", value_parser = size::read)]
    max_bytes: Option<u64>,
    /// Say that whatever is missing is gone for good, and begin anew
    #[arg(long)]
    new_generation: bool,
}

#[derive(Args, Clone, Debug)]
struct Sweep {
    /// Where NATS is: one address or several with commas between
    #[arg(long, env = "GIGAMESH_NATS", value_name = "URL", default_value = NATS)]
    nats: String,
    #[command(flatten)]
    credentials: Credentials,
    /// What is younger is spared: it may be on its way
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    older_than: Span,
}

/// Blobs may be many, and far away.
const PATIENCE: Duration = Duration::from_mins(10);

impl Admin {
    pub(crate) async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        match self.verb {
            Verb::Init(init) => init.run(say).await,
            Verb::Sweep(sweep) => sweep.run(around, say).await,
        }
    }
}

impl Sweep {
    async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        let product = around.product()?;
        let process = process("gigamesh-admin");
        let bus = open::outside(&self.credentials.at(&self.nats), &process).await?;
        let patience = Patience {
            request_id: process.ids.mint(),
            until: process.clock.now().plus(PATIENCE),
            span: PATIENCE,
        };
        let ask = SweepArtifacts { older_than_sec: self.older_than.duration().as_secs() };
        let link = OverBus::new(bus, product.clone());
        let swept = link
            .call(&ask, patience)
            .await
            .map_err(|error| Trouble::failed("the artifacts were not swept").caused_by(&error))?;
        say.data(&json!(swept));
        let ArtifactsSwept { blobs, pending, expired, logs } = swept;
        say.talk(&format!(
            "swept product {product}: {pending} uploads given up, {expired} artifacts past their \
             time, {blobs} blobs without a pointer, {logs} logs of runs that ended"
        ));
        Ok(())
    }
}

impl Init {
    async fn run(self, say: Say) -> Result<(), Trouble> {
        match &self.store {
            Some(StoreName::Cosmos(Some(place))) => return self.beside(place, say).await,
            Some(StoreName::Cosmos(None)) => return Err(StoreName::placeless()),
            Some(StoreName::Memory | StoreName::Embedded) => {
                return Err(Trouble::usage("this store needs no preparation"));
            }
            Some(StoreName::Nats) | None => {}
        }
        let process = process("gigamesh-admin");
        let Self { nats, credentials, replicas, partitions, new_generation, .. } = self;
        let (max_bytes, trust) = (self.max_bytes, self.trust);
        let reach = credentials.at(&nats);
        let making = Making { replicas, partitions, new_generation, most_bytes: max_bytes };
        let durability = Durability::of(&open::syncs(&reach, &trust.monitors).await, replicas);
        trust.admit(durability)?;
        open::make(&reach, making, &process).await?;
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

    /// Records in an account, and only news on the servers.
    async fn beside(&self, place: &CosmosChoice, say: Say) -> Result<(), Trouble> {
        let process = process("gigamesh-admin");
        let database = self.cosmos.opens(place, &self.identity)?;
        open::make_containers(&database, self.new_generation, &process).await?;
        open::make_streams(&self.credentials.at(&self.nats), self.replicas, &process).await?;
        let (nats, replicas) = (&self.nats, self.replicas);
        say.data(&json!({ "nats": nats, "replicas": replicas, "store": database.to_string() }));
        say.talk(&format!("containers are there, in {database}, and streams, on {nats}"));
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
