//! Who may ask what: every route of the description, by everybody whom the door knows and some whom
//! it does not. A route that is not in these tables cannot be added.

use std::net::SocketAddr;
use std::time::Duration;

use fleet::{FactoryId, ProductId};
use protocol::{EnrollFactory, IssueToken, Role};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plain::Spoken;
use crate::town::Town;

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
        ("{profile}", "fast"),
        ("{version}", "1"),
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

pub(crate) async fn token_of(town: &Town, product: &str, role: Role) -> String {
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
        format!("GET {about}/runs"),
        format!("GET {about}/lease"),
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
    for (line, more) in [
        (format!("PATCH /fleet/jobs/{job}"), json!({ "opId": town.node.ids.mint() })),
        ("POST /fleet/factories/heartbeat".to_owned(), json!(town.beat("f1"))),
    ] {
        let mut all = if line.starts_with("PATCH") { body.clone() } else { json!({}) };
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let said = as_bearer(line, &two).json(all.to_string()).to(town.address).await;
        assert_eq!((said.status, &said.json()["error"]["code"]), (403, &json!("OUT_OF_SCOPE")));
    }
    let renewed = as_bearer(renew, &one).json(body.to_string()).to(town.address).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let read = format!("GET /fleet/jobs/{job}");
    let own = as_bearer(read.clone(), &one).to(town.address).await;
    assert_eq!((own.status, &own.json()["bodyMd"]), (200, &json!("Work.")));
    assert!(own.json().get("claimNonce").is_none());
    assert_eq!(as_bearer(read, &two).to(town.address).await.status, 404);
    let viewer = token_of(&town, "acme", Role::Viewer).await;
    let nonce = granted["claimNonce"].as_str().unwrap();
    for what in ["", "/runs", "/events", "/lease"] {
        let line = format!("GET /fleet/jobs/{job}{what}");
        let ask = as_bearer(line.clone(), &viewer);
        let mut seen = ask.to(town.address).await;
        // Events are told a little later than they happen.
        while what == "/events" && !seen.body.contains("\"claimed\"") {
            tokio::task::yield_now().await;
            seen = ask.to(town.address).await;
        }
        assert!(seen.status == 200 && !seen.body.contains(nonce), "{line} {seen:?}");
    }
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
