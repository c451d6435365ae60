//! A nats-server that `gigamesh nats config` configured, and credentials that `gigamesh nats issue`
//! wrote.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as TlsKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::raw::Raw;
use crate::process::ran;

pub(crate) struct Town {
    pub(crate) server: servers::Nats,
    pub(crate) place: TempDir,
    tls: bool,
}

impl Town {
    /// Without TLS, for whoever speaks the protocol by hand.
    pub(crate) async fn plain() -> Self {
        Self::with(false).await
    }

    /// With TLS on both sides.
    pub(crate) async fn sealed() -> Self {
        Self::with(true).await
    }

    async fn with(tls: bool) -> Self {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
        let store = at("jetstream");
        let anywhere = ["--listen", "127.0.0.1:-1", "--monitor", "127.0.0.1:-1"];
        let mut words = vec!["nats", "config", "--out", "nats", "--store", &store];
        words.extend(anywhere);
        let files = ["server.pem", "server.key", "ca.pem"].map(at);
        if tls {
            certify(place.path());
            let [certificate, key, authority] = &files;
            words.extend(["--tls-cert", certificate, "--tls-key", key, "--tls-ca", authority]);
        }
        let made = ran(place.path(), &words).await;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let extra = std::fs::read_to_string(place.path().join("nats/nats.conf")).unwrap();
        let options = servers::Options { extra, ..servers::Options::default() };
        Self { server: servers::Nats::start(options).unwrap(), place, tls }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn url(&self) -> String {
        let url = self.server.url();
        if self.tls { url.replace("nats://", "tls://") } else { url }
    }

    /// The words that make a process who it is.
    pub(crate) fn as_whom(&self, credentials: &Path) -> Vec<String> {
        let at = |name: &str| self.folder().join(name).to_str().unwrap().to_owned();
        let mut words = vec!["--nats-creds".to_owned(), credentials.to_str().unwrap().to_owned()];
        if self.tls {
            for (flag, file) in [("ca", "ca.pem"), ("cert", "client.pem"), ("key", "client.key")] {
                words.extend([format!("--nats-{flag}"), at(file)]);
            }
        }
        words
    }

    /// The file of a principal's credentials.
    pub(crate) async fn issue(&self, words: &[&str]) -> PathBuf {
        let issued = ran(self.folder(), &[&["nats", "issue"], words].concat()).await;
        assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
        let said: Value = serde_json::from_slice(&issued.stdout).unwrap();
        self.folder().join(said["file"].as_str().unwrap())
    }

    pub(crate) async fn raw(&self, words: &[&str]) -> Raw {
        Raw::connect(&self.server.url(), &self.issue(words).await).await.unwrap()
    }

    /// Streams and buckets, by somebody who may make them.
    pub(crate) async fn init(&self) {
        let admin = self.issue(&["admin", "--product", "Acme", "--name", "founder"]).await;
        let (url, whom) = (self.url(), self.as_whom(&admin));
        let whom = whom.iter().map(String::as_str);
        let words: Vec<_> = ["admin", "init", "--nats", &url].into_iter().chain(whom).collect();
        let made = ran(self.folder(), &words).await;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Who sees everything: signed with the account's own key, which no role has.
    pub(crate) async fn witness(&self) -> Raw {
        let key = |name: &str| {
            let file = self.folder().join("nats/keys/fleet").join(name);
            KeyPair::from_seed(std::fs::read_to_string(file).unwrap().trim()).unwrap()
        };
        let (account, user) = (key("account.nk"), KeyPair::new_user());
        let claims = json!({
            "jti": "w", "iat": 0, "iss": account.public_key(), "name": "witness",
            "sub": user.public_key(),
            "nats": { "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
                      "pub": {}, "sub": {} },
        });
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let head = part(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
        let text = format!("{head}.{}", part(&claims.to_string()));
        let token =
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(account.sign(text.as_bytes()).unwrap()));
        let file = self.folder().join("witness.creds");
        std::fs::write(&file, format!("{token}\n{}\n", user.seed().unwrap())).unwrap();
        let mut witness = Raw::connect(&self.server.url(), &file).await.unwrap();
        witness.subscribe(">").await.unwrap();
        witness
    }
}

/// An authority, and what it signed for the server and for its clients.
fn certify(folder: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, TlsKey::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in ["server", "client"] {
        let key = TlsKey::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}
