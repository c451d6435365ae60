//! People signing up, in and out, and those who only try.

use std::sync::Arc;
use std::time::Duration;

use auth::{Cost, Who};
use futures_util::future::join;
use identity::{Declined, Settings, Subject, Unrecognised};
use protocol::{Code, Secret};
use store::{Broken, Memory, Store};
use store_embedded::Embedded;
use tokio::time::sleep;

use crate::support::{BELIEF, HOUR, PASSWORD, Town, host, refused, sign_in, sign_up, signed_up};
use crate::watched::Watched;

const ADA: &str = "ada@example.com";

fn token(signed_in: &protocol::SignedIn) -> Vec<u8> {
    signed_in.token.as_ref().unwrap().reveal().as_bytes().to_vec()
}

#[tokio::test(start_paused = true)]
async fn who_signed_up_signs_in_and_may_do_nothing_yet() {
    let town = Town::new();
    let user = signed_up(&town.replica(), "Ada@Example.com").await;
    assert_eq!((user.email.as_str(), user.email_verified), ("Ada@Example.com", false));
    let replica = town.replica();
    let signed_in = sign_in(&replica, ADA, PASSWORD).await.unwrap();
    assert_eq!(signed_in.user, user);
    assert_eq!(signed_in.expires_at, town.clock.now().plus(12 * HOUR));
    let principal = replica.recognise(&token(&signed_in)).await.unwrap();
    assert_eq!(principal.who, Who::User(user.id.as_str().into()));
    assert!(principal.bindings.is_empty());
    assert_eq!(replica.profile(&user.id).await.unwrap(), user);
}

