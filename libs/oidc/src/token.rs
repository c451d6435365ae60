//! A signed token as it came, taken apart strictly. Nothing in it is believed yet; the one thing
//! that can be done with it is to look for the key that proves it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::json;
use crate::outcome::NotOurs;

/// Longer ones are not looked at.
pub const MAX_TOKEN: usize = 16 * 1024;
/// Of a key's name.
pub(crate) const MAX_KID: usize = 256;
/// What a token may call itself where it does: an identity, or leave to come in.
const KINDS: [&str; 4] = ["JWT", "at+jwt", "application/jwt", "application/at+jwt"];

/// A token of three parts whose header can be read.
pub struct Token<'a> {
    algorithm: Algorithm,
    kid: Box<str>,
    issuer: Box<str>,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Addresses and keys in its header (`jku`, `x5u`, `jwk`, `x5c`) are not even read.
    ///
    /// # Errors
    /// It is malformed, or signed in a way that nobody believes here.
    pub fn read(text: &'a str) -> Result<Self, NotOurs> {
        let (signed, signature) = parts(text).ok_or(NotOurs::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(NotOurs::Malformed)?;
        let header = opened(header).ok_or(NotOurs::Malformed)?;
        let algorithm = judged(&header)?;
        let kid = json::text(&header, "kid").ok_or(NotOurs::Unproven)?;
        if kid.is_empty() || kid.len() > MAX_KID {
            return Err(NotOurs::Unproven);
        }
        let claims = opened(claims).ok_or(NotOurs::Malformed)?;
        let issuer = json::text(&claims, "iss").ok_or(NotOurs::Stranger)?.into();
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotOurs::Malformed)?;
        Ok(Self { algorithm, kid: kid.into(), issuer, claims, signed, signature })
    }

    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of the key that it says it was signed with.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Who it says has made it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What its signature is over.
    #[must_use]
    pub fn signed(&self) -> &str {
        self.signed
    }

    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(crate) fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

/// Without what it says and its signature.
impl fmt::Debug for Token<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Token({} of {:?})", self.algorithm.as_str(), self.issuer)
    }
}

/// What is signed, and the signature: three parts, none of them empty.
fn parts(text: &str) -> Option<(&str, &str)> {
    if text.len() > MAX_TOKEN {
        return None;
    }
    let (signed, signature) = text.rsplit_once('.')?;
    let whole = signed.split('.').count() == 2 && signed.split('.').all(|part| !part.is_empty());
    (whole && !signature.is_empty()).then_some((signed, signature))
}

/// The alphabet is strict: no padding, no other letters, no bits left over.
fn opened(part: &str) -> Option<Map<String, Value>> {
    json::object(&URL_SAFE_NO_PAD.decode(part).ok()?)
}

fn judged(header: &Map<String, Value>) -> Result<Algorithm, NotOurs> {
    // Extensions that must be understood are not; `b64` would change what is signed.
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(NotOurs::Malformed);
    }
    if let Some(kind) = header.get("typ") {
        let ours = |name: &str| KINDS.iter().any(|ours| ours.eq_ignore_ascii_case(name));
        if !kind.as_str().is_some_and(ours) {
            return Err(NotOurs::Malformed);
        }
    }
    let name = json::text(header, "alg").ok_or(NotOurs::Malformed)?;
    Algorithm::named(name).ok_or(NotOurs::Unproven)
}
