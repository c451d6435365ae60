//! Why a job is where it is: one leading cause in plain words, everything else that stands in the
//! way, and what to type next. Pure: the truths are read beforehand, and `now` is one of them.

mod ended;
mod gates;
mod held;
mod hosts;
mod waits;
mod words;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::capability::Capability;
use crate::event::{Actor, ActorKind, EventRecord, EventType};
use crate::factory::Factory;
use crate::id::{BudgetId, FactoryId, JobId, Key, LockName};
use crate::job::Job;
use crate::lease::Lease;
use crate::lock::Lock;
use crate::product::Product;
use crate::run::Run;
use crate::stage::{Stage, StageName};
use crate::time::Timestamp;

/// The words for a cause, in the order in which they lead.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum WhyCode {
    Shipped,
    Cancelled,
    Failed,
    DeadLetter,
    NotAdmitted,
    DependencyCycle,
    DepFailed,
    DepUnknown,
    DepsUnmet,
    ChildrenOpen,
    ParkedReview,
    ParkedTesting,
    Paused,
    NotBefore,
    RetryBackoff,
    LockHeld,
    BudgetExhausted,
    NoFactory,
    Unroutable,
    TokenScope,
    EngineUnavailable,
    NoSeat,
    DegradedOnly,
    NextInLine,
    Unconfirmed,
    Running,
    Silent,
    Stopping,
    /// Never leads: what is running and has little time left.
    TimeoutNear,
}

/// One explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    pub job_id: JobId,
    pub stage: StageName,
    /// The first cause that applies.
    pub code: WhyCode,
    pub sentence: String,
    /// Since when that is so.
    pub since: Timestamp,
    /// When it changes by itself, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// Everything that stands in the way, of the leading cause first.
    pub blockers: Vec<Blocker>,
    /// Each factory of the product, where the job waits for one.
    pub factories: Vec<Suits>,
    /// Its place among the claimable jobs of its product, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// Commands, ready to type.
    pub next: Vec<String>,
}

/// One thing in the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blocker {
    pub code: WhyCode,
    pub detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Whether one factory could claim the job now; if not, the first filter that it fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suits {
    pub factory_id: FactoryId,
    pub fits: bool,
    pub code: SuitsCode,
    pub detail: String,
}

/// The filters in their order: who comes to a later word has passed all earlier ones.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SuitsCode {
    NoFactory,
    Unroutable,
    TokenScope,
    EngineUnavailable,
    NoSeat,
    DegradedOnly,
    Fits,
}

/// What was read of the job and of all that it depends on.
#[derive(Clone, Debug)]
pub struct Truths {
    pub job: Job,
    /// Of its dependencies, those that were ever submitted.
    pub deps: Vec<Job>,
    /// The keys of the way round, where its dependencies lead back to it.
    pub cycle: Vec<Key>,
    pub product: Product,
    /// The locks that it names.
    pub locks: Vec<LockSeen>,
    /// The budgets that it counts against.
    pub budgets: Vec<Budget>,
    pub lease: Option<Lease>,
    /// The newest.
    pub run: Option<Run>,
    /// Its events as recorded; those in its outbox need not be among them.
    pub log: Vec<EventRecord>,
    /// Every factory of the product, where the job is queued or blocked.
    pub factories: Vec<Host>,
    /// Claimable jobs that go before it, where anybody knows.
    pub ahead: Option<usize>,
    /// How long a renewal is good for, and what silence must exceed that by.
    pub ttl: Duration,
    pub allowance: Duration,
    pub now: Timestamp,
}

/// A lock that the job names, with its holder and those who want it first.
#[derive(Clone, Debug)]
pub struct LockSeen {
    pub name: LockName,
    pub lock: Option<Lock>,
    /// The job in its slot.
    pub holder: Option<Job>,
    /// Queued jobs before this one that name it too.
    pub ahead: usize,
}

/// A factory, and what beside its record decides whether it can take a job.
#[derive(Clone, Debug)]
pub struct Host {
    pub factory: Factory,
    pub held: Vec<JobId>,
    /// Of any of its leases, as far as it matters.
    pub last_renewal: Option<Timestamp>,
    /// What its credential covers; nothing said: everything.
    pub scope: Option<Vec<Capability>>,
}

/// One cause, while the explanation is put together.
struct Cause {
    code: WhyCode,
    sentence: String,
    since: Timestamp,
    next_at: Option<Timestamp>,
    blockers: Vec<Blocker>,
    next: Vec<String>,
}

impl Why {
    #[must_use]
    pub fn of(truths: &Truths) -> Self {
        let waits = matches!(truths.job.stage, Stage::Queued | Stage::Blocked);
        let factories = match waits {
            true => suits(&truths.job, &truths.factories, truths.now),
            false => Vec::new(),
        };
        let mut causes = causes(truths, &factories);
        let blockers = causes.iter_mut().flat_map(|cause| cause.blockers.drain(..)).collect();
        let leading = causes.swap_remove(0);
        let queued = truths.job.stage == Stage::Queued && truths.job.admitted;
        Self {
            job_id: truths.job.id,
            stage: truths.job.stage.name(),
            code: leading.code,
            sentence: leading.sentence,
            since: leading.since,
            next_at: leading.next_at,
            blockers,
            factories,
            position: truths.ahead.filter(|_| queued).map(|ahead| ahead + 1),
            next: leading.next,
        }
    }
}

/// Each factory, judged by the filters before a claim.
#[must_use]
pub fn suits(job: &Job, factories: &[Host], now: Timestamp) -> Vec<Suits> {
    factories.iter().map(|host| hosts::judge(job, host, now)).collect()
}

