//! How NATS servers are reached, and as whom: an address and files, as an operator names them.
//! Reads none of them.

use std::path::PathBuf;

/// Files alone say who this process is: no secret stands in an address, and none here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// One address or several with commas between.
    pub url: String,
    /// A user's token and its key.
    pub credentials: Option<PathBuf>,
    /// Certificates of the authority whose servers are believed.
    pub authority: Option<PathBuf>,
    /// The certificate that a server is shown, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Servers that ask nobody who they are.
impl From<&str> for Reach {
    fn from(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }
}

impl From<String> for Reach {
    fn from(url: String) -> Self {
        Self { url, ..Self::default() }
    }
}
