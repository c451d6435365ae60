//! Keys that sign, and tokens made with them: right ones, and wrong ones part by part.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

use crate::rsa::{ONE, TWO};

/// One key of an issuer, under a name.
#[derive(Debug)]
pub struct Signer {
    pub kid: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub fn rsa(kid: &str) -> Self {
        Self::of(kid, Pair::Rsa(Box::new(pair(ONE))))
    }

    pub fn other_rsa(kid: &str) -> Self {
        Self::of(kid, Pair::Rsa(Box::new(pair(TWO))))
    }

    pub fn p256(kid: &str) -> Self {
        let (rng, how) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(how, &rng).expect("the system gives keys");
        let pair = EcdsaKeyPair::from_pkcs8(how, document.as_ref(), &rng);
        Self::of(kid, Pair::P256(pair.expect("it was just made")))
    }

    pub fn ed25519(kid: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let pair = Ed25519KeyPair::from_pkcs8(document.expect("the system gives keys").as_ref());
        Self::of(kid, Pair::Ed25519(pair.expect("it was just made")))
    }

    /// One of each sort.
    pub fn all() -> [Self; 3] {
        [Self::rsa("r"), Self::p256("p"), Self::ed25519("e")]
    }

    fn of(kid: &str, pair: Pair) -> Self {
        Self { kid: kid.to_owned(), pair }
    }

    pub fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// As the issuer publishes it.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public: rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({"kty": "RSA", "n": encoded(public.n), "e": encoded(public.e)})
            }
            Pair::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)})
            }
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key())})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm());
        jwk["use"] = json!("sig");
        jwk
    }

    pub fn sign(&self, message: &str) -> Vec<u8> {
        let (rng, message) = (SystemRandom::new(), message.as_bytes());
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature);
                signed.expect("there is room for it");
                signature
            }
            Pair::P256(pair) => {
                pair.sign(&rng, message).expect("the system gives chance").as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "kid": self.kid, "typ": "JWT"})
    }

    /// A right token that says this.
    pub fn token(&self, claims: &Value) -> String {
        self.under(&self.header(), claims)
    }

    /// Rightly signed, whatever the header says.
    pub fn under(&self, header: &Value, claims: &Value) -> String {
        self.over(&unsigned(header, claims))
    }

    /// Rightly signed, whatever is signed.
    pub fn over(&self, signed: &str) -> String {
        format!("{signed}.{}", encoded(self.sign(signed)))
    }
}

/// What comes before the signature.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The public key that [`Signer::rsa`] signs with, as its inner structure.
pub fn rsa_public() -> Vec<u8> {
    pair(ONE).public_key().as_ref().to_vec()
}

fn pair(text: &str) -> RsaKeyPair {
    let der = STANDARD.decode(text).expect("it stands here as it was made");
    RsaKeyPair::from_der(&der).expect("it stands here as it was made")
}
