//! Blobs in a container of Azure's. Links are its own signatures: of a user delegation key where
//! an identity let us in, and of the account's key elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Method;
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::path::Path;
use object_store::signer::Signer;

use super::{Access, Azure, SignedAddress, Signs, wire};
use crate::link::{Deed, Shown};

impl Azure {
    pub(crate) fn open(&self) -> object_store::Result<MicrosoftAzure> {
        let mut builder = MicrosoftAzureBuilder::new()
            .with_account(&self.account)
            .with_container_name(&self.container)
            .with_client_options(wire::options(self.endpoint.as_deref(), self.roots.as_deref())?)
            .with_retry(wire::patience());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        let builder = match &self.access {
            Access::Key(key) => builder.with_access_key(key),
            Access::Managed { client, endpoint } => {
                let builder = match client {
                    Some(client) => builder.with_client_id(client),
                    None => builder,
                };
                match endpoint {
                    Some(endpoint) => builder.with_msi_endpoint(endpoint),
                    None => builder,
                }
            }
            Access::Workload { tenant, client, token_file } => builder
                .with_tenant_id(tenant)
                .with_client_id(client)
                .with_federated_token_file(token_file.display().to_string()),
            Access::Bearer(token) => builder.with_bearer_token_authorization(token),
        };
        builder.build()
    }
}

impl Signs for MicrosoftAzure {
    fn sign<'a>(
        &'a self,
        shown: &'a Shown,
        path: &'a Path,
        life: Duration,
    ) -> BoxFuture<'a, object_store::Result<SignedAddress>> {
        async move {
            let (method, headers) = match shown.deed {
                Deed::Read => (Method::GET, BTreeMap::new()),
                Deed::Create => (Method::PUT, headers(shown)),
            };
            Ok((self.signed_url(method, path, life).await?.to_string(), headers))
        }
        .boxed()
    }
}

/// A whole blob in one request, and what it is shown as; the last keeps an honest sender from
/// overwriting what came before.
fn headers(shown: &Shown) -> BTreeMap<String, String> {
    let label = shown.label();
    let pairs = [
        ("x-ms-blob-type", "BlockBlob".to_owned()),
        ("x-ms-blob-content-disposition", label.disposition()),
        ("content-type", label.content_type),
        ("if-none-match", "*".to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}
