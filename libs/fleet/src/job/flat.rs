//! How a stored job is read: all its fields side by side, as they are written, in one pass. What
//! serde makes of nested parts that share one object buffers every field first; a fleet that starts
//! reads a million of these. Only the shape; the rules are elsewhere.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{CancelRequest, Claimed, DoneOp, FencedBy, Job, Used};
use crate::capability::Capability;
use crate::content::{
    Ceiling, CommandLine, Content, DepsMode, EngineClass, Kind, ManifestSnapshot, OnDepFailure,
    Priority, ProfileRef, RetryPolicy, ReviewPolicy,
};
use crate::event::Entry;
use crate::grammar::Glob;
use crate::id::{EngineName, Epoch, FactoryId, JobId, Key, LockName, Nonce, ProductId, RequestId};
use crate::money::MicroUsd;
use crate::record::{Head, known_schema};
use crate::report::{Checkpoint, RunResult};
use crate::stage::{Reason, Stage, StageName, Stored};
use crate::time::Timestamp;

/// Makes one flat struct of the parts of a job, and a job of that.
macro_rules! side_by_side {
    (
        $($part:ident: $Part:ident {
            $($(#[$rule:meta])* $field:ident: $type:ty,)*
        })*
        ..Job {
            $($(#[$own_rule:meta])* $own:ident: $own_type:ty,)*
        } with { $($with:tt)* }
    ) => {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Flat {
            $($($(#[$rule])* $field: $type,)*)*
            $($(#[$own_rule])* $own: $own_type,)*
            #[serde(flatten)]
            unknown: BTreeMap<String, Value>,
        }

        impl TryFrom<Flat> for Job {
            type Error = &'static str;

            fn try_from(flat: Flat) -> Result<Self, Self::Error> {
                $(let $part = $Part { $($field: flat.$field,)* };)*
                Ok(Self { $($own: flat.$own,)* unknown: flat.unknown, $($with)* })
            }
        }
    };
}

side_by_side! {
    head: Head {
        #[serde(deserialize_with = "ProductId::stored")]
        product_id: ProductId,
        #[serde(deserialize_with = "known_schema")]
        schema_version: u32,
        rev: u64,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
    content: Content {
        idempotency_key: Key,
        manifest_snapshot: ManifestSnapshot,
        body_md: String,
        content_hash: String,
        kind: Kind,
        parent_id: Option<JobId>,
        tracker_item_id: Option<String>,
        priority: Priority,
        priority_rank: u8,
        capabilities: Vec<Capability>,
        engine: Option<EngineName>,
        engine_class: Option<EngineClass>,
        prefers_engine: Vec<EngineName>,
        profile: Option<ProfileRef>,
        command: Option<CommandLine>,
        verify: Option<CommandLine>,
        deps: Vec<String>,
        dep_ids: Vec<JobId>,
        deps_mode: DepsMode,
        on_dep_failure: OnDepFailure,
        locks: Vec<LockName>,
        budget: Option<Ceiling>,
        retry: Option<RetryPolicy>,
        review_policy: ReviewPolicy,
        timeout_sec: u64,
        not_before: Option<Timestamp>,
        cwd: Option<String>,
        yolo: bool,
        repo: Option<String>,
        base_branch: Option<String>,
        allowed_scope: Vec<Glob>,
        artifact_globs: Vec<Glob>,
        submitted_by: String,
        sequence: Option<u64>,
    }
    stage: Stored {
        stage: StageName,
        holder_factory_id: Option<FactoryId>,
        claim_nonce: Option<Nonce>,
        failure_reason: Option<Reason>,
    }
    claim: Claimed {
        run_id: Option<Nonce>,
        claim_request_id: Option<RequestId>,
        grant_deadline: Option<Timestamp>,
        assigned_at: Option<Timestamp>,
        building_at: Option<Timestamp>,
        profile_version: Option<u32>,
        last_result: Option<RunResult>,
        #[serde(default)]
        verified: bool,
        #[serde(default)]
        claim_usd: MicroUsd,
        #[serde(default)]
        claim_tokens: u64,
    }
    used: Used {
        wall_used_sec: u64,
        usd_used: MicroUsd,
        tokens_used: u64,
    }
    ..Job {
        id: JobId,
        generation: u32,
        admitted: bool,
        lease_epoch: Epoch,
        attempts: u32,
        attempts_base: u32,
        failures: u32,
        reaps: u32,
        retry_not_before: Option<Timestamp>,
        checkpoint: Option<Checkpoint>,
        cancel_requested: Option<CancelRequest>,
        fenced_at: Option<Timestamp>,
        fenced_by: Option<FencedBy>,
        first_queued_at: Option<Timestamp>,
        queued_at: Option<Timestamp>,
        finished_at: Option<Timestamp>,
        #[serde(default)]
        troubled_deps: Vec<JobId>,
        #[serde(default)]
        last_ops: Vec<DoneOp>,
        event_seq: u64,
        #[serde(default)]
        outbox: Vec<Entry>,
        purged: bool,
    } with { head, content: content.into(), stage: Stage::try_from(stage)?, claim, used }
}

impl<'de> Deserialize<'de> for Job {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::try_from(Flat::deserialize(input)?).map_err(D::Error::custom)
    }
}
