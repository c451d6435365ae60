//! What the log says of each change: one or two numbered entries, made in the same write.

use crate::event::{Data, Entry, EventType, Mention};
use crate::job::evolve::{Change, Event, Leaving, Left, Report, Rest};
use crate::job::{FencedBy, Job};
use crate::stage::StageName;

impl Job {
    pub(crate) fn chronicle(&mut self, event: &Event) {
        for (kind, data) in self.told(&event.change) {
            self.event_seq += 1;
            self.outbox.push(Entry {
                seq: self.event_seq,
                kind,
                at: event.at,
                actor: event.by.clone(),
                epoch: self.lease_epoch,
                data: Box::new(data),
            });
        }
    }

    fn told(&self, change: &Change) -> Vec<(EventType, Data)> {
        match change {
            Change::Admitted { rest } => {
                vec![(EventType::Admitted, Data::default()), rest.told()]
            }
            Change::CycleFound { path } => {
                let cycle = Data {
                    jobs: path.clone(),
                    reason: Some("dependency_cycle".to_owned()),
                    ..Data::default()
                };
                vec![(EventType::Failed, cycle)]
            }
            Change::Superseded { content, old_hash, rest, .. } => {
                let data = Data {
                    old_hash: Some(old_hash.clone()),
                    new_hash: Some(content.content_hash.clone()),
                    generation: Some(self.generation),
                    ..Data::default()
                };
                vec![(EventType::Superseded, data), rest.told()]
            }
            Change::DepsSatisfied { rest } => {
                vec![(EventType::DepSatisfied, Data::default()), rest.told()]
            }
            Change::DepsRegressed { jobs, rest } => {
                told_of(EventType::DepRegressed, jobs).chain(rest.map(Rest::told)).collect()
            }
            Change::DepsFailed { deps, children, rest } => told_of(EventType::DepFailed, deps)
                .chain(told_of(EventType::ChildFailed, children))
                .chain(rest.map(Rest::told))
                .collect(),
            Change::Claimed(_) => {
                let profile = self.profile_claimed();
                vec![(EventType::Claimed, Data { profile, ..self.of_this_run() })]
            }
            Change::Patched(report, to) => self.told_of_report(report, *to),
            Change::Parked(report) => {
                vec![(EventType::Parked, report.told(self.of_this_run()))]
            }
            Change::Left(left) => self.told_of_leaving(left),
            Change::Approved => vec![(EventType::Approved, Data::default())],
            Change::CancelRequested { reason } => {
                vec![(EventType::CancelRequested, because(reason.clone()))]
            }
            Change::ChildrenAdded { children } => {
                told_of(EventType::ChildrenAdded, children).collect()
            }
            Change::Added(mention) => vec![(EventType::ArtifactAdded, about(mention))],
            Change::Deleted(mention, reason) => {
                let data = Data { reason: reason.clone(), ..about(mention) };
                vec![(EventType::ArtifactDeleted, data)]
            }
            Change::Trimmed { .. } => Vec::new(),
            Change::Purged => vec![(EventType::Purged, Data::default())],
        }
    }

    /// Names the run that an entry speaks of, so that the run's record can be mended from it.
    fn of_this_run(&self) -> Data {
        Data {
            attempt: Some(self.attempts),
            claim_nonce: self.claim.run_id,
            factory_id: self.holder().map(|holder| holder.factory.clone()),
            ..Data::default()
        }
    }

    fn told_of_report(&self, report: &Report, to: Option<StageName>) -> Vec<(EventType, Data)> {
        let kind = match to {
            Some(StageName::Building) => EventType::Building,
            Some(StageName::Review) => EventType::Review,
            Some(StageName::Testing) => EventType::Testing,
            Some(
                StageName::Queued
                | StageName::Blocked
                | StageName::Assigned
                | StageName::Shipped
                | StageName::Failed
                | StageName::DeadLetter,
            )
            | None => match report {
                Report { verify: Some(verify), .. } if verify.passed => EventType::Verified,
                Report { checkpoint: Some(_), .. } => EventType::Checkpointed,
                Report { .. } => EventType::Noted,
            },
        };
        vec![(kind, report.told(self.of_this_run()))]
    }

    fn told_of_leaving(&self, left: &Left) -> Vec<(EventType, Data)> {
        let mut data = left.report.told(self.of_this_run());
        data.result = left.result;
        data.reason = left.reason.clone().or_else(|| left.fence.map(|by| by.word().to_owned()));
        let headline = match left.how {
            Leaving::Shipped => EventType::Shipped,
            Leaving::Failed => left.rest.told().0,
            Leaving::Retried => EventType::RetryScheduled,
            Leaving::Yielded => EventType::Yielded,
            Leaving::TakenBack => EventType::LeaseExpired,
            Leaving::BudgetSpent => EventType::DeadLetter,
            Leaving::SentBack => EventType::SentBack,
            Leaving::Requeued => EventType::Requeued,
            Leaving::Redriven => EventType::Redriven,
            Leaving::Cancelled => EventType::Cancelled,
            Leaving::Rejected => EventType::Rejected,
        };
        let rest = left.rest.told();
        let same = rest.0 == headline;
        std::iter::once((headline, data)).chain((!same).then_some(rest)).collect()
    }
}

impl Rest {
    fn told(self) -> (EventType, Data) {
        match self {
            Self::Queued { not_before } => {
                (EventType::Queued, Data { not_before, ..Data::default() })
            }
            Self::Blocked { .. } => (EventType::Blocked, Data::default()),
            Self::Shipped => (EventType::Shipped, Data::default()),
            Self::Failed(_) => (EventType::Failed, Data::default()),
            Self::DeadLetter(_) => (EventType::DeadLetter, Data::default()),
        }
    }
}

impl Report {
    fn told(&self, run: Data) -> Data {
        Data {
            checkpoint: self.checkpoint.clone(),
            verify_result: self.verify.clone(),
            insights: self.insights.clone(),
            exit: self.exit.clone(),
            reason: self.note.clone(),
            ..run
        }
    }
}

impl FencedBy {
    /// The word the record stores.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Reap => "reap",
            Self::Repair => "repair",
            Self::Timeout => "timeout",
            Self::Budget => "budget",
            Self::Cancel => "cancel",
            Self::Requeue => "requeue",
            Self::Ship => "ship",
            Self::Reject => "reject",
            Self::LockLost => "lock_lost",
        }
    }
}

fn told_of(kind: EventType, jobs: &[crate::id::JobId]) -> impl Iterator<Item = (EventType, Data)> {
    let jobs = jobs.to_vec();
    let entry = (!jobs.is_empty()).then(|| (kind, Data { jobs, ..Data::default() }));
    entry.into_iter()
}

fn about(mention: &Mention) -> Data {
    Data { artifact: Some(Box::new(mention.clone())), ..Data::default() }
}

fn because(reason: Option<String>) -> Data {
    Data { reason, ..Data::default() }
}
