//! `gigamesh dev`: a whole fleet in one process, with factories of its own, for one person. What
//! was acknowledged survives any end of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use ::dev::{Data, Home, Local, Options};
use artifact::Retention;
use clap::Args;
use client::{OverBus, OverHttp};
use clock::System;
use fleet::{EngineName, FactoryId, ProductId};
use identity::SignUpMode;
use ledger::Terms;
use node::Tasks;
use node::open::{self, BlobsChoice, Durability, Reach};
use serde_json::json;

use crate::broker::{Broker, Syncs};
use crate::factories::{Equipment, Host};
use crate::place::Place;
use crate::say::Say;
use crate::signals::Interrupts;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;
use crate::trust::Trust;

/// The word for a server of our own, where an address may stand.
const SPAWN: &str = "spawn";

/// Run a whole fleet on this machine: services, store, page and factories in one process
#[derive(Args, Clone, Debug)]
pub(crate) struct Dev {
    /// Keep nothing: records end with the process
    #[arg(long)]
    ephemeral: bool,
    /// Bus and records on NATS: `spawn` runs a nats-server in the data folder, an address uses one
    /// that is there
    #[arg(long, value_name = "spawn|URL", conflicts_with = "ephemeral")]
    nats: Option<String>,
    /// Where records, token and runs are kept
    #[arg(long, value_name = "DIR", default_value = ".gigamesh", env = "GIGAMESH_DATA")]
    data: PathBuf,
    /// The port of page and API on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 4600, env = "GIGAMESH_PORT")]
    port: u16,
    /// How many factories work in this process
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=64))]
    factories: u32,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    equipment: Equipment,
}

