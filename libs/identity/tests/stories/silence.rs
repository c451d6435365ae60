//! What is never written anywhere: secrets. And what always is: who did what.

use std::sync::Arc;

use fleet::{Actor, ActorKind};
use identity::AuditNote;
use ledger::KINDS;
use protocol::{Code, EnrollFactory, Reset, Role, RotateToken, Secret};
use serde_json::{Map, json};
use store::{Scope, Store};

use crate::support::{PASSWORD, Town, api_token, host, product, refused, sign_in, signed_up};

fn note(action: &str) -> AuditNote {
    AuditNote {
        actor: Actor { kind: ActorKind::User, id: "u_1".to_owned() },
        action: action.to_owned(),
        target: "t_1".to_owned(),
        result: "ok".to_owned(),
        request_id: None,
        data: Map::new(),
    }
}

/// Every byte that a store keeps.
async fn kept(store: &Arc<dyn Store>) -> String {
    let mut all = String::new();
    for kind in KINDS {
        let mut cursor = None;
        loop {
            let page = store.scan(&Scope::Kind(kind), cursor.as_ref(), 100).await.unwrap();
            for (key, found) in page.items {
                all += &format!("{key:?} {}\n", String::from_utf8(found.value.to_vec()).unwrap());
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn no_secret_of_a_whole_journey_is_kept_or_printed() {
    let town = Town::new();
    let replica = town.replica();
    let shop = product("shop");
    let issued = replica.issue(&shop, api_token(Role::Admin)).await.unwrap();
    let factory = "f1".parse().unwrap();
    let asked = EnrollFactory { factory_id: factory, capabilities: None, expires_at: None };
    let enrolled = replica.enroll(&shop, asked).await.unwrap();
    let rotated =
        replica.rotate(&shop, &"f1".parse().unwrap(), RotateToken::default()).await.unwrap();
    signed_up(&replica, "ada@example.com").await;
    let signed_in = sign_in(&replica, "ada@example.com", PASSWORD).await.unwrap();
    let code = replica.ask_reset("ada@example.com", host(1)).await.unwrap().unwrap();
    let other = Secret::new("another long password");
    let reset = Reset { code: code.code.clone(), password: other.clone() };
    let told =
        format!("{issued:?} {enrolled:?} {rotated:?} {signed_in:?} {code:?} {reset:?} {replica:?}");
    replica.reset(reset, host(1)).await.unwrap();
    let session = signed_in.token.as_ref().unwrap();
    replica.recognise(session.reveal().as_bytes()).await.unwrap_err();
    let wrong = sign_in(&replica, "ada@example.com", PASSWORD).await.unwrap_err();
    let told = format!("{told} {wrong:?} {wrong} {:?}", wrong.problem(town.ids.mint()));
    let kept = kept(&town.store).await;
    assert!(kept.contains("ada@example.com") && kept.contains("argon2id"), "{kept}");
    let invite = replica.invite("local").await.unwrap().invite;
    let secrets = [
        &issued.token,
        &enrolled.token,
        &rotated.token,
        session,
        &signed_in.csrf,
        &code.code,
        &other,
        &Secret::new(PASSWORD),
        &invite,
    ];
    for secret in secrets {
        assert!(!kept.contains(secret.reveal()), "kept: {}", secret.reveal());
        assert!(!told.contains(secret.reveal()), "printed: {}", secret.reveal());
    }
}

#[tokio::test(start_paused = true)]
async fn the_trail_is_told_page_by_page_the_newest_first() {
    let town = Town::new();
    let replica = town.replica();
    let (shop, request) = (product("shop"), town.ids.mint());
    for n in 0..5 {
        let data = Map::from_iter([("n".to_owned(), json!(n))]);
        let note = AuditNote { request_id: Some(request), data, ..note("token.issue") };
        replica.audit(&shop, note).await.unwrap();
    }
    replica.audit(&product("bank"), note("token.revoke")).await.unwrap();
    let (mut told, mut cursor) = (Vec::new(), None);
    loop {
        let page = town.replica().audit_page(&shop, cursor.as_deref(), 2).await.unwrap();
        assert!(page.items.len() <= 2);
        told.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let numbers: Vec<_> = told.iter().map(|line| line.data["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [4, 3, 2, 1, 0]);
    assert_eq!(told[0].request_id, Some(request.to_string()));
    assert!(!told[0].data.contains_key("requestId"));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_cursor_and_a_novel_are_refused() {
    let town = Town::new();
    let replica = town.replica();
    let declined = replica.audit_page(&product("shop"), Some("../x"), 10).await.unwrap_err();
    assert_eq!(refused(&declined), (Code::Validation, Some("bad_value")));
    let data = Map::from_iter([("text".to_owned(), json!("x".repeat(5000)))]);
    let declined = replica.audit(&product("shop"), AuditNote { data, ..note("x") }).await;
    assert_eq!(refused(&declined.unwrap_err()), (Code::TooLarge, None));
}
