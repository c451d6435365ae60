//! Credentials made of chance that is given: how they look, and what is kept of them instead. Never
//! draws chance.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet::sha256_hex;
use protocol::Secret;
use subtle::ConstantTimeEq;

/// The sorts of credential that are minted here, told apart by how they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Of a program or a factory.
    Token,
    Session,
    /// Good once: to reset a password, to prove an address, to come in by invitation.
    Code,
}

impl Credential {
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Token => "gm_",
            Self::Session => "gs_",
            Self::Code => "gc_",
        }
    }

    /// The prefix and 43 characters that are all of these 256 bits.
    #[must_use]
    pub fn mint(self, entropy: [u8; 32]) -> Secret {
        Secret::new(format!("{}{}", self.prefix(), URL_SAFE_NO_PAD.encode(entropy)))
    }
}

/// What is kept of a credential, and found again by: it cannot be turned back.
#[must_use]
pub fn digest_of(presented: &[u8]) -> String {
    sha256_hex(presented)
}

/// Compared in a time that does not depend on where they differ.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// What belongs to a session beside its token: whoever has the token can tell it, and no page that
/// merely makes a browser send the cookie can.
#[must_use]
pub fn csrf_of(session: &[u8]) -> Secret {
    let mut text = b"csrf:".to_vec();
    text.extend_from_slice(session);
    Secret::new(sha256_hex(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_prefix_and_43_characters_of_base64url() {
        let token = Credential::Token.mint([0xff; 32]);
        let rest = token.reveal().strip_prefix("gm_").unwrap();
        assert_eq!(rest.len(), 43);
        assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(token.reveal(), Credential::Token.mint([0xfe; 32]).reveal());
    }

    #[test]
    fn every_bit_of_chance_is_in_the_token() {
        let plain = Credential::Code.mint([0; 32]);
        for bit in 0..256 {
            let mut entropy = [0; 32];
            entropy[bit / 8] = 1 << (bit % 8);
            assert_ne!(Credential::Code.mint(entropy).reveal(), plain.reveal(), "bit {bit}");
        }
    }

    #[test]
    fn the_csrf_value_depends_on_the_session_and_tells_nothing_of_it() {
        let session = Credential::Session.mint([7; 32]);
        let csrf = csrf_of(session.reveal().as_bytes());
        assert_ne!(csrf.reveal(), digest_of(session.reveal().as_bytes()));
        assert_ne!(csrf.reveal(), csrf_of(b"another").reveal());
        assert!(same(b"abc", b"abc") && !same(b"abc", b"abd") && !same(b"abc", b"ab"));
    }
}
