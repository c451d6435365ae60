//! The laws of the seam: what every bus keeps. A law wants a bus that nobody else uses. It says
//! nothing about speed; where it waits to see that nothing comes, it waits for [`QUIET`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use futures_util::{StreamExt, stream};
use protocol::{Filter, Headers, Subject};
use tokio::time::timeout;

use crate::{Audience, Bus, BusError, Delivery, Inbox, MAX_BODY, Message};

mod durable;

pub use durable::{
    a_stream_is_heard_by_those_who_listen, again_waits, an_appended_entry_outlives_its_publisher,
    an_entry_not_settled_comes_again_and_one_settled_does_not, the_same_dedup_id_is_stored_once,
    two_consumers_of_a_group_share,
};

/// How long anything may take; above the ack wait of the bus under test.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// How long nothing comes before a law believes that nothing will.
pub const QUIET: Duration = Duration::from_millis(200);
/// More than any inbox holds.
pub const FLOOD: usize = 20_000;

/// One test per law. `paused` for a bus within the process: time jumps while all are idle;
/// `threaded` for one that needs real time, and to let threads meet. `$make` is called once per
/// law and gives a future of an `Arc<dyn Bus>`.
#[macro_export]
macro_rules! conformance {
    ($how:ident, $make:expr) => {
        $crate::conformance!($how, $make,
            one_member_of_a_group_answers_and_every_outsider_hears
            a_request_without_a_listener_is_refused_at_once
            a_late_answer_is_not_delivered_to_the_next_question
            an_appended_entry_outlives_its_publisher
            the_same_dedup_id_is_stored_once
            an_entry_not_settled_comes_again_and_one_settled_does_not
            again_waits
            two_consumers_of_a_group_share
            a_stream_is_heard_by_those_who_listen
            an_inbox_that_is_full_slows_consume_and_loses_only_notices
            dropping_an_inbox_unsubscribes
            bodies_at_the_size_limit_pass_and_above_it_are_too_large
        );
    };
    ($how:ident, $make:expr, $($law:ident)*) => {$(
        #[test]
        fn $law() {
            $crate::conformance::$how($make, $crate::conformance::$law);
        }
    )*};
}

/// Runs a law with paused time on one thread.
pub fn paused<M, L>(make: impl FnOnce() -> M, law: impl FnOnce(Arc<dyn Bus>) -> L)
where
    M: Future<Output = Arc<dyn Bus>>,
    L: Future<Output = ()>,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime starts");
    runtime.block_on(async { law(make().await).await });
}

/// Runs a law in real time on several threads.
pub fn threaded<M, L>(make: impl FnOnce() -> M, law: impl FnOnce(Arc<dyn Bus>) -> L)
where
    M: Future<Output = Arc<dyn Bus>>,
    L: Future<Output = ()>,
{
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime starts");
    runtime.block_on(async { law(make().await).await });
}

pub async fn one_member_of_a_group_answers_and_every_outsider_hears(bus: Arc<dyn Bus>) {
    const QUESTIONS: usize = 10;
    let questions = Filter::exact(&question());
    let listen = |audience| {
        let (bus, questions) = (Arc::clone(&bus), questions.clone());
        async move { bus.listen(&questions, audience).await.expect("it listens") }
    };
    let first = listen(Audience::one_of("g")).await.map(|delivery| ("member", delivery));
    let second = listen(Audience::one_of("g")).await.map(|delivery| ("member", delivery));
    let other = listen(Audience::one_of("h")).await.map(|delivery| ("other group", delivery));
    let outsider = listen(Audience::Everyone).await.map(|delivery| ("outsider", delivery));
    let everyone = [first.boxed(), second.boxed(), other.boxed(), outsider.boxed()];
    let mut heard = stream::select_all(everyone);

    let asked = join_all((0..QUESTIONS).map(|_| bus.request(ask("?"), PATIENCE)));
    let answered = async {
        let mut counts = [0; 3];
        while let Ok(Some((who, delivery))) = timeout(QUIET, heard.next()).await {
            counts[["member", "other group", "outsider"].iter().position(|&one| one == who)?] += 1;
            if who == "member" {
                reply(delivery, "!").await;
            }
        }
        Some(counts)
    };
    let (answers, counts) = join(asked, answered).await;
    for answer in answers {
        assert_eq!(answer.expect("a member answers").body, "!");
    }
    let counts = counts.expect("all who hear are known");
    assert_eq!(counts, [QUESTIONS; 3], "one member of a group, and every outsider");
}

pub async fn a_request_without_a_listener_is_refused_at_once(bus: Arc<dyn Bus>) {
    let elsewhere = Filter::exact(&subject("plan"));
    let _inbox = bus.listen(&elsewhere, Audience::Everyone).await.expect("it listens");
    let asked = timeout(PATIENCE / 2, bus.request(ask("?"), PATIENCE)).await;
    assert_eq!(asked.expect("not after its deadline"), Err(BusError::NoResponders(question())));
}

pub async fn a_late_answer_is_not_delivered_to_the_next_question(bus: Arc<dyn Bus>) {
    let questions = Filter::exact(&question());
    let mut inbox = bus.listen(&questions, Audience::one_of("g")).await.expect("it listens");
    assert_eq!(bus.request(ask("first"), QUIET).await, Err(BusError::TimedOut));
    let first = next(&mut inbox).await;
    let served = async {
        let second = next(&mut inbox).await;
        assert_eq!(second.message.body, "second");
        reply(first, "to the first").await;
        reply(second, "to the second").await;
    };
    let (answer, ()) = join(bus.request(ask("second"), PATIENCE), served).await;
    assert_eq!(answer.expect("it was answered").body, "to the second");
}

