//! When keys are fetched, how often, and what they are worth while an issuer changes them or is
//! away.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::Clock;
use issuer::{Answer, DISCOVERY, Door, Hand, Issuer, KEYS, Signer, provider};
use oidc::{NotOurs, Verifier};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_thousand_unknown_keys_cost_one_fetch_a_minute() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let stranger = |n: usize| Signer::ed25519(&format!("unknown-{n}"));
    let signer = stranger(0);
    for n in 0..1_000 {
        let mut header = signer.header();
        header["kid"] = json!(format!("unknown-{n}"));
        let token = signer.under(&header, &issuer.claims(&clock));
        assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Unproven));
        // Nearly a minute passes on the way.
        clock.pass(Duration::from_millis(59));
    }
    assert_eq!([issuer.door.asked(DISCOVERY), issuer.door.asked(KEYS)], [1, 1]);
    clock.pass(MINUTE);
    for n in 0..10 {
        let token = stranger(n).token(&issuer.claims(&clock));
        assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Unproven));
    }
    assert_eq!([issuer.door.asked(DISCOVERY), issuer.door.asked(KEYS)], [2, 2]);
    let right = issuer.signers[0].token(&issuer.claims(&clock));
    assert!(verifier.recognise(&right).await.is_ok(), "the others do not suffer");
}

#[tokio::test]
async fn nothing_is_fetched_for_what_no_issuer_could_have_made() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let mut claims = issuer.claims(&clock);
    claims["iss"] = json!("https://issuer.example");
    let stranger = issuer.signers[0].token(&claims);
    assert_eq!(verifier.recognise(&stranger).await, Err(NotOurs::Stranger));
    assert_eq!(verifier.recognise("a.b.c").await, Err(NotOurs::Malformed));
    assert_eq!(issuer.door.asked_at_all(), 0);
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_lives_while_it_is_published() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let old = issuer.signers[0].token(&issuer.claims(&clock));
    assert!(verifier.recognise(&old).await.is_ok());

    let next = Signer::other_rsa("next");
    issuer.state().published.insert(0, next.jwk());
    clock.pass(MINUTE);
    assert!(verifier.recognise(&next.token(&issuer.claims(&clock))).await.is_ok());
    let replayed = issuer.signers[0].token(&issuer.claims(&clock));
    assert!(verifier.recognise(&replayed).await.is_ok(), "it is still published");

    issuer.state().published.retain(|jwk| jwk["kid"] != "r");
    clock.pass(10 * MINUTE);
    let replayed = issuer.signers[0].token(&issuer.claims(&clock));
    assert_eq!(verifier.recognise(&replayed).await, Err(NotOurs::Unproven), "it was taken back");
    assert!(verifier.recognise(&next.token(&issuer.claims(&clock))).await.is_ok());
}

#[tokio::test]
async fn busy_doors_learn_of_a_key_that_was_taken_back_without_waiting() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let [gone, stays, _] = &issuer.signers;
    assert!(verifier.recognise(&gone.token(&issuer.claims(&clock))).await.is_ok());
    issuer.state().published.retain(|jwk| jwk["kid"] != "r");
    clock.pass(5 * MINUTE);
    // Whoever comes now is served by what is at hand, and has the keys fetched.
    assert!(verifier.recognise(&stays.token(&issuer.claims(&clock))).await.is_ok());
    // An unknown key waits for that very fetch.
    let unknown = Signer::ed25519("x").token(&issuer.claims(&clock));
    assert_eq!(verifier.recognise(&unknown).await, Err(NotOurs::Unproven));
    assert_eq!(issuer.door.asked(KEYS), 2);
    let refused = verifier.recognise(&gone.token(&issuer.claims(&clock))).await;
    assert_eq!(refused, Err(NotOurs::Unproven));
}

