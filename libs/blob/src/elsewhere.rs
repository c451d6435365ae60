//! Stores of others, which sign links themselves: what each needs to be found and to let us in.
//! Reads no environment; credentials come as values and are never printed.

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "s3")]
mod s3;
#[cfg(any(feature = "azure", feature = "s3"))]
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use object_store::path::Path;

use crate::link::Shown;

/// A container of Azure's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Azure {
    pub account: String,
    pub container: String,
    pub access: Access,
    /// Where it is not at Azure's own address: an emulator, or another cloud.
    pub endpoint: Option<String>,
    /// Whom to trust there besides whom the machine trusts, in PEM.
    pub roots: Option<Vec<u8>>,
}

/// What opens an account of Azure's.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// The key of the account. What it signs can be recalled only by another key.
    Key(String),
    /// The identity of the machine; one of several is named by its client, and whoever gives it out
    /// by an address where that is not the usual one.
    Managed { client: Option<String>, endpoint: Option<String> },
    /// The identity of a workload, which lies in a file that others renew.
    Workload { tenant: String, client: String, token_file: PathBuf },
    /// A token that somebody else gets and renews.
    Bearer(String),
}

/// A bucket of S3, or of what speaks like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    pub bucket: String,
    pub region: Option<String>,
    /// Where it is not at Amazon's own address.
    pub endpoint: Option<String>,
    /// Whom to trust there besides whom the machine trusts, in PEM.
    pub roots: Option<Vec<u8>>,
    /// Without it, the identity of the machine.
    pub secret: Option<S3Secret>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct S3Secret {
    pub id: String,
    pub key: String,
}

/// An address and the headers that go with it.
pub(crate) type SignedAddress = (String, BTreeMap<String, String>);

/// What signs links that lead past us.
pub(crate) trait Signs: Send + Sync {
    fn sign<'a>(
        &'a self,
        shown: &'a Shown,
        path: &'a Path,
        life: Duration,
    ) -> BoxFuture<'a, object_store::Result<SignedAddress>>;
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => out.write_str("Key(hidden)"),
            Self::Managed { client, endpoint } => write!(out, "Managed({client:?}, {endpoint:?})"),
            Self::Workload { tenant, client, token_file } => {
                write!(out, "Workload({tenant}, {client}, {})", token_file.display())
            }
            Self::Bearer(_) => out.write_str("Bearer(hidden)"),
        }
    }
}

impl fmt::Debug for S3Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "S3Secret({}, hidden)", self.id)
    }
}
