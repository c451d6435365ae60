//! Services as the micro-service protocol of NATS sees them, and how they share the requests.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::Client;
use bus::{Audience, Bus, Message};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use protocol::{Filter, Header, Headers, Row};
use serde_json::Value;
use tokio::time::timeout;

use crate::world::{PATIENCE, bus_on, echo, server, subject};

/// All answers to one question, of which so many are expected.
async fn gathered(client: &Client, question: &str, expected: usize) -> Vec<Value> {
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply(question.to_owned(), inbox, "".into()).await.unwrap();
    let answers = answers.take(expected).collect::<Vec<_>>();
    let answers = timeout(PATIENCE, answers).await.expect("all answer");
    answers.iter().map(|answer| serde_json::from_slice(&answer.payload).unwrap()).collect()
}

#[tokio::test]
async fn replicas_are_found_and_share_the_requests() {
    const QUESTIONS: usize = 300;
    let server = server();
    let requests = Filter::every(Row::Submit);
    let mut replicas = Vec::new();
    for _ in 0..3 {
        let bus = bus_on(&server.url()).await;
        let inbox = bus.listen(&requests, Audience::one_of("submit")).await.unwrap();
        replicas.push((bus, inbox));
    }
    let served = replicas.into_iter().map(|(bus, inbox)| async move {
        let announced = async { bus.announce().await };
        futures_util::future::join(announced, echo(inbox)).await
    });
    let asked = async {
        let bus = bus_on(&server.url()).await;
        let client = async_nats::connect(server.url()).await.unwrap();
        let ask = |_| bus.request(Message::new(subject("submit"), "?"), PATIENCE);
        for answer in join_all((0..QUESTIONS).map(ask)).await {
            assert_eq!(answer.expect("a replica answers").body, "?");
        }
        let pings = gathered(&client, "$SRV.PING", 3).await;
        let ids: BTreeSet<_> = pings.iter().map(|ping| ping["id"].to_string()).collect();
        assert_eq!(ids.len(), 3, "each replica has an id of its own: {pings:?}");
        let infos = gathered(&client, "$SRV.INFO.submit", 3).await;
        let endpoint = &infos[0]["endpoints"][0];
        assert_eq!(endpoint["subject"], "fleet.v1.*.submit");
        assert_eq!(
            (&endpoint["name"], &endpoint["queue_group"]),
            (&"submit".into(), &"submit".into())
        );
        let stats = gathered(&client, "$SRV.STATS.submit", 3).await;
        let counts = stats.iter().map(|one| one["endpoints"][0]["num_requests"].as_u64().unwrap());
        let counts: Vec<_> = counts.collect();
        assert_eq!(counts.iter().sum::<u64>(), QUESTIONS as u64);
        assert!(counts.iter().all(|count| *count > 30), "one idles: {counts:?}");
    };
    let served = join_all(served).map(drop);
    tokio::select! {
        biased;
        () = asked => {}
        () = served => panic!("a service ended"),
    }
}

#[tokio::test]
async fn a_refusal_counts_as_an_error_of_its_endpoint() {
    let server = server();
    let bus = bus_on(&server.url()).await;
    let filter = Filter::every(Row::Submit);
    let mut inbox = bus.listen(&filter, Audience::one_of("submit")).await.unwrap();
    let served = async {
        let delivery = inbox.next().await.unwrap();
        let refused = Headers::default().with(Header::Code, "FENCED");
        delivery.settle.reply(refused, "".into()).await.unwrap();
        bus.announce().await
    };
    let asked = async {
        let ask = Message::new(subject("submit"), "?");
        let answer = bus.request(ask, Duration::from_secs(5)).await.unwrap();
        assert_eq!(answer.headers.get(Header::Code), Some("FENCED"));
        // Its announcing begins after the answer: asked again until it is there.
        let client = async_nats::connect(server.url()).await.unwrap();
        let mut stats = client.request("$SRV.STATS.submit", "".into()).await;
        while stats.is_err() {
            stats = client.request("$SRV.STATS.submit", "".into()).await;
        }
        serde_json::from_slice::<Value>(&stats.unwrap().payload).unwrap()
    };
    tokio::select! {
        biased;
        stats = asked => {
            let endpoint = &stats["endpoints"][0];
            assert_eq!((&endpoint["num_errors"], &endpoint["last_error"]), (&1.into(), &"FENCED".into()));
        }
        _ = served => panic!("the service ended"),
    }
}
