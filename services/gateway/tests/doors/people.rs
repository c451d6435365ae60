//! People and programs as the door knows them: how they come in, how much they may ask, and what is
//! kept of what they did.

use std::sync::Arc;
use std::time::Duration;

use client::{News, OverHttp};
use clock::Clock;
use fleet::{ProductId, Timestamp};
use identity::Identity;
use node::Node;
use protocol::{Bind, Code, EnrollFactory, IssueToken, Role, RotateToken, SignIn, SignUp};
use serde_json::{Value, json};
use store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::closing::alone;
use crate::plain::Spoken;
use crate::roles::token_of;
use crate::town::{Town, options, refusal};

#[tokio::test]
async fn people_come_in_by_cookie_or_token_and_go_out_for_good() {
    let town = Town::open().await;
    let product: ProductId = "acme".parse().unwrap();
    let password = "correct horse battery";
    let person = json!({ "email": "ada@example.com", "password": password, "name": "Ada" });
    let post =
        |line: &str, body: &Value| Spoken::bare(&format!("POST {line}")).json(body.to_string());
    let made = post("/auth/sign-up", &person).to(town.address).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(!made.body.contains(password) && made.json()["productIds"] == json!([]));
    let again = post("/auth/sign-up", &person).to(town.address).await;
    assert_eq!((again.status, &again.json()["error"]["reason"]), (409, &json!("email_exists")));
    let known = json!({ "email": "ada@example.com", "password": password });
    let browser = post("/auth/sign-in", &known).with("Origin: http://localhost");
    let inside = browser.to(town.address).await;
    assert_eq!(inside.status, 200, "{inside:?}");
    assert!(inside.json().get("token").is_none(), "{inside:?}");
    let cookie = inside.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let csrf = format!("Fleet-Csrf: {}", inside.json()["csrf"].as_str().unwrap());
    let list = Spoken::bare("GET /fleet/jobs").with(&cookie);
    let said = list.to(town.address).await;
    assert_eq!((said.status, &said.json()["error"]["reason"]), (403, &json!("product")));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    town.identity
        .bind(&id, &product, Bind { role: Some(Role::Producer), yolo: false })
        .await
        .unwrap();
    assert_eq!(list.to(town.address).await.status, 200);
    let submit = Spoken::bare("POST /fleet/jobs").with("Content-Type: text/markdown").body("Do.");
    let forged = submit.clone().with(&cookie).to(town.address).await;
    assert_eq!((forged.status, &forged.json()["error"]["reason"]), (403, &json!("csrf")));
    let wrong = submit.clone().with(&cookie).with("Fleet-Csrf: AAAA").to(town.address).await;
    assert_eq!(wrong.status, 403);
    assert_eq!(submit.with(&cookie).with(&csrf).to(town.address).await.status, 201);
    let shown = Spoken::bare("GET /auth/session").with(&cookie).to(town.address).await;
    assert_eq!(shown.json()["user"]["roles"], json!({ "acme": "producer" }));
    let out = Spoken::bare("POST /auth/sign-out").with(&cookie).with(&csrf).to(town.address).await;
    assert_eq!(out.status, 204, "{out:?}");
    assert_eq!(list.to(town.address).await.status, 401, "the same cookie is nobody's");
    let program = post("/auth/sign-in", &known).to(town.address).await.json();
    let bearer = format!("Authorization: Bearer {}", program["token"].as_str().unwrap());
    let profile = Spoken::bare("GET /auth/profile").with(&bearer).to(town.address).await;
    assert_eq!(profile.json()["email"], json!("ada@example.com"));
    town.close().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike_and_not_often() {
    let town = Town::open().await;
    let from = [127, 0, 0, 1].into();
    let sign_up = SignUp {
        email: "ada@example.com".into(),
        password: protocol::Secret::new("correct horse battery"),
        name: "Ada".into(),
        invite: None,
    };
    town.identity.sign_up(sign_up, from).await.unwrap();
    let guess = |email: &str| {
        let body = json!({ "email": email, "password": "not the right one" });
        Spoken::bare("POST /auth/sign-in").json(body.to_string())
    };
    let wrong = guess("ada@example.com").to(town.address).await;
    let nobody = guess("bob@example.com").to(town.address).await;
    let bare = |said: &crate::plain::Said| {
        let mut told = said.json();
        told["error"]["requestId"] = json!("");
        (said.status, told)
    };
    assert_eq!(bare(&wrong), bare(&nobody));
    assert_eq!(wrong.status, 401);
    let mut last = wrong;
    for _ in 0..5 {
        last = guess("ada@example.com").to(town.address).await;
    }
    assert_eq!((last.status, &last.json()["error"]["code"]), (429, &json!("THROTTLED")));
    assert!(last.header("retry-after").is_some());
    let right = SignIn {
        email: "ada@example.com".into(),
        password: protocol::Secret::new("correct horse battery"),
    };
    assert!(town.identity.sign_in(right, from).await.is_err(), "nor by the right one meanwhile");
    town.close().await;
}

#[tokio::test]
async fn what_an_admin_does_and_what_is_refused_stands_in_the_trail() {
    let town = Town::open().await;
    let (admin, viewer) =
        (token_of(&town, "acme", Role::Admin).await, token_of(&town, "acme", Role::Viewer).await);
    let say = |line: &str, token: &str| {
        Spoken::bare(line).with(&format!("Authorization: Bearer {token}"))
    };
    let issue = say("POST /fleet/tokens", &admin).json(r#"{"name":"ci","role":"producer"}"#);
    let issued = issue.to(town.address).await;
    assert_eq!((issued.status, issued.header("cache-control")), (201, Some("no-store")));
    let token = issued.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(say("POST /fleet/pause", &viewer).json("{}").to(town.address).await.status, 403);
    assert_eq!(say("POST /fleet/pause", &admin).json("{}").to(town.address).await.status, 200);
    let listed = say("GET /fleet/tokens", &admin).to(town.address).await;
    assert!(listed.body.contains("\"ci\"") && !listed.body.contains(&token), "{listed:?}");
    // A refusal is noted beside its answer, not before it.
    let trail = loop {
        let trail = say("GET /fleet/audit", &admin).to(town.address).await;
        if trail.body.contains("\"refused\"") {
            break trail;
        }
        tokio::task::yield_now().await;
    };
    let items = trail.json()["items"].as_array().unwrap().clone();
    let line = |action: &str| {
        let found = items.iter().find(|item| item["action"] == action);
        found.unwrap_or_else(|| panic!("{action}: {items:?}")).clone()
    };
    assert_eq!(line("token.issue")["result"], json!("ok"));
    assert_eq!(line("product.pause")["target"], json!("POST /fleet/pause"));
    assert_eq!(line("refused")["result"], json!("FORBIDDEN"));
    for secret in [&admin, &viewer, &token] {
        assert!(!trail.body.contains(secret.as_str()));
    }
    let page = say("GET /fleet/audit?limit=1", &admin).to(town.address).await.json();
    let cursor = page["nextCursor"].as_str().unwrap();
    let next = say(&format!("GET /fleet/audit?limit=1&cursor={cursor}"), &admin);
    assert_ne!(next.to(town.address).await.json()["items"], page["items"]);
    town.close().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_listener_is_nobody_any_more() {
    let town = Town::open().await;
    let product: ProductId = "acme".parse().unwrap();
    let asked =
        IssueToken { name: "ears".into(), role: Role::Viewer, yolo: false, expires_at: None };
    let issued = town.identity.issue(&product, asked).await.unwrap();
    let listen = Spoken::bare("GET /fleet/events");
    let listen = listen.with(&format!("Authorization: Bearer {}", issued.token.reveal()));
    let mut stream = TcpStream::connect(town.address).await.unwrap();
    stream.write_all(listen.head().as_bytes()).await.unwrap();
    let mut some = [0; 256];
    let read = stream.read(&mut some).await.unwrap();
    assert!(some[..read].starts_with(b"HTTP/1.1 200"));
    town.identity.revoke_token(&product, &issued.shown.id).await.unwrap();
    let rest = async { stream.read_to_end(&mut Vec::new()).await };
    let ended = tokio::time::timeout(Duration::from_secs(20), rest).await;
    ended.expect("it ends").unwrap();
    town.close().await;
}

#[tokio::test]
async fn a_token_that_is_replaced_in_its_file_is_found_there_without_a_new_start() {
    let town = Town::open().await;
    let (product, f1) = ("acme".parse().unwrap(), "f1".parse().unwrap());
    let enroll = EnrollFactory { factory_id: f1, capabilities: None, expires_at: None };
    let first = town.identity.enroll(&product, enroll.clone()).await.unwrap().token;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, first.reveal()).unwrap();
    let address = format!("http://{}", town.address);
    let link = OverHttp::new(&address, first.reveal()).unwrap().renewed_from(file.clone());
    let job = town.submit("Work.").await.job.id;
    let claim = town.claiming("f1", Duration::from_secs(10));
    let held = link.call(&claim, town.patience()).await.unwrap().unwrap();
    assert_eq!(held.job.id, job);
    let rotate = RotateToken { grace_sec: Some(0) };
    let next = town.identity.rotate(&product, &enroll.factory_id, rotate).await.unwrap().token;
    let refused = refusal(link.call(&town.beat("f1"), town.patience()).await);
    assert_eq!(refused.code, Code::Unauthenticated, "the file holds the old one still");
    std::fs::write(&file, format!("{}\n", next.reveal())).unwrap();
    link.call(&town.beat("f1"), town.patience()).await.unwrap();
    // A stream that ended with the old one is taken up with the new one.
    let viewer = token_of(&town, "acme", Role::Viewer).await;
    std::fs::write(&file, &viewer).unwrap();
    let watching = OverHttp::new(&address, first.reveal()).unwrap().renewed_from(file);
    let mut follow = watching.follow(Some(job), Some(format!("{job}-0")), town.patience());
    assert_eq!(follow.next().await.unwrap(), News::Here);
    town.close().await;
}

/// A clock that stands, so that a burst is a burst however long it takes.
#[derive(Debug)]
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000)
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(1000)
    }
}

