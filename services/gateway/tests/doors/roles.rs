//! Who may ask what: every route of the description, by everybody whom the door knows and some whom
//! it does not. A route that is not in these tables cannot be added.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use fleet::{FactoryId, ProductId, Timestamp};
use identity::Identity;
use node::Node;
use protocol::{Bind, EnrollFactory, IssueToken, Role, SignIn, SignUp};
use serde_json::{Value, json};
use store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::closing::alone;
use crate::plain::Spoken;
use crate::town::{Town, options};

const NOBODY: &str = "j_aaaaaaaaaaaaaaaaaaaaaaaaaa";
const NOTHING: &str = "a_aaaaaaaaaaaaaaaaaaaaaaaaaa_01890a5dac96774bbcceb302099a8057";

/// One operation of the description.
#[derive(Debug)]
struct Operation {
    line: String,
    roles: Vec<Role>,
}

fn operations() -> Vec<Operation> {
    let described: Value = serde_json::from_str(gateway::openapi()).unwrap();
    let mut all = Vec::new();
    for (path, told) in described["paths"].as_object().unwrap() {
        for (verb, operation) in told.as_object().unwrap() {
            if operation["security"] == json!([]) {
                continue;
            }
            let line = format!("{} {}", verb.to_uppercase(), concrete(path));
            let roles = operation.get("x-roles").cloned().unwrap_or_else(|| json!([]));
            all.push(Operation { line, roles: serde_json::from_value(roles).unwrap() });
        }
    }
    assert!(all.len() > 45, "{}", all.len());
    all
}

fn concrete(path: &str) -> String {
    let names = [
        ("{job}", NOBODY),
        ("{artifact}", NOTHING),
        ("{action}", "cancel"),
        ("{factory}", "f1"),
        ("{token}", "nothing"),
        ("{user}", "nobody@example.com"),
    ];
    let path = names.into_iter().fold(path.to_owned(), |path, (name, is)| path.replace(name, is));
    assert!(!path.contains('{'), "{path}: say what stands for its names");
    path
}

fn asked(operation: &Operation, token: &str) -> Spoken {
    let spoken = Spoken::bare(&operation.line).with(&format!("Authorization: Bearer {token}"));
    if operation.line.starts_with("GET") { spoken } else { spoken.json("{}") }
}

/// What is answered, though some answers never end: its status, and the error if it is one.
async fn answered(door: SocketAddr, spoken: &Spoken) -> (u16, String) {
    let mut stream = TcpStream::connect(door).await.unwrap();
    stream.write_all(spoken.head().as_bytes()).await.unwrap();
    stream.write_all(b"{}").await.unwrap();
    let (mut said, mut some) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&said).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        let whole = text.contains("\r\n\r\n");
        let read = match (status, whole) {
            (Some(status), true) if status < 400 => return (status, text),
            _ => stream.read(&mut some).await.unwrap(),
        };
        if read == 0 {
            return (status.unwrap_or_else(|| panic!("{text:?}")), text);
        }
        said.extend_from_slice(&some[..read]);
    }
}

async fn token_of(town: &Town, product: &str, role: Role) -> String {
    let product: ProductId = product.parse().unwrap();
    if role == Role::Factory {
        return factory(town, &product, "f1").await;
    }
    let name = format!("a {}", role.as_str());
    let asked = IssueToken { name, role, yolo: false, expires_at: None };
    town.identity.issue(&product, asked).await.unwrap().token.reveal().to_owned()
}

async fn factory(town: &Town, product: &ProductId, id: &str) -> String {
    let factory_id: FactoryId = id.parse().unwrap();
    let asked = EnrollFactory { factory_id, capabilities: None, expires_at: None };
    town.identity.enroll(product, asked).await.unwrap().token.reveal().to_owned()
}

/// Good for a moment, which has passed when this returns.
async fn expired(town: &Town) -> String {
    let until = town.node.clock.now().plus(Duration::from_millis(20));
    let asked = IssueToken {
        name: "short".into(),
        role: Role::Admin,
        yolo: false,
        expires_at: Some(until),
    };
    let issued = town.identity.issue(&"acme".parse().unwrap(), asked).await.unwrap();
    while town.node.clock.now() < until {
        tokio::task::yield_now().await;
    }
    issued.token.reveal().to_owned()
}

async fn revoked(town: &Town) -> String {
    let product: ProductId = "acme".parse().unwrap();
    let asked =
        IssueToken { name: "gone".into(), role: Role::Admin, yolo: false, expires_at: None };
    let issued = town.identity.issue(&product, asked).await.unwrap();
    town.identity.revoke_token(&product, &issued.shown.id).await.unwrap();
    issued.token.reveal().to_owned()
}

