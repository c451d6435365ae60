//! A door that believes an issuer elsewhere: people log in by it with nothing but redirects and
//! cookies, programs come with its tokens, and whoever is not vouched for stays outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, System};
use gateway::{Issuers, Options};
use identity::Identity;
use issuer::{DISCOVERY, Hand, Issuer, KEYS, Signer, TOKEN, provider, rsa_public, unsigned};
use node::{Node, Tasks};
use protocol::{Bind, Role};
use ring::hmac;
use serde_json::{Value, json};
use store::{Memory, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plain::{Said, Spoken};
use crate::town::{Town, options};

/// Where people come back to: the door, under the name that browsers know it by.
const BACK: &str = "http://localhost/auth/oauth2/callback/corp";

/// A town with one more door, which believes the issuer, and a clock that a test moves.
struct Vouched {
    town: Town,
    issuer: Issuer,
    clock: Arc<Hand>,
    node: Node,
    identity: Identity,
    door: SocketAddr,
}

impl Vouched {
    async fn open() -> Self {
        let (town, issuer, clock) = (Town::open().await, Issuer::open().await, Hand::new());
        let mut settings = issuer.settings();
        settings["redirect"] = json!(BACK);
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let ids: Arc<dyn Ids> = Arc::new(System::start());
        let time: Arc<dyn Clock> = Arc::<Hand>::clone(&clock);
        let settings_of_people = identity::Settings::default();
        let identity = Identity::over(&store, Arc::clone(&time), ids, settings_of_people);
        let opened = options("127.0.0.1:0");
        let issuers = Issuers::over(vec![provider(&settings)], time, &opened.token).unwrap();
        let options = Options { issuers: Some(issuers), identity: identity.clone(), ..opened };
        let node = Node { tasks: Tasks::default(), ..town.node.clone() };
        let door = gateway::serve(node.clone(), options).await.unwrap();
        Self { town, issuer, clock, node, identity, door }
    }

    async fn close(self) {
        self.node.tasks.stop();
        self.node.tasks.join().await.unwrap();
        self.town.close().await;
    }

    /// A right token that says this besides.
    fn token(&self, differs: &[(&str, Value)]) -> String {
        self.issuer.signers[1].token(&self.claims(differs))
    }

    fn claims(&self, differs: &[(&str, Value)]) -> Value {
        let mut claims = self.issuer.claims(&self.clock);
        claims["fleet_products"] = json!({ "acme": "producer" });
        for (name, value) in differs {
            claims[*name] = value.clone();
        }
        claims
    }

    async fn bearing(&self, line: &str, token: &str) -> Said {
        let spoken = Spoken::bare(line).with(&format!("Authorization: Bearer {token}"));
        spoken.to(self.door).await
    }
}

/// Goes where it is sent, and gives back what it was given. Knows nothing of logins.
#[derive(Default)]
struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    async fn get(&mut self, line: &str, at: SocketAddr) -> Said {
        let mut spoken = Spoken::bare(&format!("GET {line}"));
        if !self.cookies.is_empty() {
            let all: Vec<_> =
                self.cookies.iter().map(|(name, is)| format!("{name}={is}")).collect();
            spoken = spoken.with(&format!("Cookie: {}", all.join("; ")));
        }
        let said = spoken.to(at).await;
        if let Some((name, rest)) = said.header("set-cookie").and_then(|line| line.split_once('='))
        {
            let value = rest.split(';').next().unwrap().to_owned();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value));
        }
        said
    }

    /// Leaves for the issuer, agrees there, and is told where to come back to.
    async fn leave(&mut self, vouched: &Vouched) -> String {
        let sent = self.get("/auth/oauth2/start/corp", vouched.door).await;
        assert_eq!((sent.status, sent.header("cache-control")), (302, Some("no-store")));
        let there = sent.header("location").unwrap().to_owned();
        let at_issuer = there.strip_prefix(&vouched.issuer.address()).expect("to the issuer");
        // Our cookies are no business of the issuer's.
        let mut elsewhere = Self::default();
        let back = elsewhere.get(at_issuer, vouched.issuer.door.at).await;
        assert_eq!(back.status, 302, "{back:?}");
        let back = back.header("location").unwrap();
        back.strip_prefix("http://localhost").expect("to the configured way back").to_owned()
    }
}

