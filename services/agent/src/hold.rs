//! One hold as the session sees it: which job under which epoch, how far it is, and when it must
//! come to an end. Decides nothing.

use std::fmt;
use std::time::Duration;

use fleet::{Epoch, Exit, Insights, JobId, RunResult, VerifyResult};

/// One job under one epoch: a name that no other hold ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grip {
    pub job: JobId,
    pub epoch: Epoch,
}

impl fmt::Display for Grip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.job, self.epoch)
    }
}

/// What a grant means for the session; the rest of it is for the hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub grip: Grip,
    /// When the request that brought it was sent: the term counts from no later moment.
    pub sent: Duration,
    pub ttl: Duration,
    /// So long before the term ends, the work is stopped.
    pub margin: Duration,
    pub timeout: Duration,
    /// Its command's success is to be verified.
    pub verify: bool,
    /// A person accepts it.
    pub manual: bool,
    /// Jobs of one folder run one after the other.
    pub cwd: Option<String>,
}

/// How a command came to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Exited {
        exit: Exit,
        insights: Option<Insights>,
    },
    /// There was nothing that could be run.
    NotStarted {
        result: RunResult,
        why: String,
    },
}

/// What a hold's last report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Shipped,
    /// Left to a person.
    Parked,
    /// Handed back, uncharged.
    Yielded(&'static str),
    Failed {
        result: RunResult,
        exit: Option<Exit>,
        verify: Option<VerifyResult>,
        why: Option<String>,
    },
}

/// Why work is stopped before it ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody else may hold the job: nothing more is said about it.
    Lost,
    Timeout,
    Cancelled,
    Budget,
    Yielded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Granted so late that only a renewal can show that its term has not ended.
    Proving,
    /// Asked to enter `building`.
    Confirming,
    /// Waits for another job in the same folder.
    Ready,
    Working,
    /// Asked to enter `review`.
    Reviewing,
    Verifying,
    /// Asked to enter `testing`.
    Accepting,
    Stopping {
        why: Why,
        kill_at: Option<Duration>,
    },
    /// The last report is on its way.
    Leaving,
}

#[derive(Clone, Debug)]
pub(crate) struct Hold {
    pub(crate) grant: Grant,
    pub(crate) phase: Phase,
    /// Later than this, the lease may be another's.
    pub(crate) good_until: Duration,
    /// When the work must have ended; unknown before it is confirmed.
    pub(crate) ends_by: Option<Duration>,
    /// How the command ended, told once more with the last report.
    pub(crate) exit: Option<Exit>,
}

impl Hold {
    pub(crate) fn new(grant: Grant) -> Self {
        let mut hold = Self {
            good_until: Duration::ZERO,
            phase: Phase::Confirming,
            ends_by: None,
            exit: None,
            grant,
        };
        hold.confirmed(hold.grant.sent);
        hold
    }

    /// A claim may wait for work longer than a term lasts. Nothing runs before a renewal was good,
    /// which is waited for as long as a term; its moment then counts, and it is a later one.
    pub(crate) fn prove(&mut self, now: Duration) {
        self.phase = Phase::Proving;
        self.confirmed(now);
    }

    /// What it means that the term is over: what never ran is nobody's loss.
    pub(crate) fn at_its_end(&self) -> Why {
        if self.phase == Phase::Proving { Why::Yielded } else { Why::Lost }
    }

    /// A renewal that was sent at `sent` was good.
    pub(crate) fn confirmed(&mut self, sent: Duration) {
        let until = (sent + self.grant.ttl).saturating_sub(self.grant.margin);
        self.good_until = self.good_until.max(until);
    }

    /// A process group may be running.
    pub(crate) fn runs(&self) -> bool {
        match self.phase {
            Phase::Working | Phase::Verifying | Phase::Stopping { .. } => true,
            Phase::Proving
            | Phase::Confirming
            | Phase::Ready
            | Phase::Reviewing
            | Phase::Accepting
            | Phase::Leaving => false,
        }
    }

    /// Its folder is in use: work began and has not been given up.
    pub(crate) fn is_under_way(&self) -> bool {
        self.runs() || matches!(self.phase, Phase::Reviewing | Phase::Accepting)
    }

    /// The next moment at which time alone changes something.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self.phase {
            Phase::Stopping { why: Why::Lost, kill_at } => kill_at,
            Phase::Stopping { kill_at, .. } => {
                Some(kill_at.unwrap_or(self.good_until).min(self.good_until))
            }
            Phase::Working | Phase::Verifying => {
                Some(self.ends_by.unwrap_or(self.good_until).min(self.good_until))
            }
            Phase::Proving
            | Phase::Confirming
            | Phase::Ready
            | Phase::Reviewing
            | Phase::Accepting => Some(self.good_until),
            Phase::Leaving => None,
        }
    }
}