#[tokio::test]
async fn keys_are_kept_for_a_day_while_the_issuer_is_away() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let token = |clock: &Hand| issuer.signers[1].token(&issuer.claims(clock));
    assert!(verifier.recognise(&token(&clock)).await.is_ok());
    for away in [
        (|| Answer::Status(503, String::new())) as fn() -> Answer,
        || Answer::Hangup,
        || Answer::Status(200, "<html>".into()),
        || Answer::Status(200, "{}".into()),
        || Answer::Status(200, r#"{"keys":{}}"#.into()),
        || Answer::Endless(1_024 * 1_024),
        || Answer::Moved("http://127.0.0.1:1/".into()),
    ] {
        for path in [DISCOVERY, KEYS] {
            issuer.state().spoilt = [(path.to_owned(), away)].into();
            clock.pass(Duration::from_mins(90));
            assert!(verifier.recognise(&token(&clock)).await.is_ok(), "{path}");
        }
    }
    clock.pass(Duration::from_hours(3));
    assert_eq!(verifier.recognise(&token(&clock)).await, Err(NotOurs::Away), "too old by now");
    issuer.state().spoilt.clear();
    assert_eq!(verifier.recognise(&token(&clock)).await, Err(NotOurs::Away), "within the minute");
    clock.pass(MINUTE);
    assert!(verifier.recognise(&token(&clock)).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_was_never_reached_is_away_and_asked_once_a_minute() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    issuer.state().spoilt = [(DISCOVERY.to_owned(), (|| Answer::Hangup) as fn() -> Answer)].into();
    for _ in 0..100 {
        let token = issuer.signers[0].token(&issuer.claims(&clock));
        assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Away));
    }
    assert_eq!(issuer.door.asked(DISCOVERY), 1);
}

#[tokio::test]
async fn a_silent_issuer_holds_up_nobody_for_long() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    issuer.state().spoilt = [(KEYS.to_owned(), (|| Answer::Silence) as fn() -> Answer)].into();
    let token = issuer.signers[0].token(&issuer.claims(&clock));
    let mut asking = Box::pin(verifier.recognise(&token));
    while issuer.door.asked(KEYS) == 0 {
        tokio::select! {
            biased;
            answered = &mut asking => panic!("answered early: {answered:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    // All that is left to wait for is the bound.
    tokio::time::pause();
    assert_eq!(asking.await, Err(NotOurs::Away));
}

#[tokio::test]
async fn all_who_come_at_once_wait_for_one_fetch_and_whoever_leaves_stops_nothing() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let token = issuer.signers[0].token(&issuer.claims(&clock));
    // The first begins the fetch and leaves at once.
    let mut first = Box::pin(verifier.recognise(&token));
    tokio::select! {
        biased;
        _ = &mut first => panic!("nothing can be known yet"),
        () = std::future::ready(()) => {}
    }
    drop(first);
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let (verifier, token) = (verifier.clone(), token.clone());
        asking.spawn(async move { verifier.recognise(&token).await });
    }
    while let Some(answered) = asking.join_next().await {
        assert!(answered.unwrap().is_ok());
    }
    assert_eq!([issuer.door.asked(DISCOVERY), issuer.door.asked(KEYS)], [1, 1]);
}

/// What is recognised when the discovery document differs so.
async fn with_document(differs: Value) -> Result<(), NotOurs> {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    issuer.state().differs = differs.as_object().unwrap().clone();
    let token = issuer.signers[0].token(&issuer.claims(&clock));
    issuer.verifier(&clock).recognise(&token).await.map(|_| ())
}

#[tokio::test]
async fn a_document_of_another_issuer_lends_it_no_keys() {
    assert_eq!(with_document(json!({})).await, Ok(()));
    for issuer in [json!("https://issuer.example"), json!(null), json!(""), json!(["x"])] {
        assert_eq!(with_document(json!({ "issuer": issuer })).await, Err(NotOurs::Away));
    }
}

#[tokio::test]
async fn keys_are_not_fetched_without_tls_nor_from_where_an_issuer_moved_them() {
    for uri in ["http://issuer.example/keys", "file:///etc/passwd", "", "/keys"] {
        assert_eq!(with_document(json!({ "jwks_uri": uri })).await, Err(NotOurs::Away), "{uri}");
    }
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let keys = json!({ "keys": issuer.signers.each_ref().map(Signer::jwk) }).to_string();
    let elsewhere = Door::open(Arc::new(move |_| Answer::Status(200, keys.clone()))).await;
    let there = format!("http://{}/keys", elsewhere.at);
    let moved = Door::open(Arc::new(move |_| Answer::Moved(there.clone()))).await;
    let moved = format!("http://{}/keys", moved.at);
    issuer.state().differs.insert("jwks_uri".into(), json!(moved));
    let token = issuer.signers[0].token(&issuer.claims(&clock));
    assert_eq!(issuer.verifier(&clock).recognise(&token).await, Err(NotOurs::Away));
    assert_eq!(elsewhere.asked_at_all(), 0, "a redirect was followed");
}