#[tokio::test]
async fn nobody_gets_anywhere_without_a_credential_that_is_good_now() {
    let town = Town::open().await;
    let good = token_of(&town, "acme", Role::Admin).await;
    let strangers = [
        String::from("gm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        String::from("nothing of ours"),
        format!("{good}A"),
        expired(&town).await,
        revoked(&town).await,
    ];
    for operation in operations() {
        let bare = answered(town.address, &Spoken::bare(&operation.line)).await;
        assert_eq!(bare.0, 401, "{operation:?} without any");
        for stranger in &strangers {
            let (status, said) = answered(town.address, &asked(&operation, stranger)).await;
            assert_eq!(status, 401, "{operation:?} {stranger} {said}");
        }
        let twice = asked(&operation, &good).with(&format!("Authorization: Bearer {good}"));
        assert_eq!(answered(town.address, &twice).await.0, 401, "{operation:?} twice");
    }
    town.close().await;
}

/// Whether somebody of this role was answered as the table says.
fn judge(role: Role, operation: &Operation, (status, said): &(u16, String)) {
    if operation.roles.is_empty() {
        assert!(matches!(status, 401 | 404), "{role:?} {operation:?} {said}");
        return;
    }
    let forbidden = *status == 403 && said.contains("\"FORBIDDEN\"");
    if !operation.roles.iter().any(|needed| role.includes(*needed)) {
        assert!(forbidden, "{role:?} {operation:?} {said}");
        return;
    }
    // Reset codes are the owner's; a factory removes an artifact with its hold alone.
    let owners = operation.line.ends_with("/reset-codes");
    let held = role == Role::Factory && operation.line.starts_with("DELETE");
    assert_eq!(forbidden, owners || held, "{role:?} {operation:?} {said}");
    assert!(*status != 401 && *status < 500, "{role:?} {operation:?} {said}");
}

#[tokio::test]
async fn each_role_may_what_the_table_says_and_no_more() {
    let town = Town::open().await;
    for role in Role::ALL {
        let token = token_of(&town, "acme", role).await;
        for operation in operations() {
            let answer = answered(town.address, &asked(&operation, &token)).await;
            judge(role, &operation, &answer);
        }
    }
    town.close().await;
}

#[tokio::test]
async fn another_product_is_out_of_scope_where_it_is_named_and_not_there_where_it_is_not() {
    let town = Town::open().await;
    let ours = town.submit("Work.").await.job.id;
    let admin = token_of(&town, "globex", Role::Admin).await;
    for operation in operations().iter().filter(|one| !one.roles.is_empty()) {
        let named = asked(operation, &admin).with("Fleet-Product: acme");
        let (status, said) = answered(town.address, &named).await;
        assert_eq!(status, 403, "{operation:?} {said}");
        assert!(said.contains("OUT_OF_SCOPE"), "{operation:?} {said}");
    }
    let about = format!("/fleet/jobs/{ours}");
    for line in [
        format!("GET {about}"),
        format!("GET {about}/why"),
        format!("GET {about}/log"),
        format!("GET {about}/events"),
        format!("GET {about}/artifacts"),
        format!("POST {about}/cancel"),
    ] {
        let one = Operation { line, roles: Vec::new() };
        let (status, said) = answered(town.address, &asked(&one, &admin)).await;
        assert_eq!(status, 404, "{one:?} {said}");
    }
    let list = Spoken::bare("GET /fleet/jobs").with(&format!("Authorization: Bearer {admin}"));
    assert_eq!(list.to(town.address).await.json()["items"], json!([]));
    town.close().await;
}

#[tokio::test]
async fn a_factory_speaks_for_itself_alone() {
    let town = Town::open().await;
    let (product, job) = ("acme".parse().unwrap(), town.submit("Work.").await.job.id);
    let (one, two) = (factory(&town, &product, "f1").await, factory(&town, &product, "f2").await);
    let claim = |token: &str, id: &str| {
        let body = json!({
            "claimRequestId": town.node.ids.mint(), "factoryId": id,
            "incarnation": town.node.ids.mint(), "capabilities": [], "engines": ["echo"],
            "freeSeats": 1,
        });
        let spoken = Spoken::bare("POST /fleet/claim");
        spoken.with(&format!("Authorization: Bearer {token}")).json(body.to_string())
    };
    let said = claim(&two, "f1").to(town.address).await;
    assert_eq!((said.status, &said.json()["error"]["code"]), (403, &json!("OUT_OF_SCOPE")));
    let granted = claim(&one, "f1").to(town.address).await;
    assert_eq!(granted.status, 200, "{granted:?}");
    let granted = granted.json();
    let as_bearer = |line: String, token: &str| {
        Spoken::bare(&line).with(&format!("Authorization: Bearer {token}"))
    };
    let body = json!({
        "factoryId": "f1", "leaseEpoch": granted["leaseEpoch"],
        "claimNonce": granted["claimNonce"],
    });
    let renew = format!("POST /fleet/jobs/{job}/lease/renew");
    let stolen = as_bearer(renew.clone(), &two).json(body.to_string()).to(town.address).await;
    assert_eq!((stolen.status, &stolen.json()["error"]["code"]), (403, &json!("OUT_OF_SCOPE")));
    let renewed = as_bearer(renew, &one).json(body.to_string()).to(town.address).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let read = format!("GET /fleet/jobs/{job}");
    let own = as_bearer(read.clone(), &one).to(town.address).await;
    assert_eq!((own.status, &own.json()["bodyMd"]), (200, &json!("Work.")));
    assert!(own.json().get("claimNonce").is_none());
    assert_eq!(as_bearer(read, &two).to(town.address).await.status, 404);
    let drain = |id: &str| as_bearer(format!("POST /fleet/factories/{id}/drain"), &two).json("{}");
    assert_eq!(drain("f1").to(town.address).await.status, 403);
    town.close().await;
}

#[tokio::test]
async fn a_viewer_reads_no_bodies_and_a_producer_cancels_its_own_jobs() {
    let town = Town::open().await;
    let theirs = town.submit("Secret text.").await.job.id;
    let producer = token_of(&town, "acme", Role::Producer).await;
    let viewer = token_of(&town, "acme", Role::Viewer).await;
    let say = |line: String, token: &str| {
        Spoken::bare(&line).with(&format!("Authorization: Bearer {token}"))
    };
    let sent = say("POST /fleet/jobs".into(), &producer);
    let sent = sent.with("Content-Type: text/markdown").body("Mine.").to(town.address).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    let own = sent.json()["job"]["id"].as_str().unwrap().to_owned();
    let seen = say(format!("GET /fleet/jobs/{own}"), &viewer).to(town.address).await;
    assert!(seen.json().get("bodyMd").is_none() && !seen.body.contains("Mine."), "{seen:?}");
    let seen = say(format!("GET /fleet/jobs/{own}"), &producer).to(town.address).await;
    assert_eq!(seen.json()["bodyMd"], json!("Mine."));
    let cancel =
        |job: String, token: &str| say(format!("POST /fleet/jobs/{job}/cancel"), token).json("{}");
    let other = cancel(theirs.to_string(), &producer).to(town.address).await;
    assert_eq!((other.status, &other.json()["error"]["code"]), (403, &json!("FORBIDDEN")));
    let ship = say(format!("POST /fleet/jobs/{own}/actions/ship"), &producer).json("{}");
    assert_eq!(ship.to(town.address).await.status, 403);
    assert_eq!(cancel(own.clone(), &producer).to(town.address).await.status, 200);
    // What a job did is told a little after it did it.
    let ended = loop {
        let told = say(format!("GET /fleet/jobs/{own}/events"), &viewer).to(town.address).await;
        let events = told.json()["items"].as_array().unwrap().clone();
        if let Some(ended) = events.into_iter().find(|event| event["type"] == "cancelled") {
            break ended;
        }
        tokio::task::yield_now().await;
    };
    let actor = &ended["actor"];
    assert_eq!((&actor["kind"], actor["id"] == "local"), (&json!("token"), false), "{actor}");
    town.close().await;
}

#[tokio::test]
async fn tools_that_approve_themselves_take_a_grant() {
    let town = Town::open().await;
    let product: ProductId = "acme".parse().unwrap();
    let file = "---\nengine: echo\nyolo: true\n---\nAll of it.\n";
    let submit = |token: &str| {
        let spoken = Spoken::bare("POST /fleet/jobs").with("Content-Type: text/markdown");
        spoken.with(&format!("Authorization: Bearer {token}")).body(file)
    };
    let without = token_of(&town, "acme", Role::Admin).await;
    let said = submit(&without).to(town.address).await;
    let error = said.json()["error"].clone();
    assert_eq!(
        (said.status, &error["code"], &error["reason"]),
        (403, &json!("FORBIDDEN"), &json!("yolo"))
    );
    let asked = IssueToken { name: "y".into(), role: Role::Producer, yolo: true, expires_at: None };
    let with = town.identity.issue(&product, asked).await.unwrap();
    assert_eq!(submit(with.token.reveal()).to(town.address).await.status, 201);
    town.close().await;
}

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
