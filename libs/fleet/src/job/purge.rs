//! Forgetting: events that are recorded leave the outbox, and a job whose time is over leaves a
//! stone that keeps its key taken.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::content::{
    Content, DepsMode, Kind, ManifestSnapshot, OnDepFailure, Priority, ReviewPolicy,
};
use crate::id::{Epoch, JobId, Key, ProductId};
use crate::job::evolve::{Change, Event};
use crate::job::wish::Wish;
use crate::job::{Claimed, Job, Used};
use crate::record::Head;
use crate::rejection::Rejection;
use crate::stage::Stage;
use crate::time::Timestamp;

/// All that is kept of a purged job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tombstone {
    pub id: JobId,
    #[serde(flatten)]
    pub head: Head,
    pub idempotency_key: Key,
    pub content_hash: String,
    #[serde(flatten)]
    pub stage: Stage,
    pub lease_epoch: Epoch,
    pub attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    pub purged: Purged,
}

/// Only `true` is a tombstone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "bool", into = "bool")]
pub struct Purged;

impl JsonSchema for Purged {
    fn schema_name() -> Cow<'static, str> {
        "Purged".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}

impl TryFrom<bool> for Purged {
    type Error = &'static str;

    fn try_from(purged: bool) -> Result<Self, Self::Error> {
        if purged { Ok(Self) } else { Err("a tombstone has purged: true") }
    }
}

impl From<Purged> for bool {
    fn from(_: Purged) -> Self {
        true
    }
}

impl Job {
    pub(crate) fn trim(&self, through: u64) -> Option<Change> {
        let any = self.outbox.first().is_some_and(|entry| entry.seq <= through);
        any.then_some(Change::Trimmed { through })
    }

    pub(crate) fn purge(&self) -> Result<Option<Change>, Rejection> {
        if !self.stage.has_ended() {
            return Err(self.no_transition("not_ended"));
        }
        if !self.outbox.is_empty() {
            return Err(self.no_transition("events_unpublished"));
        }
        Ok(Some(Change::Purged))
    }

    pub(crate) fn buried(self) -> Self {
        Tombstone::of(&self).into()
    }

    /// What a stone answers: it has ended for ever, and whoever only tidies finds nothing to do.
    pub(crate) fn answer_from_the_grave(&self, wish: &Wish) -> Result<Vec<Event>, Rejection> {
        match wish {
            Wish::Admit(_)
            | Wish::Settle(_)
            | Wish::TakeBack(_)
            | Wish::Trim { .. }
            | Wish::Remove(_)
            | Wish::Purge => Ok(Vec::new()),
            Wish::Supersede(_)
            | Wish::Claim(_)
            | Wish::Renew(_)
            | Wish::Patch(_)
            | Wish::Release(_)
            | Wish::Operate(_)
            | Wish::AddChildren(_)
            | Wish::Keep(_) => Err(self.no_transition("purged")),
        }
    }
}

impl Tombstone {
    #[must_use]
    pub fn of(job: &Job) -> Self {
        Self {
            id: job.id,
            head: job.head.clone(),
            idempotency_key: job.content.idempotency_key.clone(),
            content_hash: job.content.content_hash.clone(),
            stage: job.stage.clone(),
            lease_epoch: job.lease_epoch,
            attempts: job.attempts,
            finished_at: job.finished_at,
            purged: Purged,
        }
    }

    #[must_use]
    pub fn product(&self) -> &ProductId {
        &self.head.product_id
    }

    fn content(&self) -> Content {
        Content {
            idempotency_key: self.idempotency_key.clone(),
            manifest_snapshot: ManifestSnapshot::default(),
            body_md: String::new(),
            content_hash: self.content_hash.clone(),
            kind: Kind::Leaf,
            parent_id: None,
            tracker_item_id: None,
            priority: Priority::Medium,
            priority_rank: Priority::Medium.rank(),
            capabilities: Vec::new(),
            engine: None,
            engine_class: None,
            prefers_engine: Vec::new(),
            profile: None,
            command: None,
            verify: None,
            deps: Vec::new(),
            dep_ids: Vec::new(),
            deps_mode: DepsMode::Hard,
            on_dep_failure: OnDepFailure::Wait,
            locks: Vec::new(),
            budget: None,
            retry: None,
            review_policy: ReviewPolicy::Auto,
            timeout_sec: 0,
            not_before: None,
            cwd: None,
            yolo: false,
            repo: None,
            base_branch: None,
            allowed_scope: Vec::new(),
            artifact_globs: Vec::new(),
            submitted_by: String::new(),
            sequence: None,
        }
    }
}

impl From<Tombstone> for Job {
    fn from(stone: Tombstone) -> Self {
        Self {
            id: stone.id,
            content: stone.content().into(),
            head: stone.head,
            generation: 0,
            stage: stone.stage,
            admitted: true,
            lease_epoch: stone.lease_epoch,
            claim: Claimed::default(),
            attempts: stone.attempts,
            attempts_base: stone.attempts,
            failures: 0,
            reaps: 0,
            used: Used::default(),
            retry_not_before: None,
            checkpoint: None,
            cancel_requested: None,
            fenced_at: None,
            fenced_by: None,
            first_queued_at: None,
            queued_at: None,
            finished_at: stone.finished_at,
            troubled_deps: Vec::new(),
            last_ops: Vec::new(),
            event_seq: 0,
            outbox: Vec::new(),
            purged: true,
            unknown: BTreeMap::new(),
        }
    }
}