#[tokio::test(start_paused = true)]
async fn a_cookie_goes_with_the_value_that_was_given_with_its_session() {
    let town = Town::new();
    let replica = town.replica();
    signed_up(&replica, ADA).await;
    let one = sign_in(&replica, ADA, PASSWORD).await.unwrap();
    let other = sign_in(&replica, ADA, PASSWORD).await.unwrap();
    assert_ne!(token(&one), token(&other), "a new one at each sign-in");
    let known = town.replica().recognise_session(&token(&one)).await.unwrap();
    assert!(known.csrf_fits(one.csrf.reveal().as_bytes()));
    assert!(!known.csrf_fits(other.csrf.reveal().as_bytes()) && !known.csrf_fits(b""));
    let shown = replica.session(&token(&one)).await.unwrap();
    assert_eq!(shown.csrf.reveal(), one.csrf.reveal());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_address_and_a_wrong_password_cost_and_say_the_same() {
    let store = Arc::new(Watched::over(Arc::new(Memory::default())));
    let town = Town::over(Arc::clone(&store) as _);
    let replica = town.replica();
    let user = signed_up(&replica, ADA).await;
    let cost = || (replica.hashes_done(), store.gets(), store.puts());
    let mut costs = Vec::new();
    for (email, password) in
        [(ADA, "another password"), ("eve@example.com", PASSWORD), ("no address", PASSWORD)]
    {
        let before = cost();
        let declined = sign_in(&replica, email, password).await.unwrap_err();
        assert_eq!(refused(&declined), (Code::Unauthenticated, None), "{email}");
        let after = cost();
        costs.push((after.0 - before.0, after.1 - before.1, after.2 - before.2));
    }
    assert_eq!(costs, [(1, 1, 0); 3]);
    replica.set_disabled(&user.id, true).await.unwrap();
    let declined = sign_in(&replica, ADA, PASSWORD).await.unwrap_err();
    assert_eq!(refused(&declined), (Code::Unauthenticated, None));
}

#[tokio::test(start_paused = true)]
async fn the_sixth_try_within_a_minute_waits_whatever_the_password() {
    let town = Town::new();
    let replica = town.replica();
    signed_up(&replica, ADA).await;
    for _ in 0..5 {
        sign_in(&replica, ADA, "another password").await.unwrap_err();
    }
    let before = replica.hashes_done();
    let declined = sign_in(&replica, "ADA@example.com", PASSWORD).await.unwrap_err();
    let wait = declined.retry_after().unwrap();
    assert_eq!(declined.code(), Code::Throttled);
    assert_eq!(replica.hashes_done(), before, "who is sent away costs nothing");
    sleep(wait).await;
    sign_in(&replica, ADA, PASSWORD).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_address_is_taken_once_in_any_case() {
    let town = Town::new();
    signed_up(&town.replica(), ADA).await;
    let again = town.replica().sign_up(sign_up("ADA@EXAMPLE.COM"), host(1)).await.unwrap_err();
    assert_eq!(refused(&again), (Code::Conflict, Some("email_exists")));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_user_is_refused_with_its_field() {
    let town = Town::new();
    let replica = town.replica();
    let weak = protocol::SignUp { password: Secret::new("eleven char"), ..sign_up(ADA) };
    let nameless = protocol::SignUp { name: "a\nb".to_owned(), ..sign_up(ADA) };
    for (asked, field) in [(sign_up("ada"), "email"), (weak, "password"), (nameless, "name")] {
        let declined = replica.sign_up(asked, host(1)).await.unwrap_err();
        let problem = declined.problem(town.ids.mint());
        assert_eq!((problem.code, problem.field.as_deref()), (Code::Validation, Some(field)));
    }
    assert_eq!(replica.hashes_done(), 0);
}

#[tokio::test(start_paused = true)]
async fn where_sign_up_is_off_nobody_comes_in() {
    let town = Town { settings: Settings::default(), ..Town::new() };
    let declined = town.replica().sign_up(sign_up(ADA), host(1)).await.unwrap_err();
    assert_eq!(refused(&declined), (Code::Forbidden, Some("sign_up_off")));
}

/// How many of two who sign up with one address at once are told that they did.
async fn accounts_of_one_address(store: Arc<dyn Store>) -> usize {
    let town = Town::over(Arc::new(Watched::over(store).creations_meet("fleet_accounts")));
    let (one, other) = (town.replica(), town.replica());
    let both = join(one.sign_up(sign_up(ADA), host(1)), other.sign_up(sign_up(ADA), host(2))).await;
    let (made, refusals): (Vec<_>, Vec<_>) = [both.0, both.1].into_iter().partition(Result::is_ok);
    for declined in refusals {
        assert_eq!(refused(&declined.unwrap_err()), (Code::Conflict, Some("email_exists")));
    }
    let signed_in = sign_in(&one, ADA, PASSWORD).await.unwrap();
    let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert!(made.contains(&signed_in.user));
    made.len()
}

#[tokio::test(start_paused = true)]
async fn two_sign_ups_with_one_address_at_once_make_one_account() {
    assert_eq!(accounts_of_one_address(Arc::new(Memory::default())).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_race_of_sign_ups_catches_a_broken_store() {
    assert_eq!(accounts_of_one_address(Arc::new(Broken::new())).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_signed_out_is_nobodys_on_any_replica() {
    let town = Town::new();
    let (here, there) = (town.replica(), town.replica());
    signed_up(&here, ADA).await;
    let session = token(&sign_in(&here, ADA, PASSWORD).await.unwrap());
    assert!(there.recognise(&session).await.is_ok());
    here.sign_out(&session).await.unwrap();
    assert!(matches!(here.recognise(&session).await, Err(Unrecognised::Unknown)));
    sleep(BELIEF).await;
    assert!(matches!(there.recognise(&session).await, Err(Unrecognised::Unknown)));
    here.sign_out(&session).await.unwrap();
    here.sign_out(b"what is none").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_slides_while_it_is_used_and_ends_after_silence() {
    let town = Town::new();
    let replica = town.replica();
    signed_up(&replica, ADA).await;
    let session = token(&sign_in(&replica, ADA, PASSWORD).await.unwrap());
    sleep(11 * HOUR).await;
    assert!(replica.recognise(&session).await.is_ok());
    sleep(11 * HOUR).await;
    let known = replica.recognise_session(&session).await.unwrap();
    assert_eq!(known.session.last_seen_at, town.clock.now());
    assert_eq!(known.session.expires_at, town.clock.now().plus(12 * HOUR));
    assert_eq!(replica.sweep_once().await.unwrap().sessions, 0);
    sleep(12 * HOUR).await;
    assert!(replica.recognise(&session).await.is_err());
    assert_eq!(replica.sweep_once().await.unwrap().sessions, 1);
}

#[tokio::test(start_paused = true)]
async fn a_password_is_kept_at_todays_cost_once_it_is_said_again() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let town = Town::over(Arc::clone(&store));
    signed_up(&town.replica(), ADA).await;
    let session = token(&sign_in(&town.replica(), ADA, PASSWORD).await.unwrap());
    let cost = Cost::at_least(20 * 1024, 2, 1);
    let town = Town { settings: Settings { cost, ..town.settings }, ..town };
    let replica = town.replica();
    sign_in(&replica, ADA, PASSWORD).await.unwrap();
    assert_eq!(replica.hashes_done(), 2, "compared, and hashed anew");
    sign_in(&replica, ADA, PASSWORD).await.unwrap();
    assert_eq!(replica.hashes_done(), 3, "compared");
    assert!(replica.recognise(&session).await.is_ok(), "it is the same password");
}

#[tokio::test(start_paused = true)]
async fn a_subject_of_an_issuer_is_one_user_and_never_the_one_of_its_address() {
    let town = Town::new();
    let replica = town.replica();
    let ada = signed_up(&replica, ADA).await;
    let subject = Subject {
        issuer: "https://id.example.com".to_owned(),
        subject: "42".to_owned(),
        email: Some(ADA.to_owned()),
        email_verified: true,
        name: Some("Ada".to_owned()),
    };
    let both =
        join(replica.sign_in_by_issuer(&subject), town.replica().sign_in_by_issuer(&subject)).await;
    let (one, other) = (both.0.unwrap(), both.1.unwrap());
    assert_eq!(one.user.id, other.user.id);
    assert_ne!(one.user.id, ada.id);
    assert!(one.user.email_verified);
    assert!(replica.recognise(&token(&one)).await.is_ok());
    let elsewhere = Subject { issuer: "https://eve.example.com".to_owned(), ..subject };
    assert_ne!(replica.sign_in_by_issuer(&elsewhere).await.unwrap().user.id, one.user.id);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_guesses_is_hashed_a_few_at_a_time_and_the_rest_is_sent_away() {
    let town = Town::new();
    let replica = town.replica();
    let asked = |n: u8| {
        let (email, password) = (format!("a{n}@example.com"), Secret::new(PASSWORD));
        replica.sign_in(protocol::SignIn { email, password }, host(n))
    };
    let all = futures_util::future::join_all((0..100).map(|n| Box::pin(asked(n)))).await;
    let away = all.iter().filter(|it| matches!(it, Err(Declined::Throttled(_)))).count();
    assert_eq!(away, 36, "64 wait or are under way");
    assert_eq!(replica.hashes_done(), 64);
}

#[tokio::test]
async fn all_of_it_outlives_the_process_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (session, issued) = {
        let town = Town::over(Arc::new(Embedded::open(&path).unwrap()));
        let replica = town.replica();
        signed_up(&replica, ADA).await;
        let session = token(&sign_in(&replica, ADA, PASSWORD).await.unwrap());
        let asked = crate::support::api_token(protocol::Role::Viewer);
        let shop = crate::support::product("shop");
        (session, replica.issue(&shop, asked).await.unwrap())
    };
    sleep(Duration::ZERO).await;
    let town = Town::over(Arc::new(Embedded::open(&path).unwrap()));
    let replica = town.replica();
    assert!(replica.recognise(&session).await.is_ok());
    assert!(replica.recognise(issued.token.reveal().as_bytes()).await.is_ok());
    sign_in(&replica, ADA, PASSWORD).await.unwrap();
}
