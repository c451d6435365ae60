//! Reads what was left of artifacts and says what must not be so after a sweep. Knows nothing of
//! how it came there.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use fleet::{Artifact, ArtifactId, ArtifactKind, Epoch, JobId};

use super::{Check, Finding};
use crate::freight::{Freight, Lines};
use crate::stock::{Blob, Stock};

/// Everything that must not be, once nobody works any more.
pub(crate) fn check(stock: &Stock, freight: &Freight) -> Vec<Finding> {
    let mut found = Vec::new();
    look_at_pointers(stock, &mut found);
    look_at_bytes(stock, &mut found);
    look_at_logs(stock, &freight.lines, &mut found);
    look_at_uploads(stock, freight, &mut found);
    match &stock.missing {
        None => found.push(finding(Check::Unaudited, None, String::new())),
        Some(missing) => {
            let said = |id: &ArtifactId| (Some(id.job()), format!("{id}, says the audit"));
            let said = missing.iter().map(said);
            found.extend(said.map(|(job, what)| finding(Check::MissingBytes, job, what)));
        }
    }
    found
}

fn look_at_pointers(stock: &Stock, found: &mut Vec<Finding>) {
    for pointer in &stock.pointers {
        let mut add = |check, what| found.push(finding(check, Some(pointer.job_id), what));
        if !pointer.is_ready() {
            add(Check::Undecided, pointer.id.to_string());
            continue;
        }
        match stock.blobs.get(&pointer.blob_key) {
            None => add(Check::MissingBytes, pointer.blob_key.clone()),
            Some(blob) if !tells_of(pointer, blob) => {
                let Blob { size, sha256, .. } = blob;
                add(Check::OtherBytes, format!("{}: {size} bytes, {sha256}", pointer.blob_key));
            }
            Some(_) => {}
        }
    }
}

fn tells_of(pointer: &Artifact, blob: &Blob) -> bool {
    pointer.size_bytes == blob.size && pointer.sha256.as_ref() == Some(&blob.sha256)
}

fn look_at_bytes(stock: &Stock, found: &mut Vec<Finding>) {
    let pointed: BTreeSet<&String> =
        stock.pointers.iter().map(|pointer| &pointer.blob_key).collect();
    let orphans = stock.blobs.keys().filter(|key| !pointed.contains(key));
    found.extend(orphans.map(|key| finding(Check::OrphanBytes, None, key.clone())));
    let pieces = stock.pieces.iter();
    found.extend(pieces.map(|key| finding(Check::OpenLog, None, key.clone())));
}

fn look_at_logs(stock: &Stock, lines: &[Lines], found: &mut Vec<Finding>) {
    let mut logs: BTreeMap<(JobId, Epoch), &Artifact> = BTreeMap::new();
    for (run, pointer) in stock.pointers.iter().filter_map(log_of_a_run) {
        if let Some(other) = logs.insert(run, pointer) {
            let what = format!("{} and {}", other.id, pointer.id);
            found.push(finding(Check::TwoLogs, Some(run.0), what));
        }
    }
    for said in lines {
        let log = logs.get(&(said.job, said.epoch));
        let blob = log.and_then(|pointer| stock.blobs.get(&pointer.blob_key));
        if !blob.is_some_and(|blob| has(blob, said)) {
            let what = format!("epoch {}, at byte {}: {:?}", said.epoch, said.from, said.text);
            found.push(finding(Check::LostLines, Some(said.job), what));
        }
    }
}

fn look_at_uploads(stock: &Stock, freight: &Freight, found: &mut Vec<Finding>) {
    let ready = stock.pointers.iter().filter(|pointer| pointer.is_ready());
    let ready: BTreeSet<ArtifactId> = ready.map(|pointer| pointer.id).collect();
    let lost = freight.kept.difference(&ready);
    found.extend(lost.map(|id| finding(Check::LostUpload, Some(id.job()), id.to_string())));
}

/// What a holder that is none any more brought is kept apart, and is nobody's log.
pub(crate) fn log_of_a_run(pointer: &Artifact) -> Option<((JobId, Epoch), &Artifact)> {
    let is_log = pointer.kind == ArtifactKind::Log && !pointer.is_apart();
    let epoch = pointer.epoch.filter(|_| is_log)?;
    Some(((pointer.job_id, epoch), pointer))
}

fn has(blob: &Blob, said: &Lines) -> bool {
    let from = usize::try_from(said.from).ok();
    let rest = from.and_then(|from| blob.text.get(from..));
    rest.is_some_and(|rest| rest.starts_with(said.text.as_bytes()))
}

fn finding(check: Check, job: Option<JobId>, what: String) -> Finding {
    Finding { check, job, what }
}
