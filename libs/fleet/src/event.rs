//! What happened to a job, as its log tells it: numbered transitions without gaps, and notes
//! beside them. Append-only; an entry is never rewritten.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::artifact::ArtifactKind;
use crate::content::ProfileRef;
use crate::id::{ArtifactId, Epoch, FactoryId, JobId, Nonce, ProductId};
use crate::record::{Head, Record};
use crate::report::{Checkpoint, Exit, Insights, RunResult, VerifyResult};
use crate::time::Timestamp;

/// The longest id of one.
const LONGEST_ACTOR: usize = 256;

/// A text that names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an actor is user:, token:, factory: or service: and an id")]
pub struct NotAnActor;

/// Who did it. As text `<kind>:<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    pub kind: ActorKind,
    pub id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    User,
    Token,
    Factory,
    Service,
}

impl Actor {
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self { kind: ActorKind::Service, id: name.to_owned() }
    }

    #[must_use]
    pub fn factory(factory: &FactoryId) -> Self {
        Self { kind: ActorKind::Factory, id: factory.to_string() }
    }

    #[must_use]
    pub fn user(id: &str) -> Self {
        Self { kind: ActorKind::User, id: id.to_owned() }
    }

    /// Whoever may read this host's own token.
    #[must_use]
    pub fn owner() -> Self {
        Self::user("local")
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.kind.as_str(), self.id)
    }
}

impl FromStr for Actor {
    type Err = NotAnActor;

    fn from_str(text: &str) -> Result<Self, NotAnActor> {
        let (kind, id) = text.split_once(':').ok_or(NotAnActor)?;
        let kind = ActorKind::ALL.into_iter().find(|known| known.as_str() == kind);
        let plain = (1..=LONGEST_ACTOR).contains(&id.len()) && !id.contains(char::is_control);
        let kind = kind.filter(|_| plain).ok_or(NotAnActor)?;
        Ok(Self { kind, id: id.to_owned() })
    }
}

impl ActorKind {
    const ALL: [Self; 4] = [Self::User, Self::Token, Self::Factory, Self::Service];

    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Factory => "factory",
            Self::Service => "service",
        }
    }
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    Submitted,
    Admitted,
    Superseded,
    Queued,
    Blocked,
    DepSatisfied,
    DepFailed,
    DepRegressed,
    Claimed,
    Building,
    Review,
    Testing,
    Verified,
    Shipped,
    Checkpointed,
    Yielded,
    Parked,
    RetryScheduled,
    Failed,
    DeadLetter,
    LeaseExpired,
    Requeued,
    Redriven,
    Approved,
    SentBack,
    CancelRequested,
    Cancelled,
    Rejected,
    ChildFailed,
    ChildrenAdded,
    Noted,
    Purged,
    ArtifactAdded,
    ArtifactDeleted,
    /// A refused write; without number, like the two below.
    Fenced,
    Quarantined,
    Unroutable,
}

/// An event that waits in the job whose change it describes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    pub seq: u64,
    #[serde(rename = "type")]
    pub kind: EventType,
    pub at: Timestamp,
    pub actor: Actor,
    pub epoch: Epoch,
    /// Boxed, since most of its places are empty and an entry is moved about a lot.
    #[serde(default, skip_serializing_if = "Data::is_empty")]
    pub data: Box<Data>,
}

/// What else there is to say; everything optional, so that every type of event has one form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "EventData")]
pub struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_nonce: Option<Nonce>,
    /// The version of it that the run was frozen with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_result: Option<VerifyResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insights: Option<Insights>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// Boxed, since few events are about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Box<Mention>>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// The artifact that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mention {
    pub artifact_id: ArtifactId,
    pub kind: ArtifactKind,
    /// As counted; absent where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// As counted; absent where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A word that was not heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    pub op: String,
    pub caller_epoch: Epoch,
    pub current_epoch: Epoch,
    pub caller_factory_id: FactoryId,
    pub nonce_matches: bool,
}

impl Data {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The stored form of an entry or a note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventRecord {
    /// `<jobId>-<seq>`, or `<jobId>-x-<uuid>` for a note.
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    pub job_id: JobId,
    /// Absent on notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    #[serde(rename = "type")]
    pub kind: EventType,
    pub at: Timestamp,
    pub actor: Actor,
    pub epoch: Epoch,
    /// Boxed, since most of its places are empty and an entry is moved about a lot.
    #[serde(default, skip_serializing_if = "Data::is_empty")]
    pub data: Box<Data>,
    /// Those that followed at once, in its document and in the stream of events; a reader is shown each
    /// by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Entry>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

impl EventRecord {
    /// Several in one document, named by the first. Nothing of nothing.
    #[must_use]
    pub fn page(entries: &[Entry], job: JobId, product: &ProductId) -> Option<Self> {
        let (first, more) = entries.split_first()?;
        Some(Self { more: more.to_vec(), ..Self::of(first, job, product) })
    }

    /// The number of the last event of this document; none on notes.
    #[must_use]
    pub fn through(&self) -> Option<u64> {
        self.more.last().map_or(self.seq, |last| Some(last.seq))
    }

    /// Each event of this document by itself.
    pub fn each(mut self) -> impl Iterator<Item = Self> {
        let more = std::mem::take(&mut self.more);
        let (job, product) = (self.job_id, self.head.product_id.clone());
        let others = more.into_iter().map(move |entry| Self::of(&entry, job, &product));
        std::iter::once(self).chain(others)
    }

    #[must_use]
    pub fn of(entry: &Entry, job: JobId, product: &ProductId) -> Self {
        Self {
            id: Self::id_of(job, entry.seq),
            head: Head::new(product.clone(), entry.at),
            job_id: job,
            seq: Some(entry.seq),
            kind: entry.kind,
            at: entry.at,
            actor: entry.actor.clone(),
            epoch: entry.epoch,
            data: entry.data.clone(),
            more: Vec::new(),
            unknown: BTreeMap::new(),
        }
    }

    /// The note of a refused word; `id` keeps notes apart.
    #[must_use]
    pub fn fenced(id: uuid::Uuid, job: JobId, head: Head, refused: Refused) -> Self {
        Self {
            id: format!("{job}-x-{}", id.simple()),
            at: head.created_at,
            actor: Actor::factory(&refused.caller_factory_id),
            epoch: refused.current_epoch,
            head,
            job_id: job,
            seq: None,
            kind: EventType::Fenced,
            data: Box::new(Data { refused: Some(refused), ..Data::default() }),
            more: Vec::new(),
            unknown: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn id_of(job: JobId, seq: u64) -> String {
        format!("{job}-{seq}")
    }
}

/// Events are written once; the only command they know is to be there.
impl Record for EventRecord {
    type Command = Infallible;
    type Event = Infallible;
    type Rejection = Infallible;

    fn decide(&self, command: &Infallible, _: Timestamp) -> Result<Vec<Infallible>, Infallible> {
        match *command {}
    }

    fn evolve(self, event: &Infallible) -> Self {
        match *event {}
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}
