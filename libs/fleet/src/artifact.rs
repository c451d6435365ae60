//! A pointer to bytes that are kept elsewhere: never the bytes, never a signed link. Readers see
//! a pointer once its blob is known to be there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::Mention;
use crate::id::{ArtifactId, Epoch, JobId, Nonce, ProductId};
use crate::job::Holding;
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

/// What is said of an artifact before it is brought.
#[derive(Clone, Debug)]
pub struct Description {
    pub kind: ArtifactKind,
    pub content_type: Option<String>,
    pub name: Option<String>,
    pub size_bytes: Option<u64>,
    pub sha256: Option<String>,
}

/// A description that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    kind: ArtifactKind,
    content_type: String,
    name: Option<String>,
    size_bytes: Option<u64>,
    sha256: Option<String>,
}

/// What is wrong with a description, by the name of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undescribed {
    #[error("{field} {why}")]
    Wrong { field: &'static str, why: &'static str },
    #[error("an artifact has at most {LARGEST_ARTIFACT} bytes")]
    TooLarge { actual: u64 },
}

/// The most bytes of one artifact.
pub const LARGEST_ARTIFACT: u64 = 2 << 30;
/// Of a name and of a content type, in characters.
const LONGEST: usize = 255;
const DIGITS_OF_A_DIGEST: usize = 64;
/// Of an announced size: nothing was announced, since nothing is empty.
const UNANNOUNCED: u64 = 0;
const PLAIN_BYTES: &str = "application/octet-stream";

impl Description {
    /// # Errors
    /// The first field that is wrong.
    pub fn judged(self) -> Result<Described, Undescribed> {
        let Self { kind, content_type, name, size_bytes, sha256 } = self;
        let content_type = content_type.unwrap_or_else(|| PLAIN_BYTES.to_owned());
        let wrong = |field, why| Err(Undescribed::Wrong { field, why });
        if !is_content_type(&content_type) {
            return wrong("contentType", "is type/subtype, in one line, like text/plain");
        }
        if name.as_deref().is_some_and(|name| !is_shown_name(name)) {
            return wrong("name", "is 1 to 255 characters without / and control characters");
        }
        if sha256.as_deref().is_some_and(|digest| !is_digest(digest)) {
            return wrong("sha256", "is 64 digits of 0-9 a-f");
        }
        size_bytes.map_or(Ok(()), within_limits)?;
        Ok(Described { kind, content_type, name, size_bytes, sha256 })
    }
}

impl Described {
    #[must_use]
    pub fn kind(&self) -> ArtifactKind {
        self.kind
    }
}

impl Undescribed {
    /// Whether so many bytes with this digest can be an artifact at all.
    ///
    /// # Errors
    /// They cannot.
    pub fn unless_counted(size_bytes: u64, sha256: &str) -> Result<(), Self> {
        within_limits(size_bytes)?;
        let why = "is 64 digits of 0-9 a-f";
        if is_digest(sha256) { Ok(()) } else { Err(Self::Wrong { field: "sha256", why }) }
    }
}

fn within_limits(size_bytes: u64) -> Result<(), Undescribed> {
    match size_bytes {
        0 => Err(Undescribed::Wrong { field: "sizeBytes", why: "is 1 byte or more" }),
        1..=LARGEST_ARTIFACT => Ok(()),
        actual => Err(Undescribed::TooLarge { actual }),
    }
}

/// A type, a subtype, and whatever parameters; nothing that ends a line of a header.
fn is_content_type(text: &str) -> bool {
    let token = |text: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !text.is_empty() && text.bytes().all(letter)
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end_matches(' ');
    let named = essence.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub));
    named && text.len() <= LONGEST && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn is_shown_name(text: &str) -> bool {
    let plain = |letter: char| letter != '/' && !letter.is_control();
    let leads_elsewhere = matches!(text, "." | "..");
    (1..=LONGEST).contains(&text.chars().count()) && text.chars().all(plain) && !leads_elsewhere
}

fn is_digest(text: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == DIGITS_OF_A_DIGEST && text.bytes().all(digit)
}

impl Artifact {
    /// The pointer that stands while its bytes are awaited, with what was said of them.
    #[must_use]
    pub fn pending(
        id: ArtifactId,
        product: ProductId,
        described: Described,
        now: Timestamp,
    ) -> Self {
        let Described { kind, content_type, name, size_bytes, sha256 } = described;
        Self {
            id,
            job_id: id.job(),
            blob_key: format!("fleet/{product}/{}/{id}-{}", id.job(), kind.word()),
            head: Head::new(product, now),
            run_id: None,
            epoch: None,
            kind,
            content_type,
            size_bytes: size_bytes.unwrap_or(UNANNOUNCED),
            sha256,
            name,
            quarantined: None,
            state: ArtifactState::Pending,
            unknown: BTreeMap::new(),
        }
    }

