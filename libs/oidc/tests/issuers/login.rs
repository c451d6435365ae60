//! Logging in: the way there, the way back, and everybody who tries to come back as another.

use std::sync::Arc;
use std::time::Duration;

use issuer::{CLIENT, Hand, Issuer, REDIRECT, TOKEN, pairs};
use oidc::{Known, Login, LoginRefused, NotOurs, SealKeys};
use serde_json::json;

/// One replica of a door, with the secret that all of them have.
pub(crate) fn replica(issuer: &Issuer, clock: &Arc<Hand>) -> Login {
    Login::over(&issuer.verifier(clock), SealKeys::of(&[[7; 32]]).unwrap())
}

pub(crate) async fn town() -> (Issuer, Arc<Hand>, Login) {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let login = replica(&issuer, &clock);
    (issuer, clock, login)
}

/// Somebody who goes there and comes back: their query, and what their browser kept.
pub(crate) async fn gone(issuer: &Issuer, login: &Login) -> (String, String) {
    let redirect = login.start("corp").await.unwrap();
    (issuer.consented(&redirect.location), redirect.keep.value)
}

#[tokio::test]
async fn somebody_who_logs_in_is_known_by_issuer_and_subject() {
    let (issuer, _, login) = town().await;
    issuer.state().says.insert("fleet_products".into(), json!({"shop": "viewer"}));
    let (query, kept) = gone(&issuer, &login).await;
    let known = login.finish("corp", &query, &kept).await.unwrap();
    let bindings = known.bindings.clone();
    assert_eq!(
        known,
        Known {
            issuer: issuer.address(),
            subject: "248289761001".into(),
            email: Some("jane@corp.example".into()),
            email_verified: true,
            name: Some("Jane Doe".into()),
            bindings,
        }
    );
    assert_eq!(known.bindings.len(), 1);
}

#[tokio::test]
async fn the_way_there_carries_the_challenge_and_the_configured_way_back() {
    let (issuer, _, login) = town().await;
    let [one, two] = [login.start("corp").await.unwrap(), login.start("corp").await.unwrap()];
    let (place, query) = one.location.split_once('?').unwrap();
    assert_eq!(place, format!("{}/authorize", issuer.address()));
    let [one_asks, two_asks] = [pairs(query), pairs(two.location.split_once('?').unwrap().1)];
    for (name, value) in [
        ("tenant", "a"),
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(one_asks[name], value);
    }
    for drawn in ["state", "nonce", "code_challenge"] {
        assert_eq!(one_asks[drawn].len(), 43, "{drawn} has 256 bits");
        assert_ne!(one_asks[drawn], two_asks[drawn], "{drawn} was used before");
        assert!(!one.keep.value.contains(&one_asks[drawn]));
    }
    assert_ne!(one_asks["state"], one_asks["nonce"]);
    assert_eq!(one.keep.life, Duration::from_mins(10));
    assert!(!format!("{:?}", one.keep).contains(&one.keep.value), "it can be logged");
}

#[tokio::test]
async fn any_replica_finishes_a_login_and_none_finishes_it_twice() {
    let (issuer, clock, begun_at) = town().await;
    let other = replica(&issuer, &clock);
    let (query, kept) = gone(&issuer, &begun_at).await;
    assert!(other.finish("corp", &query, &kept).await.is_ok());
    let again = other.finish("corp", &query, &kept).await;
    assert_eq!(again, Err(LoginRefused::Unasked), "the state was spent here");
    assert_eq!(issuer.door.asked(TOKEN), 1, "nobody was asked");
    let elsewhere = begun_at.finish("corp", &query, &kept).await;
    assert_eq!(elsewhere, Err(LoginRefused::Declined), "the code was spent at the issuer");
}

#[tokio::test]
async fn a_code_is_taken_once_even_in_a_login_of_its_own() {
    let (issuer, _, login) = town().await;
    let (query, kept) = gone(&issuer, &login).await;
    assert!(login.finish("corp", &query, &kept).await.is_ok());
    let (second, kept) = gone(&issuer, &login).await;
    let stolen = format!("code={}&state={}", pairs(&query)["code"], pairs(&second)["state"]);
    assert_eq!(login.finish("corp", &stolen, &kept).await, Err(LoginRefused::Declined));
}