/// Never empty; the first leads.
fn causes(truths: &Truths, factories: &[Suits]) -> Vec<Cause> {
    let job = &truths.job;
    match &job.stage {
        Stage::Shipped | Stage::Failed(_) | Stage::DeadLetter(_) => vec![ended::cause(truths)],
        Stage::Queued | Stage::Blocked if !job.admitted => {
            let mut causes = vec![waits::not_admitted(truths)];
            causes.extend(waits::cycle(truths));
            causes
        }
        Stage::Blocked => {
            let mut causes = waits::causes(truths);
            if causes.is_empty() {
                causes.push(waits::about_to_move(truths));
            }
            causes.extend(gates::paused(truths));
            causes
        }
        Stage::Review(None) | Stage::Testing(None) => vec![waits::parked(truths)],
        Stage::Queued => {
            let mut causes = waits::causes(truths);
            causes.extend(gates::causes(truths));
            causes.extend(hosts::cause(truths, factories));
            if causes.is_empty() {
                causes.push(hosts::next_in_line(truths, factories));
            }
            causes
        }
        Stage::Assigned(holder)
        | Stage::Building(holder)
        | Stage::Review(Some(holder))
        | Stage::Testing(Some(holder)) => held::causes(truths, holder),
    }
}

impl Truths {
    /// When one of `kinds` happened last, as the log and the outbox tell.
    fn last(&self, kinds: &[EventType]) -> Option<Timestamp> {
        let logged = self.log.iter().filter(|event| kinds.contains(&event.kind));
        let waiting = self.job.outbox.iter().filter(|entry| kinds.contains(&entry.kind));
        logged.map(|event| event.at).chain(waiting.map(|entry| entry.at)).max()
    }

    /// Who wanted it cancelled: a holder that gave it up only did what it was asked.
    fn canceller(&self) -> Option<&str> {
        let (_, carried_out) = self.actor(EventType::Cancelled)?;
        let asked = || self.actor(EventType::CancelRequested);
        let of_this_turn = |asked: &(Timestamp, &Actor)| asked.0 >= self.queued_at();
        let by = match carried_out.kind {
            ActorKind::User | ActorKind::Token => carried_out,
            ActorKind::Factory | ActorKind::Service => {
                asked().filter(of_this_turn).map_or(carried_out, |(_, actor)| actor)
            }
        };
        Some(&by.id)
    }

    /// When the last event of this kind happened, and who did it.
    fn actor(&self, kind: EventType) -> Option<(Timestamp, &Actor)> {
        let logged = self.log.iter().filter(|event| event.kind == kind);
        let waiting = self.job.outbox.iter().filter(|entry| entry.kind == kind);
        let told = logged.map(|event| (event.at, &event.actor));
        told.chain(waiting.map(|entry| (entry.at, &entry.actor))).max_by_key(|(at, _)| *at)
    }

    fn queued_at(&self) -> Timestamp {
        self.job.queued_at.unwrap_or(self.job.head.created_at)
    }

    /// `moment (how long ago)`.
    fn ago(&self, at: Timestamp) -> String {
        format!("{at} ({} ago)", words::span(self.now.since(at)))
    }

    /// `moment (how long from now)`.
    fn ahead_of_now(&self, at: Timestamp) -> String {
        if at > self.now {
            format!("{at} (in {})", words::span(at.since(self.now)))
        } else {
            format!("{at} (now due)")
        }
    }

    fn command(&self, verb: &str) -> String {
        format!("gigamesh {verb} {}", self.job.id)
    }
}

impl Cause {
    fn new(code: WhyCode, since: Timestamp, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self { code, sentence, since, next_at: None, blockers: Vec::new(), next: Vec::new() }
    }

    fn until(mut self, at: impl Into<Option<Timestamp>>) -> Self {
        self.next_at = at.into();
        self
    }

    fn blocked_by(mut self, blockers: impl IntoIterator<Item = Blocker>) -> Self {
        self.blockers.extend(blockers);
        self
    }

    /// It is its own and only blocker.
    fn blocking(mut self) -> Self {
        let mut blocker = Blocker::new(self.code, self.sentence.clone());
        blocker.until = self.next_at;
        self.blockers.push(blocker);
        self
    }

    fn then(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }
}

impl Blocker {
    fn new(code: WhyCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            job_id: None,
            key: None,
            stage: None,
            lock: None,
            budget: None,
            factory_id: None,
            until: None,
        }
    }

    fn about(mut self, job: &Job) -> Self {
        self.job_id = Some(job.id);
        self.key = Some(job.content.idempotency_key.clone());
        self.stage = Some(job.stage.name());
        self
    }
}

impl WhyCode {
    /// All, in the order in which they lead.
    pub const ALL: [Self; 29] = [
        Self::Shipped,
        Self::Cancelled,
        Self::Failed,
        Self::DeadLetter,
        Self::NotAdmitted,
        Self::DependencyCycle,
        Self::DepFailed,
        Self::DepUnknown,
        Self::DepsUnmet,
        Self::ChildrenOpen,
        Self::ParkedReview,
        Self::ParkedTesting,
        Self::Paused,
        Self::NotBefore,
        Self::RetryBackoff,
        Self::LockHeld,
        Self::BudgetExhausted,
        Self::NoFactory,
        Self::Unroutable,
        Self::TokenScope,
        Self::EngineUnavailable,
        Self::NoSeat,
        Self::DegradedOnly,
        Self::NextInLine,
        Self::Unconfirmed,
        Self::Running,
        Self::Silent,
        Self::Stopping,
        Self::TimeoutNear,
    ];

    #[must_use]
    pub fn word(self) -> String {
        words::word(self)
    }
}
