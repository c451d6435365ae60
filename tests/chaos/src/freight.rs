//! What was heard of bytes on the bus: uploads that were begun, kept and refused, and every line
//! that was acknowledged. Judges nothing, and says nothing again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use fleet::{ArtifactId, Epoch, JobId};
use protocol::{AppendLog, Custody, Envelope, Header, Linked, Topic, Word as Verb};

use crate::tap::Frame;

#[derive(Clone, Debug, Default)]
pub(crate) struct Freight {
    pub(crate) begun: u64,
    /// Acknowledged: they are there for ever, since nobody removes any.
    pub(crate) kept: BTreeSet<ArtifactId>,
    /// By code.
    pub(crate) refused: BTreeMap<String, u64>,
    /// In the order in which they were acknowledged.
    pub(crate) lines: Vec<Lines>,
    /// By the address that their answers go to.
    asked: BTreeMap<String, Asked>,
}

/// What one word of a running job said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) job: JobId,
    pub(crate) epoch: Epoch,
    /// Bytes of the run's log before it.
    pub(crate) from: u64,
    pub(crate) text: String,
}

#[derive(Clone, Debug)]
enum Asked {
    Begin,
    Keep,
    Append(Lines),
}

impl Freight {
    pub(crate) fn asked(&mut self, topic: &Topic, body: &Bytes, reply: &str) {
        let asked =
            if let Topic::Custody(Custody::Begin) | Topic::Spoken(_, Verb::ArtifactBegin) = topic {
                Asked::Begin
            } else if let Topic::Custody(Custody::Commit | Custody::Keep)
            | Topic::Spoken(_, Verb::ArtifactCommit) = topic
            {
                Asked::Keep
            } else if let Topic::Spoken(_, Verb::Log) = topic {
                let Ok(said) = serde_json::from_slice::<AppendLog>(body) else { return };
                let AppendLog { job_id: job, lease_epoch: epoch, from, text, .. } = said;
                Asked::Append(Lines { job, epoch, from, text })
            } else {
                return;
            };
        self.asked.insert(reply.to_owned(), asked);
    }

    pub(crate) fn answered(&mut self, message: &Frame) {
        let Some(asked) = self.asked.remove(message.subject.as_str()) else { return };
        let is_no = message.headers.get(Header::Code.as_str()).is_some();
        match asked {
            Asked::Begin | Asked::Keep if is_no => {
                let told = serde_json::from_slice::<Envelope>(&message.body);
                let code = told.map_or("UNREADABLE", |envelope| envelope.error.code.as_str());
                *self.refused.entry(code.to_owned()).or_default() += 1;
            }
            Asked::Begin => self.begun += 1,
            Asked::Keep => {
                let linked = serde_json::from_slice::<Linked>(&message.body);
                self.kept.extend(linked.map(|linked| linked.artifact.id));
            }
            Asked::Append(_) if is_no => {}
            Asked::Append(lines) => self.lines.push(lines),
        }
    }
}
