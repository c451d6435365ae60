//! The description of the door, the page for people, and the names that the door answers to.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::closing::without_services;
use crate::plain::{self, Spoken};

#[tokio::test]
async fn what_the_door_counted_is_told_to_anybody_on_this_host() {
    let door = without_services().await;
    let said = Spoken::bare("GET /metrics").to(door).await;
    assert_eq!(said.status, 200);
    assert!(said.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    assert!(said.body.contains("gigamesh_event_streams_open 0\n"), "{}", said.body);
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let door = without_services().await;
    let said = Spoken::bare("GET /openapi.json").to(door).await;
    assert_eq!((said.status, said.header("content-type")), (200, Some("application/json")));
    let described = said.json();
    assert_eq!(described["openapi"], json!("3.1.0"));
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() > 25, "{}", paths.len());
    for (path, told) in paths {
        let concrete = path.replace(['{', '}'], "");
        let answer = Spoken::new(&format!("BREW {concrete}")).to(door).await;
        assert_eq!(answer.status, 405, "{path}");
        let allowed = answer.header("allow").unwrap().split(',').map(str::trim);
        let allowed: BTreeSet<String> =
            allowed.filter(|verb| *verb != "HEAD").map(str::to_ascii_lowercase).collect();
        let described: BTreeSet<String> = told.as_object().unwrap().keys().cloned().collect();
        assert_eq!(described, allowed, "{path}");
        let named: Vec<&str> =
            path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        told.as_object().unwrap().values().for_each(|operation| declares(operation, &named));
    }
}

#[tokio::test]
async fn what_comes_line_by_line_is_described_by_its_schema() {
    let door = without_services().await;
    let described = Spoken::bare("GET /openapi.json").to(door).await.json();
    let told = &described["paths"]["/fleet/jobs/{job}/log"]["get"]["responses"]["200"]["content"];
    assert_eq!(told["text/plain"]["schema"]["type"], "string");
    let data = told["text/event-stream"]["x-event-data"]["$ref"].as_str().unwrap();
    let schema = described.pointer(data.trim_start_matches('#')).unwrap();
    for field in ["epoch", "from", "text"] {
        assert!(schema["properties"].get(field).is_some(), "no {field} in {schema}");
    }
}

/// Of literals, which may go on with a name.
#[tokio::test]
async fn what_the_page_asks_for_is_a_route() {
    let door = without_services().await;
    let described = Spoken::bare("GET /openapi.json").to(door).await.json();
    let paths: Vec<&String> = described["paths"].as_object().unwrap().keys().collect();
    let script = Spoken::bare("GET /app.js").to(door).await.body;
    let asked: BTreeSet<&str> = script
        .split('\'')
        .filter(|text| text.starts_with("/fleet/") || text.starts_with("/auth/"))
        .collect();
    assert!(asked.len() > 8, "{asked:?}");
    for path in asked {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        assert!(paths.iter().any(|route| route.starts_with(path)), "no route begins with {path}");
    }
    for shown in ["'/log?tail=", "'/artifacts?limit=", "told.link.url"] {
        assert!(script.contains(shown), "the page shows no {shown}");
    }
}

fn declares(operation: &Value, named: &[&str]) {
    let parameters = operation["parameters"].as_array().unwrap();
    let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
    let in_path: Vec<&str> = in_path.map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(in_path, named);
    assert!(operation["responses"].get("default").is_some(), "{operation}");
}

#[tokio::test]
async fn the_page_is_for_anybody_and_brings_all_that_it_needs() {
    let door = without_services().await;
    let mut size = 0;
    for (path, media) in [("/", "text/html"), ("/app.css", "text/css"), ("/app.js", "text/java")] {
        let said = Spoken::bare(&format!("GET {path}")).to(door).await;
        assert_eq!(said.status, 200, "{path}");
        assert!(said.header("content-type").unwrap().starts_with(media), "{path}");
        assert_eq!(said.header("x-content-type-options"), Some("nosniff"));
        let policy = said.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        // No other host, no markup made from texts, nothing that the policy would not let pass.
        let never = ["://", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("];
        for word in never.into_iter().chain(["style=", "<style", "onclick", "javascript:"]) {
            assert!(!said.body.contains(word), "{path} has {word}");
        }
        size += said.body.len();
    }
    assert!(size < 30 << 10, "{size} bytes");
    let said = Spoken::bare("GET /").to(door).await;
    assert!(said.body.contains("gigamesh open"), "it says where a token comes from");
}

#[tokio::test]
async fn a_foreign_host_is_refused_before_anything_else() {
    let door = without_services().await;
    let named = |line: &str, host: &str| Spoken::new(line).host(host);
    for line in ["GET /", "GET /healthz", "GET /fleet/jobs", "POST /fleet/jobs"] {
        for host in ["evil.example", "127.0.0.1.evil.example:4600", "localhost@evil.example", ""] {
            let said = named(line, host).to(door).await;
            let error = said.json()["error"].take();
            let told = (said.status, &error["code"], &error["reason"]);
            assert_eq!(told, (403, &json!("FORBIDDEN"), &json!("host")), "{line} of {host}");
        }
    }
    let two = named("GET /healthz", "localhost").with("Host: evil.example").to(door).await;
    assert_eq!(two.status, 403);
    let whole = named("GET http://evil.example/healthz", "localhost").to(door).await;
    assert_eq!(whole.status, 403);
    for host in ["localhost", "localhost:4600", "127.0.0.1:1", "[::1]", "[::1]:80"] {
        assert_eq!(named("GET /healthz", host).to(door).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_request_that_says_twice_where_it_ends_is_refused_and_its_connection_closed() {
    let door = without_services().await;
    let both =
        "Host: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let swapped =
        "Host: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n";
    let before = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [both, swapped] {
        let hidden = format!("POST /fleet/jobs HTTP/1.1\r\n{framing}{before}");
        let mut stream = TcpStream::connect(door).await.unwrap();
        stream.write_all(hidden.as_bytes()).await.unwrap();
        let said = plain::rest(&mut stream).await;
        assert_eq!((said.status, said.header("connection")), (400, Some("close")));
        let error = said.json()["error"].take();
        assert_eq!((&error["code"], &error["reason"]), (&json!("VALIDATION"), &json!("framing")));
        assert!(!said.body.contains("alive"), "what hid in it was not answered");
    }
}