#[tokio::test]
async fn a_login_that_failed_is_spent_too() {
    let (issuer, _, login) = town().await;
    let (query, kept) = gone(&issuer, &login).await;
    let state = pairs(&query)["state"].clone();
    let wrong = format!("code=guess&state={state}");
    assert_eq!(login.finish("corp", &wrong, &kept).await, Err(LoginRefused::Declined));
    assert_eq!(login.finish("corp", &query, &kept).await, Err(LoginRefused::Unasked));
}

#[tokio::test]
async fn nobody_comes_back_who_was_not_sent() {
    let (issuer, clock, login) = town().await;
    let (query, kept) = gone(&issuer, &login).await;
    let (others_query, others_kept) = gone(&issuer, &login).await;
    let told = pairs(&query);
    let (code, state) = (&told["code"], &told["state"]);
    let sealed_elsewhere = {
        let verifier = issuer.verifier(&clock);
        let login = Login::over(&verifier, SealKeys::of(&[[8; 32]]).unwrap());
        login.start("corp").await.unwrap().keep.value
    };
    for (query, kept) in [
        (&query, &others_kept),
        (&others_query, &kept),
        (&query, &String::new()),
        (&query, &"A".repeat(200)),
        (&query, &sealed_elsewhere),
        (&query, &kept.get(1..).unwrap().to_owned()),
        (&String::new(), &kept),
        (&format!("code={code}"), &kept),
        (&format!("code={code}&state="), &kept),
        (&format!("code={code}&state={state}&state={state}"), &kept),
        (&format!("code={code}&code=b&state={state}"), &kept),
        (&format!("code={code}&state={state}x"), &kept),
        (&format!("code={code}&state={}", state.get(1..).unwrap()), &kept),
    ] {
        let refused = login.finish("corp", query, kept).await;
        assert_eq!(refused, Err(LoginRefused::Unasked), "{query} with {kept}");
    }
    assert_eq!(issuer.door.asked(TOKEN), 0, "a code was carried to the issuer");
    assert!(login.finish("corp", &query, &kept).await.is_ok(), "and the right one is not spent");
}

#[tokio::test]
async fn a_login_has_ten_minutes() {
    let (issuer, clock, login) = town().await;
    let (query, kept) = gone(&issuer, &login).await;
    let (late_query, late_kept) = gone(&issuer, &login).await;
    clock.pass(Duration::from_millis(599_999));
    assert!(login.finish("corp", &query, &kept).await.is_ok());
    clock.pass(Duration::from_millis(1));
    let late = login.finish("corp", &late_query, &late_kept).await;
    assert_eq!(late, Err(LoginRefused::Unasked));
}

