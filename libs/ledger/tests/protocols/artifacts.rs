//! Pointers to bytes: what the job tells leads, and the pointer follows it, whoever dies, races or
//! comes late.

use std::sync::Arc;

use fleet::{
    Action, Actor, ArtifactId, ArtifactKind, Code, Description, Disposition, EventType, Holding,
    JobId, Pointer,
};
use ledger::{Bringing, Brought, Outcome, Removing};
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged, dying_after};
use crate::support::{Yard, code, noon, on_each_store, reason, someone};

const BYTES: &[u8] = b"one\ntwo\n";

impl Yard {
    fn bringing(job: JobId, holding: Option<&Holding>) -> Bringing {
        let description = Description {
            kind: ArtifactKind::Log,
            content_type: None,
            name: None,
            size_bytes: None,
            sha256: None,
        };
        let described = description.judged().unwrap();
        Bringing { job, described, holding: holding.cloned(), quarantine: false }
    }

    async fn begun(&self, job: JobId, holding: Option<&Holding>) -> ArtifactId {
        let bringing = Self::bringing(job, holding);
        let begun = self.ledger.begin_artifact(&self.product, bringing).await.unwrap();
        begun.done().expect("its holder may").id
    }

    async fn keep(&self, id: ArtifactId, holding: Option<&Holding>) -> Outcome<()> {
        let brought = Brought {
            artifact: id,
            holding: holding.cloned(),
            size_bytes: BYTES.len() as u64,
            sha256: fleet::sha256_hex(BYTES),
        };
        self.ledger.keep_artifact(&self.product, brought).await.unwrap().map(|_| ())
    }

    async fn remove(&self, id: ArtifactId, unless_ready: bool) -> Outcome<()> {
        let by = Actor::service("artifact");
        let removing = Removing { by, holding: None, unless_ready, reason: None };
        self.ledger.remove_artifact(&self.product, id, removing).await.unwrap().map(|_| ())
    }

    async fn pointer(&self, id: ArtifactId) -> Pointer {
        match self.ledger.artifact(&self.product, id).await.unwrap() {
            Some(found) if found.record.is_ready() => Pointer::Ready,
            Some(_) => Pointer::Pending,
            None => Pointer::Missing,
        }
    }

    /// What the log tells of it, in order.
    async fn told(&self, id: ArtifactId) -> Vec<EventType> {
        let mut events = self.ledger.events_of(id.job()).await.unwrap();
        events.sort_by_key(|event| event.seq);
        let about = |event: &fleet::EventRecord| {
            event.data.artifact.as_ref().is_some_and(|mention| mention.artifact_id == id)
        };
        events.iter().filter(|event| about(event)).map(|event| event.kind).collect()
    }

    /// The pointer stands as the log ends.
    async fn agrees(&self, id: ArtifactId) -> bool {
        let (pointer, told) = (self.pointer(id).await, self.told(id).await);
        match told.as_slice() {
            [] => pointer != Pointer::Ready,
            [EventType::ArtifactAdded] => pointer == Pointer::Ready,
            [EventType::ArtifactAdded, EventType::ArtifactDeleted]
            | [EventType::ArtifactDeleted] => pointer == Pointer::Missing,
            _ => false,
        }
    }
}

/// X-08 for an upload: the job told of it, or it may be brought again.
#[tokio::test(start_paused = true)]
async fn an_upload_that_dies_after_any_write_is_finished_or_repeated() {
    on_each_store(async |inner| {
        for writes in 0..9 {
            let staged = Staged::over(&inner);
            let yard = Yard::new(&staged.store(), noon(), 900 + writes as u64);
            let job = yard.submit(&format!("j{writes}"), "").await;
            let holding = yard.running(job, "f1").await;
            let id = yard.begun(job, Some(&holding)).await;
            let dying = dying_after(&staged, writes, yard.keep(id, Some(&holding))).await;
            let restarted = Yard::new(&inner, noon(), 950 + writes as u64);
            restarted.sweep().await;
            assert!(restarted.agrees(id).await, "after {writes} writes");
            assert_eq!(code(&restarted.keep(id, Some(&holding)).await), None);
            restarted.sweep().await;
            assert_eq!(restarted.told(id).await, [EventType::ArtifactAdded]);
            assert_eq!(restarted.pointer(id).await, Pointer::Ready);
            if dying.is_some() {
                assert_eq!(writes, 2, "the job's and the pointer's");
                return;
            }
        }
        panic!("it never ends");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_dies_after_any_write_is_finished_or_repeated() {
    on_each_store(async |inner| {
        for writes in 0..9 {
            let staged = Staged::over(&inner);
            let yard = Yard::new(&staged.store(), noon(), 900 + writes as u64);
            let job = yard.submit(&format!("j{writes}"), "").await;
            let id = yard.begun(job, None).await;
            assert_eq!(code(&yard.keep(id, None).await), None);
            yard.follow().await;
            let dying = dying_after(&staged, writes, yard.remove(id, false)).await;
            let restarted = Yard::new(&inner, noon(), 950 + writes as u64);
            restarted.sweep().await;
            assert!(restarted.agrees(id).await, "after {writes} writes");
            let again = restarted.remove(id, false).await;
            let gone = writes > 0;
            assert_eq!(code(&again), gone.then_some(Code::NotFound), "after {writes} writes");
            restarted.sweep().await;
            assert!(restarted.agrees(id).await);
            assert_eq!(restarted.pointer(id).await, Pointer::Missing);
            if dying.is_some() {
                return;
            }
        }
        panic!("it never ends");
    })
    .await;
}

/// R28: the fence and the word are one write, so that a reap in between is seen.
#[tokio::test(start_paused = true)]
async fn a_word_that_was_on_its_way_when_its_holder_was_fenced_is_refused() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let job = yard.submit("j", "").await;
        let holding = yard.running(job, "f1").await;
        let id = yard.begun(job, Some(&holding)).await;
        staged.hold("fleet_jobs");
        let rival = yard.beside(&inner, 8);
        let (kept, ()) = tokio::join!(yard.keep(id, Some(&holding)), async {
            staged.reached().await;
            rival.operate(job, Action::Requeue).await.done().expect("an operator may");
            staged.let_go();
        });
        assert_eq!(code(&kept), Some(Code::Fenced));
        rival.sweep().await;
        assert_eq!((rival.pointer(id).await, rival.told(id).await), (Pointer::Pending, vec![]));
        let anew = rival.running(job, "f1").await;
        assert_eq!(code(&rival.keep(id, Some(&anew)).await), Some(Code::Fenced));
        assert_eq!(code(&rival.keep(id, None).await), Some(Code::Fenced));
    })
    .await;
}

