//! The provider over Azure Cosmos DB: one container for each kind, each write a create or a replace
//! at a tag, and of large records a part that lies beside them. It never makes a container unless
//! told to, never overwrites, and uses no time to live, no change feed and no batch.

mod account;
mod bulk;
mod charges;
mod containers;
mod form;
mod init;
mod link;
mod read;
#[cfg(test)]
mod tests;
mod trouble;
mod verify;
mod write;

use std::fmt;

use async_trait::async_trait;
use azure_data_cosmos::clients::ContainerClient;
use bytes::Bytes;
use store::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};

use containers::{CONTROL, Control};
use link::Link;

pub use account::{Access, Options};
pub use charges::{Charged, Deed};
pub use containers::Container;
pub use init::init;
pub use trouble::{Fault, Trouble};

/// Documents in the containers of one database, over one client.
///
/// A revision is the tag that the service gives each version of a document. Durable when it
/// answers: the service has then written it to a majority of its replicas.
pub struct Cosmos {
    link: Link,
    control: Control,
    control_at: ContainerClient,
}

/// What a store is, as its account tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it writes.
    pub region: String,
    pub regions: usize,
    pub consistency: String,
    pub generation: String,
    pub containers: usize,
    pub faults: Vec<Fault>,
}

/// Looks at an account that may hold a store unfit to be opened: its faults are in the report.
///
/// # Errors
/// When the account cannot be reached or is unfit, or nothing was ever made there.
pub async fn look(options: &Options, containers: &[Container]) -> Result<Report, Trouble> {
    let link = Link::connect(options).await?;
    let control = verify::control(&link).await?;
    let faults = verify::faults(&link, containers).await?;
    Ok(report(&link, &control, faults))
}

impl fmt::Debug for Cosmos {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, control, .. } = self;
        out.debug_struct("Cosmos")
            .field("link", link)
            .field("control", control)
            .finish_non_exhaustive()
    }
}

impl Cosmos {
    /// Verifies the account and every container of these kinds; makes none.
    ///
    /// # Errors
    /// When the account cannot be reached, refuses us or is unfit, or a container is missing or
    /// set otherwise than [`init`] would: each is named.
    pub async fn open(options: &Options, containers: &[Container]) -> Result<Self, Trouble> {
        let mut link = Link::connect(options).await?;
        let control = verify::control(&link).await?;
        let faults = verify::faults(&link, containers).await?;
        if !faults.is_empty() {
            return Err(Trouble::Faults(faults));
        }
        link.reach(containers).await?;
        let control_at = link.container(CONTROL).await?;
        Ok(Self { link, control, control_at })
    }

    /// Changes only when [`init`] is told that what was stored is gone.
    pub fn generation(&self) -> &str {
        &self.control.generation
    }

    /// In so many regions each document is kept.
    pub fn regions(&self) -> usize {
        self.link.account.regions()
    }

    /// What all operations so far were charged, by kind and sort.
    pub fn charges(&self) -> Vec<Charged> {
        self.link.charges.told()
    }

    /// Whether another generation took the place of the store that was opened: nothing as long as
    /// it is the same one. One point read.
    ///
    /// # Errors
    /// When the account cannot be asked.
    pub async fn losses(&self) -> Result<Vec<Fault>, Trouble> {
        verify::losses(&self.link, &self.control, &self.control_at).await
    }

    /// What `doctor` and readiness tell.
    ///
    /// # Errors
    /// When the account cannot be asked.
    pub async fn report(&self, containers: &[Container]) -> Result<Report, Trouble> {
        let faults = verify::faults(&self.link, containers).await?;
        Ok(report(&self.link, &self.control, faults))
    }
}

fn report(link: &Link, control: &Control, faults: Vec<Fault>) -> Report {
    Report {
        region: link.account.region().to_owned(),
        regions: link.account.regions(),
        consistency: link.account.consistency().to_owned(),
        generation: control.generation.clone(),
        containers: control.containers.len(),
        faults,
    }
}

#[async_trait]
impl Store for Cosmos {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        read::get(&self.link, key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        write::put(&self.link, key, &value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        write::remove(&self.link, key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        match scope {
            Scope::Kind(kind) => read::kind(&self.link, *kind, from, limit).await,
            Scope::Partition(kind, partition) => {
                read::partition(&self.link, (*kind, partition), from, limit).await
            }
        }
    }
}
