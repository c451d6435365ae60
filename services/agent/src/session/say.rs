//! Actions in words, one line each, for logs and transcripts.

use std::fmt;

use crate::hold::Verdict;
use crate::session::Action;

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask { free, offer: None } => write!(out, "ask, {free} free"),
            Self::Ask { free, offer: Some(offer) } => {
                write!(out, "ask, {free} free, offered {}/{}", offer.job_id, offer.epoch_seen)
            }
            Self::Remind(offer) => {
                write!(out, "remind, offered {}/{}", offer.job_id, offer.epoch_seen)
            }
            Self::Keep(grip) => write!(out, "keep {grip}"),
            Self::Enter(grip, stage, None) => write!(out, "enter {stage:?} {grip}"),
            Self::Enter(grip, stage, Some(verify)) => {
                write!(out, "enter {stage:?} {grip}, verify passed: {}", verify.passed)
            }
            Self::Run(grip) => write!(out, "run {grip}"),
            Self::Verify(grip) => write!(out, "verify {grip}"),
            Self::Term(grip) => write!(out, "term {grip}"),
            Self::Kill(grip) => write!(out, "kill {grip}"),
            Self::Report(grip, verdict) => write!(out, "report {grip}: {verdict}"),
            Self::GiveBack(grip) => write!(out, "give back {grip}"),
            Self::Forget(grip) => write!(out, "forget {grip}"),
            Self::Quarantine(grip) => write!(out, "quarantine {grip}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped => out.write_str("shipped"),
            Self::Parked => out.write_str("parked"),
            Self::Yielded(why) => write!(out, "yielded, {why}"),
            Self::Failed { result, exit, .. } => {
                let code = exit.as_ref().and_then(|exit| exit.code);
                write!(out, "{result:?}, exit code {code:?}")
            }
        }
    }
}