/// R28 the other way: the job told of it while the word still counted, so that it stays.
#[tokio::test(start_paused = true)]
async fn what_was_told_before_the_fence_is_kept_after_it() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let job = yard.submit("j", "").await;
        let holding = yard.running(job, "f1").await;
        let id = yard.begun(job, Some(&holding)).await;
        assert!(dying_after(&staged, 1, yard.keep(id, Some(&holding))).await.is_none());
        let rival = yard.beside(&inner, 8);
        rival.operate(job, Action::Requeue).await.done().expect("an operator may");
        assert_eq!(code(&rival.keep(id, Some(&holding)).await), None, "it is told its own answer");
        rival.sweep().await;
        assert_eq!(rival.pointer(id).await, Pointer::Ready);
        assert_eq!(rival.told(id).await, [EventType::ArtifactAdded]);
    })
    .await;
}

/// R25: of a commit and a delete each order is good, and nothing is resurrected.
async fn commit_against_delete(store: Arc<dyn Store>, seed: u64) -> bool {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    let job = yard.submit("j", "").await;
    let id = yard.begun(job, None).await;
    let other = yard.beside(&Shuffled::over(&store, seed + 7), seed + 1);
    let (kept, removed) = tokio::join!(yard.keep(id, None), other.remove(id, false));
    yard.follow().await;
    other.follow().await;
    yard.sweep().await;
    let gone = yard.pointer(id).await == Pointer::Missing;
    assert!(matches!(code(&kept), None | Some(Code::NotFound)), "{kept:?}");
    code(&removed).is_none() && gone && yard.agrees(id).await
}

#[tokio::test(start_paused = true)]
async fn a_commit_and_a_delete_end_in_one_story() {
    for seed in 0..300 {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        assert!(commit_against_delete(store, seed).await, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_race_of_commit_and_delete_catches_a_broken_store() {
    let mut caught = 0;
    for seed in 0..300 {
        let store: Arc<dyn Store> = Arc::new(Broken::new());
        caught += u32::from(!commit_against_delete(store, seed).await);
    }
    assert!(caught > 0, "a lost update was never seen");
}

/// A sweeper's belief that nobody brought it may be old.
#[tokio::test(start_paused = true)]
async fn a_sweeper_that_comes_late_spares_what_was_brought() {
    let (mut kept, mut removed) = (0, 0);
    for seed in 0..200 {
        let inner: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::new(&Shuffled::over(&inner, seed), noon(), seed);
        let job = yard.submit("j", "").await;
        let id = yard.begun(job, None).await;
        let other = yard.beside(&Shuffled::over(&inner, seed + 7), seed + 1);
        let (one, two, three) =
            tokio::join!(yard.keep(id, None), other.remove(id, true), other.remove(id, true));
        yard.sweep().await;
        assert!(yard.agrees(id).await, "seed {seed}");
        if code(&one).is_none() {
            kept += 1;
            assert_eq!(yard.pointer(id).await, Pointer::Ready, "seed {seed}");
            let no = Some(Code::Conflict);
            assert!([code(&two), code(&three)].iter().all(|said| *said == no), "seed {seed}");
        } else {
            removed += 1;
            assert_eq!(yard.told(id).await, [EventType::ArtifactDeleted], "two sweepers, one word");
        }
    }
    assert!(kept > 0 && removed > 0, "{kept} and {removed}");
}

/// R29: what ships names what is there.
#[tokio::test(start_paused = true)]
async fn a_job_ships_only_with_artifacts_that_are_there() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let job = yard.submit("j", "").await;
        let holding = yard.running(job, "f1").await;
        let (id, never) =
            (yard.begun(job, Some(&holding)).await, yard.begun(job, Some(&holding)).await);
        let elsewhere = yard.submit("other", "").await;
        let foreign = yard.begun(elsewhere, None).await;
        assert_eq!(code(&yard.keep(foreign, None).await), None);
        let shipping = |artifacts: &[ArtifactId]| fleet::Release {
            artifacts: artifacts.to_vec(),
            ..yard.letting_go(&holding, Disposition::Ship)
        };
        for named in [&[id][..], &[id, never], &[foreign]] {
            let no = yard.release(job, shipping(named)).await;
            assert_eq!(code(&no), Some(Code::InvalidTransition));
            assert_eq!(reason(&no), Some("artifacts_pending"));
        }
        // Told by the job is as good as there: the pointer follows.
        assert!(dying_after(&staged, 1, yard.keep(id, Some(&holding))).await.is_none());
        let no = yard.release(job, shipping(&[id, never])).await;
        assert_eq!(reason(&no), Some("artifacts_pending"));
        let shipped = yard.release(job, shipping(&[id])).await;
        assert_eq!(code(&shipped), None);
    })
    .await;
}