#[tokio::test]
async fn whoever_asks_too_much_waits_and_nobody_else_does() {
    let store: Arc<dyn Store> = Arc::new(store::Memory::new());
    let node = Node { clock: Arc::new(Standing), ..alone() };
    let (clock, ids) = (Arc::clone(&node.clock), Arc::clone(&node.ids));
    let identity = Identity::over(&store, clock, ids, identity::Settings::default());
    let product: ProductId = "acme".parse().unwrap();
    let viewer = || async {
        let name = "a viewer".to_owned();
        let asked = IssueToken { name, role: Role::Viewer, yolo: false, expires_at: None };
        identity.issue(&product, asked).await.unwrap().token.reveal().to_owned()
    };
    let (one, other) = (viewer().await, viewer().await);
    let options = gateway::Options { identity: identity.clone(), ..options("127.0.0.1:0") };
    let door = gateway::serve(node, options).await.unwrap();
    let head = |token: &str| {
        format!(
            "GET /auth/session HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        )
    };
    let flood = format!("{}\r\n", head(&one)).repeat(999);
    let last = format!("{}Connection: close\r\n\r\n", head(&one));
    let mut stream = TcpStream::connect(door).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut said = Vec::new();
    let write = async { writer.write_all((flood + &last).as_bytes()).await.unwrap() };
    let ((), read) = tokio::join!(write, reader.read_to_end(&mut said));
    read.unwrap();
    let said = String::from_utf8_lossy(&said);
    let answers = |status: &str| said.matches(&format!("HTTP/1.1 {status}")).count();
    assert_eq!((answers("401"), answers("429")), (400, 600), "no session, and too often");
    assert!(said.contains("retry-after: "));
    let spoken = Spoken::bare("GET /auth/session").with(&format!("Authorization: Bearer {other}"));
    assert_eq!(spoken.to(door).await.status, 401);
    assert_eq!(Spoken::bare("GET /healthz").to(door).await.status, 200);
}