    /// Begun in the name of this run.
    #[must_use]
    pub fn of_run(mut self, holding: &Holding) -> Self {
        self.run_id = Some(holding.claim_nonce);
        self.epoch = Some(holding.lease_epoch);
        self
    }

    /// Kept apart: its run had no say any more.
    #[must_use]
    pub fn set_apart(mut self) -> Self {
        self.quarantined = Some(true);
        self
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == ArtifactState::Ready
    }

    #[must_use]
    pub fn is_apart(&self) -> bool {
        self.quarantined == Some(true)
    }

    /// Made of the pieces of a run's log, under the id that only that log has.
    #[must_use]
    pub fn is_of_log(&self) -> bool {
        self.epoch.is_some_and(|epoch| self.id == ArtifactId::of_log(self.job_id, epoch))
    }

    /// Whether it was begun in this very name: bytes of one run never pass for another's.
    #[must_use]
    pub fn is_of(&self, holding: Option<&Holding>) -> bool {
        let name = holding.map(|holding| (holding.claim_nonce, holding.lease_epoch));
        name.map(|(nonce, _)| nonce) == self.run_id && name.map(|(_, epoch)| epoch) == self.epoch
    }

    /// What a log says of it.
    #[must_use]
    pub fn mention(&self) -> Mention {
        Mention { artifact_id: self.id, kind: self.kind, size_bytes: None, sha256: None }
    }

    fn announced(&self, size_bytes: u64, sha256: &str) -> bool {
        let size = self.size_bytes == UNANNOUNCED || self.size_bytes == size_bytes;
        size && self.sha256.as_deref().is_none_or(|known| known == sha256)
    }
}

impl ArtifactKind {
    pub const ALL: [Self; 5] =
        [Self::Log, Self::Coverage, Self::Screenshot, Self::Build, Self::Other];

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
        let described = said(|_| {}).judged().unwrap();
        Artifact::pending(id, product, described, Timestamp::EPOCH)
    }

    fn said(change: impl FnOnce(&mut Description)) -> Description {
        let mut said = Description {
            kind: ArtifactKind::Log,
            content_type: None,
            name: None,
            size_bytes: Some(3),
            sha256: None,
        };
        change(&mut said);
        said
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
    fn the_log_of_a_run_has_one_id_and_that_of_another_run_another() {
        let job = pending().id.job();
        let of = |epoch| ArtifactId::of_log(job, Epoch::new(epoch));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(of(1).to_string().parse::<ArtifactId>(), Ok(of(1)));
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

    #[test]
    fn what_is_not_announced_is_whatever_is_counted() {
        let mut open = pending();
        open.size_bytes = UNANNOUNCED;
        assert_eq!(open.decide(&commit(4, "abc"), Timestamp::EPOCH).unwrap().len(), 1);
    }

    #[test]
    fn a_description_is_judged_field_by_field() {
        let field_of = |change: fn(&mut Description)| match said(change).judged() {
            Err(Undescribed::Wrong { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        for bad in ["", "text", "/", "text/", "/plain", "a/b/c", "text/plain\r\nX: y", "té/xt"] {
            let judged = said(|said| said.content_type = Some(bad.to_owned())).judged();
            assert!(judged.is_err(), "{bad:?}");
        }
        for good in ["text/plain", "text/plain; charset=utf-8", "application/vnd.x+json"] {
            said(|said| said.content_type = Some(good.to_owned())).judged().unwrap();
        }
        assert_eq!(field_of(|said| said.content_type = Some("x".into())), "contentType");
        for bad in ["", "a/b", ".", "..", "a\u{7}", "a\nb", &"x".repeat(256)] {
            let judged = said(|said| said.name = Some(bad.to_owned())).judged();
            assert!(judged.is_err(), "{bad:?}");
        }
        said(|said| said.name = Some("ü".repeat(255))).judged().unwrap();
        assert_eq!(field_of(|said| said.name = Some("a/b".into())), "name");
        assert_eq!(field_of(|said| said.sha256 = Some("A".repeat(64))), "sha256");
        assert_eq!(field_of(|said| said.sha256 = Some("a".repeat(63))), "sha256");
        assert_eq!(field_of(|said| said.size_bytes = Some(0)), "sizeBytes");
        said(|said| said.size_bytes = Some(LARGEST_ARTIFACT)).judged().unwrap();
        let large = said(|said| said.size_bytes = Some(LARGEST_ARTIFACT + 1)).judged();
        assert_eq!(large, Err(Undescribed::TooLarge { actual: LARGEST_ARTIFACT + 1 }));
    }
}
