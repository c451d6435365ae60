//! What holds for any bytes that come as a token. The fuzzer and the seeded damage of the test
//! suite both come in here.

use std::sync::OnceLock;

use oidc::{Algorithm, Keys, MAX_TOKEN, Token};

/// The public halves of keys that nobody has any more.
const KEYS: &[u8] = include_bytes!("../corpus/jwt/keys.json");
/// All that those keys ever signed.
const SIGNED: [&str; 3] = [
    include_str!("../corpus/jwt/rs256.jwt"),
    include_str!("../corpus/jwt/es256.jwt"),
    include_str!("../corpus/jwt/eddsa.jwt"),
];

/// Whether they were a token at all, and whether one of the keys had signed it.
///
/// # Panics
/// A forgery was believed, or what was read is not what came.
pub(crate) fn judge(bytes: &[u8]) -> [bool; 2] {
    if let Some(keys) = Keys::read(bytes) {
        assert!(keys.len() <= 64, "{} keys were taken in", keys.len());
    }
    let Ok(text) = str::from_utf8(bytes) else { return [false; 2] };
    let Ok(token) = Token::read(text) else { return [false; 2] };
    assert!(text.len() <= MAX_TOKEN, "{} letters were read", text.len());
    assert_eq!(token.signed().split('.').count(), 2, "{text}");
    assert!(text.starts_with(token.signed()), "{text}");
    assert!(!token.kid().is_empty(), "{text}");
    assert_eq!(Algorithm::named(token.algorithm().as_str()), Some(token.algorithm()));
    let proven = keys().prove(&token);
    if proven {
        let known = |whole: &&str| whole.rsplit_once('.').is_some_and(|it| it.0 == token.signed());
        assert!(SIGNED.iter().any(known), "a forgery: {text}");
        assert!(keys().has(&token));
    }
    [true, proven]
}

fn keys() -> &'static Keys {
    static READ: OnceLock<Keys> = OnceLock::new();
    READ.get_or_init(|| Keys::read(KEYS).expect("the committed keys can be read"))
}
