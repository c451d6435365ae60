//! The account itself: how it is opened, and whether one conditional write is judged in one place
//! and every read sees what was written. The driver does not tell, so the account is asked by a
//! request of our own.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::hmac::hmac_sha256;
use azure_core::time::{OffsetDateTime, to_rfc7231};
use azure_identity::{
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use serde::Deserialize;

use crate::trouble::Trouble;

const SCOPE: &str = "https://cosmos.azure.com/.default";
const API: &str = "2018-12-31";
/// Of those that blame whoever asks, these say that the same may be asked later.
const PASSING: [StatusCode; 2] = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];

/// What opens an account.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// One of its keys, as the portal shows them.
    Key(String),
    /// The identity of the machine; one of several where it is named.
    Managed { client: Option<String> },
    /// A federated token, as Kubernetes hands it to a pod.
    Workload { tenant: String, client: String, token_file: PathBuf },
}

impl fmt::Debug for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => out.write_str("Key"),
            Self::Managed { client } => out.debug_tuple("Managed").field(client).finish(),
            Self::Workload { client, .. } => out.debug_tuple("Workload").field(client).finish(),
        }
    }
}

/// Where the store is, what opens it, and how long an answer may take.
#[derive(Clone, Debug)]
pub struct Options {
    /// `https://ACCOUNT.documents.azure.com`; `http://` for emulators alone.
    pub endpoint: String,
    pub database: String,
    pub access: Access,
    /// After that a write is unknown and a read unavailable, whatever was tried within.
    pub timeout: Duration,
}

impl Options {
    pub fn new(endpoint: impl Into<String>, database: impl Into<String>, access: Access) -> Self {
        let (endpoint, database) = (endpoint.into(), database.into());
        Self { endpoint, database, access, timeout: Duration::from_secs(5) }
    }

    pub(crate) fn unreachable(&self, error: impl Into<store::Cause>) -> Trouble {
        Trouble::Unreachable { url: self.endpoint.clone(), source: error.into() }
    }

    pub(crate) fn refused(&self, error: impl Into<store::Cause>) -> Trouble {
        Trouble::Refused { url: self.endpoint.clone(), source: error.into() }
    }

    fn no_account(&self, why: impl fmt::Display) -> Trouble {
        Trouble::NoAccount { url: self.endpoint.clone(), why: why.to_string() }
    }
}

/// As the driver takes it. Identities keep their tokens until they are about to end.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    Key(Secret),
    Token(Arc<dyn TokenCredential>),
}

impl Credential {
    pub(crate) fn of(options: &Options) -> Result<Self, Trouble> {
        // Identities speak TLS from their first line on. Another part of the process may have
        // chosen before us, and the same.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let refused = |error: azure_core::Error| options.refused(error);
        Ok(match &options.access {
            Access::Key(key) => Self::Key(Secret::new(key.clone())),
            Access::Managed { client } => {
                let user_assigned_id = client.clone().map(UserAssignedId::ClientId);
                let told =
                    ManagedIdentityCredentialOptions { user_assigned_id, ..Default::default() };
                Self::Token(ManagedIdentityCredential::new(Some(told)).map_err(refused)?)
            }
            Access::Workload { tenant, client, token_file } => {
                let told = WorkloadIdentityCredentialOptions {
                    client_id: Some(client.clone()),
                    tenant_id: Some(tenant.clone()),
                    token_file_path: Some(token_file.clone()),
                    ..Default::default()
                };
                Self::Token(WorkloadIdentityCredential::new(Some(told)).map_err(refused)?)
            }
        })
    }

    /// The header for a question about the account itself, asked at this time.
    async fn signature(&self, date: &str) -> azure_core::Result<String> {
        let said = match self {
            Self::Key(key) => {
                let text = format!("get\n\n\n{}\n\n", date.to_lowercase());
                format!("type=master&ver=1.0&sig={}", hmac_sha256(&text, key)?)
            }
            Self::Token(credential) => {
                let token = credential.get_token(&[SCOPE], None).await?;
                format!("type=aad&ver=1.0&sig={}", token.token.secret())
            }
        };
        Ok(utf8_percent_encode(&said, NON_ALPHANUMERIC).to_string())
    }
}

