//! Measures a whole fleet in one process, through the very services, doors and stores that serve:
//! every figure is of acknowledged work. Prints nothing and judges nothing; callers do.

mod artifacts;
mod backlog;
mod claims;
mod contention;
mod counted;
mod crew;
mod cycles;
mod dispatch;
mod floor;
mod recovery;
mod renew;
mod spread;
mod tails;
#[cfg(test)]
mod tests;
mod units;
mod usage;
mod yard;

use std::path::PathBuf;

use serde::Serialize;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Submit, claim, building, shipped: full cycles a second beside raw writes of the same store.
    Cycles,
    /// The same with several words in each message.
    Bundles,
    /// Claims alone out of a filled queue, beside raw writes of the same store.
    Claims,
    /// From a submit's answer to the grant at a factory that waits; beside it, with a backlog, what
    /// a claim takes and how long a scheduler needs to begin.
    Dispatch,
    /// Many claimers on one job over several schedulers: one winner each time.
    Contention,
    /// What it costs to keep many leases alive.
    Renew,
    /// How soon a silent holder's job is held by somebody else. Holders fall silent by saying
    /// nothing more; killed processes are the business of the agent's own tests.
    Recovery,
    /// Many who follow one job that says much.
    Logs,
    /// One file up and down beside a plain copy, and the list of a full job.
    Artifacts,
}

impl What {
    pub const ALL: [Self; 9] = [
        Self::Cycles,
        Self::Bundles,
        Self::Claims,
        Self::Dispatch,
        Self::Contention,
        Self::Renew,
        Self::Recovery,
        Self::Logs,
        Self::Artifacts,
    ];
}

/// Where records lie while it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreChoice {
    Memory,
    /// One file, a sync before each answer.
    Embedded,
    /// The buckets of a server, which then carries the messages too.
    Nats,
    /// A database of an account, which charges for every operation.
    Cosmos,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub what: Vec<What>,
    pub store: StoreChoice,
    /// Factories at work at once, and claimers of one job.
    pub in_flight: usize,
    /// Words of each message of [`What::Bundles`].
    pub words: usize,
    /// How long each measure that is bounded by time goes on.
    pub seconds: u64,
    /// Other queued jobs, for [`What::Dispatch`].
    pub backlog: u64,
    /// Queued jobs of [`What::Claims`], rounds of [`What::Contention`], leases of [`What::Renew`], silent holders of
    /// [`What::Recovery`], readers of [`What::Logs`], MiB of the file of [`What::Artifacts`]; with 0
    /// each has its own usual number.
    pub jobs: u64,
    /// An embedded store lies in a folder made inside this one, and is removed afterwards.
    pub place: PathBuf,
    /// Where the server is on which records lie; it was initialised before.
    pub nats: Option<String>,
    /// Where the database is in which records lie; it was initialised before.
    pub cosmos: Option<node::open::CosmosChoice>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            what: What::ALL.to_vec(),
            store: StoreChoice::Embedded,
            in_flight: 64,
            words: 16,
            seconds: 10,
            backlog: 0,
            jobs: 0,
            place: std::env::temp_dir(),
            nats: None,
            cosmos: None,
        }
    }
}

/// One figure with what belongs to it. What does not apply is absent, or zero where it is a count.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// `cycles`, `bundles`, `claims`, `dispatch`, `claim`, `first-claim`, `start`, `contention`, `renew`,
    /// `recovery`, `logs`, `upload`, `download` or `list`; of units, `units/` and the word that they are
    /// charged for.
    pub what: &'static str,
    pub store: StoreChoice,
    /// Jobs, or parked claims, at once.
    pub in_flight: usize,
    /// Of `cycles` and `bundles`.
    pub words_per_message: Option<usize>,
    /// Other jobs that were queued meanwhile.
    pub backlog: u64,
    /// How long it was measured; `first-claim`: from a scheduler's start to its first grant; `start`: until
    /// it has read every job.
    pub seconds: f64,
    /// `cycles`, `bundles`: shipped jobs. `claims`, `dispatch`, `claim`, `first-claim`: grants. `start`: jobs
    /// read. `contention`: rounds. `renew`: renewals. `recovery`: jobs. `logs`: lines that each reader had.
    /// `upload`, `download`: MiB. `list`: lists of 1,000.
    pub per_sec: f64,
    /// `cycles`, `bundles`: a whole cycle. `claims`: a claim. `dispatch`: from the submit's answer to the grant. `claim`,
    /// `contention`: the claim that won. `renew`: one request of many renewals. `recovery`: beyond
    /// the term. `logs`: from a line's making to its reader.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// What the machine can do without us, in the same run.
    pub floor: Option<Floor>,
    /// `cycles`, `bundles`, `claims`: of the floor. `claim`: p99 as a multiple of that without a backlog. `start`:
    /// bytes of memory gained for each job. `renew`, `logs`: processor time as a share of one core.
    pub ratio: Option<f64>,
    /// Writes of the store, followers' included, and readings of single records.
    pub writes_per_cycle: Option<f64>,
    pub reads_per_cycle: Option<f64>,
    /// Request units of one such word, or of a whole cycle.
    pub request_units: Option<f64>,
    /// Processor time of every thread of this process for one cycle or claim, the clients' included.
    pub processor_ms: Option<f64>,
    /// Resident memory at the end; of `start`, what was gained.
    pub rss_mb: f64,
    /// What must never be seen: a second winner, a refused renewal, a wrong attempt.
    pub violations: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Floor {
    pub name: &'static str,
    pub per_sec: f64,
}

