//! The shell round the core, and the only code that writes a record. One file per protocol, one
//! commit loop under them all: read, decide, evolve, put if nothing changed.
//!
//! The shell owns waiting, writing, retrying and telling. It never decides what may happen: every
//! answer here was given by `fleet`.

mod artifact;
mod census;
mod claim;
mod commit;
mod composite;
mod counts;
mod course;
mod dependents;
mod factory;
mod find;
mod follow;
mod gate;
mod job;
mod kinds;
mod log;
mod memo;
mod operate;
mod outcome;
mod pace;
mod pages;
mod patch;
mod plan;
mod profile;
mod purge;
mod reap;
mod refusal;
mod register;
mod relay;
mod release;
mod renew;
mod run_log;
mod settings;
mod stops;
mod submit;
mod survey;
mod sweep;
mod table;
mod watch;

use std::sync::Arc;

use bus::Bus;
use clock::{Clock, Ids};
use fleet::{Artifact, EventRecord, Job, Lease, Run};
use store::Store;

use crate::settings::Belief;
pub use artifact::{Bringing, Brought, Removing};
pub use census::{Called, Census};
pub use claim::{ClaimRequest, Grant, is_of_a_gate, is_of_a_profile};
pub use counts::Counted;
pub use find::Named;
pub use follow::{Agenda, Alone};
pub use kinds::{KINDS, KINDS_OF_IDENTITY, Placed, bulk_of, partitioned_by};
pub use outcome::{LedgerError, Outcome, Verdict};
pub use pages::Pages;
pub use patch::ProgressReport;
pub use plan::{Foreseen, Plan};
pub use profile::{ProfilePut, ProfileSeen};
pub use reap::{Reaped, Reaper};
pub use register::{Made, Register};
pub use renew::{Renewed, Stop};
pub use run_log::LogStand;
pub use settings::Terms;
pub use submit::{ABSENT, Receipt, Submitter};
pub use sweep::Swept;
pub use table::{Found, Table};

/// The door to every record of a job. Cheap to clone, and its clones share one memory; another
/// process's shares nothing with it but the store and the bus.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub jobs: Table<Job>,
    pub runs: Table<Run>,
    pub leases: Table<Lease>,
    pub events: Table<EventRecord>,
    pub artifacts: Table<Artifact>,
    gates: gate::Gates,
    profiles: profile::Profiles,
    factories: Table<fleet::Factory>,
    products: Table<fleet::Product>,
    belief: Arc<Belief>,
    agenda: Arc<Agenda>,
    waiting: Arc<dependents::Waiting>,
    refusals: Arc<refusal::Refusals>,
    pace: Arc<pace::Pace>,
    unleased: Arc<reap::Unleased>,
    stops: Arc<stops::Stops>,
    watch: Arc<watch::Watch>,
    counts: Arc<counts::Counts>,
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    terms: Terms,
}

impl Ledger {
    #[must_use]
    pub fn new(
        store: &Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        terms: Terms,
    ) -> Self {
        Self {
            jobs: Table::over(store, &clock),
            runs: Table::over(store, &clock),
            leases: Table::over(store, &clock),
            events: Table::over(store, &clock),
            artifacts: Table::over(store, &clock),
            gates: gate::Gates::over(store, &clock),
            profiles: profile::Profiles::over(store, &clock, &ids),
            factories: Table::over(store, &clock),
            products: Table::over(store, &clock),
            belief: Arc::new(Belief::over(store, &clock)),
            agenda: Arc::new(Agenda::default()),
            waiting: Arc::default(),
            refusals: Arc::default(),
            pace: Arc::default(),
            unleased: Arc::default(),
            stops: Arc::default(),
            watch: Arc::default(),
            counts: Arc::default(),
            bus,
            clock,
            ids,
            terms,
        }
    }

    /// Another ledger over the same store and bus that shares no memory with this one, as if it
    /// were another process's.
    #[must_use]
    pub fn apart(&self) -> Self {
        let (bus, clock) = (Arc::clone(&self.bus), Arc::clone(&self.clock));
        Self::new(self.jobs.store(), bus, clock, Arc::clone(&self.ids), self.terms)
    }
}
