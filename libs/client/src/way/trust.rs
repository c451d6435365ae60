//! Whose word counts for who is at the other end: the roots of the machine, or those that were
//! named instead. There is no way to trust anybody.

use std::fmt;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Trust(Option<Arc<ClientConfig>>);

/// A text that names no roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate can be read there")]
pub struct BadTrust;

/// Read when the first link wants them: most processes never follow one.
static OF_THE_MACHINE: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    // What cannot be read is not trusted; a link that needed it says so.
    config(rustls_native_certs::load_native_certs().certs)
});

impl Trust {
    /// These roots in PEM, and no others.
    ///
    /// # Errors
    /// There is none, or one of them cannot be read.
    pub fn only(roots: &[u8]) -> Result<Self, BadTrust> {
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(roots).collect();
        let roots = roots.ok().filter(|roots| !roots.is_empty()).ok_or(BadTrust)?;
        Ok(Self(Some(config(roots))))
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(self.0.as_ref().unwrap_or(&OF_THE_MACHINE))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_some() { "Trust(named)" } else { "Trust(machine)" })
    }
}

fn config(roots: Vec<CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.expect("ring speaks what is safe");
    Arc::new(versions.with_root_certificates(store).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_certificate_is_no_trust() {
        let torn = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
        for text in ["", "roots", torn] {
            assert_eq!(Trust::only(text.as_bytes()).unwrap_err(), BadTrust, "{text:?}");
        }
    }
}
