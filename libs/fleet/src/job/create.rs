//! The first write of a job, and what a submission means to a key that exists already.

use std::collections::BTreeMap;

use crate::content::Content;
use crate::event::{Actor, Entry, EventType};
use crate::id::{Epoch, JobId, ProductId};
use crate::job::{Claimed, Job, Used};
use crate::record::Head;
use crate::rejection::{Code, Rejection};
use crate::stage::{FailureReason, Stage};
use crate::time::Timestamp;

/// What a submission comes to.
#[derive(Clone, Debug)]
pub enum Submitted {
    /// Nothing stands under the key, or something that counts as nothing: write this job.
    Create(Box<Job>),
    /// The same content stands already.
    Existing,
    /// Other content stands and may still be replaced.
    Supersede,
}

/// # Errors
/// Other content stands under the key and can no longer be replaced.
pub fn submit(
    standing: Option<&Job>,
    content: &Content,
    product: &ProductId,
    by: &Actor,
    now: Timestamp,
) -> Result<Submitted, Rejection> {
    let fresh = || Job::create(content.clone(), product.clone(), by, now);
    let Some(standing) = standing else { return Ok(Submitted::Create(Box::new(fresh()))) };
    let late = content.sequence.zip(standing.content.sequence).is_some_and(|(new, old)| new < old);
    if standing.counts_as_absent() {
        return Ok(Submitted::Create(Box::new(standing.replaced_by(fresh()))));
    }
    if late || standing.content.content_hash == content.content_hash {
        return Ok(Submitted::Existing);
    }
    if standing.purged {
        return Err(standing.reject(Code::IdempotencyConflict));
    }
    match standing.stage {
        Stage::Queued | Stage::Blocked => Ok(Submitted::Supersede),
        Stage::Assigned(_)
        | Stage::Building(_)
        | Stage::Review(_)
        | Stage::Testing(_)
        | Stage::Shipped
        | Stage::Failed(_)
        | Stage::DeadLetter(_) => Err(standing.reject(Code::IdempotencyConflict)),
    }
}

impl Job {
    /// A job that waits for nothing is claimable at once; one with dependencies stands unadmitted
    /// until they were looked at.
    fn create(content: Content, product: ProductId, by: &Actor, now: Timestamp) -> Self {
        let admitted = content.waits_for_nothing();
        let mut job = Self {
            id: JobId::of(&product, &content.idempotency_key),
            head: Head::new(product, now),
            content: content.into(),
            generation: 0,
            stage: if admitted { Stage::Queued } else { Stage::Blocked },
            admitted,
            lease_epoch: Epoch::ZERO,
            claim: Claimed::default(),
            attempts: 0,
            attempts_base: 0,
            failures: 0,
            reaps: 0,
            used: Used::default(),
            retry_not_before: None,
            checkpoint: None,
            cancel_requested: None,
            fenced_at: None,
            fenced_by: None,
            first_queued_at: admitted.then_some(now),
            queued_at: admitted.then_some(now),
            finished_at: None,
            troubled_deps: Vec::new(),
            last_ops: Vec::new(),
            event_seq: 0,
            outbox: Vec::new(),
            purged: false,
            unknown: BTreeMap::new(),
        };
        job.tell_of_birth(by, now);
        job
    }

    fn tell_of_birth(&mut self, by: &Actor, now: Timestamp) {
        let born: &[EventType] = if self.admitted {
            &[EventType::Submitted, EventType::Admitted, EventType::Queued]
        } else {
            &[EventType::Submitted]
        };
        for kind in born {
            self.event_seq += 1;
            self.outbox.push(Entry {
                seq: self.event_seq,
                kind: *kind,
                at: now,
                actor: by.clone(),
                epoch: self.lease_epoch,
                data: Box::default(),
            });
        }
    }

    /// A cycle was found before it was ever admitted: nobody could have depended on it.
    fn counts_as_absent(&self) -> bool {
        !self.admitted && self.stage == Stage::Failed(FailureReason::DependencyCycle)
    }

    /// Takes the place of a rejected job on the same document: its numbers go on, since runs and
    /// events bear them.
    fn replaced_by(&self, mut fresh: Self) -> Self {
        fresh.head.rev = self.head.rev;
        fresh.head.created_at = self.head.created_at;
        fresh.head.updated_at = fresh.head.updated_at.max(self.head.updated_at);
        fresh.lease_epoch = self.lease_epoch;
        fresh.claim = self.claim.clone();
        fresh.attempts = self.attempts;
        fresh.attempts_base = self.attempts;
        fresh.last_ops.clone_from(&self.last_ops);
        fresh.unknown.clone_from(&self.unknown);
        fresh.outbox.iter_mut().for_each(|entry| {
            entry.seq += self.event_seq;
            entry.epoch = self.lease_epoch;
            entry.at = entry.at.max(self.head.updated_at);
        });
        fresh.event_seq += self.event_seq;
        fresh.outbox.splice(0..0, self.outbox.iter().cloned());
        fresh
    }
}

impl Content {
    fn waits_for_nothing(&self) -> bool {
        self.dep_ids.is_empty() && self.parent_id.is_none()
    }
}
