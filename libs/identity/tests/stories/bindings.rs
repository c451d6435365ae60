//! Who may do what in which product, and that somebody always may.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::join;
use identity::{Identity, Subject};
use protocol::{Bind, Code, Role};
use store::{Broken, Memory, Store};
use tokio::time::sleep;

use crate::support::{BELIEF, PASSWORD, Town, api_token, product, refused, sign_in, signed_up};
use crate::watched::Watched;

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

fn as_a(role: Role) -> Bind {
    Bind { role: Some(role), yolo: false }
}

const UNBOUND: Bind = Bind { role: None, yolo: false };

#[tokio::test(start_paused = true)]
async fn a_binding_acts_on_sessions_that_are_open() {
    let town = Town::new();
    let (here, there) = (town.replica(), town.replica());
    signed_up(&here, ADA).await;
    let session = sign_in(&here, ADA, PASSWORD).await.unwrap().token.unwrap();
    let session = session.reveal().as_bytes();
    assert!(there.recognise(session).await.unwrap().bindings.is_empty());
    here.bind(ADA, &product("shop"), Bind { role: Some(Role::Operator), yolo: true })
        .await
        .unwrap();
    let standing = here.recognise(session).await.unwrap().within(None).unwrap();
    assert_eq!((standing.role, standing.yolo), (Role::Operator, true));
    sleep(BELIEF).await;
    assert_eq!(there.recognise(session).await.unwrap().bindings.len(), 1);
    here.bind(ADA, &product("shop"), UNBOUND).await.unwrap();
    assert!(here.recognise(session).await.unwrap().bindings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_products_admins_see_its_users_and_nothing_of_other_products() {
    let town = Town::new();
    let replica = town.replica();
    let (ada, bob) = (signed_up(&replica, ADA).await, signed_up(&replica, BOB).await);
    replica.bind(&bob.id, &product("bank"), as_a(Role::Admin)).await.unwrap();
    replica.bind(BOB, &product("shop"), as_a(Role::Viewer)).await.unwrap();
    let shown = replica.users(&product("shop")).await.unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].id, bob.id);
    assert_eq!(shown[0].product_ids, [product("shop")]);
    assert_eq!(shown[0].roles.len(), 1);
    assert!(replica.profile(&ada.id).await.unwrap().roles.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_unknown_and_no_factory_is_bound() {
    let town = Town::new();
    let replica = town.replica();
    signed_up(&replica, ADA).await;
    for whom in ["eve@example.com", "u_none", "../x", ""] {
        let declined = replica.bind(whom, &product("shop"), as_a(Role::Viewer)).await;
        assert_eq!(refused(&declined.unwrap_err()), (Code::NotFound, None), "{whom}");
    }
    let declined = replica.bind(ADA, &product("shop"), as_a(Role::Factory)).await.unwrap_err();
    assert_eq!(refused(&declined), (Code::Validation, Some("no_factory")));
}

#[tokio::test(start_paused = true)]
async fn the_last_admin_stays_until_there_is_another_one() {
    let town = Town::new();
    let replica = town.replica();
    let shop = product("shop");
    signed_up(&replica, ADA).await;
    signed_up(&replica, BOB).await;
    replica.bind(ADA, &shop, as_a(Role::Admin)).await.unwrap();
    let last = (Code::Conflict, Some("last_admin"));
    for asked in [UNBOUND, as_a(Role::Viewer)] {
        assert_eq!(refused(&replica.bind(ADA, &shop, asked).await.unwrap_err()), last);
    }
    replica.bind(BOB, &shop, as_a(Role::Admin)).await.unwrap();
    replica.bind(ADA, &shop, UNBOUND).await.unwrap();
    assert_eq!(refused(&replica.bind(BOB, &shop, UNBOUND).await.unwrap_err()), last);
    replica.issue(&shop, api_token(Role::Admin)).await.unwrap();
    replica.bind(BOB, &shop, UNBOUND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_admins_who_take_each_others_role_at_once_do_not_lock_everybody_out() {
    let town = Town::new();
    let shop = product("shop");
    for email in [ADA, BOB] {
        signed_up(&town.replica(), email).await;
        town.replica().bind(email, &shop, as_a(Role::Admin)).await.unwrap();
    }
    let store = Watched::over(Arc::clone(&town.store)).changes_meet("fleet_users");
    let town = Town { store: Arc::new(store), ..town };
    let (one, other) = (town.replica(), town.replica());
    let both = join(one.bind(ADA, &shop, UNBOUND), other.bind(BOB, &shop, UNBOUND)).await;
    let users = one.users(&shop).await.unwrap();
    assert!(!users.is_empty(), "{both:?}");
    for declined in [both.0, both.1].into_iter().filter_map(Result::err) {
        assert_eq!(refused(&declined), (Code::Conflict, Some("last_admin")));
    }
}

/// Who signed in by an issuer: no password has to be hashed for them.
async fn known(replica: &Identity, name: &str) -> String {
    let (email, email_verified, name) = (None, false, Some(name.to_owned()));
    let (issuer, subject) = ("https://issuer.example".to_owned(), name.clone().unwrap());
    let subject = Subject { issuer, subject, email, email_verified, name };
    replica.sign_in_by_issuer(&subject).await.unwrap().user.id
}

/// An admin hands over: makes another one, then lets go. Meanwhile a change of something else of
/// the other one stands still after so many steps, and goes on when all is done. How many admins
/// there are then.
async fn admins_after_a_handover(store: Arc<dyn Store>, steps: usize) -> usize {
    let town = Town::over(store);
    let (shop, bank, calm) = (product("shop"), product("bank"), town.replica());
    let (ada, bob) = (known(&calm, "ada").await, known(&calm, "bob").await);
    calm.bind(&ada, &shop, as_a(Role::Admin)).await.unwrap();
    let slow = Watched::over(Arc::clone(&town.store)).shuffled(Arc::clone(&town.ids));
    let slow = Town { store: Arc::new(slow), ..town }.replica();
    let mut late = Box::pin(slow.bind(&bob, &bank, as_a(Role::Viewer)));
    let mut ended = None;
    for _ in 0..steps {
        let polled = poll_fn(|context| Poll::Ready(late.as_mut().poll(context))).await;
        if let Poll::Ready(bound) = polled {
            ended = Some(bound);
            break;
        }
    }
    calm.bind(&bob, &shop, as_a(Role::Admin)).await.unwrap();
    calm.bind(&ada, &shop, UNBOUND).await.unwrap();
    match ended {
        Some(bound) => bound,
        None => late.await,
    }
    .unwrap();
    let users = calm.users(&shop).await.unwrap();
    users.iter().filter(|user| user.roles.get(&shop) == Some(&Role::Admin)).count()
}

const STEPS: usize = 60;

#[tokio::test(start_paused = true)]
async fn a_handover_leaves_an_admin_whatever_else_changes_meanwhile() {
    for steps in 0..STEPS {
        let left = admins_after_a_handover(Arc::new(Memory::default()), steps).await;
        assert_eq!(left, 1, "after {steps} steps");
    }
}

#[tokio::test(start_paused = true)]
async fn the_handover_catches_a_broken_store() {
    let mut locked_out = 0;
    for steps in 0..STEPS {
        let left = admins_after_a_handover(Arc::new(Broken::new()), steps).await;
        locked_out += usize::from(left == 0);
    }
    assert!(locked_out > 0, "a write over what was read long ago must lose the new admin");
}

#[tokio::test(start_paused = true)]
async fn who_is_disabled_is_out_with_every_session() {
    let town = Town::over(Arc::new(Memory::default()));
    let replica = town.replica();
    let ada = signed_up(&replica, ADA).await;
    let session = sign_in(&replica, ADA, PASSWORD).await.unwrap().token.unwrap();
    replica.set_disabled(ADA, true).await.unwrap();
    assert!(replica.recognise(session.reveal().as_bytes()).await.is_err());
    replica.set_disabled(&ada.id, false).await.unwrap();
    assert!(replica.recognise(session.reveal().as_bytes()).await.is_ok());
}
