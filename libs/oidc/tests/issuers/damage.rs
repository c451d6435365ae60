//! Tokens that were cut, stretched, bent or written strangely: none is believed, none stops anything.

use issuer::{Hand, Issuer, Signer, encoded, unsigned};
use oidc::{MAX_TOKEN, NotOurs, Token};
use proptest::prelude::*;
use serde_json::json;

fn of_this_form(token: &str) -> Option<NotOurs> {
    Token::read(token).err()
}

fn good() -> (Signer, String) {
    let signer = Signer::p256("p");
    let token = signer.token(&json!({"iss": "https://issuer.example", "sub": "a"}));
    (signer, token)
}

#[tokio::test]
async fn no_beginning_of_a_token_is_believed() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    for signer in &issuer.signers {
        let token = signer.token(&issuer.claims(&clock));
        assert!(verifier.recognise(&token).await.is_ok());
        for end in 0..token.len() {
            assert!(
                verifier
                    .recognise(&String::from_utf8_lossy(&token.as_bytes()[..end]))
                    .await
                    .is_err(),
                "the first {end} letters"
            );
        }
    }
}

#[tokio::test]
async fn no_changed_letter_is_believed() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let token = issuer.signers[2].token(&issuer.claims(&clock));
    for at in 0..token.len() {
        let mut letters = token.clone().into_bytes();
        letters[at] = if letters[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(letters).unwrap();
        assert!(verifier.recognise(&changed).await.is_err(), "letter {at}");
    }
}

#[tokio::test]
async fn a_signature_that_was_stripped_emptied_or_taken_from_elsewhere_is_refused() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    for signer in &issuer.signers {
        let token = signer.token(&issuer.claims(&clock));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let length = signer.sign("").len();
        let mut other = issuer.claims(&clock);
        other["fleet_products"] = json!({"shop": "admin"});
        for forged in [
            signed.to_owned(),
            format!("{signed}."),
            format!("{signed}.{}", encoded(vec![0; length])),
            format!("{signed}.{}", encoded(vec![255; length])),
            format!("{signed}.{}", encoded(vec![0; length - 1])),
            format!("{signed}.{signature}AA"),
            format!("{}.{signature}", unsigned(&signer.header(), &other)),
        ] {
            assert!(verifier.recognise(&forged).await.is_err(), "{forged}");
        }
    }
}

#[test]
fn a_token_has_three_parts() {
    let (_, token) = good();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("a token has three parts")
    };
    assert_eq!(of_this_form(&token), None);
    for odd in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{claims}"),
        format!(".{token}"),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!("{header}..{claims}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}.{claims}.{signature}.{signature}.{signature}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("Bearer {token}"),
        token.replace('.', " "),
        token.replace('.', "\u{ff0e}"),
    ] {
        assert_eq!(of_this_form(&odd), Some(NotOurs::Malformed), "{odd:?}");
    }
}

#[test]
fn its_letters_are_those_of_the_alphabet_and_none_is_left_over() {
    let (signer, token) = good();
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("a token has three parts")
    };
    for odd in ["=", "==", "+", "/", " ", "\n", "%3D", "\u{0}", "ä", "\u{200b}"] {
        for bent in [
            format!("{header}{odd}.{claims}.{signature}"),
            format!("{header}.{claims}{odd}.{signature}"),
            format!("{header}.{claims}.{signature}{odd}"),
        ] {
            assert_eq!(of_this_form(&bent), Some(NotOurs::Malformed), "{odd:?}");
        }
    }
    // Three bytes of claims leave no bits over, four leave four: only zeros may stand there.
    let spare = format!("{}.{}", encoded(signer.header().to_string()), "e30B");
    assert_eq!(of_this_form(&signer.over(&spare)), Some(NotOurs::Malformed));
    let spare = format!("{}.{}", encoded(signer.header().to_string()), "e31");
    assert_eq!(of_this_form(&signer.over(&spare)), Some(NotOurs::Malformed));
}

