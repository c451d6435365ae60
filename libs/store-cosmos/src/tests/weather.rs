//! Replies that are lost, requests that are refused, partitions that move: what the store says then,
//! and what is true.

use store::{Cursor, Page, Scope};

use super::*;

/// The driver sends it again and is told that the document is there, or is another: ours.
#[tokio::test]
async fn a_write_whose_reply_was_lost_is_done_and_may_be_told_as_refused() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    let value = async |id: &str| store.get(&key(id)).await.unwrap().map(|found| found.value);
    emulator.lose_replies(1);
    assert_eq!(put(&store, "k", "one", &Expect::Absent).await.unwrap(), Put::Conflict);
    assert_eq!(value("k").await, Some("one".into()), "and yet it is ours");
    let first = store.get(&key("k")).await.unwrap().unwrap().revision;
    emulator.lose_replies(1);
    assert_eq!(put(&store, "k", "two", &Expect::At(first)).await.unwrap(), Put::Conflict);
    assert_eq!(value("k").await, Some("two".into()), "and yet it is ours");
    let second = store.get(&key("k")).await.unwrap().unwrap().revision;
    emulator.lose_replies(1);
    assert_eq!(store.remove(&key("k"), &second).await.unwrap(), Put::Missing);
    assert_eq!(value("k").await, None, "we removed it");
    assert_eq!(emulator.injected().lost_replies, 3);
}

#[tokio::test]
async fn a_write_that_gets_no_reply_at_all_is_unknown() {
    let emulator = cosmos_emulator::emulator();
    let store = impatient(&emulator).await;
    emulator.set(Faults { lost_replies: 1000, ..Faults::default() });
    let answer = put(&store, "k", "one", &Expect::Absent).await;
    assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
    emulator.heal();
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "one");
    emulator.set(Faults { lost_writes: 1000, ..Faults::default() });
    let answer = put(&store, "l", "one", &Expect::Absent).await;
    assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
    emulator.heal();
    assert_eq!(store.get(&key("l")).await.unwrap(), None);
}

/// Above a hundred the SDK refuses a query of all, unless it is told otherwise.
#[tokio::test]
async fn a_kind_is_read_over_however_many_partitions_its_container_has() {
    let emulator = cosmos_emulator::emulator();
    emulator.prepare(("fleet", BY_ID.name), "/part", 101);
    let store = made(&emulator).await;
    written(put(&store, "k", "one", &Expect::Absent).await);
    let (mut from, mut seen) = (None, Vec::new());
    loop {
        let page = store.scan(&Scope::Kind(BY_ID), from.as_ref(), 9).await.unwrap();
        seen.extend(page.items.into_iter().map(|(key, _)| key));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen, [key("k")]);
}

/// For longer than an operation may take: it is told as refused, and why, and nothing was written.
#[tokio::test]
async fn a_store_that_is_throttled_all_the_time_is_unavailable_and_says_so() {
    let emulator = cosmos_emulator::emulator();
    let store = impatient(&emulator).await;
    let retry_after = Duration::from_millis(200);
    emulator.set(Faults { throttled: 1000, retry_after, ..Faults::default() });
    let read = store.get(&key("k")).await.unwrap_err();
    let wrote = put(&store, "k", "one", &Expect::Absent).await.unwrap_err();
    let scanned = store.scan(&Scope::Kind(BY_ID), None, 9).await.unwrap_err();
    for error in [read, wrote, scanned] {
        let StoreError::Unavailable(cause) = &error else { panic!("{error:?}") };
        assert!(cause.to_string().contains("the service throttles"), "{cause}");
    }
    emulator.heal();
    assert_eq!(store.get(&key("k")).await.unwrap(), None, "what was refused was not written");
    written(put(&store, "k", "one", &Expect::Absent).await);
}

/// Behind a refusal may lie a try whose reply was lost: that is not told as "nothing happened".
#[tokio::test]
async fn a_refusal_after_a_lost_reply_is_unknown() {
    let emulator = cosmos_emulator::emulator();
    let store = impatient(&emulator).await;
    let retry_after = Duration::from_millis(200);
    emulator.lose_a_reply_then(Faults { throttled: 1000, retry_after, ..Faults::default() });
    let answer = put(&store, "k", "one", &Expect::Absent).await;
    assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
    emulator.heal();
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "one");
}

#[tokio::test]
async fn a_partition_that_splits_under_a_scan_and_under_writes_loses_nothing() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    let at = |n: usize| Key::new(BY_ID, format!("p{}", n % 9), format!("k{n}")).unwrap();
    for n in 0..60 {
        written(store.put(&at(n), "one".into(), &Expect::Absent).await);
    }
    let (mut seen, mut from) = (std::collections::BTreeSet::new(), None);
    for page in 0.. {
        if page == 2 {
            emulator.split("fleet", BY_ID.name, Duration::from_millis(100));
        }
        let found = patiently(&store, from.as_ref()).await;
        seen.extend(found.items.into_iter().map(|(key, _)| key));
        from = found.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(emulator.parts("fleet", BY_ID.name), 2);
    assert_eq!(seen, (0..60).map(at).collect());
    for n in 0..60 {
        let found = store.get(&at(n)).await.unwrap().expect("it is there");
        written(store.put(&at(n), "two".into(), &Expect::At(found.revision)).await);
    }
}

/// While the partition moves a page may be refused, and the same cursor is asked again.
async fn patiently(store: &Cosmos, from: Option<&Cursor>) -> Page {
    let mut refused = 0;
    loop {
        match store.scan(&Scope::Kind(BY_ID), from, 7).await {
            Ok(page) => return page,
            Err(StoreError::Unavailable(_)) if refused < 50 => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Gives an operation less time.
async fn impatient(emulator: &Emulator) -> Cosmos {
    drop(made(emulator).await);
    let options = Options { timeout: Duration::from_secs(2), ..options(emulator) };
    Cosmos::open(&options, &containers()).await.unwrap()
}