#[tokio::test]
async fn somebody_logs_in_by_redirects_alone_and_works_as_a_user() {
    let vouched = Vouched::open().await;
    let shown = Spoken::bare("GET /auth/issuers").to(vouched.door).await;
    assert_eq!(shown.json()["items"], json!(["corp"]));
    let mut browser = Browser::default();
    let back = browser.leave(&vouched).await;
    assert!(back.starts_with(BACK.strip_prefix("http://localhost").unwrap()), "{back}");
    let inside = browser.get(&back, vouched.door).await;
    assert_eq!((inside.status, inside.header("location")), (303, Some("/")), "{inside:?}");
    let cookie = inside.header("set-cookie").unwrap();
    for part in ["gigamesh=", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let me = browser.get("/auth/session", vouched.door).await;
    assert_eq!(me.status, 200, "{me:?}");
    let me = me.json();
    assert_eq!(me["user"]["name"], json!("Jane Doe"));
    assert_eq!(me["user"]["roles"], json!({}), "a token's products are no bindings of an account");
    let refused = browser.get("/fleet/jobs", vouched.door).await;
    assert_eq!((refused.status, &refused.json()["error"]["reason"]), (403, &json!("product")));
    let user = me["user"]["id"].as_str().unwrap();
    let producer = Bind { role: Some(Role::Producer), yolo: false };
    vouched.identity.bind(user, &"acme".parse().unwrap(), producer).await.unwrap();
    assert_eq!(browser.get("/fleet/jobs", vouched.door).await.status, 200);
    // Who comes again is the same user.
    let mut other = Browser::default();
    let back = other.leave(&vouched).await;
    other.get(&back, vouched.door).await;
    let again = other.get("/auth/session", vouched.door).await.json();
    assert_eq!(again["user"]["id"], me["user"]["id"]);
    assert_eq!(vouched.issuer.door.asked(TOKEN), 2);
    vouched.close().await;
}

#[tokio::test]
async fn whoever_comes_back_otherwise_than_they_were_sent_is_not_let_in() {
    let vouched = Vouched::open().await;
    let mut browser = Browser::default();
    let back = browser.leave(&vouched).await;
    let refused = |said: &Said| {
        let error = &said.json()["error"];
        assert_eq!((said.status, &error["reason"]), (401, &json!("login")), "{said:?}");
        assert!(said.header("set-cookie").is_none(), "{said:?}");
    };
    refused(&Browser::default().get(&back, vouched.door).await);
    let mut another = Browser::default();
    another.leave(&vouched).await;
    refused(&another.get(&back, vouched.door).await);
    refused(&browser.get(&format!("{back}x"), vouched.door).await);
    let nowhere = back.replace("callback/corp", "callback/other");
    assert_eq!(browser.get(&nowhere, vouched.door).await.status, 404);
    assert_eq!(vouched.issuer.door.asked(TOKEN), 0, "no code was carried to the issuer");
    assert_eq!(browser.get(&back, vouched.door).await.status, 303, "and the right one is good");
    refused(&browser.get(&back, vouched.door).await);
    // Nothing of a request decides where anybody is sent.
    let elsewhere = "/auth/oauth2/start/corp?redirect_uri=https://evil.example/";
    let sent = browser.get(elsewhere, vouched.door).await;
    let there = sent.header("location").unwrap_or_default();
    assert!(!there.contains("evil"), "{there}");
    assert_eq!(browser.get("/auth/oauth2/start/other", vouched.door).await.status, 404);
    let right = browser.get("/auth/session", vouched.door).await;
    assert_eq!(right.status, 200);
    vouched.close().await;
}

#[tokio::test]
async fn a_session_of_a_login_ends_by_itself_and_no_made_up_one_is_any() {
    let vouched = Vouched::open().await;
    let mut browser = Browser::default();
    let back = browser.leave(&vouched).await;
    browser.get(&back, vouched.door).await;
    assert_eq!(browser.get("/auth/session", vouched.door).await.status, 200);
    vouched.clock.pass(Duration::from_hours(13));
    assert_eq!(browser.get("/auth/session", vouched.door).await.status, 401, "8 expired");
    for forged in ["", "gs_", "gs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x"] {
        let spoken = Spoken::bare("GET /fleet/jobs").with(&format!("Cookie: gigamesh={forged}"));
        assert_eq!(spoken.to(vouched.door).await.status, 401, "8 forged {forged:?}");
    }
    vouched.close().await;
}

#[tokio::test]
async fn a_token_brings_its_roles_and_reaches_no_other_product() {
    let vouched = Vouched::open().await;
    let job = vouched.town.submit("Work.").await.job.id;
    let of = |products: Value| vouched.token(&[("fleet_products", products)]);
    let (viewer, operator) = (of(json!({"acme": "viewer"})), of(json!({"acme": "operator"})));
    let get = format!("GET /fleet/jobs/{job}");
    let seen = vouched.bearing(&get, &viewer).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert!(seen.json().get("bodyMd").is_none(), "a viewer reads no texts");
    let cancel = format!("POST /fleet/jobs/{job}/cancel");
    assert_eq!(vouched.bearing(&cancel, &viewer).await.status, 403);
    let theirs = of(json!({"globex": "admin"}));
    assert_eq!(vouched.bearing(&get, &theirs).await.status, 404, "another product's job");
    assert_eq!(vouched.bearing(&cancel, &theirs).await.status, 404);
    let named = Spoken::bare(&get).with("Fleet-Product: acme");
    let named = named.with(&format!("Authorization: Bearer {theirs}")).to(vouched.door).await;
    assert_eq!((named.status, &named.json()["error"]["code"]), (403, &json!("OUT_OF_SCOPE")));
    let nowhere = vouched.bearing(&get, &of(json!({}))).await;
    assert_eq!((nowhere.status, &nowhere.json()["error"]["reason"]), (403, &json!("product")));
    assert_eq!(vouched.bearing(&cancel, &operator).await.status, 200);
    vouched.close().await;
}

fn keyed_with_the_public_key(claims: &Value) -> String {
    let bare = unsigned(&json!({"alg": "HS256", "kid": "r", "typ": "JWT"}), claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &rsa_public()), bare.as_bytes());
    format!("{bare}.{}", issuer::encoded(tag))
}

