//! The check of artifacts on a folder that is whole, and then spoilt in every way that it names:
//! each must be told for what it is.

use std::fs;

use clock::{Ids as _, System};
use fleet::{
    Artifact, ArtifactCommand, ArtifactId, ArtifactKind, ArtifactState, Description, Epoch, JobId,
    Record as _, Timestamp,
};
use sha2::{Digest as _, Sha256};

use super::{Check, check};
use crate::freight::{Freight, Lines};
use crate::stock::{Stock, look};

type Spoil = fn(&mut Scene);

const SPOILT: &[(&str, Spoil, Check)] = &[
    ("the bytes of a pointer are gone", |s| s.remove(0), Check::MissingBytes),
    ("a longer blob", |s| s.write(&s.key(0), "whole!"), Check::OtherBytes),
    ("another blob of the same size", |s| s.write(&s.key(0), "wHole"), Check::OtherBytes),
    ("an orphan", |s| s.write("fleet/local/j/a-other", "x"), Check::OrphanBytes),
    ("a pointer that went before its bytes", |s| drop(s.pointers.remove(0)), Check::OrphanBytes),
    ("an upload that waits for ever", |s| s.pointers.push(pending(None)), Check::Undecided),
    (
        "a piece of a log",
        |s| s.write("fleet-logs/local/j/1/0000000000000000-1", "x"),
        Check::OpenLog,
    ),
    ("two logs of one run", two_logs, Check::TwoLogs),
    ("a log that ends too early", |s| s.log("one\n"), Check::LostLines),
    ("a log with other lines", |s| s.log("one\nTWO\n"), Check::LostLines),
    ("no log", |s| s.pointers.truncate(1), Check::LostLines),
    ("the audit misses something", |s| s.missing = Some(vec![s.pointers[0].id]), {
        Check::MissingBytes
    }),
    ("an acknowledged upload is gone", |s| s.kept = Some(pending(None).id), Check::LostUpload),
    (
        "an acknowledged upload is pending again",
        |s| s.pointers[0] = Artifact { state: ArtifactState::Pending, ..s.pointers[0].clone() },
        Check::LostUpload,
    ),
    ("nobody audits", |s| s.missing = None, Check::Unaudited),
];

#[test]
fn every_spoilt_folder_is_told_from_the_whole_one() {
    assert_eq!(Scene::new().found(), []);
    for (name, spoil, expected) in SPOILT {
        let mut scene = Scene::new();
        spoil(&mut scene);
        let found = scene.found();
        assert!(found.contains(expected), "{name}: {found:?}");
    }
}

#[test]
fn a_write_that_a_crash_cut_short_is_counted_and_no_violation() {
    let scene = Scene::new();
    scene.write("fleet/local/j/a-other#1", "x");
    scene.write("staged/01890a5d", "x");
    assert_eq!((scene.found(), scene.stock().unfinished), (Vec::new(), 2));
}

#[test]
fn what_a_zombie_brought_is_no_second_log() {
    let mut scene = Scene::new();
    let apart = scene.ready(pending(Some(1)).set_apart(), "its own\n");
    scene.pointers.push(apart);
    assert_eq!(scene.found(), []);
}

/// A file and a log of one run, with what points to them.
struct Scene {
    folder: tempfile::TempDir,
    pointers: Vec<Artifact>,
    missing: Option<Vec<ArtifactId>>,
    /// Acknowledged.
    kept: Option<ArtifactId>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let missing = Some(Vec::new());
        let mut scene = Self { folder, pointers: Vec::new(), missing, kept: None };
        scene.pointers = vec![scene.ready(pending(None), "whole")];
        scene.kept = Some(scene.pointers[0].id);
        scene.log("one\ntwo\n");
        scene
    }

    fn found(&self) -> Vec<Check> {
        let lines = |from, text: &str| {
            let text = text.to_owned();
            Lines { job: job(), epoch: Epoch::new(1), from, text }
        };
        let lines = vec![lines(0, "one\n"), lines(4, "two\n"), lines(4, "two\n")];
        let mut freight = Freight::default();
        (freight.lines, freight.kept) = (lines, self.kept.into_iter().collect());
        check(&self.stock(), &freight).into_iter().map(|finding| finding.check).collect()
    }

    fn stock(&self) -> Stock {
        let (pointers, missing) = (self.pointers.clone(), self.missing.clone());
        Stock { pointers, missing, ..look(self.folder.path()).unwrap() }
    }

    /// The only log of the run.
    fn log(&mut self, text: &str) {
        for old in self.pointers.drain(1..) {
            fs::remove_file(self.folder.path().join(old.blob_key)).unwrap();
        }
        let log = self.ready(pending(Some(1)), text);
        self.pointers.push(log);
    }

    fn ready(&self, pointer: Artifact, text: &str) -> Artifact {
        self.write(&pointer.blob_key, text);
        let sha256 = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        let command = ArtifactCommand::Commit { size_bytes: text.len() as u64, sha256 };
        let events = pointer.decide(&command, Timestamp::EPOCH).unwrap();
        events.iter().fold(pointer, Artifact::evolve)
    }

    fn key(&self, n: usize) -> String {
        self.pointers[n].blob_key.clone()
    }

    fn write(&self, key: &str, text: &str) {
        let file = self.folder.path().join(key);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn remove(&self, n: usize) {
        fs::remove_file(self.folder.path().join(self.key(n))).unwrap();
    }
}

fn two_logs(scene: &mut Scene) {
    let other = scene.ready(pending(Some(1)), "one\ntwo\n");
    scene.pointers.push(other);
}

fn job() -> JobId {
    JobId::of(&"local".parse().unwrap(), &"k".parse().unwrap())
}

/// Of a run's log where an epoch is told.
fn pending(epoch: Option<u64>) -> Artifact {
    let kind = if epoch.is_some() { ArtifactKind::Log } else { ArtifactKind::Other };
    let said = Description { kind, content_type: None, name: None, size_bytes: None, sha256: None };
    let id = ArtifactId::new(job(), System::start().mint());
    let described = said.judged().unwrap();
    let pointer = Artifact::pending(id, "local".parse().unwrap(), described, Timestamp::EPOCH);
    Artifact { epoch: epoch.map(Epoch::new), ..pointer }
}
