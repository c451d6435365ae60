//! The list of what is shown of a job, under the names of its record. A field of the record that
//! is neither here nor among those kept back fails the test below.

use std::collections::BTreeMap;

use fleet::{
    CancelRequest, Checkpoint, Claimed, Content, Epoch, FencedBy, Head, Job, JobId, Stage,
    Timestamp, Used,
};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

/// Of a record, what nobody is shown.
pub(super) const KEPT_BACK: [&str; 2] = ["outbox", "lastOps"];
/// What only those are shown who may read the instructions.
pub(super) const TEXTS: [&str; 2] = ["bodyMd", "manifestSnapshot"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown<'a> {
    id: JobId,
    #[serde(flatten)]
    head: &'a Head,
    #[serde(flatten)]
    content: Told<'a>,
    generation: u32,
    #[serde(flatten)]
    stage: &'a Stage,
    admitted: bool,
    lease_epoch: Epoch,
    #[serde(flatten)]
    claim: &'a Claimed,
    attempts: u32,
    attempts_base: u32,
    failures: u32,
    reaps: u32,
    #[serde(flatten)]
    used: &'a Used,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'a Checkpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_requested: Option<&'a CancelRequest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fenced_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fenced_by: Option<FencedBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_queued_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[JobId]>::is_empty")]
    troubled_deps: &'a [JobId],
    event_seq: u64,
    purged: bool,
    etag: &'a str,
    #[serde(flatten)]
    unknown: &'a BTreeMap<String, Value>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(job: &'a Job, etag: &'a str, whole: bool) -> Self {
        Self {
            id: job.id,
            head: &job.head,
            content: Told { content: &job.content, whole },
            generation: job.generation,
            stage: &job.stage,
            admitted: job.admitted,
            lease_epoch: job.lease_epoch,
            claim: &job.claim,
            attempts: job.attempts,
            attempts_base: job.attempts_base,
            failures: job.failures,
            reaps: job.reaps,
            used: &job.used,
            retry_not_before: job.retry_not_before,
            checkpoint: job.checkpoint.as_ref(),
            cancel_requested: job.cancel_requested.as_ref(),
            fenced_at: job.fenced_at,
            fenced_by: job.fenced_by,
            first_queued_at: job.first_queued_at,
            queued_at: job.queued_at,
            finished_at: job.finished_at,
            troubled_deps: &job.troubled_deps,
            event_seq: job.event_seq,
            purged: job.purged,
            etag,
            unknown: &job.unknown,
        }
    }
}

/// The content, with or without its texts.
struct Told<'a> {
    content: &'a Content,
    whole: bool,
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let it = self.content;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("idempotencyKey", &it.idempotency_key)?;
        if self.whole {
            map.serialize_entry("manifestSnapshot", &it.manifest_snapshot)?;
            map.serialize_entry("bodyMd", &it.body_md)?;
        }
        map.serialize_entry("contentHash", &it.content_hash)?;
        map.serialize_entry("kind", &it.kind)?;
        some(&mut map, "parentId", it.parent_id.as_ref())?;
        some(&mut map, "trackerItemId", it.tracker_item_id.as_ref())?;
        map.serialize_entry("priority", &it.priority)?;
        map.serialize_entry("priorityRank", &it.priority_rank)?;
        map.serialize_entry("capabilities", &it.capabilities)?;
        some(&mut map, "engine", it.engine.as_ref())?;
        some(&mut map, "engineClass", it.engine_class.as_ref())?;
        map.serialize_entry("prefersEngine", &it.prefers_engine)?;
        some(&mut map, "profile", it.profile.as_ref())?;
        some(&mut map, "command", it.command.as_ref())?;
        some(&mut map, "verify", it.verify.as_ref())?;
        map.serialize_entry("deps", &it.deps)?;
        map.serialize_entry("depIds", &it.dep_ids)?;
        map.serialize_entry("depsMode", &it.deps_mode)?;
        map.serialize_entry("onDepFailure", &it.on_dep_failure)?;
        map.serialize_entry("locks", &it.locks)?;
        some(&mut map, "budget", it.budget.as_ref())?;
        some(&mut map, "retry", it.retry.as_ref())?;
        map.serialize_entry("reviewPolicy", &it.review_policy)?;
        map.serialize_entry("timeoutSec", &it.timeout_sec)?;
        some(&mut map, "notBefore", it.not_before.as_ref())?;
        some(&mut map, "cwd", it.cwd.as_ref())?;
        map.serialize_entry("yolo", &it.yolo)?;
        some(&mut map, "repo", it.repo.as_ref())?;
        some(&mut map, "baseBranch", it.base_branch.as_ref())?;
        map.serialize_entry("allowedScope", &it.allowed_scope)?;
        map.serialize_entry("artifactGlobs", &it.artifact_globs)?;
        map.serialize_entry("submittedBy", &it.submitted_by)?;
        some(&mut map, "sequence", it.sequence.as_ref())?;
        map.end()
    }
}

fn some<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    value: Option<&impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fleet::Record;
    use serde_json::Map;

    use super::*;

    const RECORDS: [&[u8]; 2] = [
        include_bytes!("../../../../fleet/tests/fixtures/job-v1.json"),
        include_bytes!("../../../../fleet/tests/fixtures/job-held-v1.json"),
    ];
    fn names(shown: &impl Serialize) -> BTreeSet<String> {
        let text = serde_json::to_string(shown).unwrap();
        let fields: Map<String, Value> = serde_json::from_str(&text).unwrap();
        fields.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn every_field_of_the_record_is_shown_or_kept_back() {
        for record in RECORDS {
            let job = Job::decode(record).unwrap();
            let mut expected = names(&job);
            expected.insert(String::from("etag"));
            expected.retain(|name| !KEPT_BACK.contains(&name.as_str()));
            assert_eq!(names(&Shown::of(&job, "7", true)), expected);
            expected.retain(|name| !TEXTS.contains(&name.as_str()));
            assert_eq!(names(&Shown::of(&job, "7", false)), expected);
        }
    }
}
