//! A pointer to bytes that are kept elsewhere: never the bytes, never a signed link. Readers see
//! a pointer once its blob is known to be there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ArtifactId, Epoch, JobId, Nonce, ProductId};
use crate::record::{Head, Record};
use crate::rejection::{Code, Rejection};
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    pub id: ArtifactId,
    #[serde(flatten)]
    pub head: Head,
    pub job_id: JobId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Nonce>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    pub kind: ArtifactKind,
    /// Follows from product, job, id and kind; kept so that a sweep needs no rule.
    pub blob_key: String,
    pub content_type: String,
    pub size_bytes: u64,
    /// Counted by the server, never believed; absent until it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Shown to people, never part of a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<bool>,
    pub state: ArtifactState,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactKind {
    Log,
    Coverage,
    Screenshot,
    Build,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactState {
    /// A link was given out; the bytes may or may not come.
    Pending,
    Ready,
}

#[derive(Clone, Debug)]
pub enum ArtifactCommand {
    /// The blob is there, and this is what was counted of it.
    Commit { size_bytes: u64, sha256: String },
}

#[derive(Clone, Debug)]
pub enum ArtifactEvent {
    Committed { size_bytes: u64, sha256: String },
}

impl Artifact {
    /// The pointer that stands while its bytes are awaited, with the size that was announced.
    #[must_use]
    pub fn pending(
        id: ArtifactId,
        product: ProductId,
        kind: ArtifactKind,
        size_bytes: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            job_id: id.job(),
            blob_key: format!("fleet/{product}/{}/{id}-{}", id.job(), kind.word()),
            head: Head::new(product, now),
            run_id: None,
            epoch: None,
            kind,
            content_type: "application/octet-stream".to_owned(),
            size_bytes,
            sha256: None,
            name: None,
            quarantined: None,
            state: ArtifactState::Pending,
            unknown: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == ArtifactState::Ready
    }

    fn announced(&self, size_bytes: u64, sha256: &str) -> bool {
        self.size_bytes == size_bytes && self.sha256.as_deref().is_none_or(|known| known == sha256)
    }
}

impl ArtifactKind {
    /// The word that the record stores.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Coverage => "coverage",
            Self::Screenshot => "screenshot",
            Self::Build => "build",
            Self::Other => "other",
        }
    }
}

impl Record for Artifact {
    type Command = ArtifactCommand;
    type Event = ArtifactEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: &ArtifactCommand,
        _: Timestamp,
    ) -> Result<Vec<ArtifactEvent>, Rejection> {
        let ArtifactCommand::Commit { size_bytes, sha256 } = command;
        let same = self.announced(*size_bytes, sha256);
        match self.state {
            ArtifactState::Pending if same => Ok(vec![ArtifactEvent::Committed {
                size_bytes: *size_bytes,
                sha256: sha256.clone(),
            }]),
            ArtifactState::Pending => {
                Err(Rejection::new(Code::Validation).because("blob_mismatch"))
            }
            ArtifactState::Ready if same => Ok(Vec::new()),
            ArtifactState::Ready => Err(Rejection::new(Code::Conflict).because("immutable")),
        }
    }

    fn evolve(mut self, event: &ArtifactEvent) -> Self {
        let ArtifactEvent::Committed { size_bytes, sha256 } = event;
        self.state = ArtifactState::Ready;
        self.size_bytes = *size_bytes;
        self.sha256 = Some(sha256.clone());
        self
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending() -> Artifact {
        let product: ProductId = "acme".parse().unwrap();
        let job = JobId::of(&product, &"j".parse().unwrap());
        let number = uuid::Uuid::from_u128(0x0189_0a5d_ac96_7000_8000_0000_0000_0001);
        let id = ArtifactId::new(job, number);
        Artifact::pending(id, product, ArtifactKind::Log, 3, Timestamp::EPOCH)
    }

    fn commit(size_bytes: u64, sha256: &str) -> ArtifactCommand {
        ArtifactCommand::Commit { size_bytes, sha256: sha256.to_owned() }
    }

    fn committed() -> Artifact {
        let facts = pending().decide(&commit(3, "abc"), Timestamp::EPOCH).unwrap();
        facts.iter().fold(pending(), Record::evolve)
    }

    #[test]
    fn an_id_names_its_job_and_reads_back() {
        let id = pending().id;
        assert_eq!(id.to_string().parse::<ArtifactId>(), Ok(id));
        assert_eq!(pending().blob_key, format!("fleet/acme/{}/{id}-log", id.job()));
        let upper = id.to_string().to_uppercase();
        for text in ["", "a_", "a_x_y", &id.job().to_string(), &upper] {
            assert!(text.parse::<ArtifactId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pointer_is_ready_once_its_bytes_are_what_was_announced() {
        assert!(!pending().is_ready());
        assert!(committed().is_ready());
        let no = pending().decide(&commit(4, "abc"), Timestamp::EPOCH).unwrap_err();
        assert_eq!((no.code, no.reason), (Code::Validation, Some("blob_mismatch")));
    }

    #[test]
    fn a_ready_pointer_points_to_the_same_bytes_for_ever() {
        assert!(committed().decide(&commit(3, "abc"), Timestamp::EPOCH).unwrap().is_empty());
        let no = committed().decide(&commit(3, "def"), Timestamp::EPOCH).unwrap_err();
        assert_eq!((no.code, no.reason), (Code::Conflict, Some("immutable")));
    }
}
