//! Blobs in a bucket of S3, or of what speaks like it. What exists is not overwritten: by
//! conditional writes, which the bucket has to know.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};

use super::{S3, SignedAddress, Signs, wire};
use crate::link::{Deed, Shown};

/// Where no region is named; what speaks like S3 mostly takes any.
const REGION: &str = "us-east-1";

impl S3 {
    pub(crate) fn open(&self) -> object_store::Result<AmazonS3> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(self.region.as_deref().unwrap_or(REGION))
            .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
            .with_client_options(wire::options(self.endpoint.as_deref(), self.roots.as_deref())?)
            .with_retry(wire::patience());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(secret) = &self.secret {
            builder = builder.with_access_key_id(&secret.id).with_secret_access_key(&secret.key);
        }
        builder.build()
    }
}

impl Signs for AmazonS3 {
    fn sign<'a>(
        &'a self,
        shown: &'a Shown,
        path: &'a Path,
        life: Duration,
    ) -> BoxFuture<'a, object_store::Result<SignedAddress>> {
        async move {
            let label = shown.label();
            let kind = ("content-type".to_owned(), label.content_type.clone());
            let (method, options, headers) = match shown.deed {
                // A blob that was moved to its place has lost what it was stored with.
                Deed::Read => {
                    let query = [
                        ("response-content-type", label.content_type.clone()),
                        ("response-content-disposition", label.disposition()),
                    ];
                    (Method::GET, SignedUrlOptions::new().with_query(query), BTreeMap::new())
                }
                Deed::Create => (Method::PUT, SignedUrlOptions::new(), [kind].into()),
            };
            let url = self.signed_url_opts(method, path, life, &options).await?;
            Ok((url.to_string(), headers))
        }
        .boxed()
    }
}
