//! Codes that are good once: whoever has one second has nothing.

use std::sync::Arc;

use futures_util::future::join;
use identity::{Settings, SignUpMode};
use protocol::{Code, Reset, Secret, SignUp, VerifyEmail};
use store::{Broken, Memory, Store};
use tokio::time::sleep;

use crate::support::{BELIEF, HOUR, PASSWORD, Town, host, refused, sign_in, sign_up, signed_up};
use crate::watched::Watched;

const ADA: &str = "ada@example.com";
const OTHER: &str = "another long password";

fn reset(code: &Secret, password: &str) -> Reset {
    Reset { code: code.clone(), password: Secret::new(password) }
}

#[tokio::test(start_paused = true)]
async fn a_reset_password_ends_every_session_of_the_former_one() {
    let town = Town::new();
    let (here, there) = (town.replica(), town.replica());
    signed_up(&here, ADA).await;
    let session = sign_in(&here, ADA, PASSWORD).await.unwrap().token.unwrap();
    let session = session.reveal().as_bytes();
    assert!(there.recognise(session).await.is_ok());
    let asked = here.ask_reset("Ada@example.com", host(1)).await.unwrap().unwrap();
    here.reset(reset(&asked.code, OTHER), host(1)).await.unwrap();
    assert!(here.recognise(session).await.is_err());
    sleep(BELIEF).await;
    assert!(there.recognise(session).await.is_err());
    assert_eq!(refused(&sign_in(&here, ADA, PASSWORD).await.unwrap_err()).0, Code::Unauthenticated);
    sign_in(&here, ADA, OTHER).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_code_is_good_once_within_its_hour_and_for_its_purpose() {
    let town = Town::new();
    let replica = town.replica();
    let user = signed_up(&replica, ADA).await;
    let no_good = (Code::Validation, Some("bad_value"));
    let used = replica.ask_reset(ADA, host(1)).await.unwrap().unwrap().code;
    replica.reset(reset(&used, OTHER), host(1)).await.unwrap();
    let proof = replica.ask_proof(&user.id).await.unwrap().code;
    let late = replica.ask_reset(ADA, host(1)).await.unwrap().unwrap().code;
    for code in [&used, &proof, &Secret::new("gc_made_up")] {
        let declined = replica.reset(reset(code, PASSWORD), host(1)).await.unwrap_err();
        assert_eq!(refused(&declined), no_good);
    }
    sleep(HOUR).await;
    let declined = replica.reset(reset(&late, PASSWORD), host(1)).await.unwrap_err();
    assert_eq!(refused(&declined), no_good);
    assert_eq!(replica.sweep_once().await.unwrap().codes, 3);
    sign_in(&replica, ADA, OTHER).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_password_that_cannot_be_one_leaves_the_code_as_it_was() {
    let town = Town::new();
    let replica = town.replica();
    signed_up(&replica, ADA).await;
    let code = replica.ask_reset(ADA, host(1)).await.unwrap().unwrap().code;
    let declined = replica.reset(reset(&code, "short"), host(1)).await.unwrap_err();
    assert_eq!(refused(&declined), (Code::Validation, Some("out_of_range")));
    replica.reset(reset(&code, OTHER), host(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_is_given_a_code_for_an_unknown_address() {
    let town = Town::new();
    let replica = town.replica();
    assert!(replica.ask_reset("eve@example.com", host(1)).await.unwrap().is_none());
    assert!(replica.ask_reset("no address", host(1)).await.unwrap().is_none());
}

/// How many of two who reset with one code at once set their password.
async fn resets_with_one_code(store: Arc<dyn Store>) -> usize {
    let town = Town::over(Arc::new(Watched::over(store).changes_meet("fleet_verifications")));
    let (one, other) = (town.replica(), town.replica());
    signed_up(&one, ADA).await;
    let code = one.ask_reset(ADA, host(1)).await.unwrap().unwrap().code;
    let both = join(
        one.reset(reset(&code, OTHER), host(1)),
        other.reset(reset(&code, "a third long password"), host(2)),
    )
    .await;
    [both.0, both.1].iter().filter(|it| it.is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn of_two_resets_with_one_code_at_once_one_sets_its_password() {
    assert_eq!(resets_with_one_code(Arc::new(Memory::default())).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_race_of_resets_catches_a_broken_store() {
    assert_eq!(resets_with_one_code(Arc::new(Broken::new())).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_proven_address_is_shown_as_such() {
    let town = Town::new();
    let replica = town.replica();
    let user = signed_up(&replica, ADA).await;
    let code = replica.ask_proof(&user.id).await.unwrap().code;
    let asked = || VerifyEmail { code: code.clone() };
    assert!(replica.verify_email(asked(), host(1)).await.unwrap().email_verified);
    assert!(replica.verify_email(asked(), host(1)).await.is_err());
    assert!(replica.profile(&user.id).await.unwrap().email_verified);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_lets_one_person_in() {
    let settings = Settings { sign_up: SignUpMode::Invite, ..Settings::default() };
    let town = Town { settings, ..Town::new() };
    let replica = town.replica();
    let invite = replica.invite("local").await.unwrap().invite;
    let asked = |email, invite: Option<&Secret>| {
        let asked = SignUp { invite: invite.cloned(), ..sign_up(email) };
        replica.sign_up(asked, host(1))
    };
    let refusal = (Code::Forbidden, Some("invite_required"));
    assert_eq!(refused(&asked(ADA, None).await.unwrap_err()), refusal);
    let made_up = Secret::new("gc_made_up");
    assert_eq!(refused(&asked(ADA, Some(&made_up)).await.unwrap_err()), refusal);
    asked(ADA, Some(&invite)).await.unwrap();
    assert_eq!(refused(&asked("eve@example.com", Some(&invite)).await.unwrap_err()), refusal);
}
