//! An issuer for tests: it publishes itself, asks nobody for consent, and redeems codes as strictly
//! as a good one does. Each test may spoil it.

mod rsa;
mod served;
mod signer;

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

use served::locked;
pub use served::{Answer, Answers, Asked, Door};
pub use signer::{Signer, encoded, rsa_public, unsigned};

pub const DISCOVERY: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/keys";
pub const TOKEN: &str = "/token";
/// Nobody is asked here: whoever comes agrees, and is sent back with a code.
const AUTHORIZE: &str = "/authorize?";
pub const CLIENT: &str = "gigamesh";
pub const REDIRECT: &str = "https://mesh.example/auth/oidc/corp/callback";

/// A clock that stands until a test moves it.
#[derive(Debug)]
pub struct Hand(Mutex<Duration>);

/// One issuer behind a door.
#[derive(Debug)]
pub struct Issuer {
    pub door: Door,
    pub signers: [Signer; 3],
    state: Arc<Mutex<State>>,
}

/// What a test may change while it serves.
#[derive(Debug, Default)]
pub struct State {
    pub published: Vec<Value>,
    /// What is different in its discovery document.
    pub differs: Map<String, Value>,
    /// How a path is answered instead.
    pub spoilt: BTreeMap<String, fn() -> Answer>,
    /// What its identity tokens say besides, or differently.
    pub says: Map<String, Value>,
    /// What a client has to prove itself with, where it has to.
    pub secret: Option<String>,
    /// The identity token that it gives, whatever was asked.
    pub gives: Option<String>,
    /// So many spaces come after each of its right answers.
    pub padding: usize,
    /// It takes any verifier, as bad issuers do.
    pub careless: bool,
    codes: BTreeMap<String, BTreeMap<String, String>>,
    given: usize,
}

impl Hand {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Duration::from_secs(1_000))))
    }

    pub fn pass(&self, span: Duration) {
        *locked(&self.0) += span;
    }

    /// In seconds, as tokens tell it.
    pub fn seconds(&self) -> i64 {
        self.now().millis() / 1_000
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).plus(self.uptime())
    }

    fn uptime(&self) -> Duration {
        *locked(&self.0)
    }
}

impl Issuer {
    /// With one key of each sort, all of them published.
    pub async fn open() -> Self {
        Self::with(Signer::all()).await
    }

    pub async fn with(signers: [Signer; 3]) -> Self {
        let published = signers.iter().map(Signer::jwk).collect();
        let state = Arc::new(Mutex::new(State { published, ..State::default() }));
        let signing = Signer::other_rsa("login");
        locked(&state).published.push(signing.jwk());
        let answering = Arc::clone(&state);
        let answers = move |asked: &Asked| answer(&mut locked(&answering), &signing, asked);
        Self { door: Door::open(Arc::new(answers)).await, signers, state }
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.door.at)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// As somebody writes it into the settings.
    pub fn settings(&self) -> Value {
        json!({
            "name": "corp",
            "issuer": self.address(),
            "client_id": CLIENT,
            "audience": ["mesh"],
            "redirect": REDIRECT,
        })
    }

    pub fn provider(&self) -> Provider {
        provider(&self.settings())
    }

    pub fn verifier(&self, clock: &Arc<Hand>) -> Verifier {
        Verifier::over(vec![self.provider()], Arc::clone(clock) as Arc<dyn Clock>)
    }

    /// What a good token says.
    pub fn claims(&self, clock: &Hand) -> Value {
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
    pub fn consented(&self, location: &str) -> String {
        let (_, query) = location.split_once('?').expect("the way there has a query");
        consent(&mut self.state(), pairs(query))
    }
}

/// The provider that these settings make.
///
/// # Panics
/// They are no good ones.
pub fn provider(settings: &Value) -> Provider {
    let text = json!({ "provider": [settings] }).to_string();
    let read = Provider::from_json(&text).unwrap_or_else(|faults| panic!("{faults}"));
    read.into_iter().next().expect("one was written")
}

/// Names and values of a query or a form.
pub fn pairs(query: &str) -> BTreeMap<String, String> {
    let decoded =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    query.split('&').map(pair).collect()
}

fn answer(state: &mut State, signing: &Signer, asked: &Asked) -> Answer {
    if let Some(spoilt) = state.spoilt.get(&asked.path) {
        return spoilt();
    }
    let host = format!("http://{}", asked.headers["host"]);
    if let Some(query) = asked.path.strip_prefix(AUTHORIZE) {
        let asked = pairs(query);
        let to = asked.get("redirect_uri").cloned().unwrap_or_default();
        return Answer::Moved(format!("{to}?{}", consent(state, asked)));
    }
    let body = match asked.path.as_str() {
        DISCOVERY => {
            let mut document = json!({
                "issuer": host,
                "jwks_uri": format!("{host}{KEYS}"),
                "authorization_endpoint": format!("{host}{AUTHORIZE}tenant=a"),
                "token_endpoint": format!("{host}{TOKEN}"),
            });
            told(&mut document, &state.differs);
            document
        }
        KEYS => json!({ "keys": state.published }),
        TOKEN => return redeemed(state, signing, asked, &host),
        _ => return Answer::Status(404, String::new()),
    };
    Answer::Status(200, padded(state, &body))
}

/// The query that somebody comes back with who agreed.
fn consent(state: &mut State, asked: BTreeMap<String, String>) -> String {
    state.given += 1;
    let code = format!("code-{}", state.given);
    let back = format!("code={code}&state={}", asked.get("state").map_or("", String::as_str));
    state.codes.insert(code, asked);
    back
}

/// Says this besides, or instead.
fn told(document: &mut Value, differs: &Map<String, Value>) {
    for (name, value) in differs {
        document[name.as_str()] = value.clone();
    }
}

fn padded(state: &State, body: &Value) -> String {
    format!("{body}{}", " ".repeat(state.padding))
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
    told(&mut claims, &state.says);
    let token = state.gives.clone().unwrap_or_else(|| signing.token(&claims));
    let answer = json!({ "access_token": "a", "token_type": "Bearer", "id_token": token });
    Answer::Status(200, padded(state, &answer))
}

fn is_the_client(state: &State, asked: &Asked, form: &BTreeMap<String, String>) -> bool {
    let Some(secret) = &state.secret else { return form["client_id"] == CLIENT };
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{secret}")));
    match asked.headers.get("authorization") {
        Some(header) => *header == basic && !form.contains_key("client_secret"),
        None => form.get("client_secret") == Some(secret),
    }
}
