//! The laws of streams: what is appended, taken and settled.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use futures_util::{StreamExt, stream};
use protocol::Filter;
use tokio::time::timeout;

use super::{PATIENCE, QUIET, append, entry, next, nothing_comes, subject};
use crate::{Audience, Bus, Message};

pub async fn an_appended_entry_outlives_its_publisher(bus: Arc<dyn Bus>) {
    append(&*bus, "kept").await;
    let mut entries = bus.consume(&Filter::exact(&entry()), "g").await.expect("it consumes");
    let delivery = next(&mut entries).await;
    assert_eq!((delivery.message.body.as_ref(), delivery.attempt), (&b"kept"[..], 1));
    delivery.settle.done().await.expect("it settles");
    let (awaited, ()) = join(next(&mut entries), append(&*bus, "awaited")).await;
    assert_eq!(awaited.message.body, "awaited", "who waits is woken");
}

pub async fn the_same_dedup_id_is_stored_once(bus: Arc<dyn Bus>) {
    for (body, dedup) in [("one", "a"), ("again", "a"), ("two", "b"), ("again", "b")] {
        bus.append(Message::new(entry(), body), dedup).await.expect("a repeat is no error");
    }
    let mut entries = bus.consume(&Filter::exact(&entry()), "g").await.expect("it consumes");
    for expected in ["one", "two"] {
        let delivery = next(&mut entries).await;
        assert_eq!(delivery.message.body, expected);
        delivery.settle.done().await.expect("it settles");
    }
    nothing_comes(&mut entries).await;
}

pub async fn an_entry_not_settled_comes_again_and_one_settled_does_not(bus: Arc<dyn Bus>) {
    for body in ["settled", "forgotten"] {
        append(&*bus, body).await;
    }
    let mut entries = bus.consume(&Filter::exact(&entry()), "g").await.expect("it consumes");
    next(&mut entries).await.settle.done().await.expect("it settles");
    drop(next(&mut entries).await);
    // The settled one is older: it would come again first.
    let delivery = next(&mut entries).await;
    assert_eq!((delivery.message.body.as_ref(), delivery.attempt), (&b"forgotten"[..], 2));
    drop(entries);

    let mut entries = bus.consume(&Filter::exact(&entry()), "g").await.expect("it consumes");
    let delivery = next(&mut entries).await;
    assert_eq!(delivery.message.body, "forgotten", "it outlives its consumer");
    delivery.settle.done().await.expect("it settles");
    nothing_comes(&mut entries).await;
}

pub async fn again_waits(bus: Arc<dyn Bus>) {
    let wait = Duration::from_secs(1);
    append(&*bus, "later").await;
    let mut entries = bus.consume(&Filter::exact(&entry()), "g").await.expect("it consumes");
    next(&mut entries).await.settle.again(wait).await.expect("it settles");
    assert!(timeout(wait * 8 / 10, entries.next()).await.is_err(), "it came before its time");
    let delivery = next(&mut entries).await;
    assert_eq!((delivery.message.body.as_ref(), delivery.attempt), (&b"later"[..], 2));
    delivery.settle.done().await.expect("it settles");
}

pub async fn two_consumers_of_a_group_share(bus: Arc<dyn Bus>) {
    const ENTRIES: usize = 20;
    // A stream that keeps what was settled, or settling would hide a second copy.
    let letter = subject("dlq");
    let filter = Filter::exact(&letter);
    let one = bus.consume(&filter, "g").await.expect("it consumes").map(|it| (1, it));
    let two = bus.consume(&filter, "g").await.expect("it consumes").map(|it| (2, it));
    let mut both = stream::select_all([one.boxed(), two.boxed()]);
    let (mut consumers, mut bodies) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..ENTRIES {
        let message = Message::new(letter.clone(), number.to_string());
        bus.append(message, &number.to_string()).await.expect("it is stored");
        let taken = timeout(PATIENCE, both.next()).await.expect("an entry comes in time");
        let (consumer, delivery) = taken.expect("an inbox does not end");
        consumers.insert(consumer);
        assert!(bodies.insert(delivery.message.body.clone()), "{delivery:?} came twice");
        delivery.settle.done().await.expect("it settles");
    }
    assert!(timeout(QUIET, both.next()).await.is_err(), "one came twice");
    assert_eq!(bodies.len(), ENTRIES);
    assert_eq!(consumers.len(), 2, "one of them got everything");
}

pub async fn a_stream_is_heard_by_those_who_listen(bus: Arc<dyn Bus>) {
    let mut news = bus.listen(&Filter::exact(&entry()), Audience::Everyone).await.expect("listens");
    append(&*bus, "stored and told").await;
    assert_eq!(next(&mut news).await.message.body, "stored and told");
}
