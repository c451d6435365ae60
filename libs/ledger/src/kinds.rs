//! Where each record lives: its kind, its partition, its id. The one list of what the ledger
//! stores.

use auth::{Account, Session, Stored, Token, User, Verification};
use fleet::{
    Artifact, AuditEntry, Budget, EventRecord, Factory, Job, Lease, Lineage, Lock, Product,
    Profile, Record, Run,
};
use store::{Kind, Spread};

/// Everything that is stored, for whoever makes or opens a store.
pub const KINDS: [Kind; 17] = [
    Job::KIND,
    Run::KIND,
    Lease::KIND,
    EventRecord::KIND,
    Artifact::KIND,
    Factory::KIND,
    Profile::KIND,
    Lineage::KIND,
    Lock::KIND,
    Budget::KIND,
    Product::KIND,
    AuditEntry::KIND,
    Stored::<Token>::KIND,
    Stored::<User>::KIND,
    Stored::<Account>::KIND,
    Stored::<Session>::KIND,
    Stored::<Verification>::KIND,
];

/// Of these the door is the only keeper, and no other service reads one.
pub const KINDS_OF_IDENTITY: [Kind; 6] = [
    AuditEntry::KIND,
    Stored::<Token>::KIND,
    Stored::<User>::KIND,
    Stored::<Account>::KIND,
    Stored::<Session>::KIND,
    Stored::<Verification>::KIND,
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

/// Of a kind, the fields that are the bulk of its records and never change in place, so that a store
/// which charges by size may keep them beside. A record that is once without them stays so: a job
/// that was purged never has instructions again.
#[must_use]
pub fn bulk_of(kind: Kind) -> &'static [&'static str] {
    if kind == Job::KIND { &["bodyMd", "manifestSnapshot"] } else { &[] }
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

impl Placed for Profile {
    const KIND: Kind = kind("fleet_profiles", Spread::Whole);

    fn place(&self) -> (String, String) {
        (self.head.product_id.to_string(), self.id.clone())
    }
}

impl Placed for Lineage {
    const KIND: Kind = kind("fleet_lineages", Spread::Whole);

    fn place(&self) -> (String, String) {
        (self.head.product_id.to_string(), self.id.to_string())
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

impl Placed for AuditEntry {
    const KIND: Kind = kind("fleet_audit", Spread::Whole);

    fn place(&self) -> (String, String) {
        (self.head.product_id.to_string(), self.id.clone())
    }

    fn is_reread(&self) -> bool {
        false
    }
}

impl Placed for Stored<Token> {
    const KIND: Kind = kind("fleet_tokens", Spread::Whole);

    fn place(&self) -> (String, String) {
        by_itself(&self.id)
    }
}

impl Placed for Stored<User> {
    const KIND: Kind = kind("fleet_users", Spread::Whole);

    fn place(&self) -> (String, String) {
        by_itself(&self.id)
    }
}

impl Placed for Stored<Account> {
    const KIND: Kind = kind("fleet_accounts", Spread::Whole);

    fn place(&self) -> (String, String) {
        by_itself(&self.id)
    }
}

impl Placed for Stored<Session> {
    const KIND: Kind = kind("fleet_sessions", Spread::Whole);

    fn place(&self) -> (String, String) {
        by_itself(&self.id)
    }
}

impl Placed for Stored<Verification> {
    const KIND: Kind = kind("fleet_verifications", Spread::Whole);

    fn place(&self) -> (String, String) {
        by_itself(&self.id)
    }
}

/// What belongs to no product is a partition of its own.
fn by_itself(id: &str) -> (String, String) {
    (id.to_owned(), id.to_owned())
}

#[cfg(test)]
mod tests {
    use fleet::{CONTAINERS, Container, Partition};

    use super::*;

    /// Infrastructure makes the containers where identities open the account, and people look up
    /// how they must be.
    #[test]
    fn the_infrastructure_and_its_page_know_every_container() {
        let infrastructure = include_str!("../../../deploy/azure.bicep");
        let page = include_str!("../../../docs/azure.md");
        let listed = |from: &str| {
            let (_, list) = infrastructure.split_once(from).unwrap();
            list.split_once(']').unwrap().0.split('\'').skip(1).step_by(2).collect::<Vec<_>>()
        };
        let (by_product, by_job) = (listed("var byProduct = ["), listed("var byJob = ["));
        assert_eq!(by_product.len() + by_job.len(), KINDS.len());
        for kind in KINDS {
            let list = if partitioned_by(kind) == "jobId" { &by_job } else { &by_product };
            assert!(list.contains(&kind.name), "{} in {list:?}", kind.name);
            assert!(page.contains(&format!("`{}`", kind.name)), "{}", kind.name);
        }
    }

    #[test]
    fn every_kind_has_its_container_and_lies_where_that_says() {
        let known: Vec<&Container> = CONTAINERS.iter().chain(auth::CONTAINERS).collect();
        for kind in KINDS {
            assert!(known.iter().any(|one| one.name == kind.name), "{}", kind.name);
        }
        assert!(KINDS_OF_IDENTITY.contains(&AuditEntry::KIND));
        assert_eq!(KINDS_OF_IDENTITY.len(), auth::CONTAINERS.len() + 1);
        for own in auth::CONTAINERS {
            assert!(KINDS_OF_IDENTITY.iter().any(|kind| kind.name == own.name), "{}", own.name);
            assert_eq!(own.partition, Partition::Id, "{}", own.name);
            assert!(KINDS.iter().any(|kind| kind.name == own.name), "{}", own.name);
        }
    }
}