/// Whether a token is believed when its key is published so.
async fn published(kid: usize, change: impl Fn(&mut Value)) -> Result<(), NotOurs> {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    change(&mut issuer.state().published[kid]);
    let token = issuer.signers[kid].token(&issuer.claims(&clock));
    issuer.verifier(&clock).recognise(&token).await.map(|_| ())
}

#[tokio::test]
async fn a_key_that_is_published_for_something_else_proves_nothing() {
    let gone = Err(NotOurs::Unproven);
    assert_eq!(published(0, |jwk| jwk["use"] = json!("enc")).await, gone);
    assert_eq!(published(0, |jwk| jwk["key_ops"] = json!(["encrypt"])).await, gone);
    assert_eq!(published(0, |jwk| jwk["key_ops"] = json!(["sign", "verify"])).await, Ok(()));
    assert_eq!(published(0, |jwk| jwk["alg"] = json!("RS512")).await, gone);
    assert_eq!(published(0, |jwk| jwk["alg"] = json!("RSA-OAEP")).await, gone);
    assert_eq!(published(0, |jwk| jwk["alg"] = json!("HS256")).await, gone);
    assert_eq!(published(0, |jwk| jwk["kty"] = json!("oct")).await, gone);
    assert_eq!(published(1, |jwk| jwk["crv"] = json!("P-384")).await, gone);
    assert_eq!(published(1, |jwk| jwk["x"] = json!("AA")).await, gone);
    assert_eq!(published(1, |jwk| jwk["y"] = jwk["x"].clone()).await, gone);
    assert_eq!(published(2, |jwk| jwk["crv"] = json!("X25519")).await, gone);
    assert_eq!(published(2, |jwk| jwk["alg"] = json!("Ed25519")).await, Ok(()));
    for key in 0..3 {
        let bare = |jwk: &mut Value| {
            jwk.as_object_mut().unwrap().retain(|name, _| name != "use" && name != "alg");
        };
        assert_eq!(published(key, bare).await, Ok(()), "neither has to be told");
        assert_eq!(published(key, |jwk| jwk["kid"] = json!(null)).await, gone);
    }
}

#[tokio::test]
async fn a_short_rsa_key_is_no_key() {
    let modulus = |jwk: &Value| URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    // The upper half of the right modulus: 1,024 bits.
    let short = |jwk: &mut Value| {
        jwk["n"] = json!(URL_SAFE_NO_PAD.encode(&modulus(jwk)[..128]));
    };
    assert_eq!(published(0, short).await, Err(NotOurs::Unproven));
    let padded = |jwk: &mut Value| {
        jwk["n"] = json!(URL_SAFE_NO_PAD.encode([vec![0], modulus(jwk)].concat()));
    };
    assert_eq!(published(0, padded).await, Ok(()), "some write a zero before it");
}

#[tokio::test]
async fn a_right_answer_is_not_read_beyond_its_bound() {
    for (padding, expected) in [(200 * 1_024, Ok(())), (256 * 1_024, Err(NotOurs::Away))] {
        let (issuer, clock) = (Issuer::open().await, Hand::new());
        issuer.state().padding = padding;
        let token = issuer.signers[0].token(&issuer.claims(&clock));
        let recognised = issuer.verifier(&clock).recognise(&token).await;
        assert_eq!(recognised.map(|_| ()), expected, "{padding} spaces");
    }
}

#[tokio::test]
async fn an_issuer_by_https_is_told_nothing_before_it_proved_who_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let here = format!("https://{}", listener.local_addr().unwrap());
    let mut settings = issuer.settings();
    settings["issuer"] = json!(here);
    let verifier = Verifier::over(vec![provider(&settings)], Arc::clone(&clock) as Arc<dyn Clock>);
    let mut claims = issuer.claims(&clock);
    claims["iss"] = json!(here);
    let token = issuer.signers[0].token(&claims);
    let listening = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = [0; 3];
        stream.read_exact(&mut heard).await.unwrap();
        // As an issuer without TLS would answer.
        stream.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        heard
    };
    let (heard, recognised) = tokio::join!(listening, verifier.recognise(&token));
    assert_eq!(heard[..2], [0x16, 0x03], "the first thing said is a greeting of TLS");
    assert_eq!(recognised, Err(NotOurs::Away));
}
