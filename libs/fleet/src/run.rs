//! One attempt at a job. A follower: it tells what the job's log says, and a result is written
//! once.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{Entry, EventType};
use crate::id::{EngineName, Epoch, FactoryId, JobId, Nonce};
use crate::profile::Snapshot;
use crate::record::{Head, Record};
use crate::rejection::{Code, Rejection};
use crate::report::{Exit, Insights, RunResult, VerifyResult};
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// `<jobId>-<attempt>`.
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    pub job_id: JobId,
    pub run_id: Nonce,
    pub attempt: u32,
    pub lease_epoch: Epoch,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_snapshot: Option<Map<String, Value>>,
    pub started_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_result: Option<VerifyResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<RunResult>,
    pub insights: Insights,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pr_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_missing: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<bool>,
    /// The number of the last event that this record has taken in.
    pub told_through: u64,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub percent: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    pub seq: u64,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub enum RunCommand {
    /// Agree with what the job's log says.
    Follow(Vec<Entry>),
    Progress(Progress),
}

#[derive(Clone, Debug)]
pub enum RunEvent {
    Followed(Vec<Entry>),
    Progressed(Progress),
}

impl Run {
    /// The record of a run that the log speaks of and the store lacks: made from the job's own
    /// words, so that any repair makes the same one.
    #[must_use]
    pub fn opened_by(entry: &Entry, job: JobId, head: Head) -> Option<Self> {
        let (attempt, nonce) = (entry.data.attempt?, entry.data.claim_nonce?);
        Some(Self {
            id: Self::id_of(job, attempt),
            head,
            job_id: job,
            run_id: nonce,
            attempt,
            lease_epoch: entry.epoch,
            factory_id: entry.data.factory_id.clone(),
            engine: None,
            profile_snapshot: None,
            started_at: entry.at,
            building_at: None,
            ended_at: None,
            exit: None,
            verify_result: None,
            result: None,
            insights: Insights::default(),
            progress: None,
            pr_url: None,
            branch: None,
            checkpoint_missing: None,
            quarantined: None,
            told_through: 0,
            unknown: BTreeMap::new(),
        })
    }

    /// What the run was given of its profile, for as long as there is a record of it.
    pub fn freeze(&mut self, snapshot: &Snapshot) {
        let frozen = serde_json::to_value(snapshot).expect("string keys and finite numbers encode");
        if let Value::Object(frozen) = frozen {
            self.profile_snapshot = Some(frozen);
        }
    }

    #[must_use]
    pub fn id_of(job: JobId, attempt: u32) -> String {
        format!("{job}-{attempt}")
    }

    fn is_news(&self, entry: &Entry) -> bool {
        entry.seq > self.told_through && entry.data.attempt == Some(self.attempt)
    }

    fn follow(&mut self, entry: &Entry) {
        self.told_through = entry.seq;
        match entry.kind {
            EventType::Claimed => {
                self.started_at = entry.at;
                self.lease_epoch = entry.epoch;
                self.factory_id.clone_from(&entry.data.factory_id);
            }
            EventType::Building => self.building_at = Some(entry.at),
            EventType::Parked => self.ended_at = Some(entry.at),
            EventType::Submitted
            | EventType::Admitted
            | EventType::Superseded
            | EventType::Queued
            | EventType::Blocked
            | EventType::DepSatisfied
            | EventType::DepFailed
            | EventType::DepRegressed
            | EventType::Review
            | EventType::Testing
            | EventType::Verified
            | EventType::Shipped
            | EventType::Checkpointed
            | EventType::Yielded
            | EventType::RetryScheduled
            | EventType::Failed
            | EventType::DeadLetter
            | EventType::LeaseExpired
            | EventType::Requeued
            | EventType::Redriven
            | EventType::Approved
            | EventType::SentBack
            | EventType::CancelRequested
            | EventType::Cancelled
            | EventType::Rejected
            | EventType::ChildFailed
            | EventType::ChildrenAdded
            | EventType::Noted
            | EventType::Purged
            | EventType::ArtifactAdded
            | EventType::ArtifactDeleted
            | EventType::Fenced
            | EventType::Quarantined
            | EventType::Unroutable => {}
        }
        self.take_in(entry);
    }

    fn take_in(&mut self, entry: &Entry) {
        let data = &entry.data;
        if let Some(insights) = &data.insights {
            self.insights = std::mem::take(&mut self.insights).merged(insights.clone());
        }
        if data.verify_result.is_some() {
            self.verify_result.clone_from(&data.verify_result);
        }
        if data.exit.is_some() {
            self.exit.clone_from(&data.exit);
        }
        // Written once: whatever comes later, the first result stands.
        if let (Some(result), None) = (data.result, self.result) {
            self.result = Some(result);
            self.ended_at.get_or_insert(entry.at);
        }
    }
}

impl Record for Run {
    type Command = RunCommand;
    type Event = RunEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &RunCommand, _: Timestamp) -> Result<Vec<RunEvent>, Rejection> {
        match command {
            RunCommand::Follow(entries) => {
                let news: Vec<Entry> =
                    entries.iter().filter(|entry| self.is_news(entry)).cloned().collect();
                Ok(if news.is_empty() { Vec::new() } else { vec![RunEvent::Followed(news)] })
            }
            RunCommand::Progress(_) if self.ended_at.is_some() => {
                Err(Rejection::new(Code::RunClosed))
            }
            RunCommand::Progress(progress) if progress.percent > 100 => {
                Err(Rejection::new(Code::Validation).because("percent"))
            }
            RunCommand::Progress(progress) => {
                let old = self.progress.as_ref().is_some_and(|had| had.seq >= progress.seq);
                Ok(if old { Vec::new() } else { vec![RunEvent::Progressed(progress.clone())] })
            }
        }
    }

    fn evolve(mut self, event: &RunEvent) -> Self {
        match event {
            RunEvent::Followed(entries) => entries.iter().for_each(|entry| self.follow(entry)),
            RunEvent::Progressed(progress) => {
                let floor = self.progress.as_ref().map_or(0, |had| had.percent);
                let percent = progress.percent.max(floor);
                self.progress = Some(Progress { percent, ..progress.clone() });
            }
        }
        self
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}
