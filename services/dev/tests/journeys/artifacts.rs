//! Artifacts, from the first word to the last: who brings what in whose name, and what people see
//! of it. Each story is told over blobs in memory and over blobs in a folder.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use blob::{Blobs, Deed, Signed};
use bytes::Bytes;
use clock::System;
use fleet::{Artifact, ArtifactId, ArtifactKind, EventType, JobId, sha256_hex};
use futures_util::stream;
use protocol::{
    BeginArtifact, Begun, Code, CommitArtifact, Granted, Hold, JobAction, KeepArtifact,
    LinkArtifact, Linked, ListArtifacts, Operate, RemoveArtifact, SweepArtifacts, Verify,
};
use serde_json::json;

use super::town::{Town, problem, refusal};

const WAIT: Duration = Duration::from_secs(10);
const TEXT: &[u8] = b"one\ntwo\n";

fn hold(factory: &str, held: &Granted) -> Hold {
    Hold {
        factory_id: factory.parse().unwrap(),
        lease_epoch: held.lease_epoch,
        claim_nonce: held.claim_nonce,
    }
}

fn wanted(job: JobId, hold: Option<Hold>) -> BeginArtifact {
    BeginArtifact {
        job_id: job,
        kind: ArtifactKind::Log,
        content_type: Some("text/plain".to_owned()),
        name: Some("out.log".to_owned()),
        size_bytes: None,
        sha256: None,
        hold,
        quarantine: false,
        direct: false,
    }
}

fn keeping(id: ArtifactId, bytes: &[u8], hold: Option<Hold>) -> KeepArtifact {
    let size_bytes = bytes.len() as u64;
    KeepArtifact { artifact_id: id, hold, size_bytes, sha256: sha256_hex(bytes) }
}

fn committing(id: ArtifactId, bytes: &[u8], hold: Option<Hold>) -> CommitArtifact {
    let KeepArtifact { artifact_id, hold, size_bytes, sha256 } = keeping(id, bytes, hold);
    CommitArtifact { artifact_id, hold, size_bytes, sha256 }
}

/// A town for each place where blobs may lie, and what keeps the place there.
async fn towns() -> Vec<(Town, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().unwrap();
    let disk = Blobs::disk(folder.path(), Arc::new(System::start())).unwrap();
    let bus = || Arc::new(bus::Memory::default());
    let memory = (Town::on(bus()).await, None);
    vec![memory, (Town::with(bus(), Some(disk)).await, Some(folder))]
}

impl Town {
    async fn held(&self, key: &str) -> Granted {
        let file = format!("---\nidempotencyKey: {key}\n---\nWork.\n");
        self.submit(&file).await;
        self.beat("f1").await;
        let held = self.claim("f1", WAIT).await.unwrap();
        self.build("f1", &held).await.unwrap();
        held
    }

    async fn requeue(&self, job: JobId) {
        let ask = Operate {
            action: JobAction::Requeue,
            job_id: job,
            op_id: None,
            reason: None,
            force: false,
            now: false,
            alone: false,
        };
        self.ask(&ask).await.unwrap();
    }

    async fn bring(&self, artifact: &Artifact, bytes: &[u8]) {
        let key = artifact.blob_key.parse().unwrap();
        let flow = stream::iter([Ok(Bytes::copy_from_slice(bytes))]);
        self.blobs.write(&key, flow, 1 << 30).await.unwrap();
    }

    /// As the door does it.
    async fn uploaded(&self, job: JobId, bytes: &[u8], hold: Option<Hold>) -> Linked {
        let begun = self.ask(&wanted(job, hold.clone())).await.unwrap();
        self.bring(&begun.artifact, bytes).await;
        self.ask(&keeping(begun.artifact.id, bytes, hold)).await.unwrap()
    }

    async fn listed(&self, job: JobId) -> Vec<Artifact> {
        self.ask(&listing(job)).await.unwrap().items
    }

    /// What is under that address, if it still opens anything.
    async fn read(&self, url: &str) -> Vec<u8> {
        let signed = signed(url);
        let allowed = self.blobs.allowed(&signed, self.node.clock.now()).unwrap();
        assert_eq!(allowed.shown.deed, Deed::Read);
        let mut reading = self.blobs.read(&allowed.shown.key, None).await.unwrap();
        let mut all = Vec::new();
        while let Some(bytes) = futures_util::StreamExt::next(&mut reading.bytes).await {
            all.extend_from_slice(&bytes.unwrap());
        }
        all
    }

