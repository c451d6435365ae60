//! How a door opens and how it closes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus::BusError;
use client::{CallError, OverHttp};
use clock::System;
use futures_util::StreamExt;
use gateway::Options;
use node::{Node, Tasks};
use protocol::Code;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::plain::{self, Spoken};
use crate::town::{TOKEN, Town, options, refusal};

pub(crate) fn alone() -> Node {
    let system = Arc::new(System::start());
    let ids = Arc::<System>::clone(&system);
    Node { bus: Arc::new(bus::Memory::default()), clock: system, ids, tasks: Tasks::default() }
}

/// A door behind which nobody is.
pub(crate) async fn without_services() -> SocketAddr {
    gateway::serve(alone(), options("127.0.0.1:0")).await.unwrap()
}

#[tokio::test]
async fn a_request_under_way_is_finished_when_the_door_closes() {
    let town = Town::open().await;
    let submit = Spoken::new("POST /fleet/jobs")
        .with("Content-Type: text/markdown")
        .body("Work that comes in two parts.");
    let mut stream = submit.announced(town.address).await;
    stream.write_all(b"Work that comes ").await.unwrap();
    town.node.tasks.stop();
    while TcpStream::connect(town.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"in two parts.").await.unwrap();
    let said = plain::rest(&mut stream).await;
    assert_eq!(said.status, 201);
    town.close().await;
}

#[tokio::test]
async fn whoever_waits_for_work_is_sent_away_when_the_door_closes() {
    let town = Town::open().await;
    let body = json!(town.claiming("f1", Duration::from_secs(2))).to_string();
    let mut asked = town.hear_claims("f1").await;
    let mut stream = Spoken::new("POST /fleet/claim").json(&*body).announced(town.address).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    asked.next().await.expect("the claim is on the bus");
    let began = town.node.clock.uptime();
    town.node.tasks.stop();
    let said = plain::rest(&mut stream).await;
    assert_eq!(said.status, 503);
    assert_eq!(said.json()["error"]["reason"], json!("shutting_down"));
    assert!(town.node.clock.uptime() - began < Duration::from_secs(1));
    town.close().await;
}

#[tokio::test]
async fn a_port_in_use_and_an_open_address_are_refused_in_words() {
    let first = without_services().await;
    let second = gateway::serve(alone(), options(&first.to_string())).await.unwrap_err();
    assert!(matches!(second, gateway::NotOpened::InUse(_)), "{second:?}");
    assert!(second.to_string().contains("is in use"), "{second}");
    let named = vec!["gateway".parse().unwrap()];
    let weak = "x".repeat(31).parse().unwrap();
    let nameless = options("0.0.0.0:0");
    let guessable = Options { token: weak, hosts: named, ..options("0.0.0.0:0") };
    for options in [nameless, guessable] {
        let open = gateway::serve(alone(), options).await.unwrap_err();
        assert!(matches!(open, gateway::NotOpened::NotLoopback(_)), "{open:?}");
        assert!(open.to_string().contains("a token of 32 characters"), "{open}");
    }
}

#[tokio::test]
async fn a_door_beyond_loopback_answers_to_the_names_it_was_told_and_to_no_other() {
    let node = alone();
    let hosts = vec!["gateway:4600".parse().unwrap(), "fleet.example".parse().unwrap()];
    let open = Options { hosts, ..options("0.0.0.0:0") };
    let address = gateway::serve(node.clone(), open).await.unwrap();
    let here = SocketAddr::from(([127, 0, 0, 1], address.port()));
    for host in ["gateway:4600", "fleet.example", "fleet.example:80", "localhost", "127.0.0.1:1"] {
        let said = Spoken::bare("GET /healthz").host(host).to(here).await;
        assert_eq!(said.status, 200, "{host}");
    }
    for host in ["gateway", "evil.example", "fleet.example.evil.example", "a@fleet.example"] {
        let said = Spoken::new("GET /healthz").host(host).to(here).await;
        assert_eq!(said.status, 403, "{host}");
        assert_eq!(said.json()["error"]["reason"], json!("host"), "{host}");
    }
    let stranger = Spoken::bare("GET /fleet/stats").host("fleet.example").to(here).await;
    assert_eq!(stranger.status, 401, "a name is no token");
    node.tasks.stop();
}

#[tokio::test]
async fn a_client_uses_a_connection_again_and_survives_its_end() {
    let town = Town::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = format!("http://{}", listener.local_addr().unwrap());
    let http = OverHttp::new(&door, TOKEN).unwrap();
    let beat = town.beat("f1");
    let (heard, ended) = (Notify::new(), Notify::new());
    let answering = async {
        // Two requests on the first connection, which then ends without a word.
        let (mut first, _) = listener.accept().await.unwrap();
        answer_a_beat(&mut first).await;
        answer_a_beat(&mut first).await;
        heard.notified().await;
        drop(first);
        ended.notify_one();
        let (mut second, _) = listener.accept().await.unwrap();
        answer_a_beat(&mut second).await;
    };
    let calling = async {
        let beats = async || http.call(&beat, town.patience()).await.unwrap().draining;
        assert!(beats().await && beats().await);
        heard.notify_one();
        ended.notified().await;
        assert!(beats().await);
    };
    tokio::join!(answering, calling);
    town.close().await;
}

/// As a door would that keeps the connection.
async fn answer_a_beat(stream: &mut TcpStream) {
    let mut heard = String::new();
    while !heard.contains("\r\n\r\n{") || !heard.ends_with('}') {
        let mut more = [0; 4096];
        let read = stream.read(&mut more).await.unwrap();
        assert!(read > 0, "cut off: {heard}");
        heard += &String::from_utf8_lossy(&more[..read]);
    }
    let body = r#"{"serverTime":"2026-01-02T03:04:05.678Z","draining":true}"#;
    let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(said.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_door_that_is_not_there_is_a_bus_that_is_away() {
    let town = Town::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let http = OverHttp::new(&nowhere, TOKEN).unwrap();
    let away = http.call(&town.beat("f1"), town.patience()).await.unwrap_err();
    assert!(matches!(away, CallError::Bus(BusError::Unavailable(_))), "{away:?}");
    for bad in ["https://127.0.0.1", "http://", "http://127.0.0.1/x", "http://a@b", "127.0.0.1:1"] {
        assert!(OverHttp::new(bad, TOKEN).is_err(), "{bad}");
    }
    assert!(OverHttp::new(&nowhere, "two words").is_err());
    let wrong = OverHttp::new(&format!("http://{}", town.address), "gm_another-token-than-that");
    let stranger = wrong.unwrap().call(&town.beat("f1"), town.patience()).await;
    assert_eq!(refusal(stranger).code, Code::Unauthenticated);
    town.close().await;
}
