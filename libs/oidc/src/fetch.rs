//! What is fetched from an issuer: by https, without following anybody elsewhere, and with a bound
//! on time and size. Understands nothing of what it brings.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode, Url};

/// From the first byte sent to the last one read.
const WITHIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Issuers' documents have a few thousand bytes.
const MOST: usize = 256 * 1024;
const OURS: &str = concat!("gigamesh/", env!("CARGO_PKG_VERSION"));

/// Why nothing was brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfetched {
    #[error("it cannot be reached")]
    Unreached,
    #[error("it did not answer in time")]
    Late,
    #[error("its answer is larger than {MOST} bytes")]
    TooLarge,
    #[error("it answered {0}")]
    Status(u16),
    #[error("its answer is not understood")]
    Garbled,
}

/// An address that may be spoken to: by https, or by http where it is this very host.
pub(crate) fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let safe = match url.scheme() {
        "https" => url.host_str().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    };
    (safe && url.username().is_empty() && url.password().is_none()).then_some(url)
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Speaks to issuers.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher(Client);

impl Fetcher {
    /// By the system's roots. Where there are none, a door must open all the same: then no issuer
    /// is believed but one on this host.
    pub(crate) fn new() -> Self {
        // Whoever was first in this process chose; any provider does.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = plain().build().unwrap_or_else(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "without the system's certificates no issuer can be reached");
            without_roots()
        });
        Self(client)
    }

    pub(crate) async fn get(&self, url: Url) -> Result<Vec<u8>, Unfetched> {
        let (status, body) = self.send(self.0.get(url)).await?;
        if status == StatusCode::OK { Ok(body) } else { Err(Unfetched::Status(status.as_u16())) }
    }

    /// A form, and whatever was answered to it.
    pub(crate) async fn post(
        &self,
        url: Url,
        authorization: Option<String>,
        form: String,
    ) -> Result<(StatusCode, Vec<u8>), Unfetched> {
        let mut request = self.0.post(url).body(form);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Unfetched> {
        let request = request.header("accept", "application/json");
        match tokio::time::timeout(WITHIN, Box::pin(answered(request))).await {
            Ok(answer) => answer,
            Err(_) => Err(Unfetched::Late),
        }
    }
}

fn plain() -> ClientBuilder {
    // What is asked of an issuer goes to the issuer, whatever the environment says of proxies.
    let straight = Client::builder().no_proxy().redirect(Policy::none()).referer(false);
    straight.connect_timeout(CONNECT_WITHIN).user_agent(OURS)
}

fn without_roots() -> Client {
    plain().tls_certs_only([]).build().expect("nothing of the system's is needed for it")
}

async fn answered(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Unfetched> {
    let mut answer = request.send().await.map_err(|_| Unfetched::Unreached)?;
    let (status, mut body) = (answer.status(), Vec::new());
    while let Some(piece) = answer.chunk().await.map_err(|_| Unfetched::Unreached)? {
        if body.len() + piece.len() > MOST {
            return Err(Unfetched::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_certificates_still_starts() {
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let _client = without_roots();
    }

    #[test]
    fn only_https_is_spoken_and_http_to_this_host() {
        for good in [
            "https://issuer.example",
            "https://issuer.example:8443/realms/a?b=c",
            "http://127.0.0.1:80",
            "http://127.9.9.9/a",
            "http://[::1]:1/",
            "http://localhost:1/",
        ] {
            assert!(address(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "issuer.example",
            "http://issuer.example",
            "http://127.0.0.1.example/",
            "http://localhost.example/",
            "http://10.0.0.1/",
            "https://user@issuer.example",
            "https://:word@issuer.example",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "ftp://127.0.0.1/",
            "https://",
        ] {
            assert!(address(bad).is_none(), "{bad}");
        }
    }
}
