//! The true store, which writes down every version of a job and of a lease that it takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use fleet::{ActorKind, EventType, Job, JobId, Lease, OpId, Record};
use ledger::Placed;
use store::{
    Cursor, Expect, Key, Memory, Page, Put, Revision, Scope, Store, StoreError, Versioned,
};

use super::history::{Facts, History, Op, Phase};

#[derive(Debug)]
pub(super) struct Witness {
    memory: Memory,
    history: Arc<History>,
    name: Arc<str>,
    seen: Mutex<BTreeMap<JobId, Seen>>,
}

/// What of a job was written down already.
#[derive(Debug, Default)]
struct Seen {
    events: u64,
    op: Option<OpId>,
    ended: bool,
    parked: bool,
}

impl Witness {
    pub(super) fn new(history: Arc<History>) -> Self {
        Self { memory: Memory::new(), history, name: "store".into(), seen: Mutex::default() }
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.seen().values().all(|seen| seen.ended)
    }

    /// The jobs that wait for a person.
    pub(super) fn parked(&self) -> Vec<JobId> {
        let seen = self.seen();
        seen.iter().filter(|(_, seen)| seen.parked).map(|(id, _)| *id).collect()
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<JobId, Seen>> {
        self.seen.lock().expect("nothing panics while it holds this lock")
    }

    fn took(&self, key: &Key, value: &[u8]) {
        let kind = key.kind();
        if kind == Job::KIND {
            self.took_job(&Job::decode(value).expect("the ledger writes jobs"));
        } else if kind == Lease::KIND {
            self.took_lease(&Lease::decode(value).expect("the ledger writes leases"));
        }
    }

    fn took_job(&self, job: &Job) {
        let mut seen = self.seen();
        let seen = seen.entry(job.id).or_default();
        let fresh: Vec<_> = job.outbox.iter().filter(|entry| entry.seq > seen.events).collect();
        let op = job.last_ops.last().map(|done| done.op_id);
        let words: Vec<String> = fresh.iter().map(|entry| format!("{:?}", entry.kind)).collect();
        let by_factory = fresh.iter().find(|entry| entry.actor.kind == ActorKind::Factory);
        let claimed = fresh.iter().any(|entry| entry.kind == EventType::Claimed);
        let args = Facts {
            word: (!words.is_empty()).then(|| words.join("+")),
            factory: by_factory.map(|entry| entry.actor.id.clone()),
            id: if claimed {
                job.claim.claim_request_id.map(fleet::RequestId::uuid)
            } else {
                op.filter(|_| op != seen.op).map(OpId::uuid)
            },
            ..Facts::default()
        };
        seen.events = job.event_seq;
        seen.op = op.or(seen.op);
        seen.ended = job.stage.has_ended();
        seen.parked = job.stage.is_parked();
        let result = Facts {
            epoch: Some(job.lease_epoch.get()),
            factory: job.holder().map(|holder| holder.factory.to_string()),
            nonce: job.holder().map(|holder| holder.nonce),
            stage: Some(job.stage.name()),
            hash: Some(job.content.content_hash.clone()),
            word: job.fenced_by.map(|by| format!("{by:?}")),
            number: Some(job.head.rev),
            locks: job.content.locks.iter().map(ToString::to_string).collect(),
            deps: if job.admitted { job.content.dep_ids.clone() } else { Vec::new() },
            id: None,
        };
        self.history.push(&self.name, (Op::Job, Phase::Ok), Some(job.id), (args, result));
    }

    fn took_lease(&self, lease: &Lease) {
        let result = Facts {
            epoch: Some(lease.lease_epoch.get()),
            nonce: lease.claim_nonce,
            word: Some(format!("{:?}", lease.status)),
            number: Some(lease.renewals),
            ..Facts::default()
        };
        let key = Some(lease.job_id);
        self.history.push(&self.name, (Op::Lease, Phase::Ok), key, (Facts::default(), result));
    }
}

#[async_trait]
impl Store for Witness {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.memory.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        let answer = self.memory.put(key, value.clone(), expect).await?;
        if matches!(answer, Put::Written(_)) {
            self.took(key, &value);
        }
        Ok(answer)
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.memory.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.memory.scan(scope, from, limit).await
    }
}
