//! Where an account of Cosmos DB is and what opens it, as an operator says it. A text is parsed here
//! whether or not the provider is built in.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A database of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosmosChoice {
    pub endpoint: String,
    pub database: String,
    /// The identity of the machine, until another access is put in its place.
    pub access: CosmosAccess,
}

/// What opens an account.
#[derive(Clone, PartialEq, Eq)]
pub enum CosmosAccess {
    /// One of its keys.
    Key(String),
    /// The identity of the machine; one of several is named by its client.
    Managed { client: Option<String> },
    /// The identity of a workload, which lies in a file that others renew.
    Workload { tenant: String, client: String, token_file: PathBuf },
}

/// A text that names no database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a database of Cosmos DB: cosmos://ACCOUNT.documents.azure.com/DATABASE, or \
     cosmos+http://HOST:PORT/DATABASE for an emulator"
)]
pub struct NoDatabase;

impl FromStr for CosmosChoice {
    type Err = NoDatabase;

    fn from_str(text: &str) -> Result<Self, NoDatabase> {
        let secured = text.strip_prefix("cosmos://").map(|rest| ("https", rest));
        let plain = || text.strip_prefix("cosmos+http://").map(|rest| ("http", rest));
        let (scheme, rest) = secured.or_else(plain).ok_or(NoDatabase)?;
        let (host, database) = rest.split_once('/').ok_or(NoDatabase)?;
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        let is_host = !host.is_empty() && host.split(':').all(is_name);
        if !is_host || !is_name(database) {
            return Err(NoDatabase);
        }
        let (endpoint, database) = (format!("{scheme}://{host}"), database.to_owned());
        Ok(Self { endpoint, database, access: CosmosAccess::Managed { client: None } })
    }
}

impl fmt::Display for CosmosChoice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.endpoint.split_once("://").map_or(&*self.endpoint, |(_, host)| host);
        write!(out, "cosmos://{host}/{}", self.database)
    }
}

impl fmt::Debug for CosmosAccess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => out.write_str("Key"),
            Self::Managed { client } => out.debug_tuple("Managed").field(client).finish(),
            Self::Workload { client, .. } => out.debug_tuple("Workload").field(client).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_said_with_its_account_and_nothing_else() {
        let said: CosmosChoice = "cosmos://acme.documents.azure.com/fleet".parse().unwrap();
        assert_eq!(said.endpoint, "https://acme.documents.azure.com");
        assert_eq!(said.database, "fleet");
        assert_eq!(said.to_string(), "cosmos://acme.documents.azure.com/fleet");
        let emulated: CosmosChoice = "cosmos+http://127.0.0.1:8081/fleet".parse().unwrap();
        assert_eq!(emulated.endpoint, "http://127.0.0.1:8081");
        for wrong in [
            "cosmos",
            "cosmos://",
            "cosmos://acme",
            "cosmos://acme/",
            "cosmos:///fleet",
            "cosmos://acme/fleet/jobs",
            "cosmos://acme/fleet?key=x",
            "cosmos://key@acme/fleet",
            "https://acme/fleet",
        ] {
            assert_eq!(wrong.parse::<CosmosChoice>(), Err(NoDatabase), "{wrong}");
        }
        let key = CosmosAccess::Key("c2VjcmV0".into());
        assert!(!format!("{:?}", CosmosChoice { access: key, ..said }).contains("c2Vj"));
    }
}
