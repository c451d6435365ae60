//! At the token endpoint: who redeems a code, and what is believed of the answer.

use std::io::Write;

use issuer::{Answer, CLIENT, Hand, Issuer, Signer, TOKEN, pairs, provider, unsigned};
use oidc::{Login, LoginRefused, NotOurs, SealKeys, Verifier};
use serde_json::json;

use crate::login::{gone, town};

/// What becomes of a login when the address that leads to the issuer was changed on the way.
async fn tampered(name: &str, with: Option<&str>) -> Result<(), LoginRefused> {
    let (issuer, _, login) = town().await;
    let redirect = login.start("corp").await.unwrap();
    let (place, query) = redirect.location.split_once('?').unwrap();
    let mut asked = pairs(query);
    asked.remove(name);
    asked.extend(with.map(|value| (name.to_owned(), value.to_owned())));
    let query: Vec<_> = asked.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let back = issuer.consented(&format!("{place}?{}", query.join("&")));
    login.finish("corp", &back, &redirect.keep.value).await.map(|_| ())
}

#[tokio::test]
async fn what_was_changed_on_the_way_is_noticed_on_the_way_back() {
    assert_eq!(tampered("tenant", Some("b")).await, Ok(()), "this is not ours to notice");
    let declined = Err(LoginRefused::Declined);
    assert_eq!(tampered("redirect_uri", Some("https://evil.example/cb")).await, declined);
    assert_eq!(tampered("code_challenge", None).await, declined);
    assert_eq!(tampered("code_challenge", Some("x")).await, declined);
    assert_eq!(tampered("code_challenge_method", Some("plain")).await, declined);
    let misdirected = Err(LoginRefused::Unproven(NotOurs::Misdirected));
    assert_eq!(tampered("nonce", Some("x")).await, misdirected);
    assert_eq!(tampered("nonce", None).await, misdirected);
    assert_eq!(tampered("state", Some("x")).await, Err(LoginRefused::Unasked));
}

#[tokio::test]
async fn a_code_of_somebody_else_cannot_be_slipped_in() {
    for careless in [false, true] {
        let (issuer, _, login) = town().await;
        issuer.state().careless = careless;
        let (attackers, _) = gone(&issuer, &login).await;
        let (victims, kept) = gone(&issuer, &login).await;
        let slipped =
            format!("code={}&state={}", pairs(&attackers)["code"], pairs(&victims)["state"]);
        let refused = login.finish("corp", &slipped, &kept).await.unwrap_err();
        // Where the issuer forgets to look, the nonce in its token tells.
        let nonce = LoginRefused::Unproven(NotOurs::Misdirected);
        assert_eq!(refused, if careless { nonce } else { LoginRefused::Declined });
    }
}

