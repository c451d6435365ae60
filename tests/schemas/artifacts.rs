//! One of each message about artifacts and logs.

use std::collections::BTreeMap;

use fleet::{Artifact, ArtifactKind, Epoch};
use protocol::{
    AppendLog, ArtifactPage, ArtifactsAudited, ArtifactsSwept, BeginArtifact, Begun,
    CommitArtifact, Hold, KeepArtifact, Link, LinkArtifact, Linked, ListArtifacts, LogPiece,
    RemoveArtifact, SweepArtifacts, Upload,
};

use crate::examples::{factory, job, nonce, now, stored};

const TEXT: &str = "npm ci\n";

fn artifact() -> Artifact {
    stored("artifact")
}

fn hold() -> Hold {
    Hold { factory_id: factory(), lease_epoch: Epoch::new(1), claim_nonce: nonce() }
}

fn digest() -> String {
    fleet::sha256_hex(TEXT.as_bytes())
}

pub(crate) fn begin(by_factory: bool) -> BeginArtifact {
    BeginArtifact {
        job_id: job(),
        kind: ArtifactKind::Log,
        content_type: Some("text/plain; charset=utf-8".to_owned()),
        name: Some("out.log".to_owned()),
        size_bytes: Some(7),
        sha256: Some(digest()),
        hold: by_factory.then(hold),
        quarantine: false,
        direct: by_factory,
    }
}

pub(crate) fn begun() -> Begun {
    let upload = Upload {
        url: format!("/fleet/blobs/{}?do=create&until=1767323945678&sig=5f2a", artifact().blob_key),
        headers: BTreeMap::from([("content-type".to_owned(), "text/plain".to_owned())]),
        expires_at: now(),
    };
    Begun { artifact: artifact(), upload: Some(upload) }
}

pub(crate) fn commit(by_factory: bool) -> CommitArtifact {
    CommitArtifact {
        artifact_id: artifact().id,
        hold: by_factory.then(hold),
        size_bytes: 7,
        sha256: digest(),
    }
}

pub(crate) fn keep() -> KeepArtifact {
    KeepArtifact { artifact_id: artifact().id, hold: Some(hold()), size_bytes: 7, sha256: digest() }
}

pub(crate) fn linked() -> Linked {
    let url = format!("/fleet/blobs/{}?do=read&until=1767323945678&sig=5f2a", artifact().blob_key);
    Linked { artifact: artifact(), link: Link { url, expires_at: now() } }
}

pub(crate) fn link(by_factory: bool) -> LinkArtifact {
    LinkArtifact { artifact_id: artifact().id, factory_id: by_factory.then(factory) }
}

pub(crate) fn remove() -> RemoveArtifact {
    RemoveArtifact { artifact_id: artifact().id, hold: None }
}

pub(crate) fn list() -> ListArtifacts {
    ListArtifacts {
        job: "nightly".to_owned(),
        kind: Some(ArtifactKind::Log),
        limit: Some(50),
        cursor: None,
    }
}

pub(crate) fn page() -> ArtifactPage {
    ArtifactPage { items: vec![artifact()], next_cursor: Some(artifact().id.to_string()) }
}

pub(crate) fn audited() -> ArtifactsAudited {
    ArtifactsAudited { pointers: 12, missing: vec![artifact().id] }
}

pub(crate) fn sweep() -> SweepArtifacts {
    SweepArtifacts { older_than_sec: 86_400 }
}

pub(crate) fn swept() -> ArtifactsSwept {
    ArtifactsSwept { blobs: 2, pending: 1, expired: 0, logs: 0 }
}

pub(crate) fn append() -> AppendLog {
    AppendLog {
        job_id: job(),
        factory_id: factory(),
        lease_epoch: Epoch::new(1),
        claim_nonce: nonce(),
        from: 0,
        text: TEXT.to_owned(),
    }
}

pub(crate) fn piece() -> LogPiece {
    LogPiece { epoch: Epoch::new(1), from: 0, text: TEXT.to_owned() }
}
