//! Each fault can be seen, is counted, ends, and comes again for the same seed.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use protocol::{Headers, Subject};
use tokio::time::timeout;

use super::*;
use crate::Memory;

const SECOND: Duration = Duration::from_secs(1);
const NEVER: Odds = Odds { drop: 0, duplicate: 0, delay: 0, reorder: 0, most: SECOND };

fn faulty(seed: u64, odds: Odds) -> Arc<Faulty<Memory>> {
    Arc::new(Faulty::new(Memory::default(), seed, odds))
}

fn subject(topic: &str) -> Subject {
    format!("fleet.v1.acme.{topic}").parse().expect("the table has it")
}

fn news(body: &str) -> Message {
    Message::new(subject("kick.due"), body.to_owned())
}

/// What of `count` numbered pieces of news arrives, in order of arrival.
async fn heard(bus: &dyn Bus, count: usize) -> Vec<usize> {
    let filter = Filter::exact(&subject("kick.due"));
    let mut inbox = bus.listen(&filter, Audience::Everyone).await.unwrap();
    for number in 0..count {
        bus.notify(news(&number.to_string())).await.unwrap();
    }
    let mut heard = Vec::new();
    while let Ok(Some(delivery)) = timeout(SECOND * 2, inbox.next()).await {
        heard.push(str::from_utf8(&delivery.message.body).unwrap().parse().unwrap());
    }
    heard
}

/// Asks once, of a listener that answers whatever arrives.
async fn asked(bus: &dyn Bus, times: usize) -> Vec<Result<(), BusError>> {
    let filter = Filter::exact(&subject("plan"));
    let mut inbox = bus.listen(&filter, Audience::one_of("g")).await.unwrap();
    let ask = || bus.request(Message::new(subject("plan"), "?"), SECOND);
    let served = async {
        while let Ok(Some(delivery)) = timeout(SECOND * 2, inbox.next()).await {
            delivery.settle.reply(Headers::default(), "!".into()).await.unwrap();
        }
    };
    let (answers, ()) = join(join_all((0..times).map(|_| ask())), served).await;
    answers.into_iter().map(|answer| answer.map(drop)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dropped_message_is_not_heard() {
    let bus = faulty(1, Odds { drop: 1_000, ..NEVER });
    assert!(heard(&*bus, 5).await.is_empty());
    assert_eq!(asked(&*bus, 2).await, [Err(BusError::TimedOut), Err(BusError::TimedOut)]);
    assert_eq!(bus.injected(), Injected { dropped: 7, ..Injected::default() });
}

#[tokio::test(start_paused = true)]
async fn a_doubled_message_is_heard_twice_and_answered_once() {
    let bus = faulty(1, Odds { duplicate: 1_000, ..NEVER });
    let mut heard = heard(&*bus, 3).await;
    heard.sort_unstable();
    assert_eq!(heard, [0, 0, 1, 1, 2, 2]);
    assert_eq!(asked(&*bus, 1).await, [Ok(())]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_arrives_later_and_in_another_order() {
    let bus = faulty(3, Odds { delay: 1_000, ..NEVER });
    let mut heard = heard(&*bus, 20).await;
    assert!(!heard.is_sorted(), "{heard:?}");
    heard.sort_unstable();
    assert!(heard.into_iter().eq(0..20));
    assert_eq!(bus.injected().delayed, 20);
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_message_comes_behind_the_next() {
    let bus = faulty(1, Odds { reorder: 500, ..NEVER });
    let heard = heard(&*bus, 20).await;
    let mut sorted = heard.clone();
    sorted.sort_unstable();
    assert!(sorted.iter().copied().eq(0..20), "none is lost: {heard:?}");
    assert_ne!(heard, sorted);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_looks_like_no_answer() {
    let odds = Odds { drop: 500, ..NEVER };
    let mut lost = 0;
    for seed in 0..20 {
        let bus = faulty(seed, odds);
        let filter = Filter::exact(&subject("plan"));
        let mut inbox = bus.listen(&filter, Audience::Everyone).await.unwrap();
        let served = async {
            let delivery = timeout(SECOND, inbox.next()).await.ok()??;
            delivery.settle.reply(Headers::default(), "!".into()).await.ok()
        };
        let asked = bus.request(Message::new(subject("plan"), "?"), SECOND);
        let (answer, served) = join(asked, served).await;
        lost += usize::from(served.is_some() && answer == Err(BusError::TimedOut));
    }
    assert!((1..20).contains(&lost), "{lost} of 20 were carried out and not confirmed");
}

#[tokio::test(start_paused = true)]
async fn a_partition_stops_its_subjects_until_it_ends() {
    let bus = faulty(1, NEVER);
    let (kicks, all) = (Filter::exact(&subject("kick.due")), Filter::all());
    bus.partition(kicks.clone());
    assert!(heard(&*bus, 2).await.is_empty());
    assert_eq!(asked(&*bus, 1).await, [Ok(())], "other subjects pass");
    bus.rejoin(&kicks);
    assert_eq!(heard(&*bus, 2).await, [0, 1]);

    bus.partition(all);
    let entry = || Message::new(subject("in"), "entry");
    assert_eq!(asked(&*bus, 1).await, [Err(BusError::TimedOut)]);
    assert!(matches!(bus.append(entry(), "1").await, Err(BusError::Unavailable(_))));
    assert_eq!(bus.injected().partitioned, 4);
    bus.heal();
    assert_eq!(bus.append(entry(), "1").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_entry_comes_again() {
    let bus = faulty(1, Odds { drop: 1_000, ..NEVER });
    bus.append(Message::new(subject("in"), "entry"), "1").await.unwrap();
    let mut entries = bus.consume(&Filter::exact(&subject("in")), "g").await.unwrap();
    assert!(timeout(SECOND, entries.next()).await.is_err());
    bus.heal();
    let delivery = timeout(SECOND * 60, entries.next()).await.unwrap().unwrap();
    assert_eq!(delivery.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_healed_bus_loses_nothing() {
    let bus = faulty(1, Odds { drop: 500, duplicate: 500, ..NEVER });
    bus.heal();
    assert!(heard(&*bus, 100).await.into_iter().eq(0..100));
    assert_eq!(bus.injected(), Injected::default());
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let story = |seed| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let odds = Odds { drop: 100, duplicate: 100, delay: 200, reorder: 100, most: SECOND };
            let bus = faulty(seed, odds);
            let (heard, asked) = (heard(&*bus, 200).await, asked(&*bus, 50).await);
            (heard, asked, bus.injected())
        })
    };
    let (heard, asked, injected) = story(7);
    assert_eq!(story(7), (heard.clone(), asked, injected));
    assert_ne!(story(8).0, heard);
    let Injected { dropped, duplicated, delayed, reordered, partitioned } = injected;
    assert!([dropped, duplicated, delayed, reordered].iter().all(|&count| count > 0));
    assert_eq!(partitioned, 0);
}
