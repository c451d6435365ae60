//! What those see who stay and listen.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plain::Spoken;
use crate::town::Town;

const A_WHILE: Duration = Duration::from_secs(10);

/// A stream of events, read frame by frame.
struct Events {
    stream: TcpStream,
    text: String,
}

#[derive(Debug)]
struct Frame {
    id: String,
    data: Value,
}

impl Events {
    async fn open(town: &Town, query: &str, last: Option<&str>) -> Self {
        let mut request = Spoken::new(&format!("GET /fleet/events{query}"));
        if let Some(last) = last {
            request = request.with(&format!("Last-Event-ID: {last}"));
        }
        let mut stream = TcpStream::connect(town.address).await.unwrap();
        stream.write_all(request.head().as_bytes()).await.unwrap();
        let mut events = Self { stream, text: String::new() };
        events.until(": here\n\n").await;
        events
    }

    /// What stands before `mark`, once it has arrived.
    async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some((before, after)) = self.text.split_once(mark) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.text = after;
                return before;
            }
            let mut more = [0; 4096];
            let read = tokio::time::timeout(A_WHILE, self.stream.read(&mut more)).await;
            let read = read.expect("in time").unwrap();
            assert!(read > 0, "the stream ended: {:?}", self.text);
            self.text += &String::from_utf8_lossy(&more[..read]);
        }
    }

    async fn next(&mut self) -> Frame {
        self.until("id: ").await;
        let id = self.until("\ndata: ").await;
        let data = serde_json::from_str(&self.until("\n\n").await).unwrap();
        Frame { id, data }
    }
}

async fn ship_one(town: &Town, body: &str) -> String {
    let job = town.submit(body).await.job.id;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    job.to_string()
}

#[tokio::test]
async fn whoever_listens_sees_a_job_ship() {
    let town = Town::open().await;
    let mut events = Events::open(&town, "", None).await;
    let job = ship_one(&town, "Work.").await;
    let mut seen = Vec::new();
    loop {
        let frame = events.next().await;
        assert_eq!(frame.data["jobId"], json!(job));
        assert_eq!(frame.id, frame.data["id"].as_str().unwrap());
        seen.push(frame.data["type"].as_str().unwrap().to_owned());
        if frame.data["type"] == json!("shipped") {
            break;
        }
    }
    assert!(seen.contains(&"submitted".to_owned()) && seen.contains(&"claimed".to_owned()));
    town.close().await;
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_it_missed() {
    let town = Town::open().await;
    let mut first = Events::open(&town, "", None).await;
    let job = ship_one(&town, "Work.").await;
    let cursor = first.next().await.id;
    let missed = first.next().await;
    drop(first);
    // From memory, over every job.
    let mut back = Events::open(&town, "", Some(&cursor)).await;
    assert_eq!(back.next().await.id, missed.id);
    // By type, of one job, by its address.
    let only = format!("?jobId={job}&type=shipped&since={cursor}");
    let mut shipped = Events::open(&town, &only, None).await;
    assert_eq!(shipped.next().await.data["type"], json!("shipped"));
    // From the records, since no gateway remembers the number 0.
    let all = format!("?jobId={job}&since={job}-0");
    let mut records = Events::open(&town, &all, None).await;
    assert_eq!(records.next().await.data["seq"], json!(1));
    // Where nothing reaches back that far, that is said.
    let mut gap = Events::open(&town, "", Some(&format!("{job}-999"))).await;
    gap.until("event: gap\ndata: {}\n\n").await;
    town.close().await;
}

#[tokio::test]
async fn a_seventeenth_listener_is_sent_away() {
    let town = Town::open().await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(Events::open(&town, "", None).await);
    }
    let said = Spoken::new("GET /fleet/events").to(town.address).await;
    assert_eq!(said.status, 429);
    assert_eq!(said.header("retry-after"), Some("1"));
    drop(held);
    town.close().await;
}
