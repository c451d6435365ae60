//! What holds for any bytes that come as a message: a line with its subject, and then its body. The
//! fuzzer and the seeded damage of the test suite both come in here.

use protocol::{
    AddChildren, AppendLog, Beat, BeginArtifact, ClaimWork, CommitArtifact, DeadLetter, Deregister,
    Envelope, Filter, Kick, LinkArtifact, ListArtifacts, ListJobs, LogPiece, OfJob, OfProduct,
    Offer, Operate, OperateFactory, OperateProduct, PatchJob, PlanJob, ReleaseJob, RemoveArtifact,
    RenewLeases, ReportProgress, StopWork, Subject, SubmitJob,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whether the line was a subject, and how many of the messages the body was.
///
/// # Panics
/// What was read is not what is written again.
pub(crate) fn judge(bytes: &[u8]) -> (bool, usize) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, body) = bytes.split_at(end);
    let addressed = str::from_utf8(line).is_ok_and(is_subject);
    let readers: &[fn(&[u8]) -> bool] = &[
        stands::<AddChildren>,
        stands::<AppendLog>,
        stands::<Beat>,
        stands::<BeginArtifact>,
        stands::<ClaimWork>,
        stands::<CommitArtifact>,
        stands::<DeadLetter>,
        stands::<Deregister>,
        stands::<Envelope>,
        stands::<Kick>,
        stands::<LinkArtifact>,
        stands::<ListArtifacts>,
        stands::<ListJobs>,
        stands::<LogPiece>,
        stands::<OfJob>,
        stands::<OfProduct>,
        stands::<Offer>,
        stands::<Operate>,
        stands::<OperateFactory>,
        stands::<OperateProduct>,
        stands::<PatchJob>,
        stands::<PlanJob>,
        stands::<ReleaseJob>,
        stands::<RemoveArtifact>,
        stands::<RenewLeases>,
        stands::<ReportProgress>,
        stands::<StopWork>,
        stands::<SubmitJob>,
    ];
    (addressed, readers.iter().filter(|reads| reads(body)).count())
}

/// One that is written as it was read, and is found by those who listen for it.
fn is_subject(line: &str) -> bool {
    let Ok(subject) = line.parse::<Subject>() else { return false };
    assert_eq!(subject.to_string(), line);
    assert!(!line.contains(['*', '>', ' ']), "{line:?} could be a pattern");
    assert!(Filter::exact(&subject).matches(&subject), "{line:?}");
    assert!(Filter::within(subject.row(), subject.product()).matches(&subject), "{line:?}");
    assert!(Filter::all().matches(&subject), "{line:?}");
    true
}

/// Read, written, read and written again it is the same.
fn stands<M: Serialize + DeserializeOwned>(body: &[u8]) -> bool {
    let Ok(message) = serde_json::from_slice::<M>(body) else { return false };
    let written = serde_json::to_vec(&message).expect("what was read can be written");
    let again: M = serde_json::from_slice(&written).unwrap_or_else(|why| {
        panic!("{} cannot be read again: {why}", String::from_utf8_lossy(&written))
    });
    let twice = serde_json::to_vec(&again).expect("what was read can be written");
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&twice));
    true
}
