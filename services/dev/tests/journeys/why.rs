//! Whoever asks why a job does not move is told one cause, by whatever name they call it, and from
//! the records alone.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{Actor, JobId, WhyCode};
use protocol::{AboutJob, Code, OfJob};

use super::town::{Town, problem, refusal, why_of};

const SOON: Duration = Duration::from_secs(5);

async fn town() -> Town {
    Town::start().await
}

#[tokio::test(start_paused = true)]
async fn a_job_tells_of_itself_from_its_submission_to_its_end() {
    let town = town().await;
    let id = town.submit("---\nidempotencyKey: k\n---\nWork.").await.job.id.to_string();
    let alone = town.why(&id).await;
    assert_eq!(alone.code, WhyCode::NoFactory);
    assert_eq!(alone.next, ["gigamesh factory"]);
    town.beat("f1").await;
    let next = town.why(&id).await;
    assert_eq!((next.code, next.position), (WhyCode::NextInLine, Some(1)));
    assert!(next.factories[0].fits, "{:?}", next.factories);
    let held = town.claim("f1", SOON).await.unwrap();
    assert_eq!(town.why(&id).await.code, WhyCode::Unconfirmed);
    town.build("f1", &held).await.unwrap();
    let running = town.why(&id).await;
    assert_eq!(running.code, WhyCode::Running);
    assert!(running.sentence.contains("on f1") && running.sentence.contains("epoch 1"));
    town.ship("f1", &held).await.unwrap();
    let shipped = town.why(&id).await;
    assert_eq!(shipped.code, WhyCode::Shipped);
    assert!(shipped.sentence.contains("after 1 attempt"), "{}", shipped.sentence);
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_named_with_its_holder() {
    let town = town().await;
    town.beat("f1").await;
    town.submit("---\nidempotencyKey: first\nlock: main\n---\nWork.").await;
    town.claim("f1", SOON).await.unwrap();
    for key in ["second", "third"] {
        town.submit(&format!("---\nidempotencyKey: {key}\nlock: main\n---\nWork.")).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let why = town.why("third").await;
    assert_eq!(why.code, WhyCode::LockHeld);
    assert!(why.sentence.contains("job first on f1"), "{}", why.sentence);
    assert!(why.sentence.contains("1 waiter before"), "{}", why.sentence);
    assert_eq!(why.blockers[0].key.as_ref().map(fleet::Key::as_str), Some("first"));
    let codes: Vec<WhyCode> = why.blockers.iter().map(|blocker| blocker.code).collect();
    assert_eq!(codes, [WhyCode::LockHeld, WhyCode::NoSeat], "the only seat is taken as well");
    town.submit("---\nidempotencyKey: after\ndeps: [first, never]\n---\nWork.").await;
    let waits = town.why("after").await;
    assert_eq!(waits.code, WhyCode::DepUnknown);
    assert!(waits.sentence.contains("first (assigned)"), "{}", waits.sentence);
    assert_eq!(waits.next, ["gigamesh submit FILE --key never"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_a_silent_factory_are_seen_as_soon_as_they_are_so() {
    let town = town().await;
    town.beat("f1").await;
    town.submit("---\nidempotencyKey: k\n---\nWork.").await;
    let product = "acme".parse().unwrap();
    let reason = Some(String::from("release day"));
    let paused = town.ledger.pause(&product, &Actor::user("olga"), reason).await;
    paused.unwrap().done().unwrap();
    let why = town.why("k").await;
    assert_eq!((why.code, why.next), (WhyCode::Paused, vec!["gigamesh unpause".to_owned()]));
    assert!(why.sentence.contains("by olga") && why.sentence.contains("release day"));
    town.ledger.unpause(&product).await.unwrap().done().unwrap();
    tokio::time::sleep(Duration::from_secs(40)).await;
    let why = town.why("k").await;
    assert_eq!(why.code, WhyCode::NoFactory);
    assert!(why.sentence.contains("f1 (silent for 40 s)"), "{}", why.sentence);
}

/// Two keys whose ids begin alike.
fn alike() -> (String, String, String) {
    let product = "acme".parse().unwrap();
    let mut seen = BTreeMap::new();
    (0..)
        .find_map(|n| {
            let key = format!("k{n}");
            let id = JobId::of(&product, &key.parse().unwrap()).to_string();
            let beginning: String = id.chars().take(6).collect();
            let other = seen.insert(beginning.clone(), key.clone())?;
            Some((beginning, key, other))
        })
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_is_called_by_id_by_key_or_by_a_beginning_that_is_its_own() {
    let town = town().await;
    let (beginning, one, other) = alike();
    let first = town.submit(&format!("---\nidempotencyKey: {one}\n---\nWork.")).await.job.id;
    for name in [first.to_string(), one, beginning.clone()] {
        assert_eq!(town.why(&name).await.job_id, first, "{name}");
        let get = OfJob { query: AboutJob::Get, job: name };
        assert_eq!(town.ask(&get).await.unwrap().items[0]["id"], first.to_string());
    }
    town.submit(&format!("---\nidempotencyKey: {other}\n---\nWork.")).await;
    let no = problem(town.ask(&why_of(&beginning)).await);
    assert_eq!((no.code, no.reason.as_deref()), (Code::Validation, Some("ambiguous")));
    assert!(no.message.starts_with("2 job ids begin with"), "{}", no.message);
    assert_eq!(refusal(town.ask(&why_of("j_nobody")).await), Code::NotFound);
    assert_eq!(refusal(town.ask(&why_of("nobody")).await), Code::NotFound);
}