    async fn blobs_under(&self, prefix: &str) -> usize {
        let found = self.blobs.list(&prefix.parse().unwrap());
        futures_util::TryStreamExt::try_fold(found, 0, |count, _| async move { Ok(count + 1) })
            .await
            .unwrap()
    }

    async fn told(&self, job: JobId) -> Vec<(EventType, ArtifactId)> {
        let events = self.ledger.events_of(job).await.unwrap();
        let about = |event: &fleet::EventRecord| {
            let mention = event.data.artifact.as_ref()?;
            Some((event.kind, mention.artifact_id))
        };
        events.iter().filter_map(about).collect()
    }

    async fn close(self) {
        self.fleet.stop().await.unwrap();
    }
}

fn listing(job: JobId) -> ListArtifacts {
    ListArtifacts { job: job.to_string(), kind: None, limit: None, cursor: None }
}

fn signed(url: &str) -> Signed {
    let rest = url.strip_prefix(blob::DOOR).expect("an address of our own door");
    let (key, query) = rest.split_once('?').unwrap();
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    let query: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    Signed { key: key.to_owned(), query }
}

#[tokio::test(start_paused = true)]
async fn the_record_holds_no_payload_field_and_the_bytes_are_in_the_blob() {
    for (town, _place) in towns().await {
        let held = town.held("j").await;
        let hold = Some(hold("f1", &held));
        let linked = town.uploaded(held.job.id, TEXT, hold).await;
        let stored = town.ledger.artifacts.get(held.job.id, linked.artifact.id).await.unwrap();
        let record = serde_json::to_value(&stored.unwrap().record).unwrap();
        let fields: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "blobKey",
                "contentType",
                "createdAt",
                "epoch",
                "id",
                "jobId",
                "kind",
                "name",
                "productId",
                "rev",
                "runId",
                "schemaVersion",
                "sha256",
                "sizeBytes",
                "state",
                "updatedAt",
            ]
        );
        assert_eq!(record["sizeBytes"], json!(8));
        assert_eq!(
            (&record["productId"], &record["contentType"]),
            (&json!("acme"), &json!("text/plain"))
        );
        let key = format!("fleet/acme/{}/{}-log", held.job.id, linked.artifact.id);
        assert_eq!(record["blobKey"], json!(key));
        assert_eq!(town.blobs.count(&key.parse().unwrap()).await.unwrap().sha256, sha256_hex(TEXT));
        assert_eq!(town.read(&linked.link.url).await, TEXT);
        town.ship("f1", &held).await.unwrap();
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_that_jobs_artifacts_are_listed_the_newest_first() {
    for (town, _place) in towns().await {
        let (one, other) = (
            town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id,
            town.submit("---\nidempotencyKey: b\n---\nx\n").await.job.id,
        );
        let mut made = Vec::new();
        for number in 0..5_u8 {
            made.push(town.uploaded(one, &[number, 1], None).await.artifact.id);
        }
        let elsewhere = town.uploaded(other, TEXT, None).await.artifact.id;
        let begun = town.ask(&wanted(one, None)).await.unwrap();
        made.reverse();
        let ids = |items: &[Artifact]| items.iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(ids(&town.listed(one).await), made, "and none that is pending");
        assert_eq!(ids(&town.listed(other).await), [elsewhere]);
        let page = ListArtifacts { limit: Some(2), ..listing(one) };
        let first = town.ask(&page).await.unwrap();
        assert_eq!(ids(&first.items), made[..2]);
        let next = town.ask(&ListArtifacts { cursor: first.next_cursor, ..page.clone() }).await;
        assert_eq!(ids(&next.unwrap().items), made[2..4]);
        let kind = Some(ArtifactKind::Build);
        assert!(town.ask(&ListArtifacts { kind, ..listing(one) }).await.unwrap().items.is_empty());
        for (limit, cursor, field) in [
            (Some(0), None, "limit"),
            (Some(501), None, "limit"),
            (None, Some(elsewhere.to_string()), "cursor"),
            (None, Some("x".to_owned()), "cursor"),
        ] {
            let asked = town.ask(&ListArtifacts { limit, cursor, ..listing(one) }).await;
            let problem = problem(asked);
            assert_eq!((problem.code, problem.field.as_deref()), (Code::Validation, Some(field)));
        }
        let unseen = LinkArtifact { artifact_id: begun.artifact.id, factory_id: None };
        assert_eq!(refusal(town.ask(&unseen).await), Code::NotFound, "readers see what is ready");
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_url_each_time_and_none_of_them_lives_for_long() {
    for (town, _place) in towns().await {
        let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
        let first = town.uploaded(job, TEXT, None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let ask = LinkArtifact { artifact_id: first.artifact.id, factory_id: None };
        let second = town.ask(&ask).await.unwrap();
        assert_ne!(first.link.url, second.link.url);
        assert_eq!(town.read(&second.link.url).await, TEXT);
        let stored = town.ledger.artifacts.get(job, first.artifact.id).await.unwrap().unwrap();
        let record = serde_json::to_string(&stored.record).unwrap();
        assert!(!record.contains("sig"), "no link is ever stored");
        tokio::time::sleep(Duration::from_mins(15)).await;
        let dead = town.blobs.allowed(&signed(&second.link.url), town.node.clock.now());
        assert_eq!(dead, Err(blob::Stale::Expired));
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_artifact_may_be_larger_than_a_record_may_be() {
    for (town, _place) in towns().await {
        let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
        let large = vec![7; 6 << 20];
        let linked = town.uploaded(job, &large, None).await;
        assert_eq!(linked.artifact.size_bytes, 6 << 20);
        assert_eq!(town.read(&linked.link.url).await, large);
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn delete_removes_pointer_and_blob() {
    for (town, _place) in towns().await {
        let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
        let id = town.uploaded(job, TEXT, None).await.artifact.id;
        let ask = RemoveArtifact { artifact_id: id, hold: None };
        town.ask(&ask).await.unwrap();
        assert!(town.ledger.artifacts.get(job, id).await.unwrap().is_none());
        assert_eq!(town.blobs_under("fleet").await, 0);
        assert_eq!(refusal(town.ask(&ask).await), Code::NotFound);
        let both = [(EventType::ArtifactAdded, id), (EventType::ArtifactDeleted, id)];
        town.ledger.follow("acme".parse().as_ref().unwrap(), job).await.unwrap();
        assert_eq!(town.told(job).await, both);
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_brought_by_a_link_are_read_again_before_they_are_believed() {
    for (town, _place) in towns().await {
        let held = town.held("j").await;
        let hold = Some(hold("f1", &held));
        let direct = BeginArtifact { direct: true, ..wanted(held.job.id, hold.clone()) };
        let Begun { artifact, upload } = town.ask(&direct).await.unwrap();
        let url = upload.unwrap().url;
        let allowed = town.blobs.allowed(&signed(&url), town.node.clock.now()).unwrap();
        assert_eq!((allowed.shown.deed, allowed.shown.most), (Deed::Create, 2 << 30));
        let early = problem(town.ask(&committing(artifact.id, TEXT, hold.clone())).await);
        assert_eq!(early.reason.as_deref(), Some("blob_missing"));
        town.bring(&artifact, TEXT).await;
        let commit = committing(artifact.id, TEXT, hold.clone());
        let linked = town.ask(&commit).await.unwrap();
        assert_eq!(town.ask(&commit).await.unwrap().artifact, linked.artifact, "said twice");
        let other = town.ask(&committing(artifact.id, b"another", hold.clone())).await;
        assert_eq!(problem(other).reason.as_deref(), Some("immutable"));
        assert_eq!(town.listed(held.job.id).await.len(), 1);

        for lie in [&b"one\ntwo\nthree\n"[..], b"one\nTWO\n"] {
            let Begun { artifact, .. } = town.ask(&direct).await.unwrap();
            town.bring(&artifact, TEXT).await;
            let lying = problem(town.ask(&committing(artifact.id, lie, hold.clone())).await);
            assert_eq!(
                (lying.code, lying.reason.as_deref()),
                (Code::Validation, Some("blob_mismatch"))
            );
            let again = town.ask(&committing(artifact.id, TEXT, hold.clone())).await;
            assert_eq!(refusal(again), Code::NotFound, "what was lied about is gone");
        }
        assert_eq!(town.blobs_under("fleet").await, 1);
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_announced_binds() {
    for (town, _place) in towns().await {
        let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
        let announced = [
            BeginArtifact { size_bytes: Some(9), ..wanted(job, None) },
            BeginArtifact { sha256: Some("a".repeat(64)), ..wanted(job, None) },
        ];
        for ask in announced {
            let begun = town.ask(&ask).await.unwrap().artifact;
            town.bring(&begun, TEXT).await;
            let no = problem(town.ask(&keeping(begun.id, TEXT, None)).await);
            assert_eq!((no.code, no.reason.as_deref()), (Code::Validation, Some("blob_mismatch")));
        }
        assert_eq!(town.blobs_under("fleet").await, 0);
        assert!(town.ledger.artifacts.all_of(job).await.unwrap().is_empty());
        let right = BeginArtifact {
            size_bytes: Some(8),
            sha256: Some(sha256_hex(TEXT)),
            ..wanted(job, None)
        };
        let begun = town.ask(&right).await.unwrap().artifact;
        town.bring(&begun, TEXT).await;
        town.ask(&keeping(begun.id, TEXT, None)).await.unwrap();
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_refused_by_the_field_that_is_wrong() {
    let town = Town::on(Arc::new(bus::Memory::default())).await;
    let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
    let good = wanted(job, None);
    let bad = [
        (
            "contentType",
            BeginArtifact { content_type: Some("text/plain\r\nX: y".into()), ..good.clone() },
        ),
        ("contentType", BeginArtifact { content_type: Some("text".into()), ..good.clone() }),
        ("name", BeginArtifact { name: Some("../x".into()), ..good.clone() }),
        ("name", BeginArtifact { name: Some("x".repeat(256)), ..good.clone() }),
        ("name", BeginArtifact { name: Some("a\u{0}".into()), ..good.clone() }),
        ("sha256", BeginArtifact { sha256: Some("xyz".into()), ..good.clone() }),
        ("sizeBytes", BeginArtifact { size_bytes: Some(0), ..good.clone() }),
    ];
    for (field, ask) in bad {
        let no = problem(town.ask(&ask).await);
        assert_eq!((no.code, no.field.as_deref()), (Code::Validation, Some(field)), "{ask:?}");
    }
    let large =
        problem(town.ask(&BeginArtifact { size_bytes: Some((2 << 30) + 1), ..good.clone() }).await);
    assert_eq!(
        (large.code, large.limit, large.actual),
        (Code::TooLarge, Some(2 << 30), Some((2 << 30) + 1))
    );
    let nobody = JobId::of(&"acme".parse().unwrap(), &"nobody".parse().unwrap());
    assert_eq!(refusal(town.ask(&wanted(nobody, None)).await), Code::NotFound);
    let unknown = ArtifactId::new(job, town.node.ids.mint());
    assert_eq!(refusal(town.ask(&keeping(unknown, TEXT, None)).await), Code::NotFound);
    assert_eq!(refusal(town.ask(&committing(unknown, TEXT, None)).await), Code::NotFound);
    let link = LinkArtifact { artifact_id: unknown, factory_id: None };
    assert_eq!(refusal(town.ask(&link).await), Code::NotFound);
    let begun = town.ask(&good).await.unwrap().artifact;
    let empty = KeepArtifact { size_bytes: 0, ..keeping(begun.id, TEXT, None) };
    assert_eq!(problem(town.ask(&empty).await).field.as_deref(), Some("sizeBytes"));
    assert!(town.ledger.artifacts.all_of(job).await.unwrap().len() == 1, "nothing else was made");
    town.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_word_brings_nothing_unless_it_is_a_log_to_be_kept_apart() {
    for (town, _place) in towns().await {
        let held = town.held("j").await;
        let job = held.job.id;
        let zombie = Some(hold("f1", &held));
        let begun = town.ask(&wanted(job, zombie.clone())).await.unwrap().artifact;
        town.bring(&begun, TEXT).await;
        // The same factory takes it anew: its own former name is as stale as a stranger's.
        let product = "acme".parse().unwrap();
        town.requeue(job).await;
        let held = town.claim("f1", WAIT).await.unwrap();
        assert_eq!(held.job.id, job);
        let late = town.ask(&keeping(begun.id, TEXT, zombie.clone())).await;
        assert_eq!(refusal(late), Code::Fenced);
        let late = town.ask(&committing(begun.id, TEXT, zombie.clone())).await;
        assert_eq!(refusal(late), Code::Fenced);
        let own = town.ask(&keeping(begun.id, TEXT, Some(hold("f1", &held)))).await;
        assert_eq!(refusal(own), Code::Fenced, "one run's bytes are not another's");
        assert_eq!(refusal(town.ask(&keeping(begun.id, TEXT, None)).await), Code::Fenced);
        assert_eq!(refusal(town.ask(&wanted(job, zombie.clone())).await), Code::Fenced);
        let screenshot = BeginArtifact {
            kind: ArtifactKind::Screenshot,
            quarantine: true,
            ..wanted(job, zombie.clone())
        };
        assert_eq!(refusal(town.ask(&screenshot).await), Code::Fenced, "of a log only");
        let apart = BeginArtifact { quarantine: true, ..wanted(job, zombie.clone()) };
        let apart = town.ask(&apart).await.unwrap().artifact;
        assert_eq!(apart.quarantined, Some(true));
        town.bring(&apart, TEXT).await;
        let kept = town.ask(&keeping(apart.id, TEXT, zombie)).await.unwrap().artifact;
        assert_eq!((kept.quarantined, kept.is_ready()), (Some(true), true));
        assert_eq!(town.listed(job).await, [kept]);
        town.ledger.follow(&product, job).await.unwrap();
        assert!(town.told(job).await.is_empty(), "the job says nothing for a run that is over");
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_factory_sees_the_artifacts_of_what_it_holds() {
    let town = Town::on(Arc::new(bus::Memory::default())).await;
    let held = town.held("j").await;
    let id = town.uploaded(held.job.id, TEXT, Some(hold("f1", &held))).await.artifact.id;
    let ask = |factory: &str| LinkArtifact { artifact_id: id, factory_id: factory.parse().ok() };
    town.ask(&ask("f1")).await.unwrap();
    assert_eq!(refusal(town.ask(&ask("f2")).await), Code::OutOfScope);
    town.close().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_ships_before_the_artifacts_it_names_are_there() {
    for (town, _place) in towns().await {
        let held = town.held("j").await;
        let name = Some(hold("f1", &held));
        let begun = town.ask(&wanted(held.job.id, name.clone())).await.unwrap().artifact;
        let unknown = ArtifactId::new(held.job.id, town.node.ids.mint());
        for missing in [begun.id, unknown] {
            let no = problem(town.ship_with("f1", &held, vec![missing]).await);
            let reason = no.reason.as_deref();
            assert_eq!((no.code, reason), (Code::InvalidTransition, Some("artifacts_pending")));
        }
        town.bring(&begun, TEXT).await;
        town.ask(&keeping(begun.id, TEXT, name)).await.unwrap();
        let shipped = town.ship_with("f1", &held, vec![begun.id]).await.unwrap();
        assert_eq!(json!(shipped.stage), json!("shipped"));
        town.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_products_artifact_is_not_there() {
    let town = Town::on(Arc::new(bus::Memory::default())).await;
    let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
    let id = town.uploaded(job, TEXT, None).await.artifact.id;
    let theirs = client::OverBus::new(Arc::clone(&town.node.bus), "other".parse().unwrap());
    let patience = || client::Patience {
        request_id: town.node.ids.mint(),
        until: town.node.clock.now().plus(WAIT),
        span: WAIT,
    };
    let link = LinkArtifact { artifact_id: id, factory_id: None };
    assert_eq!(refusal(theirs.call(&link, patience()).await), Code::NotFound);
    let remove = RemoveArtifact { artifact_id: id, hold: None };
    assert_eq!(refusal(theirs.call(&remove, patience()).await), Code::NotFound);
    assert_eq!(refusal(theirs.call(&listing(job), patience()).await), Code::NotFound);
    town.ask(&link).await.unwrap();
    town.close().await;
}

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
        town.blobs.write(&key, flow, 99).await.unwrap();
        let foreign = format!("fleet/acme/{job}/notes").parse().unwrap();
        let flow = stream::iter([Ok(Bytes::from_static(TEXT))]);
        town.blobs.write(&foreign, flow, 99).await.unwrap();
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
        town.close().await;
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
        town.blobs.remove(&artifact.blob_key.parse().unwrap()).await.unwrap();
        let found = town.ask(&Verify {}).await.unwrap().violations;
        let told: Vec<&str> = found.iter().map(|finding| finding.invariant.as_str()).collect();
        assert_eq!(told, ["I19"]);
        assert!(found[0].detail.contains(&artifact.id.to_string()), "{}", found[0].detail);
        town.close().await;
    }
}
