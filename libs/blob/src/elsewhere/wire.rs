//! How stores elsewhere are spoken to: TLS by `ring`, patience with bounds.

use std::time::Duration;

use object_store::client::Certificate;
use object_store::{ClientOptions, RetryConfig};

const RETRIES: usize = 5;
const RETRIES_WITHIN: Duration = Duration::from_secs(20);
/// Of silence. A whole body may take as long as its reader does.
const SILENCE: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// An endpoint is spoken to without TLS only where its own address says so.
pub(crate) fn options(
    endpoint: Option<&str>,
    roots: Option<&[u8]>,
) -> object_store::Result<ClientOptions> {
    // Whoever was first in this process chose; any provider does.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let options = ClientOptions::new()
        .with_timeout_disabled()
        .with_read_timeout(SILENCE)
        .with_connect_timeout(CONNECT_WITHIN)
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")));
    let roots = roots.map(Certificate::from_pem_bundle).transpose()?.unwrap_or_default();
    Ok(roots.into_iter().fold(options, ClientOptions::with_root_certificate))
}

pub(crate) fn patience() -> RetryConfig {
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRIES_WITHIN, ..RetryConfig::default() }
}
