//! An issuer over TLS whose certificate nobody here trusts: no key of it is believed, nobody is sent
//! there, and a client's secret does not leave.

use std::net::SocketAddr;
use std::sync::Arc;

use issuer::{Hand, Issuer, Signer, provider};
use oidc::{Login, LoginRefused, NotOurs, Provider, SealKeys, Verifier};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The issuer behind TLS, as whoever had its name could set it up. Ends with the test that holds it.
struct Behind {
    issuer: Issuer,
    at: SocketAddr,
    certificate: Vec<u8>,
    _passing: JoinSet<()>,
}

impl Behind {
    async fn open() -> Self {
        let issuer = Issuer::open().await;
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut passing = JoinSet::new();
        passing.spawn(pass(listener, TlsAcceptor::from(Arc::new(config)), issuer.door.at));
        let certificate = cert.der().to_vec();
        // It names itself as it is reached.
        let here = format!("https://{at}");
        for (name, path) in
            [("issuer", ""), ("jwks_uri", "/keys"), ("authorization_endpoint", "/authorize")]
        {
            issuer.state().differs.insert(name.to_owned(), json!(format!("{here}{path}")));
        }
        let token = json!(format!("{here}/token"));
        issuer.state().differs.insert("token_endpoint".to_owned(), token);
        Self { issuer, at, certificate, _passing: passing }
    }

    fn provider(&self) -> Provider {
        let mut settings = self.issuer.settings();
        settings["issuer"] = json!(format!("https://{}", self.at));
        provider(&settings)
    }

    fn token(&self, clock: &Hand) -> String {
        let mut claims = self.issuer.claims(clock);
        claims["iss"] = json!(format!("https://{}", self.at));
        let signer: &Signer = &self.issuer.signers[1];
        signer.token(&claims)
    }
}

/// Takes TLS off, and passes on what is inside.
async fn pass(listener: TcpListener, tls: TlsAcceptor, to: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let tls = tls.clone();
        connections.spawn(async move {
            // Whoever does not believe the certificate hangs up here.
            let Ok(mut stream) = tls.accept(stream).await else { return };
            let mut inside = TcpStream::connect(to).await.unwrap();
            let _left = copy_bidirectional(&mut stream, &mut inside).await;
        });
    }
}

#[tokio::test]
async fn an_issuer_whose_certificate_is_not_trusted_vouches_for_nobody() {
    let (behind, clock) = (Behind::open().await, Hand::new());
    let verifier = Verifier::over(vec![behind.provider()], Arc::clone(&clock) as _);
    assert_eq!(verifier.recognise(&behind.token(&clock)).await, Err(NotOurs::Away));
    let login = Login::over(&verifier, SealKeys::of(&[[7; 32]]).unwrap());
    assert_eq!(login.start("corp").await.unwrap_err(), LoginRefused::Away);
    assert_eq!(behind.issuer.door.asked_at_all(), 0, "nothing was said to it");
    // All else is right: whoever trusts that very certificate reads the keys there.
    let trusting = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([Certificate::from_der(&behind.certificate).unwrap()])
        .build()
        .unwrap();
    let keys = trusting.get(format!("https://{}/keys", behind.at)).send().await.unwrap();
    let keys: Value = serde_json::from_str(&keys.text().await.unwrap()).unwrap();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(4));
}
