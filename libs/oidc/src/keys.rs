//! The keys that an issuer publishes, and whether one of them made a signature. Each key knows the
//! one algorithm that it is for, so a token cannot choose how it is judged.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::json;
use crate::token::{MAX_KID, Token};

/// Issuers publish two or three.
const MOST_KEYS: usize = 64;
/// In bytes: 2,048 to 8,192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1_024;
const COORDINATE: usize = 32;
/// What stands before the two coordinates of a point that is written out.
const UNCOMPRESSED: u8 = 4;

/// Keys by their names and what each is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<(Box<str>, Algorithm), Public>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The point, uncompressed.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Keys {
    /// The keys of a published set that signatures can be judged by; others are left out, since
    /// issuers publish keys for much else. Nothing, where this is no set.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let document = json::object(bytes)?;
        let listed = document.get("keys")?.as_array()?;
        let mut keys = BTreeMap::new();
        for (kid, key) in listed.iter().filter_map(Value::as_object).filter_map(named) {
            if keys.len() < MOST_KEYS {
                // Of two with one name, the first: neither can be another issuer's.
                keys.entry((kid.into(), key.algorithm())).or_insert(key);
            }
        }
        Some(Self(keys))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the key that the token names is here, for the algorithm that it names.
    #[must_use]
    pub fn has(&self, token: &Token<'_>) -> bool {
        self.named(token).is_some()
    }

    /// Whether that key made its signature.
    #[must_use]
    pub fn prove(&self, token: &Token<'_>) -> bool {
        let made = |key: &Public| key.made(token.signature(), token.signed().as_bytes());
        self.named(token).is_some_and(made)
    }

    fn named(&self, token: &Token<'_>) -> Option<&Public> {
        self.0.get(&(token.kid().into(), token.algorithm()))
    }
}

impl Public {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn made(&self, signature: &[u8], message: &[u8]) -> bool {
        let judged = match self {
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
        };
        judged.is_ok()
    }
}

fn named(jwk: &Map<String, Value>) -> Option<(&str, Public)> {
    let kid = json::text(jwk, "kid").filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID)?;
    // Meant for something else, by any of the three ways to say so.
    if jwk.get("use").is_some_and(|it| it != "sig") {
        return None;
    }
    let verifies = |deeds: Vec<&str>| deeds.contains(&"verify");
    if jwk.get("key_ops").is_some_and(|deeds| !json::texts(deeds).is_some_and(verifies)) {
        return None;
    }
    let key = public(jwk)?;
    let fits = |name: &str| {
        Algorithm::named(name) == Some(key.algorithm())
            || (name == "Ed25519" && key.algorithm() == Algorithm::EdDsa)
    };
    let told = jwk.get("alg").is_none_or(|told| told.as_str().is_some_and(fits));
    told.then_some((kid, key))
}

fn public(jwk: &Map<String, Value>) -> Option<Public> {
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(json::text(jwk, name)?).ok();
    let point = |name: &str| bytes(name).filter(|bytes| bytes.len() == COORDINATE);
    let curve = json::text(jwk, "crv");
    match (json::text(jwk, "kty")?, curve) {
        ("RSA", _) => {
            let (n, e) = (without_zeros(bytes("n")?), without_zeros(bytes("e")?));
            let usable = MODULUS.contains(&n.len()) && (1..=8).contains(&e.len());
            usable.then_some(Public::Rsa { n, e })
        }
        ("EC", Some("P-256")) => {
            Some(Public::P256([vec![UNCOMPRESSED], point("x")?, point("y")?].concat()))
        }
        ("OKP", Some("Ed25519")) => Some(Public::Ed25519(point("x")?)),
        _ => None,
    }
}

/// Some issuers write numbers with a zero before them.
fn without_zeros(number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.into_iter().skip(zeros).collect()
}
