//! What those see who stay and listen.

use std::time::Duration;

use client::{CallError, News, OverHttp};
use protocol::{AboutJob, OfJob};
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

/// A nonce that is read here is a hold that is stolen.
#[tokio::test]
async fn whoever_follows_is_never_told_what_a_holder_proves_itself_with() {
    let town = Town::open().await;
    let mut live = Events::open(&town, "", None).await;
    let job = town.submit("Work.").await.job.id.to_string();
    let held = town.claim("f1", A_WHILE).await.unwrap();
    let nonce = held.claim_nonce.to_string();
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    // As it happens, from memory, and from the records.
    let first = live.next().await;
    let memory = format!("?since={}", first.id);
    let records = format!("?jobId={job}&since={job}-0");
    let mut told = vec![first.data];
    told.append(&mut until_shipped(live).await);
    for query in [&memory, &records] {
        told.append(&mut until_shipped(Events::open(&town, query, None).await).await);
    }
    let kept = town.ask_bus(&events_of(&job)).await.unwrap().items;
    assert!(json!(kept).to_string().contains(&nonce), "the record has it: {kept:?}");
    assert_eq!(told.iter().filter(|data| data["type"] == json!("claimed")).count(), 3);
    for data in &told {
        let text = data.to_string();
        assert!(!text.contains(&nonce) && !text.contains("claimNonce"), "{text}");
    }
    town.close().await;
}

fn events_of(job: &str) -> OfJob {
    OfJob { query: AboutJob::Events, job: job.to_owned() }
}

async fn until_shipped(mut events: Events) -> Vec<Value> {
    let mut told = Vec::new();
    loop {
        told.push(events.next().await.data);
        if told.last().unwrap()["type"] == json!("shipped") {
            return told;
        }
    }
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

/// What the client's own reader hears next, apart from what it says of itself.
async fn heard(follow: &mut client::Follow) -> News {
    loop {
        let news = tokio::time::timeout(A_WHILE, follow.next()).await.expect("in time").unwrap();
        if !matches!(news, News::Here | News::Away) {
            return news;
        }
    }
}

async fn event(follow: &mut client::Follow) -> Value {
    match heard(follow).await {
        News::Event(event) => event,
        other @ (News::Gap | News::Here | News::Away | News::End) => panic!("no event: {other:?}"),
    }
}

#[tokio::test]
async fn the_client_follows_one_job_from_its_first_event_to_its_last() {
    let town = Town::open().await;
    let job = ship_one(&town, "Work.").await;
    let since = Some(format!("{job}-0"));
    let mut follow = town.http.follow(job.parse().ok(), since, town.patience());
    let mut kinds = Vec::new();
    while kinds.last() != Some(&json!("shipped")) {
        let event = event(&mut follow).await;
        assert_eq!(event["seq"], json!(kinds.len() + 1));
        kinds.push(event["type"].clone());
    }
    drop(follow);
    town.close().await;
}

#[tokio::test]
async fn the_client_is_told_of_a_gap_and_refused_without_a_token() {
    let town = Town::open().await;
    let job = ship_one(&town, "Work.").await;
    let mut follow = town.http.follow(None, Some(format!("{job}-999")), town.patience());
    assert_eq!(heard(&mut follow).await, News::Gap);
    let stranger =
        OverHttp::new(&format!("http://{}", town.address), "gm_of-another-town").unwrap();
    let refused = stranger.follow(None, None, town.patience()).next().await;
    assert!(matches!(refused, Err(CallError::Refused(problem)) if problem.code.http() == 401));
    drop(follow);
    town.close().await;
}

#[tokio::test]
async fn the_client_goes_on_after_the_last_event_when_its_stream_breaks() {
    let town = Town::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let job = ship_one(&town, "Work.").await;
    let reading = async {
        let through = OverHttp::new(&address, crate::town::TOKEN).unwrap();
        let since = Some(format!("{job}-0"));
        let mut follow = through.follow(job.parse().ok(), since, town.patience());
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.push(event(&mut follow).await["seq"].as_u64().unwrap());
        }
        assert_eq!(seen, [1, 2, 3], "none twice and none missed");
    };
    tokio::select! {
        () = break_after_each(&listener, town.address) => panic!("nobody called"),
        () = reading => {}
    }
    town.close().await;
}

/// A way to the door whose every connection ends after its first event.
async fn break_after_each(listener: &tokio::net::TcpListener, door: std::net::SocketAddr) {
    while let Ok((mut caller, _)) = listener.accept().await {
        let mut stream = TcpStream::connect(door).await.unwrap();
        let mut head = [0; 4096];
        let length = caller.read(&mut head).await.unwrap();
        stream.write_all(&head[..length]).await.unwrap();
        let mut text = Vec::new();
        while !(text.ends_with(b"\n\n") && text.windows(5).any(|five| five == b"data:")) {
            text.push(stream.read_u8().await.unwrap());
        }
        caller.write_all(&text).await.unwrap();
    }
}