/// The bus under test holds fewer than [`FLOOD`] messages per inbox.
pub async fn an_inbox_that_is_full_slows_consume_and_loses_only_notices(bus: Arc<dyn Bus>) {
    const ENTRIES: usize = 1_500;
    let mut news = bus.listen(&Filter::exact(&kick()), Audience::Everyone).await.expect("listens");
    let mut entries = bus.consume(&Filter::exact(&entry()), "g").await.expect("it consumes");
    for number in 0..ENTRIES {
        append(&*bus, &number.to_string()).await;
    }
    for _ in 0..FLOOD {
        bus.notify(Message::new(kick(), "news")).await.expect("telling never waits for room");
    }
    let mut heard = 0;
    while let Ok(Some(_)) = timeout(QUIET, news.next()).await {
        heard += 1;
    }
    assert!((1..FLOOD).contains(&heard), "{heard} of {FLOOD} fitted into an inbox");
    bus.notify(Message::new(kick(), "later")).await.expect("it is told");
    assert_eq!(next(&mut news).await.message.body, "later", "the inbox still hears");

    for number in 0..ENTRIES {
        let delivery = next(&mut entries).await;
        assert_eq!(delivery.message.body, number.to_string(), "no entry is lost");
        delivery.settle.done().await.expect("it settles");
    }
}

pub async fn dropping_an_inbox_unsubscribes(bus: Arc<dyn Bus>) {
    let questions = Filter::exact(&question());
    let listen =
        || async { bus.listen(&questions, Audience::one_of("g")).await.expect("it listens") };
    let (leaver, mut stayer) = (listen().await, listen().await);
    drop(leaver);
    // Where news of the leaving travels, a question or two may still go to the one who left.
    let mut lost = 0;
    for _ in 0..20 {
        let served = async {
            if let Ok(delivery) = timeout(QUIET, next(&mut stayer)).await {
                reply(delivery, "!").await;
            }
        };
        let (answer, ()) = join(bus.request(ask("?"), QUIET), served).await;
        lost += usize::from(answer.is_err());
    }
    assert!(lost <= 2, "{lost} questions went to one who had left");

    drop(stayer);
    let mut refused = Err(BusError::TimedOut);
    for _ in 0..20 {
        refused = bus.request(ask("?"), QUIET).await;
        if matches!(refused, Err(BusError::NoResponders(_))) {
            return;
        }
    }
    panic!("nobody is left, and yet {refused:?}");
}

pub async fn bodies_at_the_size_limit_pass_and_above_it_are_too_large(bus: Arc<dyn Bus>) {
    let too_large = BusError::TooLarge { size: MAX_BODY + 1, limit: MAX_BODY };
    let (fits, exceeds) = (vec![b'x'; MAX_BODY], vec![b'x'; MAX_BODY + 1]);
    let questions = Filter::exact(&question());
    let mut inbox = bus.listen(&questions, Audience::Everyone).await.expect("it listens");
    let mut news = bus.listen(&Filter::exact(&kick()), Audience::Everyone).await.expect("listens");

    let served = async {
        let delivery = next(&mut inbox).await;
        assert_eq!(delivery.message.body.len(), MAX_BODY);
        let body = delivery.message.body.clone();
        delivery.settle.reply(Headers::default(), body).await.expect("it fits");
        let refused =
            next(&mut inbox).await.settle.reply(Headers::default(), exceeds.clone().into());
        assert_eq!(refused.await, Err(too_large.clone()));
    };
    let asked = async {
        let answer = bus.request(Message::new(question(), fits.clone()), PATIENCE).await;
        assert_eq!(answer.expect("it fits both ways").body.len(), MAX_BODY);
        assert_eq!(bus.request(ask("?"), QUIET).await, Err(BusError::TimedOut));
    };
    join(asked, served).await;

    bus.notify(Message::new(kick(), fits.clone())).await.expect("it fits");
    assert_eq!(next(&mut news).await.message.body.len(), MAX_BODY);
    bus.append(Message::new(entry(), fits), "fits").await.expect("it fits");

    let asked = bus.request(Message::new(question(), exceeds.clone()), PATIENCE).await;
    assert_eq!(asked, Err(too_large.clone()));
    let told = bus.notify(Message::new(kick(), exceeds.clone())).await;
    assert_eq!(told, Err(too_large.clone()));
    assert_eq!(bus.append(Message::new(entry(), exceeds), "exceeds").await, Err(too_large));
}

async fn next(inbox: &mut Inbox) -> Delivery {
    let arrived = timeout(PATIENCE, inbox.next()).await.expect("something comes in time");
    arrived.expect("an inbox does not end")
}

async fn nothing_comes(inbox: &mut Inbox) {
    if let Ok(delivery) = timeout(QUIET, inbox.next()).await {
        panic!("nothing should come, and yet {delivery:?}");
    }
}

async fn reply(delivery: Delivery, body: &'static str) {
    delivery.settle.reply(Headers::default(), body.into()).await.expect("it answers");
}

async fn append(bus: &dyn Bus, body: &str) {
    let message = Message::new(entry(), body.to_owned());
    bus.append(message, body).await.expect("it is stored");
}

fn ask(body: &'static str) -> Message {
    Message::new(question(), body)
}

fn question() -> Subject {
    subject("submit")
}

fn kick() -> Subject {
    subject("kick.queued")
}

fn entry() -> Subject {
    subject("in")
}

fn subject(topic: &str) -> Subject {
    format!("fleet.v1.acme.{topic}").parse().expect("the table has it")
}