/// A release that looked before the pointer was there is judged anew when it is.
#[tokio::test(start_paused = true)]
async fn an_artifact_that_is_deleted_while_its_job_ships_is_missed_or_was_there() {
    for seed in 0..200 {
        let inner: Arc<dyn Store> = Arc::new(Memory::new());
        let yard = Yard::new(&Shuffled::over(&inner, seed), noon(), seed);
        let job = yard.submit("j", "").await;
        let holding = yard.running(job, "f1").await;
        let id = yard.begun(job, Some(&holding)).await;
        assert_eq!(code(&yard.keep(id, Some(&holding)).await), None);
        yard.follow().await;
        let release =
            fleet::Release { artifacts: vec![id], ..yard.letting_go(&holding, Disposition::Ship) };
        let (shipped, removed) = tokio::join!(yard.release(job, release), yard.remove(id, false));
        yard.sweep().await;
        assert_eq!(code(&removed), None);
        let events = yard.ledger.events_of(job).await.unwrap();
        let at = |kind| events.iter().find(|event| event.kind == kind).and_then(|event| event.seq);
        let (shipped_at, deleted_at) = (at(EventType::Shipped), at(EventType::ArtifactDeleted));
        assert_eq!(shipped_at.is_some(), code(&shipped).is_none());
        assert!(shipped_at.is_none_or(|at| Some(at) < deleted_at), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_too_many_artifacts_the_last_are_refused() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    let job = yard.submit("j", "").await;
    for _ in 0..999 {
        yard.begun(job, None).await;
    }
    let begin = || yard.ledger.begin_artifact(&yard.product, Yard::bringing(job, None));
    begin().await.unwrap().done().expect("the thousandth");
    let (one, other) = tokio::join!(begin(), begin());
    for no in [one.unwrap(), other.unwrap()] {
        assert_eq!((code(&no), reason(&no)), (Some(Code::Conflict), Some("too_many")));
    }
    assert_eq!(yard.ledger.artifacts.all_of(job).await.unwrap().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn the_last_artifacts_are_found_first_and_none_twice() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let (job, other) = (yard.submit("j", "").await, yard.submit("k", "").await);
        yard.begun(other, None).await;
        let mut made = Vec::new();
        for _ in 0..7 {
            made.push(yard.begun(job, None).await);
        }
        made.sort_unstable();
        let hidden = made.remove(4);
        let mut seen = Vec::new();
        while seen.len() < made.len() {
            let before = seen.last().map(ArtifactId::to_string);
            let wanted = |artifact: &fleet::Artifact| artifact.id != hidden;
            let page = yard.ledger.artifacts.last_of(job, before.as_deref(), (4, wanted));
            let page = page.await.unwrap();
            assert_eq!(page.len(), if seen.is_empty() { 4 } else { 2 });
            seen.extend(page.into_iter().map(|found| found.record.id));
        }
        made.reverse();
        assert_eq!(seen, made);
        let first = made.last().unwrap().to_string();
        let none = yard.ledger.artifacts.last_of(job, Some(&first), (4, |_: &_| true));
        assert!(none.await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_purged_job_leaves_no_pointer_and_takes_none() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let job = yard.submit("j", "").await;
        let (kept, half) = (yard.begun(job, None).await, yard.begun(job, None).await);
        assert_eq!(code(&yard.keep(kept, None).await), None);
        yard.ship_at_once(job).await;
        yard.follow().await;
        yard.ledger.purge(&yard.product, job, &someone()).await.unwrap().done().unwrap();
        assert!(yard.ledger.artifacts.all_of(job).await.unwrap().is_empty());
        assert_eq!(code(&yard.keep(half, None).await), Some(Code::NotFound));
        let begin = yard.ledger.begin_artifact(&yard.product, Yard::bringing(job, None));
        assert_eq!(code(&begin.await.unwrap()), Some(Code::NotFound));
    })
    .await;
}
