//! One that vouches for servers on loopback: roots that nobody else trusts, and a certificate of
//! each server, new for every test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::{Trouble, io};

/// Its own certificate, with what vouches in its name.
pub struct Authority {
    roots: String,
    issuer: Issuer<'static, KeyPair>,
}

/// The files of one server, in a folder that somebody else keeps.
#[derive(Clone, Debug)]
pub(crate) struct Vouched {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// # Panics
    /// When the system gives no keys.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        let key = KeyPair::generate().expect("the system gives keys");
        let roots = params.self_signed(&key).expect("it vouches for itself").pem();
        Self { roots, issuer: Issuer::new(params, key) }
    }

    /// What those have to trust who speak with its servers, in PEM.
    pub fn roots(&self) -> Vec<u8> {
        self.roots.clone().into_bytes()
    }

    pub(crate) fn vouch(&self, folder: &Path) -> Result<Vouched, Trouble> {
        let unsigned = |error| io("sign a certificate")(std::io::Error::other(error));
        let (certificate, key) = self.signed().map_err(unsigned)?;
        let files = Vouched { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        fs::write(&files.certificate, certificate).map_err(io("write a certificate"))?;
        fs::write(&files.key, key).map_err(io("write a key"))?;
        Ok(files)
    }

    /// A certificate and its key.
    fn signed(&self) -> Result<(String, String), rcgen::Error> {
        let mut params = CertificateParams::new(["127.0.0.1", "localhost"].map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, "a server of tests");
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }

    /// Trusts it alone.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(
            CertificateDer::pem_slice_iter(self.roots.as_bytes()).flatten(),
        );
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider);
        let versions = versions.with_safe_default_protocol_versions().expect("ring has them");
        Arc::new(versions.with_root_certificates(store).with_no_client_auth())
    }
}

/// Without the key.
impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Authority")
    }
}
