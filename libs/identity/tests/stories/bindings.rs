//! Who may do what in which product, and that somebody always may.

use std::sync::Arc;

use futures_util::future::join;
use protocol::{Bind, Code, Role};
use store::Memory;
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
