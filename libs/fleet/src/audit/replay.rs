//! Walks a job's log from its first entry and asks of each step whether the rules could have
//! taken it.

use crate::audit::{Findings, Invariant};
use crate::event::{ActorKind, Entry, EventType};
use crate::id::{Epoch, FactoryId, Nonce};
use crate::job::Job;
use crate::report::Checkpoint;
use crate::stage::StageName;
use crate::time::Timestamp;

/// The job as its log tells it.
#[derive(Default)]
pub(super) struct Replay {
    /// None before the first entry.
    pub stage: Option<StageName>,
    pub holder: Option<Held>,
    pub checkpoint: Option<Checkpoint>,
    epoch: Epoch,
    not_before: Option<Timestamp>,
    /// Who let go last, and under which number: an entry of the same write may follow.
    let_go: Option<(Held, u64)>,
}

#[derive(Clone)]
pub(super) struct Held {
    pub factory: FactoryId,
    pub nonce: Nonce,
    since: u64,
}

/// What the rules make of an entry at the stage before it.
struct Step {
    allowed: bool,
    /// What is broken when it is not.
    broken: Invariant,
    to: Option<StageName>,
    ends_the_hold: bool,
}

impl Replay {
    pub(super) fn over(log: &[Entry], job: &Job, findings: &mut Findings) -> Self {
        let mut replay = Self::default();
        let newest = log.iter().rfind(|entry| entry.changes_content());
        let content_since = newest.map_or(0, |entry| entry.seq);
        for entry in log {
            let step = replay.judge(entry);
            replay.check_epoch(entry, &step, findings);
            replay.check_speaker(entry, findings);
            if entry.kind == EventType::Claimed {
                let start = job.content.not_before.filter(|_| entry.seq > content_since);
                replay.check_claim(entry, start, findings);
            }
            replay.check_step(entry, &step, findings);
            replay.take(entry, &step);
        }
        replay
    }

    /// An epoch rises by one: with a claim, or with a fence that ends a hold.
    fn check_epoch(&self, entry: &Entry, step: &Step, findings: &mut Findings) {
        let seq = Some(entry.seq);
        findings.require(entry.epoch >= self.epoch, Invariant::I3, seq, "the epoch falls");
        let one_more = entry.epoch <= self.epoch.next();
        findings.require(one_more, Invariant::I3, seq, "the epoch skips a number");
        let risen = entry.epoch > self.epoch;
        if entry.kind == EventType::Claimed {
            findings.require(risen, Invariant::I1, seq, "a second claim in one epoch");
        } else if risen && one_more {
            let fence = step.ends_the_hold && self.holder.is_some();
            findings.require(fence, Invariant::I3, seq, "the epoch rises without a fence");
        }
    }

    /// A factory may speak only while it holds, and of its own claim.
    fn check_speaker(&self, entry: &Entry, findings: &mut Findings) {
        if entry.actor.kind != ActorKind::Factory || entry.is_anyones() {
            return;
        }
        let same_write = self.let_go.as_ref().filter(|(_, seq)| *seq + 1 == entry.seq);
        let Some(held) = self.holder.as_ref().or_else(|| same_write.map(|(held, _)| held)) else {
            findings.add(Invariant::I4, [entry.seq], "a factory speaks that holds nothing");
            return;
        };
        let own = entry.actor.id == held.factory.as_str()
            && entry.data.claim_nonce.is_none_or(|nonce| nonce == held.nonce);
        if !own {
            let what = format!("{} speaks, {} holds", entry.actor.id, held.factory);
            findings.add(Invariant::I4, [held.since, entry.seq], what);
        }
        let risen = entry.epoch > self.epoch;
        findings.require(!risen, Invariant::I4, Some(entry.seq), "a factory fences itself");
    }

    fn check_claim(&self, entry: &Entry, start: Option<Timestamp>, findings: &mut Findings) {
        let seq = Some(entry.seq);
        let early = [start, self.not_before].into_iter().flatten().any(|start| entry.at < start);
        findings.require(!early, Invariant::I9, seq, "claimed before its time");
        let named = entry.data.factory_id.is_some() && entry.data.claim_nonce.is_some();
        findings.require(named, Invariant::I5, seq, "a claim without factory or nonce");
        if let Some(held) = &self.holder {
            findings.add(Invariant::I1, [held.since, entry.seq], "claimed while it is held");
        }
    }

    fn check_step(&self, entry: &Entry, step: &Step, findings: &mut Findings) {
        if step.allowed {
            return;
        }
        let after_the_end = self.stage == Some(StageName::Shipped);
        let broken = if after_the_end { Invariant::I12 } else { step.broken };
        let what = match self.stage {
            Some(stage) => format!("{:?} cannot follow {stage:?}", entry.kind),
            None => format!("{:?} cannot come first", entry.kind),
        };
        findings.add(broken, [entry.seq], what);
    }

