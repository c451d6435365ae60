//! How an agent of this binary is set up: what it offers, where its runs live, which folders it
//! gives to jobs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent::{Mask, Options, Pace, Place, Processes};
use clap::Args;
use fleet::{Capability, Descriptor, EngineName, FactoryId, ProductId};

use crate::surroundings::Surroundings;

/// What a factory is told on the command line.
#[derive(Args, Clone, Debug)]
pub(crate) struct Equipment {
    /// Jobs at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) seats: u32,
    /// Folders that jobs may name as their own (repeatable); without any, each run has its own
    #[arg(long, value_name = "DIR", env = "GIGAMESH_ROOTS", value_delimiter = ':')]
    pub(crate) roots: Vec<PathBuf>,
    /// A capability to offer beside those found on this host, like gpu or region:eu (repeatable)
    #[arg(long = "capability", value_name = "TOKEN")]
    pub(crate) capabilities: Vec<Capability>,
    /// An engine to offer (repeatable)
    #[arg(long = "engine", value_name = "NAME", default_values = ["shell", "echo"])]
    pub(crate) engines: Vec<EngineName>,
    /// An environment variable that jobs may see (repeatable)
    #[arg(long = "pass-env", value_name = "NAME")]
    pub(crate) pass_env: Vec<String>,
    /// A pattern of what no log may show, as a regular expression (repeatable); in the environment
    /// one a line. Values of variables that jobs may see are hidden without it where their names
    /// end in TOKEN, KEY, SECRET or PASSWORD
    #[arg(long = "mask", value_name = "REGEX", env = "GIGAMESH_MASK", value_delimiter = '\n')]
    pub(crate) masks: Vec<Mask>,
    /// Take jobs whose manifest says yolo
    #[arg(long)]
    pub(crate) allow_yolo: bool,
}

/// What a factory knows of the place that it runs in.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) hostname: Option<String>,
    /// Where programs of a job reach the coordinator, if that is known.
    pub(crate) url: Option<String>,
    /// Whose offers and words are heard on a bus.
    pub(crate) product: Option<ProductId>,
}

impl Host {
    pub(crate) fn of(around: &Surroundings, url: Option<String>) -> Self {
        let environment = around.environment.clone();
        let named = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let hostname = named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Self { environment, hostname, url, product: None }
    }

    pub(crate) fn on_a_bus(self, product: ProductId) -> Self {
        Self { product: Some(product), ..self }
    }

    async fn tools(&self) -> Vec<Capability> {
        let path = self.environment.get("PATH").map(String::as_str).unwrap_or_default();
        agent::tools::found(path).await
    }
}

impl Equipment {
    pub(crate) async fn options(&self, factory: FactoryId, home: &Path, host: &Host) -> Options {
        let mut capabilities = self.capabilities.clone();
        capabilities.extend(host.tools().await);
        if self.allow_yolo {
            capabilities.extend("yolo".parse());
        }
        Options {
            factory,
            product: host.product.clone(),
            engines: self.engines.clone(),
            capabilities,
            descriptor: Some(Descriptor {
                hostname: host.hostname.clone(),
                os: std::env::consts::OS.to_owned(),
                arch: std::env::consts::ARCH.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..Descriptor::default()
            }),
            home: home.to_owned(),
            pace: Pace { seats: self.seats, ..Pace::default() },
        }
    }

    pub(crate) fn hands(&self, home: &Path, host: &Host) -> Processes {
        Processes::at(Place {
            runs: home.join("runs"),
            roots: self.roots.clone(),
            environment: host.environment.clone(),
            pass_env: self.pass_env.clone(),
            masks: self.masks.clone(),
            url: host.url.clone(),
        })
    }
}