#[test]
fn sixteen_kibibytes_are_a_token_and_one_letter_more_is_none() {
    let signer = Signer::ed25519("e");
    let of_length = |length: usize| {
        let padded = |pad: usize| {
            signer.token(&json!({"iss": "https://issuer.example", "pad": "x".repeat(pad)}))
        };
        let beside = padded(0).len();
        (0..8)
            .map(|more| padded((length - beside) * 3 / 4 - 4 + more))
            .find(|token| token.len() == length)
    };
    let longest = of_length(MAX_TOKEN).unwrap();
    assert_eq!(of_this_form(&longest), None);
    assert_eq!(of_this_form(&format!("{longest}A")), Some(NotOurs::Malformed));
    let long = "A".repeat(17 * 1024);
    assert_eq!(of_this_form(&format!("{long}.{long}.{long}")), Some(NotOurs::Malformed));
}

#[test]
fn a_header_says_each_thing_once_and_nothing_that_must_be_understood() {
    let signer = Signer::p256("p");
    let claims = json!({"iss": "https://issuer.example"});
    let with = |header: &str| {
        let signed = format!("{}.{}", encoded(header), encoded(claims.to_string()));
        of_this_form(&signer.over(&signed))
    };
    assert_eq!(with(r#"{"alg":"ES256","kid":"p"}"#), None);
    for odd in [
        r#"{"alg":"ES256","alg":"ES256","kid":"p"}"#,
        r#"{"alg":"none","alg":"ES256","kid":"p"}"#,
        r#"{"alg":"ES256","kid":"p","kid":"q"}"#,
        r#"{"alg":"ES256","\u0061lg":"none","kid":"p"}"#,
        r#"{"alg":"ES256","kid":"p","crit":["exp"]}"#,
        r#"{"alg":"ES256","kid":"p","crit":[]}"#,
        r#"{"alg":"ES256","kid":"p","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"ES256","kid":"p","b64":true}"#,
        r#"{"alg":["ES256"],"kid":"p"}"#,
        r#"{"alg":null,"kid":"p"}"#,
        r#"{"kid":"p"}"#,
        r#"["ES256"]"#,
        r#""ES256""#,
        r#"{"alg":"ES256","kid":"p"} "{}""#,
        r#"{"alg":"ES256","kid":"p",}"#,
        "{}",
        "",
        "\u{feff}{\"alg\":\"ES256\",\"kid\":\"p\"}",
    ] {
        assert_eq!(with(odd), Some(NotOurs::Malformed), "{odd}");
    }
    let kind = |kind: &str| with(&format!(r#"{{"alg":"ES256","kid":"p","typ":{kind}}}"#));
    for ours in [r#""JWT""#, r#""jwt""#, r#""at+jwt""#, r#""application/at+jwt""#] {
        assert_eq!(kind(ours), None, "{ours}");
    }
    for other in [r#""dpop+jwt""#, r#""logout+jwt""#, r#""secevent+jwt""#, r#""""#, "1", "null"] {
        assert_eq!(kind(other), Some(NotOurs::Malformed), "{other}");
    }
    for alg in ["es256", "ES256 ", "ES-256", "\\u0000ES256"] {
        let refused = with(&format!(r#"{{"alg":"{alg}","kid":"p"}}"#));
        assert_eq!(refused, Some(NotOurs::Unproven), "{alg}");
    }
}

#[test]
fn claims_say_each_thing_once_and_are_not_nested_without_end() {
    let signer = Signer::p256("p");
    let with = |claims: &str| {
        let header = signer.header().to_string();
        of_this_form(&signer.over(&format!("{}.{}", encoded(header), encoded(claims))))
    };
    assert_eq!(with(r#"{"iss":"a"}"#), None);
    for odd in [
        r#"{"iss":"a","iss":"b"}"#,
        r#"{"iss":"a","sub":"1","sub":"2"}"#,
        r#"{"iss":"a","fleet_products":{"shop":"viewer","shop":"admin"}}"#,
        r#"[{"iss":"a"}]"#,
        r#"{"iss":"a"}{"iss":"b"}"#,
        "eyJpc3MiOiJhIn0",
    ] {
        assert_eq!(with(odd), Some(NotOurs::Malformed), "{odd}");
    }
    let deep = format!(r#"{{"iss":"a","x":{}{}}}"#, "[".repeat(2_000), "]".repeat(2_000));
    assert_eq!(with(&deep), Some(NotOurs::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_comes_is_read_or_refused(text in "[ -~]{0,40}(\\.[A-Za-z0-9_=-]{0,60}){0,4}") {
        let read = Token::read(&text);
        prop_assert!(read.is_err(), "{text} is a token");
    }
}