    fn take(&mut self, entry: &Entry, step: &Step) {
        self.epoch = self.epoch.max(entry.epoch);
        if step.to.is_some() {
            self.stage = step.to;
            self.not_before = entry.data.not_before;
        }
        if step.ends_the_hold
            && let Some(held) = self.holder.take()
        {
            self.let_go = Some((held, entry.seq));
        }
        if entry.kind == EventType::Claimed
            && let (Some(factory), Some(nonce)) = (&entry.data.factory_id, entry.data.claim_nonce)
        {
            self.holder = Some(Held { factory: factory.clone(), nonce, since: entry.seq });
        }
        if entry.changes_content() {
            self.checkpoint = None;
        }
        if let Some(checkpoint) = &entry.data.checkpoint {
            self.checkpoint = Some(checkpoint.clone());
        }
    }

    /// A leaving is told in two entries, the way and the place; between the two the job counts as
    /// blocked.
    fn judge(&self, entry: &Entry) -> Step {
        use StageName::{
            Assigned, Blocked, Building, DeadLetter, Failed, Queued, Review, Shipped, Testing,
        };
        let held = self.holder.is_some();
        let at = |stages: &[StageName]| self.stage.is_some_and(|stage| stages.contains(&stage));
        let waiting = at(&[Queued, Blocked]);
        let parked = !held && at(&[Review, Testing]);
        let open = waiting || held || parked;
        match entry.kind {
            EventType::Submitted => Step::to(self.stage.is_none() || at(&[Failed]), Blocked),
            EventType::Admitted | EventType::DepSatisfied | EventType::ChildrenAdded => {
                Step::stays(at(&[Blocked]))
            }
            EventType::Superseded => Step { broken: Invariant::I21, ..Step::stays(waiting) },
            EventType::Queued => Step::to(waiting, Queued),
            EventType::Blocked => Step::to(waiting, Blocked),
            EventType::DepFailed | EventType::ChildFailed => Step::stays(waiting),
            EventType::DepRegressed => Step::stays(open),
            EventType::Claimed => {
                Step { broken: Invariant::I9, ..Step::to(at(&[Queued]), Assigned) }
            }
            EventType::Building => Step::to(held && at(&[Assigned]), Building),
            EventType::Review => Step::to(held && at(&[Building]), Review),
            EventType::Testing => Step::to(held && at(&[Building, Review]), Testing),
            EventType::Verified | EventType::Checkpointed | EventType::Noted => Step::stays(held),
            EventType::CancelRequested => Step::stays(held),
            EventType::Parked => Step::stays(held && at(&[Review, Testing])).leaving(),
            EventType::Yielded | EventType::RetryScheduled | EventType::LeaseExpired => {
                Step::to(held, Blocked).leaving()
            }
            EventType::Shipped => Step::to(open, Shipped).leaving(),
            EventType::Failed => Step::to(open, Failed).leaving(),
            EventType::DeadLetter => Step::to(open, DeadLetter).leaving(),
            EventType::Cancelled => Step::to(open, Blocked).leaving(),
            EventType::Rejected => Step::to(open || at(&[Failed]), Blocked).leaving(),
            EventType::Requeued => {
                let back = held || parked || at(&[Failed, DeadLetter]);
                Step::to(back, Blocked).leaving()
            }
            EventType::Redriven => Step::to(at(&[Failed, DeadLetter]), Blocked),
            EventType::Approved => Step::to(parked && at(&[Review]), Testing),
            EventType::SentBack => Step::to(parked, Blocked),
            EventType::Purged => Step::stays(at(&[Shipped, Failed, DeadLetter])),
            EventType::ArtifactAdded | EventType::ArtifactDeleted => Step::stays(true),
            EventType::Fenced | EventType::Quarantined | EventType::Unroutable => {
                Step { broken: Invariant::I17, ..Step::stays(false) }
            }
        }
    }
}

impl Step {
    fn to(allowed: bool, stage: StageName) -> Self {
        Self { to: Some(stage), ..Self::stays(allowed) }
    }

    fn stays(allowed: bool) -> Self {
        Self { allowed, broken: Invariant::Table, to: None, ends_the_hold: false }
    }

    fn leaving(self) -> Self {
        Self { ends_the_hold: true, ..self }
    }
}

impl Entry {
    fn changes_content(&self) -> bool {
        matches!(self.kind, EventType::Submitted | EventType::Superseded)
    }

    /// A factory may do this without holding the job.
    fn is_anyones(&self) -> bool {
        matches!(
            self.kind,
            EventType::Submitted
                | EventType::Admitted
                | EventType::Superseded
                | EventType::Claimed
                | EventType::ArtifactAdded
                | EventType::ArtifactDeleted
        )
    }
}
