//! Which container a kind lies in, and how a container must be: fixed for as long as a store lives.

use azure_data_cosmos::models::{ContainerProperties, IndexingMode, IndexingPolicy};
use serde::{Deserialize, Serialize};
use store::Kind;

use crate::trouble::Fault;

/// A kind, and the name of the property that its documents are partitioned by: that of a product's
/// or a job's id, as people know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    pub kind: Kind,
    pub partitioned_by: &'static str,
    /// Fields of its records that never change in place: where they are large they lie in a
    /// document of their own, which no later write of the record pays for. A record that is once
    /// written without any of them never has them again.
    pub apart: &'static [&'static str],
}

/// The container of what is fixed when a store is made.
pub(crate) const CONTROL: &str = "fleet_control";
pub(crate) const CONTROL_PARTITION: &str = "topic";
pub(crate) const META: &str = "meta";

/// What `init` wrote down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Control {
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) generation: String,
    /// Every container that was made: one that is not here is new, one that is here and not there
    /// is lost.
    pub(crate) containers: Vec<String>,
}

impl Control {
    pub(crate) fn new(generation: String, containers: Vec<String>) -> Self {
        Self { id: META.into(), topic: META.into(), generation, containers }
    }
}

/// As [`Container`], of every container there is, that of the control record first.
pub(crate) fn all(containers: &[Container]) -> Vec<(&'static str, &'static str)> {
    let kinds = containers.iter().map(|one| (one.kind.name, one.partitioned_by));
    std::iter::once((CONTROL, CONTROL_PARTITION)).chain(kinds).collect()
}

/// Only what a query of ours filters is indexed: ids are by themselves. Each further path would be
/// charged with every write. Nothing ends by its age here.
pub(crate) fn properties(name: &'static str, partitioned_by: &str) -> ContainerProperties {
    let indexed = IndexingPolicy::default()
        .with_indexing_mode(IndexingMode::Consistent)
        .with_included_path(format!("/{partitioned_by}/?"))
        .with_excluded_path("/*");
    ContainerProperties::new(name, format!("/{partitioned_by}").into())
        .with_indexing_policy(indexed)
}

/// What must not be otherwise: by the partition key documents are found, and a document that ends
/// by its age is a loss. How a container is indexed costs more or less, and is the operator's.
pub(crate) fn differences(
    name: &str,
    partitioned_by: &str,
    found: &ContainerProperties,
) -> Vec<Fault> {
    let fault = |setting, found, wanted| Fault { container: name.into(), setting, found, wanted };
    let mut faults = Vec::new();
    let (key, wanted) = (found.partition_key.paths().join(" "), format!("/{partitioned_by}"));
    if key != wanted {
        faults.push(fault("partition key", key, wanted));
    }
    if !found.default_ttl.is_forever() {
        faults.push(fault("time to live", "on".into(), "off".into()));
    }
    faults
}