#[tokio::test]
async fn a_token_that_is_none_is_nobody_at_the_door() {
    let vouched = Vouched::open().await;
    let (claims, now) = (vouched.claims(&[]), vouched.clock.seconds());
    let attacker = Signer::other_rsa("r");
    let mut header = attacker.header();
    header["jku"] = json!(format!("{}/keys", vouched.issuer.address()));
    let unproven = [
        ("5 alg none", format!("{}.", unsigned(&json!({"alg": "none", "kid": "r"}), &claims))),
        ("5 keyed with the public key", keyed_with_the_public_key(&claims)),
        ("wrong issuer", vouched.token(&[("iss", json!("https://issuer.example"))])),
        ("a part", "a.b.c".to_owned()),
    ];
    for (what, token) in &unproven {
        let said = vouched.bearing("GET /fleet/jobs", token).await;
        assert_eq!(said.status, 401, "{what}: {said:?}");
        assert_eq!(said.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(vouched.issuer.door.asked_at_all(), 0, "nothing was fetched for them");
    let untrue = [
        ("5 a key elsewhere", attacker.under(&header, &claims)),
        ("6 expired", vouched.token(&[("exp", json!(now - 61))])),
        ("6 not yet valid", vouched.token(&[("nbf", json!(now + 61))])),
        ("6 wrong audience", vouched.token(&[("aud", json!("other"))])),
        ("a client's own", vouched.token(&[("aud", json!(issuer::CLIENT))])),
    ];
    for (what, token) in &untrue {
        let said = vouched.bearing("GET /fleet/jobs", token).await;
        assert_eq!(said.status, 401, "{what}: {said:?}");
    }
    let good = vouched.bearing("GET /fleet/jobs", &vouched.token(&[])).await;
    assert_eq!(good.status, 200, "all of them differ from this one in one thing: {good:?}");
    let late = vouched.token(&[("exp", json!(now - 59))]);
    assert_eq!(vouched.bearing("GET /fleet/jobs", &late).await.status, 200, "within a minute");
    vouched.close().await;
}

#[tokio::test]
async fn a_thousand_unknown_keys_at_the_door_cost_the_issuer_one_question_a_minute() {
    let vouched = Vouched::open().await;
    let good = vouched.token(&[]);
    assert_eq!(vouched.bearing("GET /fleet/jobs", &good).await.status, 200);
    let stranger = Signer::ed25519("unknown");
    let (mut flood, claims) = (String::new(), vouched.claims(&[]));
    for at in 0..1_000 {
        let mut header = stranger.header();
        header["kid"] = json!(format!("unknown-{at}"));
        let token = stranger.under(&header, &claims);
        flood += "GET /fleet/jobs HTTP/1.1\r\nHost: localhost\r\n";
        flood += &format!("Authorization: Bearer {token}\r\n");
        flood += if at == 999 { "Connection: close\r\n\r\n" } else { "\r\n" };
    }
    let mut stream = TcpStream::connect(vouched.door).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut said = Vec::new();
    let write = async { writer.write_all(flood.as_bytes()).await.unwrap() };
    let ((), read) = tokio::join!(write, reader.read_to_end(&mut said));
    read.unwrap();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(said.matches("HTTP/1.1 401").count(), 1_000);
    let asked = || [DISCOVERY, KEYS].map(|path| vouched.issuer.door.asked(path));
    assert_eq!(asked(), [1, 1], "the clock stands");
    vouched.clock.pass(Duration::from_secs(61));
    let again = stranger.token(&vouched.claims(&[]));
    for _ in 0..3 {
        assert_eq!(vouched.bearing("GET /fleet/jobs", &again).await.status, 401);
    }
    assert_eq!(asked(), [2, 2]);
    assert_eq!(vouched.bearing("GET /fleet/jobs", &good).await.status, 200);
    vouched.close().await;
}

#[tokio::test]
async fn an_issuer_that_is_away_makes_nobody_a_stranger() {
    let vouched = Vouched::open().await;
    vouched.issuer.state().spoilt.insert(DISCOVERY.into(), || issuer::Answer::Hangup);
    let said = vouched.bearing("GET /fleet/jobs", &vouched.token(&[])).await;
    let error = &said.json()["error"];
    assert_eq!((said.status, &error["reason"]), (503, &json!("issuer")), "{error}");
    let sent = Browser::default().get("/auth/oauth2/start/corp", vouched.door).await;
    assert_eq!((sent.status, &sent.json()["error"]["reason"]), (503, &json!("issuer")));
    vouched.close().await;
}