/// What is being done, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub what: What,
    pub doing: &'static str,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("no folder for the store")]
    Place(#[source] std::io::Error),
    #[error("the store failed")]
    Store(#[from] store::StoreError),
    #[error("the store or the bus cannot be used")]
    Open(#[from] node::open::NotOpened),
    #[error("the ledger failed")]
    Ledger(#[from] ledger::LedgerError),
    #[error("a call failed")]
    Call(#[from] client::CallError),
    #[error("the fleet failed")]
    Fleet(#[from] node::Failed),
    #[error("{0}")]
    Went(&'static str),
}

/// Measures one after the other, each in a fleet of its own, and hands each figure over as soon as
/// it is there. Wants a runtime of several threads.
///
/// # Errors
/// The store or the fleet failed; figures handed over before stand.
pub async fn run(
    options: &Options,
    mut on_measurement: impl FnMut(Measurement),
    mut on_progress: impl FnMut(Progress),
) -> Result<(), BenchError> {
    for what in options.what.iter().copied() {
        let mut say = |doing| on_progress(Progress { what, doing });
        match what {
            What::Cycles => {
                on_measurement(cycles::measure(options, 1, &mut say).await?);
                if options.store == StoreChoice::Cosmos {
                    units::measure(options, &mut on_measurement, &mut say).await?;
                }
            }
            What::Bundles => {
                on_measurement(cycles::measure(options, options.words, &mut say).await?);
            }
            What::Claims => on_measurement(claims::measure(options, &mut say).await?),
            What::Dispatch => {
                dispatch::measure(options, &mut on_measurement, &mut say).await?;
            }
            What::Contention => on_measurement(contention::measure(options, &mut say).await?),
            What::Renew => on_measurement(renew::measure(options, &mut say).await?),
            What::Recovery => on_measurement(recovery::measure(options, &mut say).await?),
            What::Logs => on_measurement(tails::measure(options, &mut say).await?),
            What::Artifacts => {
                let on_measurement = &mut on_measurement;
                Box::pin(artifacts::measure(options, on_measurement, &mut say)).await?;
            }
        }
    }
    Ok(())
}

impl Options {
    fn span(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.seconds)
    }

    fn jobs_or(&self, usual: u64) -> u64 {
        if self.jobs == 0 { usual } else { self.jobs }
    }

    /// What was done again and again, each taking so long, beside the floor.
    fn beside(
        &self,
        what: &'static str,
        floor: Floor,
        took: Vec<std::time::Duration>,
        (seconds, processor): (f64, std::time::Duration),
    ) -> Measurement {
        let count = took.len() as f64;
        let spread = spread::Spread::of(took);
        let per_sec = count / seconds;
        Measurement {
            seconds,
            per_sec,
            p50_ms: spread.at(50),
            p99_ms: spread.at(99),
            ratio: Some(per_sec / floor.per_sec),
            floor: Some(floor),
            processor_ms: Some(processor.as_secs_f64() * 1000.0 / count),
            ..self.figure(what)
        }
    }

    /// A figure of `what` with nothing in it yet.
    fn figure(&self, what: &'static str) -> Measurement {
        Measurement {
            what,
            store: self.store,
            in_flight: self.in_flight,
            words_per_message: None,
            backlog: 0,
            seconds: 0.0,
            per_sec: 0.0,
            p50_ms: None,
            p99_ms: None,
            floor: None,
            ratio: None,
            writes_per_cycle: None,
            reads_per_cycle: None,
            request_units: None,
            processor_ms: None,
            rss_mb: usage::resident_mb(),
            violations: 0,
        }
    }
}
