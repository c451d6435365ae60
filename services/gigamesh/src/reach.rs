//! How an operator says who a process is to NATS servers, for every verb that takes their address.
//! Files alone: a secret stands in no argument, and is read where it is used.

use std::path::PathBuf;

use clap::Args;
use node::open::Reach;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Credentials {
    /// Credentials for NATS, of `gigamesh nats issue`; read again for every connection
    #[arg(long, env = "GIGAMESH_NATS_CREDS", value_name = "FILE")]
    nats_creds: Option<PathBuf>,
    /// Certificates of the authority whose NATS servers are believed, instead of the system's
    #[arg(long, env = "GIGAMESH_NATS_CA", value_name = "FILE")]
    nats_ca: Option<PathBuf>,
    /// Certificate for NATS servers that want one
    #[arg(long, env = "GIGAMESH_NATS_CERT", value_name = "FILE", requires = "nats_key")]
    nats_cert: Option<PathBuf>,
    /// The key of that certificate
    #[arg(long, env = "GIGAMESH_NATS_KEY", value_name = "FILE", requires = "nats_cert")]
    nats_key: Option<PathBuf>,
}

impl Credentials {
    pub(crate) fn at(&self, url: &str) -> Reach {
        Reach {
            url: url.to_owned(),
            credentials: self.nats_creds.clone(),
            authority: self.nats_ca.clone(),
            identity: self.nats_cert.clone().zip(self.nats_key.clone()),
        }
    }
}
