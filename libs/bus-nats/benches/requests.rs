//! Requests a second through the seam beside the bare client, on one server in one run, and how
//! soon an idle reader of a stream has a new entry. The server shares the cores with both.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_nats::{Client, Subscriber};
use bus::{Audience, Bus, Inbox, Message};
use bus_nats::{Nats, Settings};
use clock::System;
use futures_util::StreamExt;
use protocol::{Filter, Header, Headers, Row, Subject};
use servers::Options;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// Short and many, the two by turns: what else the machine does falls on both.
const SLICE: Duration = Duration::from_millis(400);
const ROUNDS: usize = 11;
const BODY: &[u8] = &[b'x'; 256];
const PATIENCE: Duration = Duration::from_secs(5);
const ENTRIES: usize = 500;

fn main() {
    let options = Options { max_payload: Some(2 << 20), ..Options::default() };
    let server = servers::Nats::start(options).expect("a server starts");
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(async {
        requests(&server.url()).await;
        reaction(&server.url()).await;
    });
}

async fn requests(url: &str) {
    say("requests of 256 bytes, asked and answered on two connections, a second");
    let (seam, bare) = (bus_on(url).await, bare_on(url).await);
    let mut services = JoinSet::new();
    let filter = Filter::every(Row::Submit);
    let inbox = bus_on(url).await.listen(&filter, Audience::one_of("g")).await;
    services.spawn(serve(inbox.expect("it listens")));
    let server = bare_on(url).await;
    let inbox = server.queue_subscribe("bare.*.submit", "g".into()).await.expect("it listens");
    server.flush().await.expect("it is sent");
    services.spawn(serve_bare(server, inbox));
    // The server has both once it answers for the later one.
    while bare.request("bare.acme.submit", BODY.into()).await.is_err() {}
    for many in [1, 64, 256] {
        let (mut floors, mut through) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (bare, seam) = (bare.clone(), seam.clone());
            floors.push(rate(many, move || ask_bare(bare.clone())).await);
            through.push(rate(many, move || ask(seam.clone())).await);
        }
        let (floor, through) = (median(floors), median(through));
        let share = 100.0 * through / floor;
        say(&format!("{many:3} in flight  bare {floor:9.0}  seam {through:9.0}  {share:4.0} %"));
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// How soon an entry, appended while its reader waits, is in the reader's hands.
async fn reaction(url: &str) {
    let bus = bus_on(url).await;
    bus.init(1, &[]).await.expect("the streams are made");
    let subject = subject("in");
    let mut entries = bus.consume(&Filter::every(Row::Intake), "g").await.expect("it consumes");
    let mut waits = Vec::new();
    for number in 0..ENTRIES {
        let begun = now();
        let entry = Message::new(subject.clone(), BODY);
        let id = number.to_string();
        let (stored, taken) = tokio::join!(bus.append(entry, &id), entries.next());
        waits.push(begun.elapsed());
        stored.expect("it is stored");
        taken.expect("an inbox does not end").settle.done().await.expect("it settles");
    }
    waits.sort_unstable();
    let at = |part: usize| waits[(waits.len() - 1) * part / 100].as_micros();
    say(&format!("appended, synced and taken: p50 {} us, p99 {} us", at(50), at(99)));
}

/// So many askers, each with its next question as soon as it has its answer.
async fn rate<F>(many: usize, ask: impl Fn() -> F + Clone + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let answered = Arc::new(AtomicUsize::new(0));
    let mut askers = JoinSet::new();
    let begun = now();
    for _ in 0..many {
        let (ask, answered) = (ask.clone(), Arc::clone(&answered));
        askers.spawn(async move {
            while begun.elapsed() < SLICE {
                ask().await;
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while let Some(asker) = askers.join_next().await {
        asker.expect("an asker does not fail");
    }
    let answered = u32::try_from(answered.load(Ordering::Relaxed)).expect("a second's worth");
    f64::from(answered) / begun.elapsed().as_secs_f64()
}

async fn ask(bus: Nats) {
    let mut message = Message::new(subject("submit"), BODY);
    message.headers = Headers::default().with(Header::RequestId, "r");
    bus.request(message, PATIENCE).await.expect("it is answered");
}

async fn serve(mut inbox: Inbox) {
    while let Some(delivery) = inbox.next().await {
        let headers = Headers::default().with(Header::Status, "200");
        let body = delivery.message.body;
        delivery.settle.reply(headers, body).await.expect("it answers");
    }
}

/// The same bytes without the seam.
async fn ask_bare(client: Client) {
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Fleet-Request-Id", "r");
    let asked = client.request_with_headers("bare.acme.submit", headers, BODY.into());
    asked.await.expect("it is answered");
}

async fn serve_bare(client: Client, mut inbox: Subscriber) {
    while let Some(asked) = inbox.next().await {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Fleet-Status", "200");
        let answer = asked.reply.expect("it is a request");
        client.publish_with_headers(answer, headers, asked.payload).await.expect("it answers");
    }
}

async fn bus_on(url: &str) -> Nats {
    let settings = Settings::new(vec![url.to_owned()], "bench");
    let (clock, ids) = (Arc::new(System::start()), Arc::new(System::start()));
    Nats::connect(&settings, clock, ids).await.expect("it connects")
}

async fn bare_on(url: &str) -> Client {
    async_nats::connect(url).await.expect("it connects")
}

fn subject(topic: &str) -> Subject {
    format!("fleet.v1.acme.{topic}").parse().expect("the table has it")
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a measure of this very machine")]
    Instant::now()
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody reads");
}
