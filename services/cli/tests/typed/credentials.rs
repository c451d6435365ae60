//! Tokens and logins as people and scripts handle them: shown once, kept for one pair of eyes, told
//! to one fleet.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cli::Exit;
use expect_test::expect_file;
use serde_json::{Value, json};

use crate::place::Place;
use crate::scripted::Door;

const TOKEN: &str = "gm_a-token-that-is-shown-once";
const SESSION: &str = "gs_the-token-of-a-session";
const PASSWORD: &str = "correct horse battery staple";

fn shown(name: &str) -> Value {
    json!({ "id": "0123456789abcdef", "kind": "api", "name": name, "hint": "gm_a-tok",
        "role": "producer", "yolo": false, "createdAt": "2026-01-02T03:04:05.678Z" })
}

fn user() -> Value {
    json!({ "id": "u_1", "email": "ada@example.com", "name": "Ada", "emailVerified": false,
        "roles": { "shop": "admin" }, "productIds": ["shop"] })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A place without a token of its own, where a login would be kept.
fn before(door: &Door, input: &'static str) -> Place {
    let mut place = door.place();
    place.environment.remove("GIGAMESH_TOKEN");
    let home = place.folder().join("home").display().to_string();
    place.environment.insert("XDG_CONFIG_HOME".to_owned(), home);
    place.input = input;
    place
}

fn login_of(place: &Place) -> PathBuf {
    place.folder().join("home/gigamesh/login")
}

#[tokio::test]
async fn a_token_is_issued_listed_and_revoked() {
    let mut door = Door::open().await;
    door.answer("POST /fleet/tokens", 201, &json!({ "token": TOKEN, "shown": shown("ci") }));
    door.answer("GET /fleet/tokens", 200, &json!({ "items": [shown("ci")] }));
    door.answer("DELETE /fleet/tokens/0123456789abcdef", 204, &Value::Null);
    let mut told = door.told("tokens issue ci --role producer").await;
    for words in ["tokens -o name", "tokens list -o jsonl", "tokens revoke 0123456789abcdef"] {
        told += &door.told(words).await;
    }
    expect_file!["../golden/tokens.txt"].assert_eq(&told);
    let heard = door.heard.lock().unwrap();
    let asked: Value = serde_json::from_str(&heard[0]).unwrap();
    assert_eq!((&asked["name"], &asked["role"]), (&json!("ci"), &json!("producer")));
}

#[tokio::test]
async fn a_secret_goes_into_a_new_file_for_its_owner_alone() {
    let mut door = Door::open().await;
    let enrolled = json!({ "token": TOKEN, "factoryId": "f1", "capabilities": ["gpu"] });
    door.answer("POST /fleet/factories/enroll", 201, &enrolled);
    let place = door.place();
    let words = "factory enroll f1 --capability gpu --token-out secret";
    let typed = door.during(place.in_a_pipe(words)).await;
    assert_eq!(typed.exit, Exit::Done, "{}", typed.err);
    assert!(!typed.out.contains(TOKEN) && !typed.err.contains(TOKEN), "{typed:?}");
    let path = place.folder().join("secret");
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{TOKEN}\n"));
    assert_eq!(mode(&path), 0o600);
    let again = door.during(place.in_a_pipe(words)).await;
    assert_eq!(again.exit, Exit::Usage, "{}", again.err);
    assert_eq!(door.heard.lock().unwrap().len(), 1, "nothing was asked for in vain");
}

#[tokio::test]
async fn a_refusal_leaves_no_empty_file_behind() {
    let mut door = Door::open().await;
    let no = json!({ "error": { "code": "FORBIDDEN", "message": "no", "retryable": false,
        "requestId": "01890a5d-ac96-774b-bcce-b302099a8057" } });
    door.answer("POST /fleet/tokens", 403, &no);
    let place = door.place();
    let typed = door.during(place.in_a_pipe("tokens issue ci --role admin --token-out x")).await;
    assert_eq!(typed.exit, Exit::NotAllowed, "{}", typed.err);
    assert!(!place.folder().join("x").exists());
}

#[tokio::test]
async fn a_factorys_token_is_replaced_and_ended() {
    let mut door = Door::open().await;
    let enrolled = json!({ "token": TOKEN, "factoryId": "f1", "capabilities": [] });
    door.answer("POST /fleet/factories/f1/token/rotate", 201, &enrolled);
    door.answer("POST /fleet/factories/f1/token/revoke?fence=1", 204, &Value::Null);
    let place = door.place();
    let rotated = door.during(place.in_a_pipe("factory rotate f1 --grace 1h")).await;
    assert_eq!(rotated.exit, Exit::Done, "{}", rotated.err);
    let told: Value = serde_json::from_str(&rotated.out).unwrap();
    assert_eq!((&told["token"], &told["factoryId"]), (&json!(TOKEN), &json!("f1")));
    let revoked = door.during(place.in_a_pipe("factory revoke f1 --fence")).await;
    assert_eq!(revoked.exit, Exit::Done, "{}", revoked.err);
    let heard = door.heard.lock().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&heard[0]).unwrap(), json!({ "graceSec": 3600 }));
}

