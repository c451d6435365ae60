//! A version that this process saw last is good for trying a write, and for nothing else: whatever
//! others did meanwhile, each word is judged as if it had been looked at anew.

use fleet::{Action, Code, EventType, StageName};

use crate::support::{Yard, code, on_each_store};

/// One of two processes wrote the job last; the other has seen only what came before.
#[tokio::test(start_paused = true)]
async fn nobody_is_refused_for_what_others_have_changed_since() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let other = yard.beside(&store, 8);
        let id = yard.submit("j", "").await;
        let holding = other.granted(id, "f1").await.holding;
        assert!(yard.ledger.jobs.last_seen(&yard.product, id).unwrap().record.holder().is_none());
        let built = yard.patch(id, yard.moving(&holding, StageName::Building)).await;
        assert!(built.done().is_some(), "it holds the job, whoever wrote that down");
        let shipped = other.ship(id, &holding).await;
        assert!(shipped.done().is_some());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_granted_what_others_have_taken_since() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let other = yard.beside(&store, 8);
        let id = yard.submit("j", "").await;
        let winner = other.granted(id, "f2").await;
        let asked = yard.asking(id, "f1", 0);
        let late = yard.ledger.claim(&asked).await.unwrap();
        assert_eq!(code(&late), Some(Code::Conflict));
        let job = yard.job(id).await;
        assert_eq!(job.attempts, 1);
        assert_eq!(job.holder().map(|holder| holder.nonce), Some(winner.holding.claim_nonce));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nobody_who_was_fenced_elsewhere_is_believed_here() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let other = yard.beside(&store, 8);
        let id = yard.submit("j", "").await;
        let zombie = yard.granted(id, "f1").await.holding;
        other.operate(id, Action::Requeue).await.done().unwrap();
        let successor = other.granted(id, "f2").await.holding;
        assert_eq!(code(&yard.ship(id, &zombie).await), Some(Code::Fenced));
        let built = yard.patch(id, yard.moving(&successor, StageName::Building)).await;
        assert!(built.done().is_some());
    })
    .await;
}

/// The first process tells of the job what it saw when it wrote; the second has told all of it, and
/// more.
#[tokio::test(start_paused = true)]
async fn followers_of_an_old_version_see_to_the_new_one() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let other = yard.beside(&store, 8);
        let id = yard.submit("j", "").await;
        let holding = yard.granted(id, "f1").await.holding;
        other.patched(id, other.moving(&holding, StageName::Building)).await;
        other.ship(id, &holding).await.done().unwrap();
        other.follow().await;
        yard.follow().await;
        let events = yard.ledger.events_of(id).await.unwrap();
        let last = yard.job(id).await.event_seq;
        assert_eq!(yard.numbers(id).await, (1..=last).collect::<Vec<_>>());
        assert_eq!(events.iter().filter(|event| event.kind == EventType::Claimed).count(), 1);
        assert!(!yard.lease(id).await.is_some_and(|lease| lease.is_held()));
        assert!(yard.runs(id).await.iter().all(|run| run.ended_at.is_some()));
        assert!(yard.job(id).await.outbox.is_empty());
    })
    .await;
}