impl Dev {
    pub(crate) async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        let mut interrupts = Interrupts::listen()?;
        let product = around.product()?;
        let home = Home::open(&self.data)?;
        let durability = self.durability().await?;
        let mut broker = self.broker(&home, around).await?;
        let options = self.options(&home, &product, broker.as_ref())?;
        let opened = tokio::select! {
            biased;
            () = interrupts.next() => Err(Trouble::interrupted()),
            opened = Box::pin(Local::open(options)) => opened.map_err(Trouble::from),
        };
        let local = opened?;
        home.announce(local.address())?;
        let crew = Tasks::default();
        let url = format!("http://{}", local.address());
        let host = Host::of(around, Some(url)).on_a_bus(product);
        self.start_factories(&local, &home, (&crew, &host)).await?;
        self.greet((&local, broker.as_ref()), (&home, durability), say)?;
        let broke_down = tokio::select! {
            biased;
            () = interrupts.next() => None,
            () = local.broke_down() => Some(Trouble::failed("the fleet broke down")),
            () = crew.stopped() => Some(Trouble::failed("the fleet broke down")),
            gone = keep(broker.as_mut(), say) => Some(gone),
        };
        say.talk("stopping: what runs is handed back …");
        tokio::select! {
            biased;
            ended = close(local, crew) => ended?,
            () = interrupts.next() => {
                return Err(Trouble::hurried());
            }
        }
        if let Some(broker) = broker {
            broker.stop().await;
        }
        if let Some(trouble) = broke_down {
            return Err(trouble);
        }
        let kept = if self.ephemeral { "its records are gone" } else { "nothing is lost" };
        say.talk(&format!("stopped; {kept}"));
        Ok(())
    }

    /// Of a server that is not our own.
    async fn durability(&self) -> Result<Option<Durability>, Trouble> {
        let Some(url) = self.nats.clone().filter(|url| url != SPAWN) else { return Ok(None) };
        let syncs = open::syncs(&Reach::from(url), &self.trust.monitors).await;
        let durability = Durability::of(&syncs, 1);
        self.trust.admit(durability)?;
        Ok(Some(durability))
    }

    async fn broker(&self, home: &Home, around: &Surroundings) -> Result<Option<Broker>, Trouble> {
        if self.nats.as_deref() != Some(SPAWN) {
            return Ok(None);
        }
        let place = home.folder().join("nats");
        Broker::start(place, around.nats_server(), Syncs::Always).await.map(Some)
    }

    fn options(
        &self,
        home: &Home,
        product: &ProductId,
        broker: Option<&Broker>,
    ) -> Result<Options, Trouble> {
        let url = broker.map(Broker::url).or_else(|| self.nats.clone());
        let data = match url {
            Some(url) => Data::Nats(url),
            None if self.ephemeral => Data::Memory,
            None => Data::of(home),
        };
        let in_memory = data == Data::Memory;
        let blobs = match self.place.said()? {
            Some(blobs) => blobs,
            None if in_memory => BlobsChoice::Memory,
            None => BlobsChoice::Disk(home.blobs()),
        };
        Ok(Options {
            data,
            blobs,
            keep: Retention::default(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            product: product.clone(),
            token: home.token(&System::start())?,
            hosts: Vec::new(),
            terms: Terms::default(),
            engine: shell(),
            sign_up: SignUpMode::Open,
            issuers: None,
        })
    }

    async fn start_factories(
        &self,
        local: &Local,
        home: &Home,
        (crew, host): (&Tasks, &Host),
    ) -> Result<(), Trouble> {
        let token = std::fs::read_to_string(home.token_file())?;
        let door = OverHttp::new(&format!("http://{}", local.address()), token.trim());
        let door = door.expect("our own address and token").of_product(local.product());
        for number in 1..=self.factories {
            let factory: FactoryId = format!("local-{number}").parse().expect("a name");
            let folder = home.folder().join("factories").join(factory.as_str());
            let node = local.beside(crew.clone());
            let link = OverBus::new(Arc::clone(&node.bus), local.product().clone())
                .with_door(door.clone());
            let options = self.equipment.options(factory, &folder, host).await;
            agent::serve(node, link, self.equipment.hands(&folder, host), options).await?;
        }
        Ok(())
    }

    fn greet(
        &self,
        (local, broker): (&Local, Option<&Broker>),
        (home, durability): (&Home, Option<Durability>),
        say: Say,
    ) -> Result<(), Trouble> {
        let nats = broker.map(Broker::url).or_else(|| self.nats.clone());
        let address = local.address();
        let token = std::fs::read_to_string(home.token_file())?;
        say.data(&json!({
            "apiVersion": "fleet/v1",
            "url": format!("http://{address}"),
            "product": local.product(),
            "tokenFile": home.token_file(),
            "factories": self.factories,
            "ephemeral": self.ephemeral,
            "nats": nats,
            "natsMonitor": broker.map(Broker::monitor),
        }));
        let kept = match (&nats, self.ephemeral) {
            (Some(nats), _) => format!("on {nats}"),
            (None, true) => String::from("in memory, gone when this ends"),
            (None, false) => home.folder().display().to_string(),
        };
        say.talk(&format!("gigamesh is up, product {}", local.product()));
        say.talk(&format!("  data       {kept}"));
        if let Some(durability) = durability {
            say.talk(&format!("  durability {durability}"));
        }
        say.talk(&format!("  factories  {}", self.factories));
        say.talk(&format!("  page       http://{address}/#token={}", token.trim_end()));
        say.talk("  try        gigamesh submit examples/hello.md --follow   (in another terminal)");
        say.talk("Ctrl-C stops it.");
        Ok(())
    }
}

/// Runs what names no engine: any command is one.
pub(crate) fn shell() -> EngineName {
    "shell".parse().expect("a name")
}

/// Ends only if the server that is our own cannot be kept running.
async fn keep(broker: Option<&mut Broker>, say: Say) -> Trouble {
    match broker {
        Some(broker) => broker.keep(say).await,
        None => std::future::pending().await,
    }
}

/// Factories first, so that what they hand back is still taken.
async fn close(local: Local, crew: Tasks) -> Result<(), Trouble> {
    crew.stop();
    let crew = crew.join().await;
    local.close().await?;
    Ok(crew?)
}