/// What matters of an account, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    #[serde(default)]
    enable_multiple_write_locations: bool,
    user_consistency_policy: Consistency,
    writable_locations: Vec<Location>,
    readable_locations: Vec<Location>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    default_consistency_level: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Location {
    name: String,
}

impl Account {
    /// Asks the account about itself; nothing is written.
    pub(crate) async fn ask(options: &Options, credential: &Credential) -> Result<Self, Trouble> {
        let client = reqwest::Client::builder().timeout(options.timeout).build();
        let client = client.map_err(|error| options.unreachable(error))?;
        let date = to_rfc7231(&OffsetDateTime::now_utc());
        let signature =
            credential.signature(&date).await.map_err(|error| options.refused(error))?;
        let asked = client
            .get(&options.endpoint)
            .header("authorization", signature)
            .header("x-ms-date", date)
            .header("x-ms-version", API)
            .send()
            .await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(error) if error.is_builder() => return Err(options.no_account(error)),
            Err(error) => return Err(options.unreachable(error)),
        };
        match answer.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(options.refused(status.to_string()));
            }
            status if status.is_server_error() || PASSING.contains(&status) => {
                return Err(options.unreachable(status.to_string()));
            }
            status => return Err(options.no_account(status)),
        }
        let text = answer.bytes().await.map_err(|error| options.unreachable(error))?;
        serde_json::from_slice(&text).map_err(|error| options.no_account(error))
    }

    /// Where it writes.
    pub(crate) fn region(&self) -> &str {
        self.writable_locations.first().map_or("nowhere", |location| &location.name)
    }

    pub(crate) fn consistency(&self) -> &str {
        &self.user_consistency_policy.default_consistency_level
    }

    pub(crate) fn regions(&self) -> usize {
        self.readable_locations.len()
    }

    pub(crate) fn judged(self, options: &Options) -> Result<Self, Trouble> {
        let why = self.faults();
        if why.is_empty() {
            return Ok(self);
        }
        Err(Trouble::Account { url: options.endpoint.clone(), why })
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.enable_multiple_write_locations || self.writable_locations.len() > 1 {
            let why = "it has several write regions, each of which judges conditional writes by \
                       itself and may take a write back later: set \
                       `--enable-multiple-write-locations false`";
            faults.push(why.to_owned());
        }
        let many = self.readable_locations.len();
        match self.consistency() {
            "Strong" => {}
            "BoundedStaleness" if many == 1 => {}
            "BoundedStaleness" => faults.push(format!(
                "with {many} regions its reads may be behind its writes: set \
                 `--default-consistency-level Strong`, or keep one region"
            )),
            level => faults.push(format!(
                "its consistency is {level}, with which one process may not see what another \
                 has written: set `--default-consistency-level Strong`, or BoundedStaleness in \
                 one region"
            )),
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(level: &str, regions: usize, everywhere: bool) -> Account {
        let location = |n: usize| Location { name: format!("region {n}") };
        let writable = if everywhere { regions } else { 1 };
        Account {
            enable_multiple_write_locations: everywhere,
            user_consistency_policy: Consistency { default_consistency_level: level.into() },
            writable_locations: (0..writable).map(location).collect(),
            readable_locations: (0..regions).map(location).collect(),
        }
    }

    #[test]
    fn only_an_account_that_writes_in_one_place_and_reads_what_was_written_is_taken() {
        for good in [account("Strong", 1, false), account("Strong", 3, false)] {
            assert_eq!(good.faults(), Vec::<String>::new());
        }
        assert_eq!(account("BoundedStaleness", 1, false).faults(), Vec::<String>::new());
        for (bad, said) in [
            (account("BoundedStaleness", 2, false), "behind its writes"),
            (account("Session", 1, false), "consistency is Session"),
            (account("Eventual", 1, false), "consistency is Eventual"),
            (account("Strong", 2, true), "several write regions"),
            (account("Strong", 1, true), "several write regions"),
        ] {
            let faults = bad.faults();
            assert!(faults.len() == 1 && faults[0].contains(said), "{faults:?}");
        }
        assert_eq!(account("Session", 2, true).faults().len(), 2, "all of it at once");
    }

    #[test]
    fn a_key_is_never_shown() {
        let options = Options::new("https://x", "fleet", Access::Key("c2VjcmV0".into()));
        assert!(!format!("{options:?}").contains("c2Vj"));
    }
}
