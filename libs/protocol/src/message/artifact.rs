//! Pointers to bytes, and the lines that a running job says. The bytes of an artifact never travel
//! in a message.

use std::collections::BTreeMap;

use fleet::{
    Artifact, ArtifactId, ArtifactKind, Epoch, FactoryId, JobId, Nonce, ProductId, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::message::Ask;
use crate::subject::{Row, Subject, Topic};
use crate::verb::{Custody, Query, Word};

/// In whose name a run speaks: all three as they were granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hold {
    pub factory_id: FactoryId,
    pub lease_epoch: Epoch,
    pub claim_nonce: Nonce,
}

/// Makes the pointer that stands while its bytes are awaited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BeginArtifact {
    pub job_id: JobId,
    pub kind: ArtifactKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Announced; what is counted has to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Announced; what is counted has to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Absent where a person uploads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// A log of a hold that has ended is kept apart instead of refused.
    #[serde(default)]
    pub quarantine: bool,
    /// The caller brings the bytes to the blob store itself, by a link.
    #[serde(default)]
    pub direct: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    pub artifact: Artifact,
    /// Where the bytes go, if the caller brings them itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
}

/// A request that brings the bytes of one blob, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// Where it begins with `/`, it is an address of the door.
    pub url: String,
    /// Sent with it, as they are.
    pub headers: BTreeMap<String, String>,
    pub expires_at: Timestamp,
}

/// A request that reads one blob, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Where it begins with `/`, it is an address of the door.
    pub url: String,
    pub expires_at: Timestamp,
}

/// The caller has brought the bytes: they are read again, and counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitArtifact {
    pub artifact_id: ArtifactId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    pub size_bytes: u64,
    pub sha256: String,
}

/// The door has brought the bytes, and has counted them on their way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeepArtifact {
    pub artifact_id: ArtifactId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    pub size_bytes: u64,
    pub sha256: String,
}

/// A pointer, and a fresh link to what it points to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Linked {
    pub artifact: Artifact,
    pub link: Link,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkArtifact {
    pub artifact_id: ArtifactId,
    /// The factory that asks, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveArtifact {
    pub artifact_id: ArtifactId,
    /// Absent where a person removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// The pointers of one job whose bytes are there, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListArtifacts {
    /// An id, a unique beginning of one, or a key.
    pub job: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ArtifactKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactPage {
    pub items: Vec<Artifact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Looks whether the bytes of every pointer are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditArtifacts {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactsAudited {
    pub pointers: u64,
    /// Pointers to bytes that are not there.
    pub missing: Vec<ArtifactId>,
}

/// Removes what nobody points to any more, and what was begun and never brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SweepArtifacts {
    pub older_than_sec: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactsSwept {
    /// Bytes without a pointer.
    pub blobs: u64,
    /// Pointers whose bytes never came.
    pub pending: u64,
    /// Pointers that were older than their kind is kept.
    pub expired: u64,
    /// Logs of runs that ended without closing them.
    pub logs: u64,
}

/// The next lines of a running job, in order, each piece once the one before was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppendLog {
    pub job_id: JobId,
    pub factory_id: FactoryId,
    pub lease_epoch: Epoch,
    pub claim_nonce: Nonce,
    /// How many bytes of this run's log came before.
    pub from: u64,
    /// Whole lines, at most 64 KiB.
    pub text: String,
}

/// News for whoever follows a job: these lines were stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogPiece {
    pub epoch: Epoch,
    pub from: u64,
    pub text: String,
}

/// The line of a word that a factory says in its own name, and that others say in theirs.
fn row(speaker: Option<&FactoryId>, word: Word, custody: Custody) -> Row {
    speaker.map_or(Row::Custody(custody), |_| Row::Spoken(word))
}

fn subject(
    product: &ProductId,
    speaker: Option<&FactoryId>,
    (word, custody): (Word, Custody),
) -> Subject {
    let topic = match speaker {
        Some(factory) => Topic::Spoken(factory.clone(), word),
        None => Topic::Custody(custody),
    };
    Subject::new(product, topic)
}

fn speaker(hold: &Option<Hold>) -> Option<&FactoryId> {
    hold.as_ref().map(|hold| &hold.factory_id)
}

impl Ask for BeginArtifact {
    type Reply = Begun;

    fn row(&self) -> Row {
        row(speaker(&self.hold), Word::ArtifactBegin, Custody::Begin)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        subject(product, speaker(&self.hold), (Word::ArtifactBegin, Custody::Begin))
    }
}

impl Ask for CommitArtifact {
    type Reply = Linked;

    fn row(&self) -> Row {
        row(speaker(&self.hold), Word::ArtifactCommit, Custody::Commit)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        subject(product, speaker(&self.hold), (Word::ArtifactCommit, Custody::Commit))
    }
}

impl Ask for LinkArtifact {
    type Reply = Linked;

    fn row(&self) -> Row {
        row(self.factory_id.as_ref(), Word::ArtifactLink, Custody::Link)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        subject(product, self.factory_id.as_ref(), (Word::ArtifactLink, Custody::Link))
    }
}

impl Ask for KeepArtifact {
    type Reply = Linked;

    fn row(&self) -> Row {
        Row::Custody(Custody::Keep)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Custody(Custody::Keep))
    }
}

impl Ask for RemoveArtifact {
    type Reply = ();

    fn row(&self) -> Row {
        Row::Custody(Custody::Remove)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Custody(Custody::Remove))
    }
}

impl Ask for AuditArtifacts {
    type Reply = ArtifactsAudited;

    fn row(&self) -> Row {
        Row::Custody(Custody::Audit)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Custody(Custody::Audit))
    }
}

impl Ask for SweepArtifacts {
    type Reply = ArtifactsSwept;

    fn row(&self) -> Row {
        Row::Custody(Custody::Sweep)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Custody(Custody::Sweep))
    }
}

impl Ask for ListArtifacts {
    type Reply = ArtifactPage;

    fn row(&self) -> Row {
        Row::Query(Query::Artifacts)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Query(Query::Artifacts))
    }
}

impl Ask for AppendLog {
    type Reply = ();

    fn row(&self) -> Row {
        Row::Spoken(Word::Log)
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::spoken(product, &self.factory_id, Word::Log)
    }
}
