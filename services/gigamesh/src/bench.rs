//! `gigamesh bench`: figures of this machine, one line each.

use ::bench::{Measurement, Options, StoreChoice, What};
use clap::{Args, ValueEnum};
use clock::System;
use node::Tasks;
use node::open::{self, Making, Process};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

use crate::broker::{Broker, Cluster, Syncs};
use crate::cosmos::CosmosKey;
use crate::place::Identity;
use crate::say::Say;
use crate::serve::StoreName;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;

/// Measure this machine: cycles, bundles, dispatch, contention, renewals, recovery, artifacts
#[derive(Args, Clone, Debug)]
pub(crate) struct Bench {
    #[arg(default_value = "all")]
    what: Measured,
    /// Where records lie meanwhile: memory, embedded, nats or
    /// cosmos://ACCOUNT.documents.azure.com/DATABASE, initialised before, which tells its units too
    #[arg(long, value_name = "STORE", default_value = "embedded")]
    store: StoreName,
    #[command(flatten)]
    cosmos: CosmosKey,
    #[command(flatten)]
    identity: Identity,
    /// Requests at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    in_flight: u16,
    /// Words of each message of bundles
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(2..=64))]
    words: u16,
    /// How long each measure goes on that is bounded by time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Other queued jobs, for dispatch
    #[arg(long, value_name = "N", default_value_t = 0)]
    backlog: u64,
    /// Queued jobs of claims, rounds of contention, leases of renew, lost holders of recovery, MiB of artifacts; 0 is their usual number
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: u64,
    /// The server whose buckets they are, initialised before; without it one is started meanwhile
    #[arg(long, value_name = "URL", env = "GIGAMESH_NATS")]
    nats: Option<String>,
    /// When a server that is started meanwhile syncs
    #[arg(long, value_name = "WHEN", default_value = "always")]
    sync: Syncs,
    /// Servers that are started meanwhile, each of which keeps everything
    #[arg(long, value_name = "1|3", default_value_t = 1, value_parser = replicas)]
    replicas: usize,
    /// Below which folder the store lies
    #[arg(long, value_name = "DIR")]
    place: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Measured {
    Cycles,
    Bundles,
    Claims,
    Dispatch,
    Contention,
    Renew,
    Recovery,
    Logs,
    Artifacts,
    All,
}

impl Bench {
    /// A JSON object a line in a pipe or where it is asked for, else a table at the end.
    pub(crate) async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        let mut options = self.options()?;
        if options.store != StoreChoice::Nats || options.nats.is_some() {
            return measure(&options, say).await;
        }
        let place = TempDir::with_prefix_in("gigamesh-bench-", &options.place)?;
        let (folder, server) = (place.path(), around.nats_server());
        if self.replicas > 1 {
            let cluster = Cluster::start(folder, server, self.sync).await?;
            options.nats = Some(cluster.url());
            let measured = self.measure_on(&options, say).await;
            cluster.stop().await;
            return measured;
        }
        let broker = Broker::start(folder.to_owned(), server, self.sync).await?;
        options.nats = Some(broker.url());
        let measured = self.measure_on(&options, say).await;
        broker.stop().await;
        measured
    }

    /// On servers that nobody else knows: streams and buckets of the usual number.
    async fn measure_on(&self, options: &Options, say: Say) -> Result<(), Trouble> {
        let system = Arc::new(System::start());
        let (clock, ids) = (Arc::clone(&system), system);
        let process = Process { name: String::from("bench"), clock, ids, tasks: Tasks::default() };
        let replicas = self.replicas;
        let making = Making { replicas, partitions: 8, new_generation: false, most_bytes: None };
        let url = options.nats.clone().unwrap_or_default();
        let made = open::make_if_new(&url.into(), making, &process).await;
        let unfit = |error| Trouble::failed("the server cannot be used").caused_by(&error);
        made.map_err(unfit)?;
        measure(options, say).await
    }

    fn options(&self) -> Result<Options, Trouble> {
        let what = match self.what {
            Measured::Cycles => vec![What::Cycles],
            Measured::Bundles => vec![What::Bundles],
            Measured::Claims => vec![What::Claims],
            Measured::Dispatch => vec![What::Dispatch],
            Measured::Contention => vec![What::Contention],
            Measured::Renew => vec![What::Renew],
            Measured::Recovery => vec![What::Recovery],
            Measured::Logs => vec![What::Logs],
            Measured::Artifacts => vec![What::Artifacts],
            Measured::All => What::ALL.to_vec(),
        };
        let mut cosmos = None;
        let store = match &self.store {
            StoreName::Memory => StoreChoice::Memory,
            StoreName::Embedded => StoreChoice::Embedded,
            StoreName::Nats => StoreChoice::Nats,
            StoreName::Cosmos(None) => return Err(StoreName::placeless()),
            StoreName::Cosmos(Some(database)) => {
                cosmos = Some(self.cosmos.opens(database, &self.identity)?);
                StoreChoice::Cosmos
            }
        };
        Ok(Options {
            what,
            store,
            in_flight: self.in_flight.into(),
            words: self.words.into(),
            seconds: self.seconds,
            backlog: self.backlog,
            jobs: self.jobs,
            place: self.place.clone().unwrap_or_else(std::env::temp_dir),
            nats: self.nats.clone(),
            cosmos,
        })
    }
}

async fn measure(options: &Options, say: Say) -> Result<(), Trouble> {
    let mut measured = Vec::new();
    let done = ::bench::run(
        options,
        |figure| {
            say.data(&json!(figure));
            measured.push(figure);
        },
        |progress| say.talk(&format!("{:?}: {} …", progress.what, progress.doing)),
    );
    done.await.map_err(|error| Trouble::failed("it could not be measured").caused_by(&error))?;
    say.table(&table(&measured));
    let violations: u64 = measured.iter().map(|figure| figure.violations).sum();
    if violations > 0 {
        return Err(Trouble::failed(format!("{violations} violations were seen")));
    }
    Ok(())
}

fn replicas(said: &str) -> Result<usize, String> {
    match said {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("one server, or a cluster of three".to_owned()),
    }
}

const HEADS: [&str; 11] = [
    "WHAT",
    "IN FLIGHT",
    "BACKLOG",
    "PER SECOND",
    "P50 MS",
    "P99 MS",
    "FLOOR",
    "RATIO",
    "WRITES",
    "RU",
    "VIOLATIONS",
];

fn table(measured: &[Measurement]) -> String {
    let rows: Vec<Vec<String>> = measured.iter().map(row).collect();
    cli::table(&HEADS, &rows)
}

fn row(figure: &Measurement) -> Vec<String> {
    let millis = |value: Option<f64>| value.map_or_else(String::new, |ms| format!("{ms:.3}"));
    let figures = |value: Option<f64>| value.map_or_else(String::new, |n| format!("{n:.2}"));
    let floor = figure.floor.as_ref();
    vec![
        figure.what.to_owned(),
        figure.in_flight.to_string(),
        figure.backlog.to_string(),
        format!("{:.0}", figure.per_sec),
        millis(figure.p50_ms),
        millis(figure.p99_ms),
        floor.map_or_else(String::new, |floor| format!("{:.0} {}", floor.per_sec, floor.name)),
        figures(figure.ratio),
        figures(figure.writes_per_cycle),
        figures(figure.request_units),
        figure.violations.to_string(),
    ]
}
