//! How a job is written: the text of its content as it was made once, then all that may have
//! changed. The same fields as the derived form, in another order.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{CancelRequest, Claimed, DoneOp, FencedBy, Job, Used};
use crate::event::Entry;
use crate::id::{Epoch, JobId};
use crate::record::Head;
use crate::report::Checkpoint;
use crate::stage::Stage;
use crate::time::Timestamp;

/// What a job holds beside its content takes about so many bytes, with a few events.
const BESIDE: usize = 3 << 10;

/// A job without its content.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Beside<'a> {
    id: JobId,
    #[serde(flatten)]
    head: &'a Head,
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
    #[serde(skip_serializing_if = "<[DoneOp]>::is_empty")]
    last_ops: &'a [DoneOp],
    event_seq: u64,
    #[serde(skip_serializing_if = "<[Entry]>::is_empty")]
    outbox: &'a [Entry],
    purged: bool,
    #[serde(flatten)]
    unknown: &'a BTreeMap<String, Value>,
}

pub(super) fn encoded(job: &Job) -> serde_json::Result<Vec<u8>> {
    let content = job.content.text().strip_suffix('}').expect("it is an object");
    let mut bytes = Vec::with_capacity(content.len() + BESIDE);
    bytes.extend_from_slice(content.as_bytes());
    let seam = bytes.len();
    serde_json::to_writer(&mut bytes, &Beside::of(job))?;
    // One object of the two: neither is ever empty.
    bytes[seam] = b',';
    Ok(bytes)
}

impl<'a> Beside<'a> {
    fn of(job: &'a Job) -> Self {
        Self {
            id: job.id,
            head: &job.head,
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
            last_ops: &job.last_ops,
            event_seq: job.event_seq,
            outbox: &job.outbox,
            purged: job.purged,
            unknown: &job.unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::Record;

    const RECORDS: [&[u8]; 2] = [
        include_bytes!("../../tests/fixtures/job-v1.json"),
        include_bytes!("../../tests/fixtures/job-held-v1.json"),
    ];

    #[test]
    fn what_is_written_is_the_whole_job_and_nothing_twice() {
        for record in RECORDS {
            let mut job = Job::decode(record).unwrap();
            job.unknown.insert("addedLater".into(), json!({"by": 2}));
            let bytes = job.encode().unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), json!(job));
            assert_eq!(Job::decode(&bytes).unwrap(), job);
        }
    }

    #[test]
    fn content_that_was_changed_is_written_as_it_is_now() {
        let mut job = Job::decode(RECORDS[0]).unwrap();
        let before = job.encode().unwrap();
        job.content = job.content.amended(|content| content.body_md.push('!'));
        let after = Job::decode(&job.encode().unwrap()).unwrap();
        assert_ne!(before, job.encode().unwrap());
        assert!(after.content.body_md.ends_with('!'));
    }
}
