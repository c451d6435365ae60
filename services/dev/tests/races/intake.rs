//! Submissions that nobody waits for, while the store is away.

use std::sync::Arc;
use std::time::Duration;

use bus::{Delivery, Inbox, Message};
use fleet::StageName;
use futures_util::{FutureExt, StreamExt};
use protocol::{Code, DeadLetter, Filter, Row, Subject, Topic};
use store::{Faults, Faulty, Memory};

use super::world::{Host, World, id_of, product, submission};

const HOUR: Duration = Duration::from_hours(1);
/// The longest pause of an entry, and what its turn takes.
const A_TURN: Duration = Duration::from_secs(310);

/// A fleet whose store is away, and a submission that was published to it.
async fn published_to_nobody() -> (Arc<Faulty<Memory>>, World, Host) {
    let store = Arc::new(Faulty::new(Memory::new(), 1, Faults::default()));
    let world = World::of(Arc::clone(&store) as _);
    let host = world.start().await;
    store.set(Faults { outage: 1000, longest_outage: 1, ..Faults::default() });
    let body = serde_json::to_vec(&submission("k", "", "Work.")).unwrap();
    let entry = Message::new(Subject::new(&product(), Topic::Intake), body);
    world.bus.append(entry, "once").await.unwrap();
    (store, world, host)
}

async fn letters(world: &World) -> Inbox {
    world.bus.consume(&Filter::every(Row::DeadLetter), "operators").await.unwrap()
}

fn letter_in(entry: &Delivery) -> DeadLetter {
    serde_json::from_slice(&entry.message.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_submission_waits_for_a_store_that_is_away_for_an_hour() {
    let (store, world, _host) = published_to_nobody().await;
    world.wait(HOUR).await;
    store.heal();
    world.wait(A_TURN).await;
    assert_eq!(world.stage(id_of("k")).await, StageName::Queued);
    assert!(letters(&world).await.next().now_or_never().is_none(), "nothing was given up");
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_no_store_takes_for_hours_is_a_dead_letter_with_the_reason() {
    let (_store, world, _host) = published_to_nobody().await;
    let mut letters = letters(&world).await;
    world.wait(3 * HOUR).await;
    assert!(letters.next().now_or_never().is_none(), "it still waits");
    let entry = tokio::time::timeout(2 * HOUR, letters.next()).await.unwrap().unwrap();
    let letter = letter_in(&entry);
    assert_eq!(letter.error.code, Code::Unavailable);
    let file = submission("k", "", "Work.");
    assert_eq!(letter.submission, serde_json::to_string(&file).unwrap());
    entry.settle.done().await.unwrap();
    assert!(letters.next().now_or_never().is_none(), "once");
    world.wait(A_TURN).await;
    assert!(letters.next().now_or_never().is_none(), "and never again");
}
