//! Times in tokens: a minute of leeway to either side, and not a millisecond more.

use std::time::Duration;

use issuer::{Hand, Issuer};
use oidc::NotOurs;
use serde_json::{Value, json};

/// What of these two tokens is believed, a second apart.
async fn believed(claim: &str, values: [Value; 2]) -> [Result<(), NotOurs>; 2] {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let mut believed = [Ok(()); 2];
    for (believed, value) in believed.iter_mut().zip(values) {
        let mut claims = issuer.claims(&clock);
        claims[claim] = value;
        let token = issuer.signers[1].token(&claims);
        *believed = verifier.recognise(&token).await.map(|_| ());
    }
    believed
}

#[tokio::test]
async fn a_token_is_believed_until_a_minute_after_it_expired() {
    let now = Hand::new().seconds();
    let inside_and_outside = [json!(now - 59), json!(now - 60)];
    assert_eq!(believed("exp", inside_and_outside).await, [Ok(()), Err(NotOurs::Untimely)]);
}

#[tokio::test]
async fn a_token_is_believed_from_a_minute_before_it_is_valid() {
    let now = Hand::new().seconds();
    for claim in ["nbf", "iat"] {
        let inside_and_outside = [json!(now + 60), json!(now + 61)];
        let believed = believed(claim, inside_and_outside).await;
        assert_eq!(believed, [Ok(()), Err(NotOurs::Untimely)], "{claim}");
    }
}

#[tokio::test]
async fn fractions_of_a_second_count() {
    let now = Hand::new().seconds();
    let exp = [json!(as_f64(now - 60) + 0.5), json!(as_f64(now - 60) - 0.5)];
    assert_eq!(believed("exp", exp).await, [Ok(()), Err(NotOurs::Untimely)]);
}

#[tokio::test]
async fn a_believed_token_dies_as_time_passes() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let token = issuer.signers[2].token(&issuer.claims(&clock));
    assert!(verifier.recognise(&token).await.is_ok());
    clock.pass(Duration::from_millis(359_999));
    assert!(verifier.recognise(&token).await.is_ok());
    clock.pass(Duration::from_millis(1));
    assert_eq!(verifier.recognise(&token).await, Err(NotOurs::Untimely));
}

#[tokio::test]
async fn a_time_that_is_none_is_no_leave_to_stay() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let verifier = issuer.verifier(&clock);
    let never = [json!("1900000000"), json!(-1), json!(1e300), json!([]), json!(true), json!(null)];
    for claim in ["exp", "nbf", "iat"] {
        for odd in &never {
            let mut claims = issuer.claims(&clock);
            claims[claim] = odd.clone();
            let token = issuer.signers[1].token(&claims);
            let recognised = verifier.recognise(&token).await;
            assert_eq!(recognised, Err(NotOurs::Untimely), "{claim} {odd}");
        }
    }
    let mut claims = issuer.claims(&clock);
    claims.as_object_mut().unwrap().remove("exp");
    let eternal = issuer.signers[1].token(&claims);
    assert_eq!(verifier.recognise(&eternal).await, Err(NotOurs::Untimely));
    let mut claims = issuer.claims(&clock);
    for optional in ["nbf", "iat"] {
        claims.as_object_mut().unwrap().remove(optional);
    }
    assert!(verifier.recognise(&issuer.signers[1].token(&claims)).await.is_ok());
}

#[expect(clippy::cast_precision_loss, reason = "seconds of this century are exact")]
fn as_f64(seconds: i64) -> f64 {
    seconds as f64
}
