//! What becomes of artifacts that nobody brought, points to or keeps any longer, and how many there
//! may be.

use std::time::Duration;

use artifact::{Retention, Rule};
use blob::{Named, RunLog};
use bytes::Bytes;
use clock::{Clock, System};
use fleet::{ArtifactId, ArtifactKind, Epoch, EventType, JobId, ProductId};
use futures_util::stream;
use ledger::LogStand;
use protocol::{BeginArtifact, Code, ListArtifacts, SweepArtifacts, Verify};

use super::artifacts::{TEXT, keeping, listing, towns, wanted};
use super::town::{Town, problem, refusal};
use crate::scene::Scene;

#[tokio::test(start_paused = true)]
async fn a_sweep_removes_what_was_never_brought_and_what_nobody_points_to() {
    for (town, place) in towns().await {
        let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
        let kept = town.uploaded(job, TEXT, None).await.artifact;
        let half = town.ask(&wanted(job, None)).await.unwrap().artifact;
        town.bring(&half, TEXT).await;
        let orphan = ArtifactId::new(job, town.node.ids.mint());
        let key = format!("fleet/acme/{job}/{orphan}-build").parse().unwrap();
        let flow = stream::iter([Ok(Bytes::from_static(TEXT))]);
        town.scene.blobs().write(&key, flow, 99).await.unwrap();
        let foreign = format!("fleet/acme/{job}/notes").parse().unwrap();
        let flow = stream::iter([Ok(Bytes::from_static(TEXT))]);
        town.scene.blobs().write(&foreign, flow, 99).await.unwrap();
        let sweep = |hours: u64| SweepArtifacts { older_than_sec: hours * 3600 };
        if place.is_none() {
            let young = town.ask(&sweep(24)).await.unwrap();
            assert_eq!((young.blobs, young.pending), (0, 0), "an upload takes its time");
        }
        let swept = town.ask(&sweep(0)).await.unwrap();
        assert_eq!((swept.blobs, swept.pending, swept.expired), (1, 1, 0));
        assert_eq!(town.blobs_under("fleet").await, 2, "what is kept, and what is not ours");
        let late = town.ask(&keeping(half.id, TEXT, None)).await;
        assert_eq!(refusal(late), Code::NotFound, "an upload that was given up stays so");
        assert_eq!(town.listed(job).await, [kept]);
        let again = town.ask(&sweep(0)).await.unwrap();
        assert_eq!((again.blobs, again.pending), (0, 0));
        town.stop().await;
    }
}

/// Its pieces become an artifact; a pointer that no piece is left for is given up like any other.
#[tokio::test(start_paused = true)]
async fn a_sweep_closes_the_log_of_a_run_that_is_over_and_gives_up_one_without_a_piece() {
    for (town, _place) in towns().await {
        let (said, silent) = (town.shipped("said").await, town.shipped("silent").await);
        for (product, job, epoch) in [said.clone(), silent] {
            let stand = town.ledger.begin_log(&product, job, epoch).await.unwrap();
            assert!(matches!(stand, LogStand::Awaited(_)), "{stand:?}");
        }
        let (product, job, epoch) = said;
        let log = RunLog::of(&town.scene.blobs(), &Named { product, job, epoch });
        log.write(0, Bytes::from_static(TEXT)).await.unwrap();
        let swept = town.ask(&SweepArtifacts { older_than_sec: 0 }).await.unwrap();
        assert_eq!((swept.logs, swept.pending, swept.blobs), (1, 1, 0));
        let kept = town.listed(job).await;
        assert_eq!((kept.len(), kept[0].size_bytes), (1, TEXT.len() as u64));
        assert!(log.pieces().await.unwrap().is_empty());
        town.stop().await;
    }
}

impl Town {
    /// A run that is over.
    async fn shipped(&self, key: &str) -> (ProductId, JobId, Epoch) {
        let held = self.held(key).await;
        self.ship("f1", &held).await.unwrap();
        ("acme".parse().unwrap(), held.job.id, held.lease_epoch)
    }
}

#[tokio::test(start_paused = true)]
async fn verify_names_a_pointer_whose_bytes_are_gone() {
    for (town, _place) in towns().await {
        let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
        let artifact = town.uploaded(job, TEXT, None).await.artifact;
        town.uploaded(job, b"other", None).await;
        let verified = town.ask(&Verify {}).await.unwrap();
        assert_eq!((verified.artifacts, verified.violations), (Some(2), Vec::new()));
        town.scene.blobs().remove(&artifact.blob_key.parse().unwrap()).await.unwrap();
        let found = town.ask(&Verify {}).await.unwrap().violations;
        let told: Vec<&str> = found.iter().map(|finding| finding.invariant.as_str()).collect();
        assert_eq!(told, ["I19"]);
        assert!(found[0].detail.contains(&artifact.id.to_string()), "{}", found[0].detail);
        town.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_its_kind_is_kept_goes() {
    let keep: Retention = ["log=2h".parse::<Rule>().unwrap()].into_iter().collect();
    let town = Town::on(Scene::keeping(super::told(), keep).await);
    let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
    let log = town.uploaded(job, TEXT, None).await.artifact.id;
    let build = BeginArtifact { kind: ArtifactKind::Build, ..wanted(job, None) };
    let build = town.ask(&build).await.unwrap().artifact;
    town.bring(&build, TEXT).await;
    town.ask(&keeping(build.id, TEXT, None)).await.unwrap();
    let ids =
        async || town.listed(job).await.into_iter().map(|artifact| artifact.id).collect::<Vec<_>>();
    tokio::time::sleep(Duration::from_mins(90)).await;
    assert_eq!(ids().await, [build.id, log], "one sweep went by");
    // By itself, with nobody's word: two replicas of it get in nobody's way.
    tokio::time::sleep(Duration::from_mins(100)).await;
    assert_eq!(ids().await, [build.id]);
    assert_eq!(town.blobs_under("fleet").await, 1);
    let told = town.told(job).await;
    assert_eq!(told.iter().filter(|(kind, _)| *kind == EventType::ArtifactDeleted).count(), 1);
    town.stop().await;
}

#[tokio::test]
async fn a_thousand_artifacts_are_listed_at_once() {
    let town = Town::start().await;
    let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
    for _ in 0..1000 {
        town.uploaded(job, TEXT, None).await;
    }
    let page = ListArtifacts { limit: Some(500), ..listing(job) };
    let list = async || {
        let first = town.ask(&page).await.unwrap();
        let next = ListArtifacts { cursor: first.next_cursor, ..page.clone() };
        let second = town.ask(&next).await.unwrap();
        assert_eq!((first.items.len(), second.items.len()), (500, 500));
        assert_eq!(second.next_cursor, None);
    };
    let clock = System::start();
    list().await;
    let began = clock.uptime();
    list().await;
    println!("a thousand listed in {:?}", clock.uptime().saturating_sub(began));
    let no = problem(town.ask(&wanted(job, None)).await);
    assert_eq!((no.code, no.reason.as_deref()), (Code::Conflict, Some("too_many")));
    town.stop().await;
}
