//! What happened, as two witnesses tell it who know nothing of each other: the versions of every
//! job that the store took, and the words that were said and answered on the bus. The only thing
//! that is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use fleet::{ActorKind, Job, JobId, StageName};

/// Everything that is known at the end of a campaign.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// In the order in which each job's were written.
    pub(crate) versions: BTreeMap<JobId, Vec<Version>>,
    /// As the store itself has them at the end.
    pub(crate) at_the_end: BTreeMap<JobId, Version>,
    pub(crate) words: Vec<Said>,
    /// Submissions that were acknowledged, by key.
    pub(crate) acknowledged: BTreeMap<String, JobId>,
    /// Numbers of the events that the stream of events has.
    pub(crate) told: BTreeMap<JobId, BTreeSet<u64>>,
    /// Whether any server was killed: what it took last, nobody may have seen.
    pub(crate) servers_killed: bool,
}

/// One version of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// When it was seen.
    pub(crate) at: Duration,
    /// The store's own numbers: of this version, and of the one before it.
    pub(crate) sequence: u64,
    pub(crate) before: u64,
    pub(crate) rev: u64,
    pub(crate) stage: StageName,
    pub(crate) epoch: u64,
    pub(crate) holder: Option<Holder>,
    /// Operations that it remembers.
    pub(crate) done: Vec<Done>,
    pub(crate) events: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder {
    pub(crate) factory: String,
    pub(crate) nonce: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) id: String,
    pub(crate) epoch: u64,
    /// Nothing where somebody else than a factory did it.
    pub(crate) factory: Option<String>,
}

/// A holder's word, heard on the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) at: Duration,
    pub(crate) word: Word,
    pub(crate) job: JobId,
    pub(crate) factory: String,
    pub(crate) epoch: u64,
    pub(crate) nonce: String,
    pub(crate) id: Option<String>,
    pub(crate) by: By,
    pub(crate) answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    Renew,
    Patch,
    Release,
}

/// Who brought a word onto the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    /// The factory itself.
    Factory,
    /// We said the same once more, at once or late.
    Copy,
    /// We spoke for a holder that has lost its lease: a new word under its old epoch.
    Ghost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    /// With its code.
    No(String),
}

/// What a holder is told that is none any more.
pub(crate) const FENCED: [&str; 4] = ["FENCED", "LEASE_NOT_HELD", "LEASE_LOST", "EPOCH_UNKNOWN"];

impl Version {
    pub(crate) fn of(job: &Job, at: Duration, sequence: u64, before: u64) -> Self {
        let holder = job.holder().map(|holder| Holder {
            factory: holder.factory.to_string(),
            nonce: holder.nonce.to_string(),
        });
        let done = job.last_ops.iter().map(|done| Done {
            id: done.op_id.to_string(),
            epoch: done.epoch.get(),
            factory: (done.by.kind == ActorKind::Factory).then(|| done.by.id.clone()),
        });
        Self {
            at,
            sequence,
            before,
            rev: job.head.rev,
            stage: job.stage.name(),
            epoch: job.lease_epoch.get(),
            holder,
            done: done.collect(),
            events: job.event_seq,
        }
    }
}

impl Said {
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(&self.answer, Some(Answer::No(code)) if FENCED.contains(&code.as_str()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, sequence, before, rev, stage, epoch, holder, done, events } = self;
        write!(
            out,
            "{:>8} ms version {before}→{sequence} rev={rev} {} epoch={epoch} events={events}",
            at.as_millis(),
            stage.as_str()
        )?;
        if let Some(Holder { factory, nonce }) = holder {
            write!(out, " holder={factory}/{nonce}")?;
        }
        if let Some(last) = done.last() {
            write!(out, " last={}", last.id)?;
        }
        Ok(())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, word, factory, epoch, nonce, id, by, answer, .. } = self;
        write!(out, "{:>8} ms {by:?} {word:?} epoch={epoch} {factory}/{nonce}", at.as_millis())?;
        if let Some(id) = id {
            write!(out, " id={id}")?;
        }
        match answer {
            None => out.write_str(" → no answer"),
            Some(Answer::Yes) => out.write_str(" → yes"),
            Some(Answer::No(code)) => write!(out, " → {code}"),
        }
    }
}
