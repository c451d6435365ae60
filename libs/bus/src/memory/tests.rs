//! What the memory bus promises beyond the laws: its bounds, and what happens at them.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join;
use protocol::Headers;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn small() -> Memory {
    Memory::with(small_limits())
}

fn small_limits() -> Limits {
    Limits { inbox: 2, stream: 3, unsettled: 2, ack_wait: SECOND, dedup: SECOND }
}

fn message(topic: &str, body: &'static str) -> Message {
    let subject = format!("fleet.v1.acme.{topic}").parse().expect("the table has it");
    Message::new(subject, body)
}

fn only(topic: &str) -> Filter {
    Filter::exact(&message(topic, "").subject)
}

/// Bounded, so that a lost message fails the test instead of stopping it.
async fn next(inbox: &mut Inbox) -> Delivery {
    timeout(Duration::from_mins(1), inbox.next()).await.expect("something comes in time").unwrap()
}

async fn body(inbox: &mut Inbox) -> String {
    let body = next(inbox).await.message.body;
    String::from_utf8(body.into()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_room_and_news_does_not() {
    let bus = small();
    let mut inbox = bus.listen(&Filter::all(), Audience::Everyone).await.unwrap();
    for news in ["1", "2", "lost"] {
        bus.notify(message("kick.due", news)).await.unwrap();
    }
    let served = async {
        assert_eq!(body(&mut inbox).await, "1");
        assert_eq!(body(&mut inbox).await, "2");
        let question = next(&mut inbox).await;
        question.settle.reply(Headers::default(), "answer".into()).await.unwrap();
    };
    let (answer, ()) = join(bus.request(message("plan", "?"), SECOND), served).await;
    assert_eq!(answer.unwrap().body, "answer");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_finds_no_room_in_time_is_given_up() {
    let bus = small();
    let _inbox = bus.listen(&Filter::all(), Audience::Everyone).await.unwrap();
    for _ in 0..2 {
        bus.notify(message("kick.due", "")).await.unwrap();
    }
    let asked = bus.request(message("plan", "?"), SECOND).await;
    assert_eq!(asked, Err(BusError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_full_member_is_passed_over_while_another_has_room() {
    let bus = small();
    let group = || Audience::one_of("g");
    let mut full = bus.listen(&only("kick.due"), group()).await.unwrap();
    let mut roomy = bus.listen(&only("kick.due"), group()).await.unwrap();
    for news in ["1", "2", "3", "4"] {
        bus.notify(message("kick.due", news)).await.unwrap();
    }
    assert_eq!((body(&mut roomy).await, body(&mut roomy).await), ("2".into(), "4".into()));
    bus.notify(message("kick.due", "5")).await.unwrap();
    bus.notify(message("kick.due", "6")).await.unwrap();
    assert_eq!((body(&mut roomy).await, body(&mut roomy).await), ("5".into(), "6".into()));
    assert_eq!((body(&mut full).await, body(&mut full).await), ("1".into(), "3".into()));
}

#[tokio::test(start_paused = true)]
async fn a_full_intake_refuses_and_takes_again_when_settled() {
    let bus = small();
    for id in ["1", "2", "3"] {
        bus.append(message("in", id), id).await.unwrap();
    }
    let refused = bus.append(message("in", "4"), "4").await;
    assert!(matches!(refused, Err(BusError::Unavailable(_))), "{refused:?}");
    let mut entries = bus.consume(&only("in"), "g").await.unwrap();
    next(&mut entries).await.settle.done().await.unwrap();
    bus.append(message("in", "4"), "4").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn other_streams_forget_their_oldest_and_keep_what_was_settled() {
    let bus = small();
    for id in ["1", "2", "3", "4"] {
        bus.append(message("dlq", id), id).await.unwrap();
    }
    for group in ["g", "h"] {
        let mut entries = bus.consume(&only("dlq"), group).await.unwrap();
        for expected in ["2", "3", "4"] {
            let delivery = next(&mut entries).await;
            assert_eq!(delivery.message.body, expected);
            delivery.settle.done().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_settles_nothing_waits() {
    let bus = small();
    for id in ["1", "2", "3"] {
        bus.append(message("in", id), id).await.unwrap();
    }
    let mut entries = bus.consume(&only("in"), "g").await.unwrap();
    let first = next(&mut entries).await;
    let _second = next(&mut entries).await;
    assert!(entries.next().now_or_never().is_none(), "a third is out of bounds");
    first.settle.done().await.unwrap();
    assert_eq!(body(&mut entries).await, "3");
}

#[tokio::test(start_paused = true)]
async fn a_dedup_id_is_forgotten_after_its_window() {
    let bus = small();
    bus.append(message("dlq", "1"), "id").await.unwrap();
    tokio::time::sleep(SECOND).await;
    bus.append(message("dlq", "2"), "id").await.unwrap();
    let mut entries = bus.consume(&only("dlq"), "g").await.unwrap();
    assert_eq!((body(&mut entries).await, body(&mut entries).await), ("1".into(), "2".into()));
}

#[tokio::test(start_paused = true)]
async fn a_late_word_settles_an_entry_that_came_again() {
    let bus = small();
    bus.append(message("in", "1"), "1").await.unwrap();
    let mut entries = bus.consume(&only("in"), "g").await.unwrap();
    let first = next(&mut entries).await;
    let second = next(&mut entries).await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    first.settle.done().await.unwrap();
    drop(second);
    tokio::time::sleep(SECOND * 2).await;
    assert!(entries.next().now_or_never().is_none(), "it was settled");
}

#[tokio::test]
#[should_panic(expected = "is of another kind")]
async fn a_request_is_no_news() {
    drop(small().notify(message("submit", "")).await);
}

#[tokio::test]
#[should_panic(expected = "is no part of one stream")]
async fn news_cannot_be_consumed() {
    drop(small().consume(&Filter::all(), "g").await);
}

#[tokio::test(start_paused = true)]
async fn no_span_is_too_long() {
    let bus =
        Memory::with(Limits { ack_wait: Duration::MAX, dedup: Duration::MAX, ..small_limits() });
    bus.append(message("in", "1"), "1").await.unwrap();
    let mut entries = bus.consume(&only("in"), "g").await.unwrap();
    next(&mut entries).await.settle.again(Duration::MAX).await.unwrap();
    assert!(entries.next().now_or_never().is_none());
}

const PRODUCERS: usize = 4;
const EACH: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_share_a_stream_without_loss_or_doubling() {
    let bus = Memory::default();
    let (mut producers, mut consumers) = (JoinSet::new(), JoinSet::new());
    let (taken, settled) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
    for producer in 0..PRODUCERS {
        producers.spawn(produce(bus.clone(), producer));
        consumers.spawn(take_all(bus.clone(), Arc::clone(&taken), Arc::clone(&settled)));
    }
    producers.join_all().await;
    let all = settled.acquire_many(u32::try_from(PRODUCERS * EACH).unwrap());
    drop(timeout(SECOND * 20, all).await.expect("every entry is taken"));
    let mut taken = std::mem::take(&mut *taken.lock().unwrap());
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), PRODUCERS * EACH);
    assert_eq!(settled.available_permits(), PRODUCERS * EACH, "one was taken twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_asker_on_every_thread_gets_its_own_answer() {
    let bus = Memory::default();
    let (mut members, mut askers) = (JoinSet::new(), JoinSet::new());
    for _ in 0..3 {
        members.spawn(echo(bus.listen(&only("plan"), Audience::one_of("g")).await.unwrap()));
    }
    for number in 0..2_000 {
        let question = Message { body: number.to_string().into(), ..message("plan", "") };
        let bus = bus.clone();
        askers.spawn(async move {
            let answer = bus.request(question.clone(), Duration::from_mins(1)).await;
            assert_eq!(answer.unwrap().body, question.body);
        });
    }
    assert_eq!(askers.join_all().await.len(), 2_000);
}

async fn produce(bus: Memory, producer: usize) {
    for number in 0..EACH {
        let id = format!("{producer}-{number}");
        let entry = Message { body: id.clone().into(), ..message("in", "") };
        bus.append(entry, &id).await.unwrap();
    }
}

async fn take_all(bus: Memory, taken: Arc<Mutex<Vec<Bytes>>>, settled: Arc<Semaphore>) {
    let mut entries = bus.consume(&only("in"), "g").await.unwrap();
    while let Some(delivery) = entries.next().await {
        taken.lock().unwrap().push(delivery.message.body.clone());
        delivery.settle.done().await.unwrap();
        settled.add_permits(1);
    }
}

async fn echo(mut inbox: Inbox) {
    while let Some(Delivery { message, settle, .. }) = inbox.next().await {
        settle.reply(Headers::default(), message.body).await.unwrap();
    }
}
