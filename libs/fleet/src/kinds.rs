//! Where each record is kept: the one table that every provider is set up from.

/// A container, or bucket, of one kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    pub name: &'static str,
    pub record: &'static str,
    pub partition: Partition,
}

/// The field whose value keeps records together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    Product,
    Job,
    /// Each record by itself.
    Id,
}

impl Partition {
    /// As a path into the stored record.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Product => "/productId",
            Self::Job => "/jobId",
            Self::Id => "/id",
        }
    }
}

pub const CONTAINERS: &[Container] = &[
    of("fleet_jobs", "FleetJob", Partition::Product),
    of("fleet_runs", "FleetRun", Partition::Job),
    of("fleet_leases", "FleetLease", Partition::Job),
    of("fleet_factories", "FleetFactory", Partition::Product),
    of("fleet_profiles", "FleetProfile", Partition::Product),
    of("fleet_lineages", "FleetLineage", Partition::Product),
    of("fleet_events", "FleetEvent", Partition::Job),
    of("fleet_artifacts", "FleetArtifact", Partition::Job),
    of("fleet_locks", "FleetLock", Partition::Product),
    of("fleet_budgets", "FleetBudget", Partition::Product),
    of("fleet_products", "FleetProduct", Partition::Product),
    of("fleet_audit", "FleetAudit", Partition::Product),
    of("fleet_control", "FleetControl", Partition::Id),
];

const fn of(name: &'static str, record: &'static str, partition: Partition) -> Container {
    Container { name, record, partition }
}
