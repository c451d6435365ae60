//! A credentials file in its parts: the token that is shown, and the key that signs what a server
//! asks. Never judges the token: the server does.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet::Timestamp;
use nkeys::{KeyPair, KeyPairType};
use serde::Deserialize;

pub(crate) struct Badge {
    token: String,
    key: KeyPair,
    claims: Claims,
}

/// What the token tells of itself.
#[derive(Debug, Deserialize)]
struct Claims {
    #[serde(default)]
    name: String,
    /// Its key's other half, for one that has no name.
    sub: String,
    /// In seconds.
    #[serde(default)]
    exp: i64,
}

impl Badge {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = blocks(text);
        let token = parts.next().ok_or("it has no token")?;
        let claims = claims(token).ok_or("its token cannot be read")?;
        let seed = parts.next().ok_or("it has no key")?;
        let key = KeyPair::from_seed(seed).map_err(|_| "its key cannot be read")?;
        if key.key_pair_type() != KeyPairType::User || key.public_key() != claims.sub {
            return Err("its key is not the one of its token");
        }
        Ok(Self { token: token.to_owned(), key, claims })
    }

    pub(crate) fn name(&self) -> &str {
        if self.claims.name.is_empty() { &self.claims.sub } else { &self.claims.name }
    }

    /// Nothing, where it has no end.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        (self.claims.exp > 0).then(|| Timestamp::from_millis(self.claims.exp.saturating_mul(1_000)))
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn sign(&self, nonce: &[u8]) -> Result<Vec<u8>, nkeys::error::Error> {
        self.key.sign(nonce)
    }
}

impl fmt::Debug for Badge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Badge").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The one line between each two that are dashes.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let middles = lines.windows(3).filter_map(|three| match three {
        [begin, line, end] if is_rule(begin, "BEGIN") && is_rule(end, "END") => Some(*line),
        _ => None,
    });
    middles.collect::<Vec<_>>().into_iter()
}

fn is_rule(line: &str, word: &str) -> bool {
    line.starts_with("---") && line.ends_with("---") && line.contains(word)
}

fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_head, body, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A file whose signature is none, which only a server looks at.
    pub(crate) fn written(name: &str, until: Option<Timestamp>) -> String {
        let key = KeyPair::new_user();
        let exp = until.map_or(0, |until| until.millis() / 1_000);
        let body = json!({ "name": name, "sub": key.public_key(), "exp": exp }).to_string();
        let body = URL_SAFE_NO_PAD.encode(body);
        format!(
            "-----BEGIN NATS USER JWT-----\nh.{body}.s\n------END NATS USER JWT------\n\nwords\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            key.seed().unwrap()
        )
    }

    #[test]
    fn a_file_is_read_with_any_ends_of_lines() {
        let text = written("x", None).replace('\n', "\r\n");
        assert_eq!(Badge::parse(&text).unwrap().name(), "x");
    }

    #[test]
    fn another_users_key_is_no_key_of_the_token() {
        let (one, two) = (written("one", None), written("two", None));
        let seed =
            |text: &str| text.lines().find(|line| line.starts_with("SU")).unwrap().to_owned();
        let mixed = one.replace(&seed(&one), &seed(&two));
        assert!(Badge::parse(&mixed).is_err());
    }
}
