//! Tokens as NATS servers read them: JSON of three kinds, signed with Ed25519. Holds no key, and
//! reads no token.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet::{FactoryId, ProductId, Timestamp};
use nkeys::KeyPair;
use protocol::{Permits, Purpose};
use serde::Serialize;

/// How long a place for an answer stays open: a claim may wait for work meanwhile.
const ANSWERED_WITHIN: Duration = Duration::from_mins(2);
const VERSION: u32 = 2;
/// As NATS says it.
const NO_LIMIT: i32 = -1;

/// Whom a credential is for.
#[derive(Debug)]
pub(super) struct User<'a> {
    pub(super) name: &'a str,
    pub(super) product: Option<&'a ProductId>,
    pub(super) factory: Option<&'a FactoryId>,
    pub(super) until: Timestamp,
}

/// When a token was made, and until when it is good, in seconds.
#[derive(Debug)]
pub(super) struct Stamp {
    pub(super) jti: String,
    pub(super) iat: i64,
    pub(super) exp: Option<i64>,
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    iss: String,
    name: &'a str,
    sub: &'a str,
    nats: Body,
}

/// What a token says, by its kind.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Body {
    Operator { version: u32, system_account: String },
    Account { version: u32, limits: Limits, signing_keys: Vec<Scope> },
    User { version: u32, issuer_account: String, tags: Vec<String> },
}

/// A fleet's.
pub(super) struct Account {
    pub(super) scopes: Vec<Scope>,
}

/// Whatever is signed with this key may do this, and nothing else.
#[derive(Serialize)]
pub(super) struct Scope {
    kind: &'static str,
    key: String,
    role: &'static str,
    template: Template,
}

#[derive(Serialize)]
struct Template {
    #[serde(rename = "pub")]
    publish: List,
    #[serde(rename = "sub")]
    subscribe: List,
    #[serde(rename = "resp", skip_serializing_if = "Option::is_none")]
    answers: Option<Answers>,
    subs: i32,
    data: i32,
    payload: i32,
}

#[derive(Serialize)]
struct List {
    allow: Vec<String>,
    deny: Vec<String>,
}

#[derive(Serialize)]
struct Answers {
    max: u32,
    /// In nanoseconds.
    ttl: u64,
}

/// An account that is not told its limits has none of what they are about.
#[derive(Serialize)]
pub(super) struct Limits {
    subs: i32,
    data: i32,
    payload: i32,
    imports: i32,
    exports: i32,
    wildcards: bool,
    conn: i32,
    leaf: i32,
    mem_storage: i32,
    disk_storage: i32,
    streams: i32,
    consumer: i32,
}

impl Scope {
    pub(super) fn new(role: Purpose, key: String, permits: Permits) -> Self {
        let ttl = u64::try_from(ANSWERED_WITHIN.as_nanos()).unwrap_or(u64::MAX);
        let Permits { publish, subscribe, forbidden, answers } = permits;
        let template = Template {
            publish: List { allow: publish, deny: forbidden.clone() },
            subscribe: List { allow: subscribe, deny: forbidden },
            answers: answers.map(|max| Answers { max, ttl }),
            subs: NO_LIMIT,
            data: NO_LIMIT,
            payload: NO_LIMIT,
        };
        Self { kind: "user_scope", key, role: role.as_str(), template }
    }
}

pub(super) fn operator(system_account: &str) -> Body {
    Body::Operator { version: VERSION, system_account: system_account.to_owned() }
}

/// Nothing is kept in it.
pub(super) fn system() -> Body {
    Body::Account { version: VERSION, limits: limits(0), signing_keys: Vec::new() }
}

pub(super) fn account(account: Account) -> Body {
    Body::Account { version: VERSION, limits: limits(NO_LIMIT), signing_keys: account.scopes }
}

pub(super) fn user(account: &str, user: &User<'_>) -> Body {
    let product = user.product.map(|product| format!("product:{product}"));
    let factory = user.factory.map(|factory| format!("factory:{factory}"));
    Body::User {
        version: VERSION,
        issuer_account: account.to_owned(),
        tags: product.into_iter().chain(factory).collect(),
    }
}

fn limits(kept: i32) -> Limits {
    Limits {
        subs: NO_LIMIT,
        data: NO_LIMIT,
        payload: NO_LIMIT,
        imports: NO_LIMIT,
        exports: NO_LIMIT,
        wildcards: true,
        conn: NO_LIMIT,
        leaf: 0,
        mem_storage: 0,
        disk_storage: kept,
        streams: kept,
        consumer: kept,
    }
}

/// About `sub`, by whoever holds the key.
pub(super) fn signed(
    (key, sub): (&KeyPair, &str),
    name: &str,
    nats: Body,
    stamp: Stamp,
) -> Result<String, nkeys::error::Error> {
    let Stamp { jti, iat, exp } = stamp;
    let claims = Claims { jti: &jti, iat, exp, iss: key.public_key(), name, sub, nats };
    let part = |json: &[u8]| URL_SAFE_NO_PAD.encode(json);
    let text =
        format!("{}.{}", part(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#), part(&written(&claims)));
    let signature = key.sign(text.as_bytes())?;
    Ok(format!("{text}.{}", part(&signature)))
}

fn written(claims: &Claims<'_>) -> Vec<u8> {
    serde_json::to_vec(claims).expect("string keys encode")
}

/// The file that NATS tools of all kinds read.
pub(super) fn credentials(token: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         Whoever has the next lines is this user, for as long as the token above is good.\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}
