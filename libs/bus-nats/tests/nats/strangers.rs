//! What those outside may send: garbage on every subject of the table, and worse.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Subscriber};
use bus::{Audience, Bus, Inbox, MAX_BODY, Message};
use bus_nats::Nats;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use protocol::{Envelope, Filter, Headers, Kind, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::world::{PATIENCE, bus_on, bus_with_streams, next, server, subject, until};

/// A subject of this line as a server lets it through, and as nothing here is called.
fn strange(row: Row) -> String {
    Filter::every(row).to_string().replace('*', "_%_")
}

/// Two headers of one name, one that is too long, one with what no line holds.
fn bad_headers() -> [HeaderMap; 3] {
    let mut twice = HeaderMap::new();
    twice.append("Fleet-Deadline", "now");
    twice.append("Fleet-Deadline", "then");
    let (mut long, mut odd) = (HeaderMap::new(), HeaderMap::new());
    long.insert("Fleet-Request-Id", "x".repeat(10_000).as_str());
    odd.insert("traceparent", "a\u{7}b");
    [twice, long, odd]
}

/// A subject of that line that the table has.
fn right(row: Row) -> String {
    let (job, product) = (format!("j_{}", "a".repeat(26)), "acme".to_owned());
    let names = match row {
        Row::Kick => vec![product, "queued".to_owned()],
        Row::Event | Row::Log => vec![product, job],
        Row::Submit
        | Row::Plan
        | Row::Children
        | Row::ChildrenYolo
        | Row::SubmitYolo
        | Row::Intake
        | Row::Query(_)
        | Row::Operate(_)
        | Row::PutProfile
        | Row::Offer
        | Row::OfferAny
        | Row::Spoken(_)
        | Row::Custody(_)
        | Row::Command
        | Row::DeadLetter => vec![product, "f-1".to_owned(), job, "1".to_owned()],
    };
    let open = Filter::every(row).to_string();
    names.iter().fold(open, |subject, name| subject.replacen('*', name, 1))
}

/// Something that is no message of ours, and the code that says why.
struct Garbage {
    to: String,
    headers: HeaderMap,
    body: Bytes,
    code: &'static str,
}

fn garbage_for(row: Row) -> Vec<Garbage> {
    let (none, right) = (HeaderMap::new(), right(row));
    let nowhere =
        Garbage { to: strange(row), headers: none.clone(), body: Bytes::new(), code: "NOT_FOUND" };
    let body = vec![0; MAX_BODY + 1].into();
    let large = Garbage { to: right.clone(), headers: none, body, code: "TOO_LARGE" };
    let odd = bad_headers().map(|headers| Garbage {
        to: right.clone(),
        headers,
        body: Bytes::from_static(b"\xff\xfe"),
        code: "VALIDATION",
    });
    [nowhere, large].into_iter().chain(odd).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_every_subject_is_refused_and_counted_and_stops_nobody() {
    let server = server();
    let bus = bus_on(&server.url()).await;
    let stranger = async_nats::connect(server.url()).await.unwrap();
    let mut thrown = 0;
    for row in Row::all() {
        let mut inbox = bus.listen(&Filter::every(row), Audience::one_of("g")).await.unwrap();
        for garbage in garbage_for(row) {
            let code = garbage.code;
            let mut answers = throw(&stranger, garbage).await;
            thrown += 1;
            refused(&mut inbox, &bus, thrown).await;
            // News and entries have nobody who waits for us.
            let expected = (row.route().kind == Kind::Request).then_some(code);
            assert_eq!(answer(&mut answers, expected.is_some()).await.as_deref(), expected);
        }
        // Any body is a message; what it says is for others to judge.
        stranger.publish(right(row), "\u{0}{{{".into()).await.unwrap();
        let heard = next(&mut inbox).await;
        assert_eq!(heard.message.subject.to_string(), right(row));
        heard.settle.reply(Headers::default(), "to nobody".into()).await.expect("no answer asked");
    }
    assert_eq!(bus.counts().odd, thrown);
    assert_eq!(bus.counts().losses, 0, "no connection was given up over it");
}

async fn throw(stranger: &Client, garbage: Garbage) -> Subscriber {
    let from = stranger.new_inbox();
    let answers = stranger.subscribe(from.clone()).await.unwrap();
    let Garbage { to, headers, body, .. } = garbage;
    stranger.publish_with_reply_and_headers(to, from, headers, body).await.unwrap();
    answers
}

/// Reads the inbox until the count shows that it refused; nothing may come out meanwhile.
async fn refused(inbox: &mut Inbox, bus: &Nats, count: u64) {
    let counted = async || bus.counts().odd == count;
    tokio::select! {
        biased;
        came = inbox.next() => panic!("garbage was delivered: {came:?}"),
        () = until("the refusal", &counted) => {}
    }
}

/// The code of the answer; where none is expected, none may have come by now.
async fn answer(answers: &mut Subscriber, expected: bool) -> Option<String> {
    let answer = match expected {
        true => timeout(PATIENCE, answers.next()).await.unwrap(),
        false => answers.next().now_or_never().flatten(),
    };
    let envelope: Envelope = serde_json::from_slice(&answer?.payload).unwrap();
    Some(envelope.error.code.as_str().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_that_was_kept_comes_once_without_its_headers_or_goes() {
    let server = server();
    let bus = bus_with_streams(&server.url(), 1).await;
    let stranger = async_nats::connect(server.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(stranger);
    let kept = |to: String, headers, body: Bytes| {
        let jetstream = jetstream.clone();
        async move { jetstream.publish_with_headers(to, headers, body).await.unwrap().await }
    };
    for row in [Row::Intake, Row::Event, Row::DeadLetter] {
        let mut entries = bus.consume(&Filter::every(row), "g").await.unwrap();
        kept(strange(row), HeaderMap::new(), "thrown away".into()).await.unwrap();
        for headers in bad_headers() {
            kept(right(row), headers, "kept".into()).await.unwrap();
        }
        let body = Bytes::from(vec![0; MAX_BODY + (1 << 19)]);
        kept(right(row), HeaderMap::new(), body).await.expect_err("no stream keeps that");
        for _ in bad_headers() {
            let entry = next(&mut entries).await;
            assert_eq!((entry.message.body.as_ref(), entry.attempt), (&b"kept"[..], 1));
            assert_eq!(entry.message.headers, Headers::default());
            entry.settle.done().await.unwrap();
        }
        let sane = Message::new(right(row).parse().unwrap(), "sane");
        bus.append(sane, "sane").await.unwrap();
        let entry = next(&mut entries).await;
        assert_eq!((entry.message.body.as_ref(), entry.attempt), (&b"sane"[..], 1));
        entry.settle.done().await.unwrap();
    }
    assert_eq!(bus.counts().odd, 3, "one of each stream was no message");
}

/// Header lines that no client writes. The client library gives its connection up over them, which
/// costs that moment's requests and no more: it comes back, and an entry of that kind is not handed
/// out for ever.
#[tokio::test(flavor = "multi_thread")]
async fn header_lines_that_no_client_writes_cost_a_connection_and_no_more() {
    let server = server();
    let bus = bus_with_streams(&server.url(), 1).await;
    let filter = Filter::exact(&subject("submit"));
    let mut inbox = bus.listen(&filter, Audience::one_of("g")).await.unwrap();
    let headers = ["NATS/1.0\r\nno colon\r\n\r\n", "NATS/1.0 abc\r\n\r\n", "HTTP/1.1\r\n\r\n"];
    for headers in headers {
        let before = bus.counts().losses;
        raw(&server.url(), "fleet.v1.acme.submit", headers.as_bytes()).await;
        until("the return", &async || bus.counts().losses > before && bus.stands()).await;
    }
    let client = async_nats::connect(server.url()).await.unwrap();
    // Until its subscription is back nobody may hear it; then it does.
    let said = async {
        loop {
            client.publish("fleet.v1.acme.submit", "sane".into()).await.unwrap();
            sleep(Duration::from_millis(5)).await;
        }
    };
    let heard = tokio::select! {
        biased;
        heard = next(&mut inbox) => heard,
        () = said => unreachable!("it goes on until it is heard"),
    };
    assert_eq!(heard.message.body, "sane");
}

/// The same, kept: it cuts the connection each time that it is handed out, and in between all others
/// get through.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cuts_the_connection_does_not_keep_the_others_back() {
    const ENTRIES: usize = 20;
    let server = server();
    let bus = bus_with_streams(&server.url(), 1).await;
    raw(&server.url(), "fleet.v1.acme.in", b"NATS/1.0\r\nno colon\r\n\r\n").await;
    for number in 0..ENTRIES {
        let entry = Message::new(subject("in"), number.to_string());
        bus.append(entry, &number.to_string()).await.unwrap();
    }
    let mut entries = bus.consume(&Filter::every(Row::Intake), "g").await.unwrap();
    let mut left: BTreeSet<_> = (0..ENTRIES).map(|number| number.to_string()).collect();
    while !left.is_empty() {
        let entry = next(&mut entries).await;
        left.remove(std::str::from_utf8(&entry.message.body).unwrap());
        drop(entry.settle.done().await);
    }
    assert!(bus.counts().losses > 0, "it was kept, and handed out");
}

/// One message with these very header bytes.
async fn raw(url: &str, to: &str, headers: &[u8]) {
    let mut socket = TcpStream::connect(url.trim_start_matches("nats://")).await.unwrap();
    let connect = "CONNECT {\"headers\":true,\"verbose\":false}\r\n";
    let size = headers.len();
    let publish = format!("HPUB {to} {size} {size}\r\n");
    let words = [connect.as_bytes(), publish.as_bytes(), headers, b"\r\nPING\r\n"].concat();
    socket.write_all(&words).await.unwrap();
    let mut said = Vec::new();
    while !said.windows(4).any(|word| word == b"PONG") {
        let mut part = [0; 1_024];
        let count = socket.read(&mut part).await.unwrap();
        assert!(count > 0, "the server hung up: {}", String::from_utf8_lossy(&said));
        said.extend_from_slice(&part[..count]);
    }
}