#[tokio::test]
async fn who_logged_in_is_known_to_every_command_until_they_log_out() {
    let mut door = Door::open().await;
    let signed_in = json!({ "user": user(), "expiresAt": "2026-01-02T03:04:05.678Z",
        "token": SESSION, "csrf": "abc" });
    door.answer("POST /auth/sign-in", 200, &signed_in);
    door.answer("GET /auth/profile", 200, &user());
    door.answer("POST /auth/sign-out", 204, &Value::Null);
    let place = before(&door, "correct horse battery staple\n");
    let mut told = door.during(place.told("login ada@example.com", false)).await;
    let path = login_of(&place);
    assert_eq!(mode(&path), 0o600);
    assert!(fs::read_to_string(&path).unwrap().contains(SESSION));
    for words in ["whoami", "config explain token", "logout", "whoami"] {
        told += &door.during(place.told(words, false)).await;
    }
    assert!(!told.contains(SESSION) && !told.contains(PASSWORD), "{told}");
    assert!(!path.exists());
    expect_file!["../golden/login.txt"].assert_eq(&told);
    let asked: Value = serde_json::from_str(&door.heard.lock().unwrap()[0]).unwrap();
    assert_eq!(asked, json!({ "email": "ada@example.com", "password": PASSWORD }));
}

#[tokio::test]
async fn a_token_that_is_no_users_can_be_kept_too() {
    let mut door = Door::open().await;
    let nobody = json!({ "error": { "code": "NOT_FOUND", "message": "no user", "reason": "no_user",
        "retryable": false, "requestId": "01890a5d-ac96-774b-bcce-b302099a8057" } });
    door.answer("GET /auth/profile", 404, &nobody);
    let place = before(&door, "gm_a-token-that-is-shown-once\n");
    let typed = door.during(place.in_a_pipe("login --with-token")).await;
    assert_eq!(typed.exit, Exit::Done, "{}", typed.err);
    assert!(!typed.out.contains(TOKEN) && typed.out.contains("gm_a-tok"), "{}", typed.out);
    let out = place.in_a_pipe("logout").await;
    assert_eq!(out.exit, Exit::Done, "a token needs nobody to be forgotten: {}", out.err);
}

#[tokio::test]
async fn a_wrong_password_keeps_nothing() {
    let mut door = Door::open().await;
    let no = json!({ "error": { "code": "UNAUTHENTICATED", "message": "no", "retryable": false,
        "requestId": "01890a5d-ac96-774b-bcce-b302099a8057" } });
    door.answer("POST /auth/sign-in", 401, &no);
    let place = before(&door, "correct horse battery staple\n");
    let typed = door.during(place.in_a_pipe("login ada@example.com")).await;
    assert_eq!(typed.exit, Exit::NotAllowed, "{}", typed.err);
    assert!(!login_of(&place).exists());
}

#[tokio::test]
async fn a_login_is_shown_to_its_own_fleet_and_gives_way_to_what_is_nearer() {
    let place = {
        let mut place = Place::empty();
        let home = place.folder().join("home").display().to_string();
        place.environment.insert("XDG_CONFIG_HOME".to_owned(), home);
        place
    };
    let kept = json!({ "url": "http://127.0.0.1:1", "token": "gs_kept" });
    place.file("home/gigamesh/login", &kept.to_string());
    let opened = |words: &'static str| place.in_a_pipe(words);
    assert_eq!(opened("open").await.out, "http://127.0.0.1:1/#token=gs_kept\n");
    assert_eq!(opened("open --url http://127.0.0.1:2").await.out, "http://127.0.0.1:2/\n");
    place.file("token", "gm_named");
    let named = opened("open --token-file token").await.out;
    assert_eq!(named, "http://127.0.0.1:1/#token=gm_named\n");
    place.file(".gigamesh/url", "http://127.0.0.1:3");
    place.file(".gigamesh/token", "gm_local");
    assert_eq!(opened("open").await.out, "http://127.0.0.1:3/#token=gm_local\n");
    place.file("home/gigamesh/login", "not what was written");
    assert_eq!(opened("open").await.out, "http://127.0.0.1:3/#token=gm_local\n");
}
