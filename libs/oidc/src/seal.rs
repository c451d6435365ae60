//! What a browser keeps for us between two requests: sealed, so that it can neither read nor change
//! it, and any replica with the same secret can open it. Knows nothing of what is inside.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use crate::outcome::LoginRefused;

/// Guessing is hopeless from here on.
const SECRET: usize = 32;
const MOST_SECRETS: usize = 4;
/// A key made for this and nothing else, whatever the secret is used for besides.
const PURPOSE: &[u8] = b"gigamesh oidc login 1";
/// Cookies are not longer.
const MAX_SEALED: usize = 4 * 1024;

/// Keys by which logins are sealed: by the first; opened by each, so that a secret can be changed
/// while logins are under way.
#[derive(Clone)]
pub struct SealKeys(Arc<[LessSafeKey]>);

/// No secret, too many, or a short one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give one to {MOST_SECRETS} secrets of at least {SECRET} bytes")]
pub struct BadSecrets;

impl SealKeys {
    /// The same secrets on every replica, the current one first.
    ///
    /// # Errors
    /// There is none, there are too many, or one is too short.
    pub fn of(secrets: &[impl AsRef<[u8]>]) -> Result<Self, BadSecrets> {
        let long = secrets.iter().all(|secret| secret.as_ref().len() >= SECRET);
        if !(1..=MOST_SECRETS).contains(&secrets.len()) || !long {
            return Err(BadSecrets);
        }
        Ok(Self(secrets.iter().map(|secret| key(secret.as_ref())).collect()))
    }

    pub(crate) fn seal(&self, content: &[u8]) -> Result<String, LoginRefused> {
        let nonce: [u8; NONCE_LEN] = drawn()?;
        let mut bytes = content.to_vec();
        let first = self.0.first().expect("there is at least one key");
        let sealed = first.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(PURPOSE),
            &mut bytes,
        );
        // Only what is longer than any cookie could not be sealed.
        sealed.map_err(|_| LoginRefused::Unasked)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat()))
    }

    pub(crate) fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > MAX_SEALED {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN)?;
        self.0.iter().find_map(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut body = body.to_vec();
            Some(key.open_in_place(nonce, Aad::from(PURPOSE), &mut body).ok()?.to_vec())
        })
    }
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SealKeys(hidden)")
    }
}

/// Bytes that nobody can foresee.
pub(crate) fn drawn<const N: usize>() -> Result<[u8; N], LoginRefused> {
    let drawn = ring::rand::generate::<[u8; N]>(&ring::rand::SystemRandom::new());
    // Without chance there is no login; it comes back with the system's.
    Ok(drawn.map_err(|_| LoginRefused::Busy)?.expose())
}

fn key(secret: &[u8]) -> LessSafeKey {
    let derived = Salt::new(HKDF_SHA256, &[]).extract(secret);
    let purpose = [PURPOSE];
    let derived = derived.expand(&purpose, &CHACHA20_POLY1305).expect("one key is short");
    LessSafeKey::new(UnboundKey::from(derived))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[u8]) -> SealKeys {
        let secrets: Vec<_> = secrets.iter().map(|byte| [*byte; SECRET]).collect();
        SealKeys::of(&secrets).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened_by_every_replica_and_by_nobody_else() {
        let sealed = keys(&[1]).seal(b"state").unwrap();
        assert_eq!(keys(&[1]).open(&sealed).as_deref(), Some(&b"state"[..]));
        assert_eq!(keys(&[2]).open(&sealed), None);
        assert!(!sealed.contains("state"), "it can be read");
    }

    #[test]
    fn a_changed_secret_still_opens_what_the_old_one_sealed() {
        let old = keys(&[1]).seal(b"a").unwrap();
        assert!(keys(&[2, 1]).open(&old).is_some());
        let new = keys(&[2, 1]).seal(b"a").unwrap();
        assert_eq!(keys(&[1]).open(&new), None);
    }

    #[test]
    fn no_byte_of_it_can_be_changed() {
        let sealed = keys(&[1]).seal(b"state").unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(keys(&[1]).open(&URL_SAFE_NO_PAD.encode(altered)), None, "byte {at}");
        }
        for odd in [
            "",
            "a",
            "AAAA",
            "!",
            sealed.trim_start_matches(char::is_alphanumeric),
            &"A".repeat(MAX_SEALED + 4),
        ] {
            assert_eq!(keys(&[1]).open(odd), None, "{odd}");
        }
    }

    #[test]
    fn short_secrets_and_none_are_refused() {
        assert!(SealKeys::of(&[[0; SECRET - 1]]).is_err());
        assert!(SealKeys::of(&[[0; SECRET]; MOST_SECRETS + 1]).is_err());
        assert!(SealKeys::of(&[[0; SECRET]; 0]).is_err());
    }
}
