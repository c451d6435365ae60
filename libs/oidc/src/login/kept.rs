//! A login that was begun: what has to come back, drawn anew for each, and how it is written down.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::outcome::LoginRefused;
use crate::seal::drawn;

/// What only this browser and this fleet know. Never logged.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begun {
    pub(super) provider: String,
    /// Comes back in the address: it was we who sent them.
    pub(super) state: String,
    /// Comes back inside the signed token: it was made for this login.
    pub(super) nonce: String,
    /// Goes along with the code: it is we who redeem it.
    pub(super) verifier: String,
    pub(super) until: Timestamp,
}

impl Begun {
    pub(super) fn now(provider: &str, until: Timestamp) -> Result<Self, LoginRefused> {
        let word = || drawn::<32>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let (state, nonce, verifier) = (word()?, word()?, word()?);
        Ok(Self { provider: provider.to_owned(), state, nonce, verifier, until })
    }

    /// By which the issuer will know the verifier again, without having seen it.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }

    pub(super) fn written(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts encode")
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