#[tokio::test]
async fn a_login_belongs_to_one_provider() {
    let (issuer, clock) = (Issuer::open().await, Hand::new());
    let other = Issuer::open().await;
    let mut second = other.settings();
    second["name"] = json!("other");
    let mut bearers = Issuer::open().await.settings();
    bearers["name"] = json!("bearers");
    bearers.as_object_mut().unwrap().remove("redirect");
    let providers = [issuer.settings(), second, bearers];
    let providers = providers.iter().map(issuer::provider).collect();
    let verifier = oidc::Verifier::over(providers, Arc::clone(&clock) as Arc<dyn clock::Clock>);
    let login = Login::over(&verifier, SealKeys::of(&[[7; 32]]).unwrap());

    let (query, kept) = gone(&issuer, &login).await;
    assert_eq!(login.finish("other", &query, &kept).await, Err(LoginRefused::Unasked));
    assert_eq!(other.door.asked(TOKEN), 0, "the code went to another issuer");
    for unknown in ["", "nobody", "Corp", "bearers"] {
        assert_eq!(login.start(unknown).await.unwrap_err(), LoginRefused::Unknown, "{unknown}");
        let finished = login.finish(unknown, &query, &kept).await;
        assert_eq!(finished, Err(LoginRefused::Unknown));
    }
    assert!(login.finish("corp", &query, &kept).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_names_itself_on_the_way_back_must_be_the_right_one() {
    let (issuer, clock, login) = town().await;
    let here = issuer.address();
    let (query, kept) = gone(&issuer, &login).await;
    let other = format!("{query}&iss=https%3A%2F%2Fissuer.example");
    assert_eq!(login.finish("corp", &other, &kept).await, Err(LoginRefused::Unasked));
    let (query, kept) = gone(&issuer, &login).await;
    assert!(login.finish("corp", &format!("{query}&iss={here}"), &kept).await.is_ok());

    let always = "authorization_response_iss_parameter_supported".to_owned();
    issuer.state().differs.insert(always, json!(true));
    let login = replica(&issuer, &clock);
    let (query, kept) = gone(&issuer, &login).await;
    assert_eq!(login.finish("corp", &query, &kept).await, Err(LoginRefused::Unasked));
}

#[tokio::test]
async fn somebody_who_declines_is_not_let_in() {
    let (issuer, _, login) = town().await;
    let redirect = login.start("corp").await.unwrap();
    let state = &pairs(redirect.location.split_once('?').unwrap().1)["state"];
    let query = format!("error=access_denied&error_description=no%20%22&state={state}");
    let finished = login.finish("corp", &query, &redirect.keep.value).await;
    assert_eq!(finished, Err(LoginRefused::Declined));
    assert_eq!(issuer.door.asked(TOKEN), 0);
}

#[tokio::test]
async fn an_address_is_verified_only_where_the_issuer_says_so() {
    for (email, verified, expected) in [
        (json!("jane@corp.example"), json!(true), (Some("jane@corp.example"), true)),
        (json!("jane@corp.example"), json!("true"), (Some("jane@corp.example"), true)),
        (json!("jane@corp.example"), json!(false), (Some("jane@corp.example"), false)),
        (json!("jane@corp.example"), json!(null), (Some("jane@corp.example"), false)),
        (json!("jane@corp.example"), json!(1), (Some("jane@corp.example"), false)),
        (json!("jane@corp.example"), json!("false"), (Some("jane@corp.example"), false)),
        (json!("jane"), json!(true), (None, false)),
        (json!("jane@corp.example\r\nBcc: x@y"), json!(true), (None, false)),
        (json!(["jane@corp.example"]), json!(true), (None, false)),
        (json!(null), json!(true), (None, false)),
    ] {
        let (issuer, _, login) = town().await;
        issuer.state().says.insert("email".into(), email.clone());
        issuer.state().says.insert("email_verified".into(), verified.clone());
        let (query, kept) = gone(&issuer, &login).await;
        let known = login.finish("corp", &query, &kept).await.unwrap();
        assert_eq!((known.email.as_deref(), known.email_verified), expected, "{email} {verified}");
    }
}

/// What becomes of a login whose identity token says this.
async fn said(name: &str, value: serde_json::Value) -> Result<Known, LoginRefused> {
    let (issuer, _, login) = town().await;
    issuer.state().says.insert(name.to_owned(), value);
    let (query, kept) = gone(&issuer, &login).await;
    login.finish("corp", &query, &kept).await
}

#[tokio::test]
async fn an_identity_token_is_made_for_this_login_by_this_issuer_and_for_us() {
    let refused = |why| Err(LoginRefused::Unproven(why));
    for nonce in [json!("another"), json!(""), json!(null), json!(["x"])] {
        assert_eq!(said("nonce", nonce).await, refused(NotOurs::Misdirected));
    }
    // What bearers are let in with is no audience of a login.
    assert_eq!(said("aud", json!("mesh")).await, refused(NotOurs::Misdirected));
    assert!(said("aud", json!(["mesh", CLIENT])).await.is_ok());
    assert_eq!(said("azp", json!("other")).await, refused(NotOurs::Misdirected));
    assert_eq!(said("azp", json!(null)).await, refused(NotOurs::Misdirected));
    assert!(said("azp", json!(CLIENT)).await.is_ok());
    let stranger = said("iss", json!("https://issuer.example")).await;
    assert_eq!(stranger, refused(NotOurs::Stranger));
    assert_eq!(said("exp", json!(1_800_000_900)).await, refused(NotOurs::Untimely));
    assert_eq!(said("iat", json!(1_800_001_100)).await, refused(NotOurs::Untimely));
    assert_eq!(said("iat", json!(null)).await, refused(NotOurs::Untimely));
    assert_eq!(said("sub", json!("")).await, refused(NotOurs::Malformed));
}
