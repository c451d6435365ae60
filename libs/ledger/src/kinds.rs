//! Where each record lives: its kind, its partition, its id. The one list of what the ledger
//! stores.

use fleet::{Artifact, Budget, EventRecord, Factory, Job, Lease, Lock, Product, Record, Run};
use store::{Kind, Spread};

/// Everything that is stored, for whoever makes or opens a store.
pub const KINDS: [Kind; 9] = [
    Job::KIND,
    Run::KIND,
    Lease::KIND,
    EventRecord::KIND,
    Artifact::KIND,
    Factory::KIND,
    Lock::KIND,
    Budget::KIND,
    Product::KIND,
];

/// Of what the partitions of a kind are the ids, as its records name it: what belongs to one job lies
/// with it, everything else with its product.
#[must_use]
pub const fn partitioned_by(kind: Kind) -> &'static str {
    match kind.spread {
        Spread::ByPartition => "jobId",
        Spread::ById => "productId",
        Spread::Whole => "productId",
    }
}

/// A record that has a place in the store.
pub trait Placed: Record + Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    const KIND: Kind;
    /// The most bytes that it may have.
    const LARGEST: usize = 1 << 20;

    /// Its partition and its id.
    fn place(&self) -> (String, String);

    /// Whether the stored bytes, read again, are this very record, and soon will be.
    fn is_reread(&self) -> bool {
        true
    }
}

const fn kind(name: &'static str, spread: Spread) -> Kind {
    Kind { name, spread }
}

impl Placed for Job {
    const KIND: Kind = kind("fleet_jobs", Spread::ById);
    const LARGEST: usize = 900 << 10;

    fn place(&self) -> (String, String) {
        (self.product().to_string(), self.id.to_string())
    }

    /// Of a purged job only a stone is stored.
    fn is_reread(&self) -> bool {
        !self.purged
    }
}

impl Placed for Run {
    const KIND: Kind = kind("fleet_runs", Spread::ByPartition);

    fn place(&self) -> (String, String) {
        (self.job_id.to_string(), self.id.clone())
    }
}

impl Placed for Lease {
    const KIND: Kind = kind("fleet_leases", Spread::ByPartition);

    fn place(&self) -> (String, String) {
        (self.job_id.to_string(), self.job_id.to_string())
    }
}

impl Placed for EventRecord {
    const KIND: Kind = kind("fleet_events", Spread::ByPartition);

    fn place(&self) -> (String, String) {
        (self.job_id.to_string(), self.id.clone())
    }

    fn is_reread(&self) -> bool {
        false
    }
}

impl Placed for Artifact {
    const KIND: Kind = kind("fleet_artifacts", Spread::ByPartition);

    fn place(&self) -> (String, String) {
        (self.job_id.to_string(), self.id.to_string())
    }
}

impl Placed for Factory {
    const KIND: Kind = kind("fleet_factories", Spread::Whole);

    fn place(&self) -> (String, String) {
        (self.head.product_id.to_string(), self.factory_id.to_string())
    }
}

impl Placed for Lock {
    const KIND: Kind = kind("fleet_locks", Spread::Whole);

    fn place(&self) -> (String, String) {
        (self.head.product_id.to_string(), self.name.to_string())
    }
}

impl Placed for Budget {
    const KIND: Kind = kind("fleet_budgets", Spread::Whole);

    fn place(&self) -> (String, String) {
        (self.head.product_id.to_string(), self.id.to_string())
    }
}

impl Placed for Product {
    const KIND: Kind = kind("fleet_products", Spread::Whole);

    fn place(&self) -> (String, String) {
        (self.head.product_id.to_string(), self.head.product_id.to_string())
    }
}
