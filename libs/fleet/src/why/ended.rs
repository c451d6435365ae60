//! Jobs that have ended: how, and what would begin them again.

use super::{Cause, Truths, WhyCode, words};
use crate::stage::{FailureReason, Stage};

pub(super) fn cause(truths: &Truths) -> Cause {
    let job = &truths.job;
    let at = job.finished_at.unwrap_or(job.head.updated_at);
    let when = truths.ago(at);
    let attempts = match job.attempts {
        0 => String::from("before its first attempt"),
        1 => String::from("after 1 attempt"),
        many => format!("after {many} attempts"),
    };
    let redrive = truths.command("redrive");
    let told = match &job.stage {
        Stage::Failed(FailureReason::Cancelled) => {
            let by = truths.canceller().unwrap_or("an operator");
            let sentence =
                format!("Cancelled by {by} at {when} {attempts}; redrive begins it again.");
            Cause::new(WhyCode::Cancelled, at, sentence).then(redrive)
        }
        Stage::Failed(FailureReason::DependencyCycle) => {
            let sentence = match truths.cycle.as_slice() {
                [] => format!("Refused at {when}: its dependencies led back to it."),
                keys => {
                    format!("Refused at {when}: its dependencies led back to it: {}.", way(keys))
                }
            };
            Cause::new(WhyCode::DependencyCycle, at, sentence).then(truths.command("get"))
        }
        Stage::Failed(reason) => {
            let reason = words::plain(reason);
            let sentence = format!(
                "Ended at {when} as failed ({reason}) {attempts}; redrive begins it again."
            );
            let cause = Cause::new(WhyCode::Failed, at, sentence);
            cause.then(truths.command("runs")).then(redrive)
        }
        Stage::DeadLetter(reason) => {
            let reason = words::plain(reason);
            let sentence =
                format!("Given up ({reason}) at {when} {attempts}; redrive begins it again.");
            let cause = Cause::new(WhyCode::DeadLetter, at, sentence);
            cause.then(truths.command("runs")).then(redrive)
        }
        Stage::Shipped
        | Stage::Queued
        | Stage::Blocked
        | Stage::Assigned(_)
        | Stage::Building(_)
        | Stage::Review(_)
        | Stage::Testing(_) => {
            let sentence = format!("Shipped at {when} {attempts}.");
            Cause::new(WhyCode::Shipped, at, sentence).then(truths.command("runs"))
        }
    };
    if job.purged { without_records(told) } else { told }
}

/// Nothing is left that could begin again.
fn without_records(told: Cause) -> Cause {
    let sentence = told.sentence.replace("; redrive begins it again", "");
    Cause {
        sentence: format!("{sentence} Its records were purged since."),
        next: Vec::new(),
        ..told
    }
}

/// `a → b → a`.
pub(super) fn way(keys: &[crate::id::Key]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → ")
}
