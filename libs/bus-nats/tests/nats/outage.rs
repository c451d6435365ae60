//! Servers that die, stand still and come back in the middle of traffic.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::connection::State;
use bus::{Audience, Bus, BusError, Inbox, Message};
use bus_nats::Nats;
use bytes::Bytes;
use clock::{Clock, System};
use fleet::Timestamp;
use futures_util::StreamExt;
use futures_util::future::join;
use node::{Fate, Group, Node, Tasks};
use protocol::{AboutJob, Code, Filter, Header, OfJob, Problem, Query, Row};
use servers::Cluster;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::world::{
    PATIENCE, bus_on, bus_with_streams, echo, next, options, server, subject, until,
};

/// Far above what failing at once takes, far below every deadline here.
const SOON: Duration = Duration::from_secs(3);

fn ask(body: &'static str) -> Message {
    Message::new(subject("submit"), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_fail_at_once_while_the_server_is_away_and_go_through_when_it_is_back() {
    let server = server();
    let bus = bus_on(&server.url()).await;
    let filter = Filter::exact(&subject("submit"));
    let mut inbox = bus.listen(&filter, Audience::one_of("submit")).await.unwrap();

    let under_way = bus.request(ask("never answered"), PATIENCE);
    let killed = async {
        let _unanswered = next(&mut inbox).await;
        server.kill();
    };
    let clock = System::start();
    let (outcome, ()) = join(under_way, killed).await;
    assert!(matches!(outcome, Err(BusError::Unavailable(_))), "{outcome:?}");
    assert!(clock.uptime() < SOON, "it waited for an answer that cannot come");

    let clock = System::start();
    for _ in 0..100 {
        let outcome = bus.request(ask("unsent"), PATIENCE).await;
        assert!(matches!(outcome, Err(BusError::Unavailable(_))), "{outcome:?}");
    }
    let hint = bus.notify(Message::new(subject("kick.queued"), "unsent")).await;
    assert!(matches!(hint, Err(BusError::Unavailable(_))), "{hint:?}");
    let entry = bus.append(Message::new(subject("in"), "unsent"), "unsent").await;
    assert!(matches!(entry, Err(BusError::Unavailable(_))), "{entry:?}");
    assert!(clock.uptime() < SOON, "each fails at once");

    server.restart().expect("it starts again");
    let heard = RefCell::new(Vec::new());
    let heard_by = inbox.inspect(|delivery| heard.borrow_mut().push(delivery.message.body.clone()));
    let answered = async {
        until("an answer", &async || bus.request(ask("fresh"), SOON).await.is_ok()).await;
    };
    tokio::select! {
        biased;
        () = answered => {}
        () = echo_here(heard_by) => panic!("an inbox does not end"),
    }
    assert!(heard.borrow().iter().all(|body| body == "fresh"), "nothing came late: {heard:?}");
    assert_eq!(bus.counts().losses, 1);
}

async fn echo_here(inbox: impl futures_util::Stream<Item = bus::Delivery>) {
    let mut inbox = std::pin::pin!(inbox);
    while let Some(delivery) = inbox.next().await {
        let body = delivery.message.body.clone();
        drop(delivery.settle.reply(protocol::Headers::default(), body).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_costs_a_request_its_deadline_and_no_more() {
    let server = server();
    let bus = bus_on(&server.url()).await;
    let filter = Filter::exact(&subject("submit"));
    let inbox = bus.listen(&filter, Audience::one_of("submit")).await.unwrap();
    let asked = async {
        server.freeze().unwrap();
        let outcome = bus.request(ask("?"), Duration::from_millis(300)).await;
        assert_eq!(outcome, Err(BusError::TimedOut));
        server.thaw().unwrap();
        assert_eq!(bus.request(ask("!"), PATIENCE).await.unwrap().body, "!");
    };
    tokio::select! {
        biased;
        () = asked => {}
        () = echo(inbox) => panic!("an inbox does not end"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_there_first_waits_for_its_server() {
    let server = server();
    server.kill();
    let url = server.url();
    let mut waiting = Box::pin(bus_on(&url));
    let early = timeout(Duration::from_millis(700), &mut waiting).await;
    assert!(early.is_err(), "there is no server yet");
    server.begin().expect("it starts");
    let bus = timeout(PATIENCE, waiting).await.expect("it finds its server");
    assert!(bus.stands());
}

/// Appends one number after the other, each until it is stored, while `disturb` runs; and takes
/// them meanwhile. What was acknowledged must all have come in the end.
async fn nothing_is_lost(bus: &Nats, disturb: impl Future<Output = ()>) {
    let stop = Cell::new(false);
    let stored = RefCell::new(BTreeSet::new());
    let entries = bus.consume(&Filter::every(Row::Intake), "submit").await.unwrap();
    let news = bus.listen(&Filter::every(Row::Intake), Audience::Everyone).await.unwrap();
    let (heard, taken) = (Cell::new(0), RefCell::new(BTreeSet::new()));
    let append = async {
        let mut number = 0_u32;
        while !stop.get() {
            let body = number.to_string();
            let entry = Message::new(subject("in"), body.clone());
            // Without a promise of the store it is not counted; the same id makes it one.
            while bus.append(entry.clone(), &body).await.is_err() {
                bus_is_back(bus).await;
            }
            stored.borrow_mut().insert(Bytes::from(body));
            number += 1;
        }
    };
    let talk = async {
        join(append, async {
            disturb.await;
            // What comes after the disturbance shows that all goes on.
            let (before, told) = (stored.borrow().len(), heard.get());
            let further = async || stored.borrow().len() > before + 20 && heard.get() > told + 20;
            until("further entries", &further).await;
            stop.set(true);
        })
        .await;
        // How long it takes depends on how many there are: each further one is to come in time.
        while !stored.borrow().is_subset(&taken.borrow()) {
            let before = taken.borrow().len();
            until("a further entry", &async || taken.borrow().len() > before).await;
        }
    };
    tokio::select! {
        biased;
        () = talk => {}
        () = take_all(entries, &taken) => panic!("an inbox does not end"),
        () = news.for_each(|_| { heard.set(heard.get() + 1); std::future::ready(()) }) => {
            panic!("an inbox does not end")
        }
    }
}

async fn bus_is_back(bus: &Nats) {
    until("the connection", &async || bus.stands()).await;
}

async fn take_all(mut entries: Inbox, taken: &RefCell<BTreeSet<Bytes>>) {
    while let Some(delivery) = entries.next().await {
        taken.borrow_mut().insert(delivery.message.body.clone());
        // Unsettled it comes again, which is no loss.
        drop(delivery.settle.done().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_acknowledged_and_every_inbox_goes_on() {
    let server = Arc::new(server());
    let bus = bus_with_streams(&server.url(), 1).await;
    let killed_thrice = async {
        for round in 0..3 {
            let server = Arc::clone(&server);
            // It kills the one that runs.
            aside(move || server.restart().expect("it starts again")).await;
            let back = async || bus.counts().losses > round && bus.stands();
            until("the loss and the return", &back).await;
        }
    };
    nothing_is_lost(&bus, killed_thrice).await;
    assert_eq!(bus.counts().losses, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_loses_each_node_in_turn_loses_nothing_acknowledged() {
    let cluster = Arc::new(Cluster::start(&options()).expect("a cluster starts"));
    let bus = bus_with_streams(&cluster.url(), 3).await;
    let each_in_turn = async {
        for node in 0..3 {
            let (killed, begun) = (Arc::clone(&cluster), Arc::clone(&cluster));
            aside(move || killed.nodes()[node].kill()).await;
            // Two of three go on; only then is the third started again.
            let going_on = async || bus.append(letter(), "?").await.is_ok();
            until("the others", &going_on).await;
            aside(move || begun.nodes()[node].restart().expect("it starts again")).await;
        }
    };
    nothing_is_lost(&bus, each_in_turn).await;
}

fn letter() -> Message {
    Message::new(subject("dlq"), "?")
}

/// On a thread of its own, so that the traffic goes on meanwhile.
async fn aside(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(work);
    until("the work aside", &async || thread.is_finished()).await;
    thread.join().expect("it does not fail");
}

/// Settling fails with the connection. The service goes on, and so does the entry. Its count may
/// begin anew: a killed server has forgotten what it handed out lately.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_in_hand_when_the_server_dies_comes_again_and_stops_no_service() {
    let server = Arc::new(server());
    let bus = bus_with_streams(&server.url(), 1).await;
    let node = node_on(&bus, &Arc::new(System::start()));
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let (noted, killed) = (Arc::clone(&attempts), Arc::clone(&server));
    let taking = node.take_in(Row::Intake, Group("submit"), move |entry| {
        let mut attempts = noted.lock().unwrap();
        attempts.push(entry.attempt);
        if attempts.len() == 1 {
            killed.kill();
        }
        std::future::ready(Ok(Fate::Done))
    });
    taking.await.unwrap();
    bus.append(Message::new(subject("in"), "entry"), "entry").await.unwrap();
    until("the loss", &async || bus.counts().losses == 1).await;
    server.begin().unwrap();
    until("its return", &async || attempts.lock().unwrap().len() == 2).await;
    assert!(!node.tasks.is_stopping(), "a task failed");
    node.tasks.stop();
    timeout(PATIENCE, node.tasks.join()).await.unwrap().unwrap();
}

fn node_on(bus: &Nats, system: &Arc<System>) -> Node {
    Node {
        bus: Arc::new(bus.clone()),
        clock: Arc::<System>::clone(system),
        ids: Arc::<System>::clone(system),
        tasks: Tasks::default(),
    }
}

/// A client keeps what it is given while it is away, and delivers it on its return. The service
/// hears what is past its deadline and drops it; the same without a deadline is carried out, which
/// shows that it did arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_kept_too_long_is_dropped_unseen() {
    let server = server();
    let (bus, system) = (bus_on(&server.url()).await, Arc::new(System::start()));
    let node = node_on(&bus, &system);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let serve = node.serve::<OfJob, _>(Row::Query(Query::Get), Group("submit"), move |asked| {
        noted.lock().unwrap().push(asked.ask.job);
        std::future::ready(Err(Box::new(Problem::new(Code::NotFound, asked.request_id))))
    });
    serve.await.unwrap();

    let relay = Relay::before(&server.url()).await;
    let talk = async {
        let careless = async_nats::connect(&relay.url).await.unwrap();
        relay.open.send_replace(false);
        until("the loss", &async || careless.connection_state() != State::Connected).await;
        let late = system.now().plus(Duration::from_millis(50));
        for (job, deadline) in [("late", Some(late)), ("whenever", None)] {
            let headers = deadline.map(with_deadline).unwrap_or_default();
            let to = subject("q.get").to_string();
            careless.publish_with_headers(to, headers, question(job)).await.unwrap();
        }
        until("the deadline", &async || system.now() > late).await;
        relay.open.send_replace(true);
        until("what came late", &async || !seen.lock().unwrap().is_empty()).await;
        let fresh = bus.request(Message::new(subject("q.get"), question("fresh")), PATIENCE).await;
        assert_eq!(fresh.expect("it is answered").headers.get(Header::Code), Some("NOT_FOUND"));
    };
    tokio::select! {
        biased;
        () = talk => {}
        () = relay.run() => panic!("a relay does not end"),
    }
    assert_eq!(*seen.lock().unwrap(), ["whenever", "fresh"]);
    node.tasks.stop();
    timeout(PATIENCE, node.tasks.join()).await.unwrap().unwrap();
}

fn with_deadline(deadline: Timestamp) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(Header::Deadline.as_str(), deadline.to_string());
    headers
}

fn question(job: &str) -> Bytes {
    let question = OfJob { query: AboutJob::Get, job: job.to_owned() };
    serde_json::to_vec(&question).unwrap().into()
}

/// Stands before a server and lets nothing through while it is closed.
struct Relay {
    listener: TcpListener,
    url: String,
    server: String,
    open: watch::Sender<bool>,
}

impl Relay {
    async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let server = server.trim_start_matches("nats://").to_owned();
        Self { listener, url, server, open: watch::Sender::new(true) }
    }

    /// One connection after the other; closing cuts it.
    async fn run(&self) {
        let mut open = self.open.subscribe();
        loop {
            let (mut client, _) = self.listener.accept().await.unwrap();
            open.wait_for(|open| *open).await.unwrap();
            let mut server = TcpStream::connect(&self.server).await.unwrap();
            tokio::select! {
                biased;
                _ = open.wait_for(|open| !open) => {}
                _ = copy_bidirectional(&mut client, &mut server) => {}
            }
        }
    }
}