#[tokio::test]
async fn an_identity_token_is_judged_like_any_other() {
    let (issuer, clock, login) = town().await;
    let forger = Signer::other_rsa("unknown");
    let claims = issuer.claims(&clock);
    for gives in [
        String::new(),
        "garbage".to_owned(),
        format!("{}.", unsigned(&json!({"alg": "none", "kid": "r"}), &claims)),
        forger.token(&claims),
        forger.under(&json!({"alg": "RS256", "kid": "r"}), &claims),
        // A right token of this issuer, but no answer to this login.
        issuer.signers[0].token(&claims),
    ] {
        issuer.state().gives = Some(gives.clone());
        let (query, kept) = gone(&issuer, &login).await;
        let finished = login.finish("corp", &query, &kept).await;
        assert!(matches!(finished, Err(LoginRefused::Unproven(_))), "{gives}: {finished:?}");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_answers_nonsense_lets_nobody_in() {
    for (spoilt, expected) in [
        ((|| Answer::Status(200, String::new())) as fn() -> Answer, LoginRefused::Away),
        (|| Answer::Status(200, "<html>".into()), LoginRefused::Away),
        (|| Answer::Status(200, "{}".into()), LoginRefused::Away),
        (|| Answer::Status(200, r#"{"id_token":1}"#.into()), LoginRefused::Away),
        (|| Answer::Status(200, r#"{"id_token":"a","id_token":"b"}"#.into()), LoginRefused::Away),
        (|| Answer::Status(201, r#"{"id_token":"a"}"#.into()), LoginRefused::Away),
        (|| Answer::Status(500, String::new()), LoginRefused::Away),
        (|| Answer::Status(400, "\u{0}".repeat(100)), LoginRefused::Declined),
        (|| Answer::Endless(64 * 1_024 * 1_024), LoginRefused::Away),
        (|| Answer::Hangup, LoginRefused::Away),
        (|| Answer::Moved("http://127.0.0.1:1/".into()), LoginRefused::Away),
    ] {
        let (issuer, _, login) = town().await;
        let (query, kept) = gone(&issuer, &login).await;
        issuer.state().spoilt.insert(TOKEN.to_owned(), spoilt);
        assert_eq!(login.finish("corp", &query, &kept).await, Err(expected));
        assert_eq!(issuer.door.asked(TOKEN), 1);
    }
}

#[tokio::test]
async fn a_right_answer_is_not_read_beyond_its_bound() {
    for (padding, expected) in [(200 * 1_024, Ok(())), (256 * 1_024, Err(LoginRefused::Away))] {
        let (issuer, _, login) = town().await;
        let (query, kept) = gone(&issuer, &login).await;
        issuer.state().padding = padding;
        let finished = login.finish("corp", &query, &kept).await.map(|_| ());
        assert_eq!(finished, expected, "{padding} spaces");
    }
}

#[tokio::test]
async fn a_silent_token_endpoint_holds_up_nobody_for_long() {
    let (issuer, _, login) = town().await;
    let (query, kept) = gone(&issuer, &login).await;
    issuer.state().spoilt.insert(TOKEN.to_owned(), || Answer::Silence);
    let mut finishing = Box::pin(login.finish("corp", &query, &kept));
    while issuer.door.asked(TOKEN) == 0 {
        tokio::select! {
            biased;
            finished = &mut finishing => panic!("finished early: {finished:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    tokio::time::pause();
    assert_eq!(finishing.await, Err(LoginRefused::Away));
}

#[tokio::test]
async fn an_issuer_without_its_two_addresses_lets_nobody_in() {
    for missing in ["authorization_endpoint", "token_endpoint"] {
        for address in ["", "http://issuer.example/", "javascript:alert(1)"] {
            let (issuer, _, login) = town().await;
            issuer.state().differs.insert(missing.into(), json!(address));
            assert_eq!(login.start("corp").await.unwrap_err(), LoginRefused::Away);
        }
    }
}

/// A login of a client with a secret in a file.
async fn with_secret(written: &str, ways: &[&str]) -> Result<(), LoginRefused> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"old\n").unwrap();
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    issuer.state().secret = Some("right%3A%20word".into());
    issuer.state().differs.insert("token_endpoint_auth_methods_supported".into(), json!(ways));
    let mut settings = issuer.settings();
    settings["client_secret_file"] = json!(file.path());
    let verifier = Verifier::over(vec![provider(&settings)], clock);
    let login = Login::over(&verifier, SealKeys::of(&[[7; 32]]).unwrap());
    let (query, kept) = gone(&issuer, &login).await;
    // It changed since the start.
    std::fs::write(file.path(), written).unwrap();
    assert!(!format!("{login:?}").contains(written.trim()), "the secret can be logged");
    login.finish("corp", &query, &kept).await.map(|_| ())
}

#[tokio::test]
async fn a_client_shows_the_secret_that_lies_in_its_file_now() {
    let both = ["client_secret_basic", "client_secret_post"];
    // In a header each part is written as in a form, so that a colon in it is not the one between.
    assert_eq!(with_secret("right: word\n", &both).await, Ok(()));
    assert_eq!(with_secret("wrong", &both).await, Err(LoginRefused::Declined));
    assert_eq!(with_secret("right%3A%20word", &["client_secret_post"]).await, Ok(()));
}

#[tokio::test]
async fn a_secret_that_is_gone_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "word").unwrap();
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let mut settings = issuer.settings();
    settings["client_secret_file"] = json!(file);
    let verifier = Verifier::over(vec![provider(&settings)], clock);
    let login = Login::over(&verifier, SealKeys::of(&[[7; 32]]).unwrap());
    let (query, kept) = gone(&issuer, &login).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(login.finish("corp", &query, &kept).await, Err(LoginRefused::Away));
    assert_eq!(issuer.door.asked(TOKEN), 0, "{CLIENT} went without its secret");
}
