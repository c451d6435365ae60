//! An issuer for tests: it publishes itself, asks nobody for consent, and redeems codes as strictly
//! as a good one does. Each test may spoil it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clock::Clock;
use fleet::Timestamp;
use oidc::{Provider, Verifier};
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use crate::served::{Answer, Asked, Door};
use crate::signer::{Signer, encoded};

pub(crate) const DISCOVERY: &str = "/.well-known/openid-configuration";
pub(crate) const KEYS: &str = "/keys";
pub(crate) const TOKEN: &str = "/token";
pub(crate) const CLIENT: &str = "gigamesh";
pub(crate) const REDIRECT: &str = "https://mesh.example/auth/oidc/corp/callback";

/// A clock that stands until a test moves it.
#[derive(Debug)]
pub(crate) struct Hand(Mutex<Duration>);

/// One issuer behind a door.
pub(crate) struct Issuer {
    pub(crate) door: Door,
    pub(crate) signers: [Signer; 3],
    state: Arc<Mutex<State>>,
}

/// What a test may change while it serves.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) published: Vec<Value>,
    /// What is different in its discovery document.
    pub(crate) differs: Map<String, Value>,
    /// How a path is answered instead.
    pub(crate) spoilt: BTreeMap<String, fn() -> Answer>,
    /// What its identity tokens say besides, or differently.
    pub(crate) says: Map<String, Value>,
    /// What a client has to prove itself with, where it has to.
    pub(crate) secret: Option<String>,
    /// The identity token that it gives, whatever was asked.
    pub(crate) gives: Option<String>,
    /// It takes any verifier, as bad issuers do.
    pub(crate) careless: bool,
    codes: BTreeMap<String, BTreeMap<String, String>>,
    given: usize,
}

impl Hand {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Duration::from_secs(1_000))))
    }

    pub(crate) fn pass(&self, span: Duration) {
        *self.0.lock().unwrap() += span;
    }

    /// In seconds, as tokens tell it.
    pub(crate) fn seconds(&self) -> i64 {
        self.now().millis() / 1_000
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).plus(self.uptime())
    }

    fn uptime(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

impl Issuer {
    /// With one key of each sort, all of them published.
    pub(crate) async fn open() -> Self {
        Self::with(Signer::all()).await
    }

    pub(crate) async fn with(signers: [Signer; 3]) -> Self {
        let published = signers.iter().map(Signer::jwk).collect();
        let state = Arc::new(Mutex::new(State { published, ..State::default() }));
        let signing = Signer::other_rsa("login");
        state.lock().unwrap().published.push(signing.jwk());
        let answering = Arc::clone(&state);
        let answers = move |asked: &Asked| answer(&mut answering.lock().unwrap(), &signing, asked);
        Self { door: Door::open(Arc::new(answers)).await, signers, state }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.door.at)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// As somebody writes it into the settings.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "name": "corp",
            "issuer": self.address(),
            "client_id": CLIENT,
            "audience": ["mesh"],
            "redirect": REDIRECT,
        })
    }

    pub(crate) fn provider(&self) -> Provider {
        provider(&self.settings())
    }

    pub(crate) fn verifier(&self, clock: &Arc<Hand>) -> Verifier {
        Verifier::over(vec![self.provider()], Arc::clone(clock) as Arc<dyn Clock>)
    }

    /// What a good token says.
    pub(crate) fn claims(&self, clock: &Hand) -> Value {
        let now = clock.seconds();
        json!({
            "iss": self.address(),
            "sub": "248289761001",
            "aud": "mesh",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "fleet_products": {"shop": "operator"},
        })
    }

    /// Whoever follows this address agrees, and comes back with this query.
    pub(crate) fn consented(&self, location: &str) -> String {
        let (_, query) = location.split_once('?').unwrap();
        let asked = pairs(query);
        let mut state = self.state();
        state.given += 1;
        let code = format!("code-{}", state.given);
        let back = format!("code={code}&state={}", asked["state"]);
        state.codes.insert(code, asked);
        back
    }
}

pub(crate) fn provider(settings: &Value) -> Provider {
    let text = json!({ "provider": [settings] }).to_string();
    Provider::from_json(&text).unwrap().pop().unwrap()
}

pub(crate) fn pairs(query: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned()
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (decoded(name), decoded(value))
    };
    query.split('&').map(pair).collect()
}

fn answer(state: &mut State, signing: &Signer, asked: &Asked) -> Answer {
    if let Some(spoilt) = state.spoilt.get(&asked.path) {
        return spoilt();
    }
    let host = format!("http://{}", asked.headers["host"]);
    let body = match asked.path.as_str() {
        DISCOVERY => {
            let mut document = json!({
                "issuer": host,
                "jwks_uri": format!("{host}{KEYS}"),
                "authorization_endpoint": format!("{host}/authorize?tenant=a"),
                "token_endpoint": format!("{host}{TOKEN}"),
            });
            document.as_object_mut().unwrap().extend(state.differs.clone());
            document
        }
        KEYS => json!({ "keys": state.published }),
        TOKEN => return redeemed(state, signing, asked, &host),
        _ => return Answer::Status(404, String::new()),
    };
    Answer::Status(200, body.to_string())
}

fn redeemed(state: &mut State, signing: &Signer, asked: &Asked, host: &str) -> Answer {
    let form = pairs(&asked.body);
    let refused = |why: &str| Answer::Status(400, json!({ "error": why }).to_string());
    if !is_the_client(state, asked, &form) {
        return Answer::Status(401, json!({ "error": "invalid_client" }).to_string());
    }
    // Taken at the first try, whatever comes of it.
    let Some(begun) = state.codes.remove(&form["code"]) else { return refused("invalid_grant") };
    let challenge = encoded(digest(&SHA256, form["code_verifier"].as_bytes()));
    let proven = begun.get("code_challenge") == Some(&challenge)
        && begun.get("code_challenge_method").is_some_and(|method| method == "S256");
    if begun["redirect_uri"] != form["redirect_uri"] || !(proven || state.careless) {
        return refused("invalid_grant");
    }
    let mut claims = json!({
        "iss": host,
        "sub": "248289761001",
        "aud": CLIENT,
        "iat": 1_800_001_000,
        "exp": 1_800_001_600,
        "nonce": begun.get("nonce"),
        "email": "jane@corp.example",
        "email_verified": true,
        "name": "Jane Doe",
    });
    claims.as_object_mut().unwrap().extend(state.says.clone());
    let token = state.gives.clone().unwrap_or_else(|| signing.token(&claims));
    let answer = json!({ "access_token": "a", "token_type": "Bearer", "id_token": token });
    Answer::Status(200, answer.to_string())
}

fn is_the_client(state: &State, asked: &Asked, form: &BTreeMap<String, String>) -> bool {
    let Some(secret) = &state.secret else { return form["client_id"] == CLIENT };
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{secret}")));
    match asked.headers.get("authorization") {
        Some(header) => *header == basic && !form.contains_key("client_secret"),
        None => form.get("client_secret") == Some(secret),
    }
}
